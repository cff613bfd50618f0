"""The filter on a whole source, as settings ask for it."""

from __future__ import annotations

import vapoursynth as vs

from vsj4r.errors import Vsj4rError
from vsj4r.frames import SEGMENT_FRAMES
from vsj4r.media.colours import with_known_matrix
from vsj4r.media.part import part_of
from vsj4r.media.pixels import chroma_of
from vsj4r.media.rotation import done_upright
from vsj4r.media.sources import Source, first_line
from vsj4r.run.settings import RunSettings

FRAMES_IN_FLIGHT = 2
"""On a CUDA device: whoever encodes reads in order, so that the next frame may always be begun."""


class Filtering:
    """``source`` with ``settings``: before the filter and after it, as far as the trim goes.

    The filter itself has all of the source, so that a part is what the whole would give. ``part`` is the
    source as far as it is written; ``before`` its clip as the filter has it; ``whole`` that of all frames.
    """

    def __init__(self, source: Source, settings: RunSettings, *, into_rgb: bool = False) -> None:
        self.part = part_of(source, settings.trim)
        self.whole = _deepen(source.clip, settings.depth)
        if into_rgb or chroma_of(self.whole) is None:
            self.whole = with_known_matrix(self.whole)  # before, for it reads a frame
        self._settings = settings

    @property
    def before(self) -> vs.VideoNode:
        return self.whole if self.part.pipe else self._trimmed(self.whole)

    @property
    def run_in(self) -> int:
        """How many frames of ``after`` come before those that are written: a pipe cannot be read again from
        where the memory of the first one begins, so it is read on from there."""
        return self.first % SEGMENT_FRAMES if self.part.pipe else 0

    @property
    def first(self) -> int:
        """The number of the first frame in the whole source."""
        return 0 if self.part.part is None else self.part.part.start

    def after(self, *, threads: int = 0) -> vs.VideoNode:
        """Derained; ``threads`` of the engine, 0 is its own choice.

        Raises:
            Vsj4rError: the filter refuses.
        """
        settings = self._settings
        derained = derained_clip(
            self.whole,
            model=settings.model,
            strength=settings.strength,
            device=settings.device,
            precision=settings.precision,
            threads=threads,
        )
        return self._trimmed(derained)

    def _trimmed(self, clip: vs.VideoNode) -> vs.VideoNode:
        part = self.part.part
        return clip if part is None else clip[part.start - self.run_in : part.stop]


def derained_clip(
    clip: vs.VideoNode,
    *,
    model: str,
    strength: float,
    device: str,
    precision: str = "auto",
    threads: int = 0,
) -> vs.VideoNode:
    """``core.j4r.Derain``, for footage that a player turns too, with its errors as ours."""
    if not hasattr(vs.core, "j4r"):
        raise Vsj4rError("the filter core.j4r is not installed: reinstall vsj4r with pip")
    options = {"model": model, "strength": strength, "device": device, "num_streams": FRAMES_IN_FLIGHT}
    try:
        return done_upright(
            clip,
            lambda shown: vs.core.j4r.Derain(shown, **options, precision=precision, threads=threads),
        )
    except vs.Error as error:
        raise Vsj4rError(first_line(error)) from error


def _deepen(clip: vs.VideoNode, depth: int | None) -> vs.VideoNode:
    """More bits for what the network adds, where the output has them."""
    kind = clip.format
    if depth is None or kind.sample_type != vs.INTEGER or kind.bits_per_sample >= depth:
        return clip
    deeper = vs.core.query_video_format(
        kind.color_family, vs.INTEGER, depth, kind.subsampling_w, kind.subsampling_h
    )
    return vs.core.resize.Point(clip, format=deeper.id)
