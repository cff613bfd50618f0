"""The file that a worker has open: chunks of one file mostly follow one another."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

import vapoursynth as vs

from vsj4r.batch.settings import Settings
from vsj4r.batch.work import Work
from vsj4r.errors import Vsj4rError
from vsj4r.media.colours import with_known_matrix
from vsj4r.media.pixels import chroma_of
from vsj4r.media.sources import Source, open_source
from vsj4r.run.derain import derained_clip

_Opened = tuple[vs.VideoNode, Source]
_last: dict[str, _Opened] = {}


def opened(work: Work) -> _Opened:
    """What the filter is given, and the source of that."""
    name = f"source {work.key}"
    if name not in _last:
        _last.clear()
        settings = work.settings
        source = open_source(work.input, settings.reading(), index=work.folder / "index")
        source = _trimmed(source, settings)
        clip = _with_depth(source.clip, settings.depth)
        _last[name] = (with_known_matrix(clip) if chroma_of(clip) is None else clip), source
    return _last[name]


def derained(work: Work, threads: int) -> _Opened:
    name = f"derained {work.key} {threads}"
    if name not in _last:
        clip, source = opened(work)
        settings = work.settings
        clip = derained_clip(
            clip,
            model=settings.model,
            strength=settings.strength,
            device=settings.device,
            precision=settings.precision,
            threads=threads,
        )
        _last[name] = clip, source
    return _last[name]


def read_with_one_thread(work: Work) -> None:
    """What is opened of ``work`` does not always decode alike: whoever opens it next takes one thread."""
    for _, source in list(_last.values()):
        if source.path == work.input:
            source.use_one_thread()
    _last.clear()


def _with_depth(clip: vs.VideoNode, depth: int | None) -> vs.VideoNode:
    """More bits for what the network adds, where the output has them."""
    kind = clip.format
    if depth is None or kind.sample_type != vs.INTEGER or kind.bits_per_sample >= depth:
        return clip
    deeper = vs.core.query_video_format(
        kind.color_family, vs.INTEGER, depth, kind.subsampling_w, kind.subsampling_h
    )
    return vs.core.resize.Point(clip, format=deeper.id)


def _trimmed(source: Source, settings: Settings) -> Source:
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
