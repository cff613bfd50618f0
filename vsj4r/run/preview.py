"""Where it rains most, found without the network: a look before a long run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import vapoursynth as vs

from vsj4r.media.image_sink import alpha_array
from vsj4r.media.images import frame_array, write_png
from vsj4r.media.part import part_of
from vsj4r.media.pixels import clip_to_rgb
from vsj4r.media.rotation import turn_output_upright
from vsj4r.media.sources import Source
from vsj4r.media.tags import sample_aspect
from vsj4r.media.trim import Trim
from vsj4r.media.whole import whole_file
from vsj4r.run.filtering import Filtering

SECONDS = 5
_LOOKS = 24
"""Frames that are looked at, evenly spread; each is decoded with both its neighbours."""


def find_busiest(source: Source, trim: Trim, *, one: bool) -> Trim:
    """The ``SECONDS`` around the frame of ``source``, within ``trim``, where it rains most; that frame alone
    with ``one``.

    Raises:
        Vsj4rError: a frame cannot be read, or the trim leaves none.
    """
    part = part_of(source, trim)
    frames = range(len(source.clip)) if part.part is None else part.part
    busiest = _find_busiest_frame(source.clip, frames)
    if one:
        return busiest, busiest + 1
    stamps = source.timestamps
    length = round(SECONDS / source.time_base)
    begin = max(stamps[frames[0]], min(stamps[busiest] - length // 2, stamps[frames[-1]] - length + 1))
    near = [n for n in frames if begin <= stamps[n] < begin + length]
    return near[0], near[-1] + 1


def write_before_and_after(
    filtering: Filtering, derained: vs.VideoNode, output: Path, *, replaces: bool
) -> None:
    """The first frame before and after the filter, side by side and as it is shown, as the PNG ``output``,
    with the alpha that it has. ``replaces``: see ``whole_file``.

    Raises:
        Vsj4rError: it cannot be read, derained or written.
    """
    source = filtering.part
    halves = []
    for clip in (filtering.before, derained):
        shown = turn_output_upright(clip_to_rgb(clip), source=source.clip, has_alpha=source.has_alpha)
        with shown.get_frame(0) as frame:
            image, alpha, aspect = frame_array(frame), alpha_array(frame), sample_aspect(frame)
            colours = source.colours(0, frame.props)
            halves.append(image if alpha is None else np.dstack([image, alpha]))
    with whole_file(output, replaces=replaces) as temporary:
        write_png(np.hstack(halves), temporary, colours, aspect=aspect)


def _find_busiest_frame(clip: vs.VideoNode, frames: range) -> int:
    """The frame among ``_LOOKS`` of ``frames`` that is brightened most by what neither neighbour has."""
    if len(clip) == 1:
        return frames[0]
    plane = 1 if clip.format.color_family == vs.RGB else 0
    luma = vs.core.std.ShufflePlanes(clip, planes=plane, colorfamily=vs.GRAY)
    before, after = luma[:1] + luma[:-1], luma[1:] + luma[-1:]
    fleeting = vs.core.std.Expr([luma, before, after], "x y z max - 0 max").std.PlaneStats()
    step = max(1, len(frames) // _LOOKS)
    rain = {}
    for n in frames[step // 2 :: step]:
        with fleeting.get_frame(n) as frame:
            rain[n] = float(frame.props["PlaneStatsAverage"])
    return max(rain, key=lambda n: rain[n])
