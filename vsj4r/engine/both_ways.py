"""A step that goes through frames both ways: what is found on the way back is remembered, and joined with
what is found on the way forward.

Forwards, a network knows of a place what was there before; backwards, what is there afterwards. What a streak
or something that moves has just uncovered is known one way only, so the two err differently.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.engine.base import Engine, State, Step, Tensors


@dataclass(slots=True)
class _State:
    """``found``: the steps on the way back, the last one on top; ``free``: memory for more."""

    ahead: State
    back: State
    backward: bool = False
    found: list[Step] = field(default_factory=list)
    free: list[Step] = field(default_factory=list)

    def reset(self) -> None:
        self.ahead.reset()
        self.turn(backward=False)
        self._forget()

    def turn(self, *, backward: bool) -> None:
        """See ``StateBothWays``."""
        if backward and not self.backward:
            self.back.reset()
            self._forget()
        self.backward = backward

    def _forget(self) -> None:
        self.free += self.found
        self.found.clear()


class EngineBothWays:
    """``Engine`` whose states are ``StateBothWays``; ``engine`` evaluates each way."""

    def __init__(self, engine: Engine) -> None:
        self.spec, self.precision = engine.spec, engine.precision
        self._engine = engine

    def new_state(self) -> State:
        return _State(self._engine.new_state(), self._engine.new_state())

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        """See ``Engine.step``; of the way back the result is that alone."""
        if not isinstance(state, _State):
            raise ValueError("the state belongs to another engine")
        if state.backward:
            step = self._engine.step(o_t, o_next, state.back)
            kept = state.free.pop() if state.free else _empty_like(step)
            for array, into in zip(_arrays(step), _arrays(kept), strict=True):
                np.copyto(into, array)
            state.found.append(kept)
            return step
        step = self._engine.step(o_t, o_next, state.ahead)
        if not state.found:
            return step
        mean = state.found.pop()
        for array, into in zip(_arrays(step), _arrays(mean), strict=True):
            np.add(into, array, out=into)
            np.multiply(into, np.float32(0.5), out=into)
        state.free.append(mean)
        return mean


def _arrays(step: Step) -> list[Floats]:
    return [each for each in (*step.residual, step.alpha) if each is not None]


def _empty_like(step: Step) -> Step:
    y, uv = step.residual
    return Step(
        Tensors(np.empty_like(y), None if uv is None else np.empty_like(uv)), np.empty_like(step.alpha)
    )
