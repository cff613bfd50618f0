"""Where scenes begin: cuts that were given, or found by looking at the frames. No VapourSynth, no engine.

Heavy rain changes every pixel of every frame and fools the usual detectors. It brightens, and not everywhere
at once: what it changes least is the darkest spot of a large block, while a cut changes that most of all; and
rain goes on, while a cut happens once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats
from vsj4r.engine.base import SHOWN

THUMB_SIDE = 12
"""Blocks along the shorter side of a thumbnail. Relative to the frame, as streaks are: at 1/8 of 1080 lines
they would all still be there."""

SPOTS = 4
"""Spots along the side of a block, of which the darkest counts: a drop's width and more at any frame size."""

CUT_CODES = 10.0
ISOLATION = 1.2
"""A cut is an isolated change: mean over the thumbnail, in codes of 8 bit, it is ``CUT_CODES`` more than
``ISOLATION`` times the changes just before and after it. A flash changes twice running; the heaviest rain, a
fast pan or a fade all the time."""

LOOK_FRAMES = 16
"""Frames looked at in one go, so that a seek holds few source frames."""


def thumbnail(luma: NDArray[Any], *, peak: float) -> Floats:
    """(H, W) luma samples, nominal maximum ``peak``, as the darkest spot of each block: its mean, in
    codes of 8 bit. What is left at the right and at the bottom is not looked at. NaN and infinities count
    as 0."""
    side = max(1, min(luma.shape) // THUMB_SIDE)
    spots = min(SPOTS, side)
    spot = side // spots
    rows, columns = (length // (spot * spots) for length in luma.shape)
    exact = luma.dtype.kind == "u"
    part = luma[: rows * spots * spot, : columns * spots * spot]
    if not exact:
        part = np.nan_to_num(part.astype(np.float32, copy=False), nan=0, posinf=0, neginf=0)
        part = part.clip(SHOWN[0] * peak, SHOWN[1] * peak)
    of_block: np.dtype[Any] = np.dtype(np.float32)
    if exact:
        of_block = np.dtype(np.uint32 if spot * spot * peak < 1 << 32 else np.uint64)
    of_line: np.dtype[Any] = np.dtype(np.uint16) if exact and spot * peak < 1 << 16 else of_block
    lines = part.reshape(rows * spots, spot, -1).sum(axis=1, dtype=of_line)
    sums = lines.reshape(rows, spots, columns, spots, spot).sum(axis=4, dtype=of_block)
    level = np.float32(255 / (peak * spot * spot))
    found: Floats = np.multiply(sums.min(axis=(1, 3)), level, dtype=np.float32)
    return found


def read_cut_mark(mark: int) -> bool | None:
    """What a frame's ``_SceneChangePrev`` says: a cut or not; None where it says nothing, which is -1."""
    return None if mark < 0 else mark > 0


class Cuts:
    """The first frame of each scene but the first, all of them known: those that were given, or none."""

    def __init__(self, given: Iterable[int] = ()) -> None:
        self._cuts = sorted({n for n in given if n > 0})

    def last(self, n: int, *, since: int) -> int:
        """The last cut in ``since + 1 .. n``, or ``since``."""
        before = bisect_right(self._cuts, n)
        return max(since, self._cuts[before - 1]) if before else since

    def next(self, n: int, *, until: int) -> int:
        """The first cut in ``n + 1 .. until``, or ``until + 1``."""
        after = bisect_right(self._cuts, n)
        return min(until + 1, self._cuts[after]) if after < len(self._cuts) else until + 1

    def find(self, first: int, last: int) -> tuple[int, int] | None:
        """Find the cuts in ``first .. last``. Gives the frames that ``look`` must be shown, in order, before
        all of them can be; None: they are known."""
        return None


class FoundCuts(Cuts):
    """Cuts found by looking at each frame once. Whether n is one follows from frames n - 2 to n + 1 alone, so
    it never matters in which order they were looked at. ``length`` in frames."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._length = length
        self._change = np.zeros(length, np.float32)  # from the frame before, codes of 8 bit
        self._looked = np.zeros(length, np.bool_)  # whether that is known
        self._looked[:1] = True
        self._told = np.zeros(length, np.int8)  # by its own mark: 1 no cut, 2 a cut, 0 without one
        self._checked: dict[int, int] = {}  # by `first`: all cuts before this frame are known
        self._held: tuple[int, Floats] | None = None  # the last thumbnail

    def look(self, n: int, thumb: Floats, *, told: bool | None) -> None:
        """Frame ``n`` as a thumbnail; ``told`` is what its own mark says (cut or not), None without one."""
        if self._held is not None and self._held[0] == n - 1:
            self._change[n] = np.abs(thumb - self._held[1]).mean()
            self._looked[n] = True
        if told is not None:
            self._told[n] = 1 + told
        self._held = n, thumb

    def find(self, first: int, last: int) -> tuple[int, int] | None:
        n = self._checked.get(first, first)
        while n <= last and (cut := self._is_cut(n)) is not None:
            at = bisect_right(self._cuts, n)
            if cut and not (at and self._cuts[at - 1] == n):
                self._cuts.insert(at, n)
            n += 1
        self._checked[first] = n
        if n > last:
            return None
        wanted = next(i for i in (n, n - 1, n + 1) if not self._looked[i])
        begin = wanted if self._held is not None and self._held[0] == wanted - 1 else wanted - 1
        return begin, min(max(wanted, last), begin + LOOK_FRAMES - 1)

    def _is_cut(self, n: int) -> bool | None:
        """None while it is not known. The frames around are asked for only where there is a change at all."""
        if self._told[n]:
            return bool(self._told[n] == 2)
        if not self._looked[n]:
            return None
        change = self._change[n]
        if change < CUT_CODES:
            return False
        around = [i for i in (n - 1, n + 1) if i < self._length]
        if not all(self._looked[i] for i in around):
            return None
        return bool(change >= CUT_CODES + ISOLATION * max(self._change[i] for i in around))
