"""A mask that a person has drawn or rendered: an image, a folder of them or a video, as a GRAY clip."""

from __future__ import annotations

from pathlib import Path

import vapoursynth as vs

from vsj4r.media.files import open_source
from vsj4r.media.rotation import turn_output_upright
from vsj4r.media.sources import Reading


def open_mask(path: Path) -> vs.VideoNode:
    """GRAY of the depth of ``path``, upright, with its ``_Range``: of RGB the luma, in full range.

    Raises:
        Vsj4rError: it cannot be read.
    """
    source = open_source(path, Reading(assume_progressive=True))
    clip = turn_output_upright(source.clip, source=source.clip)
    kind = clip.format
    if kind.color_family == vs.RGB:
        grey = vs.core.query_video_format(vs.GRAY, kind.sample_type, kind.bits_per_sample, 0, 0)
        return clip.resize.Bicubic(format=grey.id, matrix_s="709", range_s="full")
    with clip.get_frame(0) as first:
        range_ = int(first.props.get("_Range", vs.RANGE_LIMITED))  # of a video that does not say it
    luma = clip if kind.color_family == vs.GRAY else vs.core.std.ShufflePlanes(clip, 0, vs.GRAY)
    return luma.std.SetFrameProps(_Range=range_)
