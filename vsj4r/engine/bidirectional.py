"""A step that goes through frames both ways: what is found on the way back is remembered, and joined with
what is found on the way forward.

Forwards, a network knows of a place what was there before; backwards, what is there afterwards. What a streak
or something that moves has just uncovered is known one way only, so the two err differently. Near a cut one
of them knows little yet, and counts for less (docs/experiments/bidirectional.md).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.engine.base import BLOCK_FRAMES, Engine, State, Step, Tensors, new_tensors

SETTLED_FRAMES = 4
"""After about so many frames a state no longer improves."""


def share_back(seen: int, seen_back: int) -> float:
    """How much the way back counts, 0 to 1, for a frame of which the states have seen so many frames, it
    included: squares, up to ``SETTLED_FRAMES``, so a half where both have seen as many."""
    ahead, back = (min(each, SETTLED_FRAMES) ** 2 for each in (seen, seen_back))
    return back / (ahead + back)


@dataclass(slots=True)
class _State:
    """``seen``, ``seen_back``: frames that each way has seen. ``found``: the last steps on the way back, as
    many as a block has, with ``seen_back``; the last one is joined first. ``free``: memory for more."""

    ahead: State
    back: State
    seen: int = 0
    seen_back: int = 0
    backward: bool = False
    found: deque[tuple[Step, int]] = field(default_factory=deque)
    free: list[Step] = field(default_factory=list)

    def reset(self) -> None:
        self.ahead.reset()
        self.seen = 0
        self.backward = False
        self._forget()

    def turn(self, *, backward: bool) -> None:
        """See ``BidirectionalState``."""
        if backward and not self.backward:
            self.back.reset()
            self.seen_back = 0
            self._forget()
        self.backward = backward

    def _forget(self) -> None:
        self.free += [step for step, _ in self.found]
        self.found.clear()


class BidirectionalEngine:
    """``Engine`` whose states are ``BidirectionalState``; ``engine`` evaluates each way."""

    def __init__(self, engine: Engine) -> None:
        self.spec, self.precision = engine.spec, engine.precision
        self._engine = engine

    def new_state(self) -> State:
        return _State(self._engine.new_state(), self._engine.new_state())

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        """See ``Engine.step``; backwards, it gives what that way alone has found."""
        if not isinstance(state, _State):
            raise ValueError("the state belongs to another engine")
        if state.backward:
            step = self._engine.step(o_t, o_next, state.back)
            state.seen_back += 1
            kept = state.free.pop() if state.free else _unset(step)
            for array, into in zip(_arrays(step), _arrays(kept), strict=True):
                np.copyto(into, array)
            state.found.append((kept, state.seen_back))
            if len(state.found) > BLOCK_FRAMES:  # the first ones were the run-in
                state.free.append(state.found.popleft()[0])
            return step
        step = self._engine.step(o_t, o_next, state.ahead)
        state.seen += 1
        if not state.found:
            return step
        joined, seen_back = state.found.pop()
        share = share_back(state.seen, seen_back)
        for array, into in zip(_arrays(step), _arrays(joined), strict=True):
            np.multiply(into, np.float32(share), out=into)
            np.add(into, array * np.float32(1 - share), out=into)
        state.free.append(joined)
        return joined


def _arrays(step: Step) -> list[Floats]:
    return [each for each in (*step.residual, step.alpha) if each is not None]


def _unset(step: Step) -> Step:
    """Memory for one like it."""
    y, uv = step.residual
    return Step(new_tensors(*y.shape, chroma=uv is not None), np.empty_like(step.alpha))
