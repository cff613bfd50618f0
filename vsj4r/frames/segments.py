"""Which frames are fed, in which order and into which state, so that output n is a function of (clip, n).

``Segments`` is arithmetic on frame numbers and cuts: where the state of a frame begins.
``Schedule`` remembers which live states stand where and answers "what is to be fed now". Neither
knows of planes, engines or VapourSynth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from vsj4r.engine.base import BLOCK_FRAMES
from vsj4r.frames.scenes import Cuts

RUN_FRAMES = 16
"""Steps taken at once. A longer run is cut, so that a seek far into a segment holds few source frames."""

LIVE_STATES = 2
"""States kept: one for sequential reading, one for a seek meanwhile."""


@dataclass(frozen=True, slots=True)
class Segments:
    """Where state begins and which neighbour a frame sees.

    Every multiple of ``segment`` (0: only frame 0) and every cut is an anchor. The state of a periodic anchor
    starts ``warmup`` frames before it, or at a cut in between; the outputs of that run-in are thrown away.
    A cut needs no run-in: nothing crosses it, the look-ahead neither. So only the cuts after the first frame
    of a run-in and up to frame ``n + lookahead`` matter to frame n: ``missing`` tells which frames must be
    looked at to know them, and only then are the other methods right.

    ``bidirectional``: a second state goes backwards, through one block of ``BLOCK_FRAMES`` at a time, and
    begins ``warmup`` frames after it, or at the end of the scene. Then the cuts up to there matter, too, and
    whether the periodic anchor is one.
    """

    length: int
    segment: int
    warmup: int
    lookahead: int
    cuts: Cuts = field(default_factory=Cuts)
    bidirectional: bool = False

    def missing(self, n: int) -> tuple[int, int] | None:
        """First and last frame to look at now, on the way to knowing the cuts that matter to frame ``n``."""
        first, last = self._run_in(n) + 1, n + self.lookahead
        if self.bidirectional:
            first = min(first, max(self._period(n), 1))
            last = max(last, self._block_stop(n) - 1 + self.warmup)
        return self.cuts.find(first, min(last, self.length - 1))

    def anchor(self, n: int) -> int:
        """First frame whose output comes from the state that frame ``n`` comes from."""
        return max(self._period(n), self.start(n))

    def start(self, n: int) -> int:
        """The frame that a fresh state meets first on its way to frame ``n``."""
        return self.cuts.last(n, since=self._run_in(n))

    def neighbour(self, n: int) -> int:
        """The frame read as ``o_next`` with frame ``n``: ``n`` itself at the end of a scene."""
        after = min(n + self.lookahead, self.length - 1)
        return n if self.cuts.last(after, since=n) > n else after

    def block(self, n: int) -> FrameBlock:
        """The block of frame ``n``, as far as its scene goes; they are counted from the periodic anchors."""
        stop = self._block_stop(n)
        end = self.cuts.next(n, until=min(stop - 1 + self.warmup, self.length - 1)) - 1
        return FrameBlock(max(self._block_first(n), self.anchor(n)), min(stop - 1, end), end)

    def neighbour_back(self, n: int) -> int:
        """The frame read as ``o_next`` with frame ``n`` on the way back: ``n`` at the start of a scene."""
        before = max(n - self.lookahead, 0)
        return n if self.cuts.last(n, since=before) > before else before

    def beyond(self, n: int, ahead: int) -> int:
        """The last of the ``ahead`` frames after ``n`` before the next periodic anchor; ``n`` without any."""
        return min(n + ahead, self._stop(n) - 1)

    def _block_first(self, n: int) -> int:
        """The first frame of the block of ``n``, whatever the cuts."""
        return n - (n - self._period(n)) % BLOCK_FRAMES

    def _block_stop(self, n: int) -> int:
        """One more than its last frame, whatever the cuts."""
        return min(self._block_first(n) + BLOCK_FRAMES, self._stop(n))

    def _stop(self, n: int) -> int:
        """The next periodic anchor, or the end of the clip."""
        return min(self._period(n) + self.segment, self.length) if self.segment else self.length

    def _period(self, n: int) -> int:
        return n - n % self.segment if self.segment else 0

    def _run_in(self, n: int) -> int:
        return max(0, self._period(n) - self.warmup)


class FrameBlock(NamedTuple):
    """Frames ``first`` .. ``last``, through which the way back goes from frame ``begin``."""

    first: int
    last: int
    begin: int


class Run(NamedTuple):
    """Frames ``first`` .. ``stop`` are to be stepped towards ``target``, reading ``first`` .. ``last``.

    Outputs from ``keep`` on are good; earlier ones are warm-up. ``ahead``: how many frames after each may be
    begun before that one is finished. ``backward``: frames are stepped from ``first`` down to ``stop``, and
    none of their outputs is good.
    """

    target: int
    first: int
    keep: int
    stop: int
    last: int
    ahead: int = 0
    backward: bool = False

    @property
    def frames(self) -> range:
        """Those that are stepped, in their order."""
        return range(self.first, self.stop - 1, -1) if self.backward else range(self.first, self.stop + 1)

    def piece(self) -> Run:
        """Its first ``RUN_FRAMES``."""
        return self._replace(stop=self.frames[:RUN_FRAMES][-1])


@dataclass(slots=True)
class _Live:
    """A state that has been fed up to frame ``cursor`` on its way through the segment at ``anchor``.

    Both ways: it has gone backwards through the frames up to ``ready``; or it is on its way back, at frame
    ``back``, towards the block after ``cursor`` or in it, otherwise -1.
    """

    slot: int
    anchor: int = -1
    cursor: int = -1
    ready: int = -1
    back: int = -1

    @property
    def progress(self) -> tuple[int, int, float]:
        """Greater, the further it has come."""
        on_the_way_back = -self.back if self.back >= 0 else -math.inf
        return self.cursor, max(self.ready, self.cursor), on_the_way_back


class Schedule:
    """The live states of one filter and the requests under way. One caller at a time.

    A run of up to ``RUN_FRAMES`` is done at once. A longer one goes in pieces, and so does one both ways that
    meets a new block. Between pieces other requests come in, so the state must not be taken from it: such
    requests queue, everyone who waits works for the oldest, and that one's state is not taken. Hence each
    request ends.

    ``ahead``: frames that an engine may begin before an earlier one is finished. Runs read that much further,
    as far as the same state goes.

    Both ways, a block is gone through backwards before an output of it is stepped; blocks on the way there,
    of which nobody wants an output, only forwards.
    """

    def __init__(self, segments: Segments, ahead: int = 0) -> None:
        self.segments, self._ahead = segments, ahead
        self._lives = [_Live(slot) for slot in range(LIVE_STATES)]  # least recently used first
        self._long: dict[int, None] = {}  # targets in order of arrival

    def missing(self, n: int) -> tuple[int, int] | None:
        """``Segments.missing`` for ``n`` and what may be begun after it."""
        return self.segments.missing(self.segments.beyond(n, self._ahead))

    def reads(self, n: int) -> Run:
        """What to feed now so that output ``n`` comes nearer; it is there after a run that ``keep``s it."""
        run = self._run(n)
        if not (run.keep <= n == run.stop and len(run.frames) <= RUN_FRAMES):
            self._long.setdefault(n)
            run = self._run(next(iter(self._long))).piece()
        return run._replace(last=self._last(run))

    def begins(self, i: int, target: int) -> range:
        """Frame ``i``, which counts on the way to ``target``, and what may be begun before it is finished."""
        return range(i, self._reach(i, target) + 1)

    def claim(self, i: int, target: int, *, backward: bool = False) -> tuple[int, bool]:
        """The slot whose state is to be stepped with frame ``i``, and whether it must be reset first."""
        run, live = self._run(target), self._nearest(target)
        if (run.first, run.backward) != (i, backward):
            raise ValueError(f"no state stands before frame {i} on the way to {target}")
        fresh = live is None
        if live is None:
            live = self._least_used(but=self._oldest_long(besides=target))
            live.anchor = -1
        self._lives.remove(live)
        self._lives.append(live)
        return live.slot, fresh

    def advance(self, slot: int, i: int, target: int, *, backward: bool = False) -> None:
        """The state in ``slot`` has been fed frame ``i``."""
        live, anchor = self._live(slot), self.segments.anchor(target)
        if live.anchor < 0:
            live.anchor, live.cursor, live.ready = anchor, self.segments.start(target) - 1, -1
        live.back = -1
        if not backward:
            live.cursor = i
            if i >= anchor and (i <= live.ready or not self.segments.bidirectional):
                self._long.pop(i, None)
        elif i == live.cursor + 1:
            live.ready = self.segments.block(i).last
        else:
            live.back = i

    def lose(self, slot: int) -> None:
        """The state in ``slot`` is not to be trusted any more."""
        self._live(slot).anchor = -1

    def forget(self, n: int) -> None:
        """Request ``n`` has failed or was given up."""
        self._long.pop(n, None)

    def _run(self, n: int) -> Run:
        """All that is next on the way to ``n``, in one direction; ``last`` is still to be found."""
        live = self._nearest(n)
        first = self.segments.start(n) if live is None else live.cursor + 1
        run = Run(n, first, max(first, self.segments.anchor(n)), n, n, self._ahead)
        if self.segments.bidirectional:
            block, never = self.segments.block(n), self.segments.length
            if live is not None and first <= live.ready:
                run = run._replace(stop=min(n, live.ready))
            elif first < block.first:
                run = run._replace(stop=block.first - 1, keep=never)
            else:
                begin = block.begin if live is None or live.back < 0 else live.back - 1
                run = run._replace(first=begin, stop=block.first, keep=never, backward=True)
        return run

    def _last(self, run: Run) -> int:
        """The last frame that ``run`` reads."""
        if run.backward:
            return self.segments.neighbour_back(run.stop)
        return self.segments.neighbour(self._reach(run.stop, run.target))

    def _reach(self, i: int, target: int) -> int:
        """The last frame that may be begun before ``i`` is finished: the state of ``target`` leads there."""
        anchor, reach = self.segments.anchor(target), i
        while reach < self.segments.beyond(i, self._ahead) and self.segments.anchor(reach + 1) == anchor:
            reach += 1
        return reach

    def _nearest(self, n: int) -> _Live | None:
        anchor = self.segments.anchor(n)
        near = [live for live in self._lives if live.anchor == anchor and live.cursor < n]
        return max(near, key=lambda live: live.progress, default=None)

    def _oldest_long(self, *, besides: int) -> _Live | None:
        """The state at work for the oldest long request, unless that is ``besides``."""
        oldest = next(iter(self._long), besides)
        return None if oldest == besides else self._nearest(oldest)

    def _least_used(self, *, but: _Live | None) -> _Live:
        return next(live for live in self._lives if live is not but)

    def _live(self, slot: int) -> _Live:
        return next(live for live in self._lives if live.slot == slot)
