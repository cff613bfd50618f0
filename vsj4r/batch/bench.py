"""What a worker keeps from one task to the next: chunks of one file mostly follow one another."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import NamedTuple

import vapoursynth as vs

from vsj4r.batch.settings import Settings
from vsj4r.batch.work import Work
from vsj4r.engine import EngineCache
from vsj4r.errors import Vsj4rError
from vsj4r.media.colours import with_known_matrix
from vsj4r.media.pixels import chroma_of
from vsj4r.media.sources import Source, open_source
from vsj4r.run.derain import derained_clip


class OpenFile(NamedTuple):
    """``clip``: what the filter is given, or gives; ``source``: where that comes from."""

    clip: vs.VideoNode
    source: Source


class Bench:
    """The file that is open, the clip that derains it, and the engine that was compiled last.

    One task at a time works here. Its owner closes it.
    """

    def __init__(self) -> None:
        self._engines = EngineCache()
        self._key: str | None = None  # of the work whose file is open
        self._files: dict[int | None, OpenFile] = {}  # by threads of the engine; None: as it comes

    def open(self, work: Work) -> OpenFile:
        """The file of ``work`` before the filter.

        Raises:
            Vsj4rError: it cannot be read, or the trim leaves nothing of it.
        """
        if self._key != work.key:
            self._files.clear()
            self._key = work.key
        if None not in self._files:
            settings = work.settings
            source = open_source(work.input, settings.reading(), index=work.folder / "index")
            source = _trim(source, settings)
            clip = _deepen(source.clip, settings.depth)
            clip = with_known_matrix(clip) if chroma_of(clip) is None else clip
            self._files[None] = OpenFile(clip, source)
        return self._files[None]

    def derain(self, work: Work, threads: int) -> OpenFile:
        """The file of ``work`` after the filter, which has ``threads`` (0: its own choice).

        Raises:
            Vsj4rError: as ``open``, or the filter refuses.
        """
        clip, source = self.open(work)
        if threads not in self._files:
            settings = work.settings
            with self._engines.lending():
                derained = derained_clip(
                    clip,
                    model=settings.model,
                    strength=settings.strength,
                    device=settings.device,
                    precision=settings.precision,
                    threads=threads,
                )
            self._files[threads] = OpenFile(derained, source)
        return self._files[threads]

    def read_with_one_thread(self, work: Work) -> None:
        """The file of ``work`` does not always decode alike: whoever opens it next takes one thread."""
        if self._key == work.key and None in self._files:
            self._files[None].source.use_one_thread()
        self._files.clear()

    def close(self) -> None:
        self._files.clear()
        self._key = None
        self._engines.close()


def _deepen(clip: vs.VideoNode, depth: int | None) -> vs.VideoNode:
    """More bits for what the network adds, where the output has them."""
    kind = clip.format
    if depth is None or kind.sample_type != vs.INTEGER or kind.bits_per_sample >= depth:
        return clip
    deeper = vs.core.query_video_format(
        kind.color_family, vs.INTEGER, depth, kind.subsampling_w, kind.subsampling_h
    )
    return vs.core.resize.Point(clip, format=deeper.id)


def _trim(source: Source, settings: Settings) -> Source:
    first, end = (_frame_at(source, moment) for moment in settings.trim)
    first, end = first or 0, len(source.clip) if end is None else min(end, len(source.clip))
    if (first, end) == (0, len(source.clip)):
        return source
    if first >= end:
        raise Vsj4rError(f"{source.path} has {len(source.clip)} frames: the trim leaves nothing of it")
    images = source.images and replace(source.images, names=source.images.names[first:end])
    return replace(
        source, clip=source.clip[first:end], timestamps=source.timestamps[first:end], images=images
    )


def _frame_at(source: Source, moment: float | None) -> int | None:
    """Seconds count from the first frame."""
    if moment is None or isinstance(moment, int):
        return moment
    return bisect_left(source.timestamps, source.timestamps[0] + moment / float(source.time_base) - 1e-6)
