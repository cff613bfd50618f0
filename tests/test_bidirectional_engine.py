"""The engine that goes both ways, over one whose residuals are told apart by their numbers."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from vsj4r.engine.base import BLOCK_FRAMES, BidirectionalState, State, Step, StepSpec, Tensors
from vsj4r.engine.bidirectional import BidirectionalEngine

FRAME = Tensors(np.zeros((4, 6), np.float32), np.zeros((2, 2, 3), np.float32))


class CountingState:
    """How many frames it has seen."""

    def __init__(self) -> None:
        self.seen = 0

    def reset(self) -> None:
        self.seen = 0


class CountingEngine:
    """Its residual is 100 times the frames that its state has seen, its alpha that number; in memory that the
    next step uses again."""

    spec = StepSpec("counting", 2, 1, "yuv420")
    precision = "f32"

    def __init__(self) -> None:
        self._step = Step(
            Tensors(np.empty_like(FRAME.y), np.empty((2, 2, 3), np.float32)), np.empty((2, 3), np.float32)
        )

    def new_state(self) -> State:
        return CountingState()

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        counting = cast("CountingState", state)
        counting.seen += 1
        for array in (self._step.residual.y, cast("Any", self._step.residual.uv)):
            array.fill(100 * counting.seen)
        self._step.alpha.fill(counting.seen)
        return self._step


@pytest.fixture
def engine() -> BidirectionalEngine:
    return BidirectionalEngine(CountingEngine())


@pytest.fixture
def state(engine: BidirectionalEngine) -> BidirectionalState:
    return cast("BidirectionalState", engine.new_state())


def steps(
    engine: BidirectionalEngine, state: BidirectionalState, count: int, *, backward: bool
) -> list[float]:
    """The residuals, in which luma, chroma and alpha agree."""
    found = []
    for _ in range(count):
        state.turn(backward=backward)
        step = engine.step(FRAME, FRAME, state)
        found.append(float(step.residual.y[0, 0]))
        for array in (step.residual.y, cast("Any", step.residual.uv), step.alpha * 100):
            np.testing.assert_allclose(array, found[-1], rtol=1e-5)
    return found


def test_the_last_step_back_is_joined_first(engine: BidirectionalEngine, state: BidirectionalState) -> None:
    assert steps(engine, state, 6, backward=True) == [100, 200, 300, 400, 500, 600]
    joined = steps(engine, state, 6, backward=False)
    # of 1 and 6 frames the shares are 1 and 16 parts, of 4 and 3 they are 16 and 9
    assert joined[0] == pytest.approx((100 * 1 + 600 * 16) / 17)
    assert joined[3] == pytest.approx((400 * 16 + 300 * 9) / 25)
    assert steps(engine, state, 1, backward=False) == [700]


def test_the_way_back_begins_anew(engine: BidirectionalEngine, state: BidirectionalState) -> None:
    steps(engine, state, 5, backward=True)
    steps(engine, state, 2, backward=False)
    assert steps(engine, state, 2, backward=True) == [100, 200]
    assert steps(engine, state, 3, backward=False)[2] == 500  # what was left of the first way back is gone


def test_a_reset_goes_forwards_and_remembers_nothing(
    engine: BidirectionalEngine, state: BidirectionalState
) -> None:
    steps(engine, state, 5, backward=True)
    state.reset()
    assert engine.step(FRAME, FRAME, state).residual.y.max() == 100
    assert steps(engine, state, 1, backward=True) == [100]


def test_no_more_is_kept_than_a_block_has(engine: BidirectionalEngine, state: BidirectionalState) -> None:
    kept = cast("Any", state)
    for _ in range(3):
        steps(engine, state, BLOCK_FRAMES + 100, backward=True)
        assert len(kept.found) == BLOCK_FRAMES
        joined = steps(engine, state, BLOCK_FRAMES, backward=False)
        assert joined[-1] == pytest.approx((100 * kept.ahead.seen + 100 * 101) / 2)
        assert len(kept.found) + len(kept.free) == BLOCK_FRAMES + 1


def test_a_state_of_another_engine_is_refused(engine: BidirectionalEngine) -> None:
    with pytest.raises(ValueError, match="another engine"):
        engine.step(FRAME, FRAME, CountingState())
