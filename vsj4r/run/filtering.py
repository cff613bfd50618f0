"""The filter on a whole source, as settings ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsj4r.errors import Vsj4rError
from vsj4r.frames import SEGMENT_FRAMES
from vsj4r.frames.scenes import Cuts
from vsj4r.media.colours import with_known_matrix
from vsj4r.media.frame_errors import first_line
from vsj4r.media.masks import open_mask
from vsj4r.media.part import missing_of_trim, part_of
from vsj4r.media.pipes import with_cuts
from vsj4r.media.pixels import chroma_of
from vsj4r.media.rotation import turn_upright
from vsj4r.media.sources import Source
from vsj4r.plugin.cut_files import read_cuts
from vsj4r.plugin.function import OutputName, derain
from vsj4r.run.settings import Curve, RunSettings

FRAMES_IN_FLIGHT = 2
"""On a CUDA device: whoever encodes reads in order, so that the next frame may always be begun."""


class Filtering:
    """``source`` with ``settings``: before the filter and after it, as far as the trim goes.

    The filter itself has all of the source, so that a part is what the whole would give. ``part`` is the
    source as far as it is written; ``before`` its clip as the filter has it; ``whole`` that of all frames.
    ``depth``: bits that it has at least; ``into_rgb``: it is to become images.
    """

    def __init__(
        self, source: Source, settings: RunSettings, *, depth: int | None = None, into_rgb: bool = False
    ) -> None:
        self.source, self.part = source, part_of(source, settings.trim)
        self.whole = _deepen(source.clip, depth)
        if into_rgb or chroma_of(self.whole) is None:
            self.whole = with_known_matrix(self.whole)  # before, for it reads a frame
        self._settings = settings

    @property
    def notes(self) -> list[str]:
        """A line for what the settings ask for, and the source has not."""
        return missing_of_trim(self.source, self._settings.trim)

    @property
    def before(self) -> vs.VideoNode:
        return self.whole if self.part.pipe else self._trim(self.whole)

    @property
    def frames(self) -> int | None:
        """How many are written; None where a pipe does not say it."""
        count = len(self.part.timestamps)
        if self.part.pipe is None:
            return count
        known = self.part.pipe.head.frames
        return None if known is None else max(0, min(known - self.first, count))

    @property
    def run_in(self) -> int:
        """How many frames of ``after`` come before those that are written: a pipe cannot be read again from
        where the memory of the first one begins, so it is read on from there."""
        return self.first % SEGMENT_FRAMES if self.part.pipe else 0

    @property
    def first(self) -> int:
        """The number of the first frame in the whole source."""
        return 0 if self.part.part is None else self.part.part.start

    def given_cuts(self) -> Cuts | None:
        """The cuts that the settings name; None where they are to be found.

        Raises:
            Vsj4rError: the file of cuts cannot be read.
        """
        scenes, qpfile = self._settings.scenes, self._settings.qpfile
        given = read_cuts(qpfile) if qpfile is not None else scenes
        return None if given is None else Cuts(given)

    def after(self, *, threads: int = 0) -> list[vs.VideoNode]:
        """The outputs that the settings ask for, of one evaluation; ``threads`` of the engine, 0 is its own
        choice.

        Raises:
            Vsj4rError: the filter refuses, or the mask cannot be read.
        """
        settings = self._settings
        clip, strength = self.whole, settings.strength
        scenes, qpfile = settings.scenes, settings.qpfile
        if self.source.pipe and settings.bidirectional:
            self.source.pipe.keep_both_ways()
            if (cuts := self.given_cuts()) is not None:  # its end is a cut, too, and nobody knows it before
                clip, scenes, qpfile = with_cuts(clip, cuts), None, None
        options: dict[str, Any] = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in (
                ("planes", settings.planes),
                ("scenes", scenes),
                ("qpfile", qpfile),
                ("mask", None if settings.mask is None else open_mask(Path(settings.mask))),
            )
            if value is not None
        }
        if isinstance(strength, tuple):
            clip, strength = with_strengths(clip, strength), 1.0
        derained = derain_clips(
            clip,
            settings.outputs,
            model=settings.model,
            strength=strength,
            device=settings.device,
            precision=settings.precision,
            downscale=settings.downscale,
            bidirectional=settings.bidirectional,
            threads=threads,
            **options,
        )
        return [self._trim(each) for each in derained]

    def _trim(self, clip: vs.VideoNode) -> vs.VideoNode:
        part = self.part.part
        return clip if part is None else clip[part.start - self.run_in : part.stop]


def derain_clips(clip: vs.VideoNode, outputs: Sequence[OutputName], **arguments: Any) -> list[vs.VideoNode]:
    """The ``outputs`` of ``core.j4r.Derain``, for footage that a player turns too; its errors are ours."""
    shown, lie_back = turn_upright(clip)
    try:
        derained = derain(shown, num_streams=FRAMES_IN_FLIGHT, output=list(outputs), **arguments)
    except vs.Error as error:
        raise Vsj4rError(first_line(error)) from error
    return [lie_back(each) for each in derained]


def with_strengths(clip: vs.VideoNode, curve: Curve) -> vs.VideoNode:
    """``clip``, each frame marked with the strength that ``curve`` has for it."""
    ends = [*(frame for frame, _ in curve[1:]), len(clip)]
    shots = [
        clip[first:end].std.SetFrameProps(J4RStrength=strength)
        for (first, strength), end in zip(curve, ends, strict=True)
        if first < min(end, len(clip))
    ]
    return vs.core.std.Splice(shots) if len(shots) > 1 else shots[0]


def _deepen(clip: vs.VideoNode, depth: int | None) -> vs.VideoNode:
    """More bits for what the network adds, where the output has them."""
    kind = clip.format
    if depth is None or kind.sample_type != vs.INTEGER or kind.bits_per_sample >= depth:
        return clip
    deeper = vs.core.query_video_format(
        kind.color_family, vs.INTEGER, depth, kind.subsampling_w, kind.subsampling_h
    )
    return vs.core.resize.Point(clip, format=deeper.id)
