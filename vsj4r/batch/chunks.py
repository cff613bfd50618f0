"""Where a file is cut: at anchors of the filter, so that no frame is derained twice for the sake of a cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import vapoursynth as vs

from vsj4r.frames import SEGMENT_FRAMES
from vsj4r.frames.formats import Format
from vsj4r.frames.scenes import Cuts, FoundCuts, read_cut_mark, thumbnail

LOOK_BACK_FRAMES = 48
"""How far before the end of a chunk a scene cut is looked for."""


def chunk_starts(
    frames: int, chunk: int, last_cut: Callable[[int, int], int | None], *, first: int = 0
) -> list[int]:
    """Where the chunks of ``frames`` frames begin, counted from ``first``, the number of the first one in its
    clip; none is longer than ``chunk`` (a multiple of the segment).

    A chunk ends at the last scene cut near its longest end: there the encoder wants a key frame anyway.
    ``last_cut(first, last)`` gives the last one in ``first .. last`` of the clip. Without one it ends at the
    last multiple of the segment in the clip.
    """
    starts, stop = [first], first + frames
    while (end := (starts[-1] + chunk) // SEGMENT_FRAMES * SEGMENT_FRAMES) < stop:
        cut = last_cut(max(starts[-1] + 1, end - LOOK_BACK_FRAMES), end)
        starts.append(end if cut is None else cut)
    return [start - first for start in starts]


def written_starts(starts: Sequence[int], counts: Sequence[int]) -> list[int]:
    """``starts`` less those of chunks of which nothing is written: each frame is as often as ``counts`` says,
    and a file needs one."""
    kept = [0]
    for start in starts[1:]:
        if any(counts[kept[-1] : start]):
            kept.append(start)
    if len(kept) > 1 and not any(counts[kept[-1] :]):
        kept.pop()
    return kept


def cut_finder(clip: vs.VideoNode, given: Cuts | None = None) -> Callable[[int, int], int | None]:
    """``last_cut`` of ``clip``, which stands upright as the filter sees it: of the cuts that are ``given``,
    or else by the filter's own measure; it decodes only the frames it is asked about."""
    found = FoundCuts(len(clip))
    kind = clip.format
    is_float = kind.sample_type == vs.FLOAT
    peak = Format("gray", "float" if is_float else "integer", kind.bits_per_sample).peak
    plane = 1 if kind.color_family == vs.RGB else 0

    def look(first: int, last: int) -> None:
        while (missing := found.find(first, last)) is not None:
            for n in range(missing[0], missing[1] + 1):
                with clip.get_frame(n) as frame:
                    told = read_cut_mark(int(frame.props.get("_SceneChangePrev", -1)))
                    found.look(n, thumbnail(np.asarray(frame[plane]), peak=peak), told=told)

    def last_cut(first: int, last: int) -> int | None:
        if given is None:
            look(first, last)
        cut = (given or found).last(last, since=first - 1)
        return cut if cut >= first else None

    return last_cut
