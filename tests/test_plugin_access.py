"""Access patterns of real scripts: the same bits in each, and how many steps of the network each costs."""

from __future__ import annotations

import random
from typing import Any

import pytest
import vapoursynth as vs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clips import noise_clip, planes_of
from tests.filtering import assert_same, derain
from vsj4r.engine import cpu
from vsj4r.engine.base import Engine, Plane, State, Step, Tensors
from vsj4r.engine.cpu import CpuEngine

pytestmark = pytest.mark.usefixtures("restored_threads")
core = vs.core
LENGTH = 90


class CountingEngine:
    """The real engine; ``steps`` of all filters together."""

    steps = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.spec, self.precision = engine.spec, engine.precision

    def new_state(self) -> State:
        return self._engine.new_state()

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        CountingEngine.steps += 1
        return self._engine.step(o_t, o_next, state)


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> type[CountingEngine]:
    CountingEngine.steps = 0
    monkeypatch.setattr(
        cpu, "CpuEngine", lambda model, **options: CountingEngine(CpuEngine(model, **options))
    )
    return CountingEngine


@pytest.fixture(scope="module")
def clip() -> Any:
    return noise_clip(width=22, height=18, length=LENGTH)


ARGUMENTS: dict[str, Any] = {"segment": 20, "warmup": 4}


@pytest.fixture(scope="module")
def expected(tiny: str, clip: Any) -> list[list[Plane]]:
    return [planes_of(frame) for frame in derain(clip, tiny, **ARGUMENTS).frames(prefetch=1)]


PATTERNS: dict[str, Any] = {
    "strided": (lambda out: out[::7], list(range(0, LENGTH, 7))),
    "strided backwards": (lambda out: out[::-3], list(range(LENGTH - 1, -1, -3))),
    "reversed": (lambda out: out.std.Reverse(), list(reversed(range(LENGTH)))),
    "spliced": (
        lambda out: out[60:80] + out[5:30] + out[70:],
        [*range(60, 80), *range(5, 30), *range(70, LENGTH)],
    ),
    "looped": (lambda out: out[15:28] * 4, [*range(15, 28)] * 4),
    "doubled": (lambda out: core.std.Interleave([out, out]), [n for n in range(LENGTH) for _ in range(2)]),
    "its end": (lambda out: out[-10:], list(range(LENGTH - 10, LENGTH))),
}


@pytest.mark.parametrize("threads", [1, 4, 32])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_gives_the_same_bits(
    tiny: str, clip: Any, expected: list[list[Plane]], pattern: str, threads: int
) -> None:
    core.num_threads = threads
    arranged, frames = PATTERNS[pattern]
    out = arranged(derain(clip, tiny, **ARGUMENTS))
    for frame, n in zip(out.frames(), frames, strict=True):
        assert_same(frame, expected[n])


@pytest.mark.parametrize("threads", [1, 8])
def test_filters_on_one_clip_keep_out_of_each_others_way(
    tiny: str, clip: Any, expected: list[list[Plane]], threads: int
) -> None:
    core.num_threads = threads
    half = [planes_of(f) for f in derain(clip, tiny, strength=0.5, **ARGUMENTS).frames(prefetch=1)]
    filters = [derain(clip, tiny, **ARGUMENTS), derain(clip, tiny, strength=0.5, **ARGUMENTS)]
    filters.append(derain(clip, tiny, **ARGUMENTS))
    order = [(each, n) for n in range(LENGTH) for each in range(3)]
    random.Random(3).shuffle(order)
    for each, n, future in [(each, n, filters[each].get_frame_async(n)) for each, n in order]:
        assert_same(future.result(), (half if each == 1 else expected)[n])


@pytest.mark.slow
@given(
    order=st.lists(st.integers(0, 39), min_size=1, max_size=25),
    segment=st.integers(0, 45),
    warmup=st.integers(0, 12),
    threads=st.sampled_from([1, 2, 8]),
    at_once=st.booleans(),
    cuts=st.lists(st.integers(0, 39), max_size=3),
    bidirectional=st.booleans(),
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_gives_the_same_bits(
    tiny: str,
    clip: Any,
    order: list[int],
    segment: int,
    warmup: int,
    threads: int,
    at_once: bool,
    cuts: list[int],
    bidirectional: bool,
) -> None:
    core.num_threads = threads
    arguments: dict[str, Any] = {"segment": segment, "warmup": warmup, "scenes": cuts}
    arguments["bidirectional"] = int(bidirectional)
    expected = [planes_of(frame) for frame in derain(clip[:40], tiny, **arguments).frames(prefetch=1)]
    out = derain(clip[:40], tiny, **arguments)
    if at_once:
        for n, future in [(n, out.get_frame_async(n)) for n in order]:
            assert_same(future.result(), expected[n])
    else:
        for n in order:
            assert_same(out.get_frame(n), expected[n])


# ---------------------------------------------------------------------------------------------- what it costs


def test_reading_on_costs_a_step_a_frame_and_the_warmup(
    tiny: str, clip: Any, count: type[CountingEngine]
) -> None:
    core.num_threads = 4
    for _ in derain(clip, tiny, **ARGUMENTS).frames():
        pass
    assert count.steps == LENGTH + 4 * ((LENGTH - 1) // 20)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("back", [1, 10])
def test_going_10_frames_back_costs_no_step(
    tiny: str, clip: Any, count: type[CountingEngine], back: int, threads: int
) -> None:
    """From any frame, over anchors too, after playing and after a seek; and playing on costs none twice."""
    core.num_threads = threads
    out = derain(clip, tiny, **ARGUMENTS)
    for n in range(30):
        out.get_frame(n)
    for n in range(30, LENGTH):
        before = count.steps
        out.get_frame(n - back)
        assert count.steps == before
        out.get_frame(n)
    assert count.steps == LENGTH + 4 * ((LENGTH - 1) // 20)
    out = derain(clip, tiny, **ARGUMENTS)
    out.get_frame(58)  # a seek into the segment of frames 40 to 59
    before = count.steps
    for n in range(58 - back, 59):
        out.get_frame(n)
    assert count.steps == before


@pytest.mark.slow
def test_large_frames_go_10_back_too(tiny: str, count: type[CountingEngine]) -> None:
    """Of which 256 MiB hold only 8."""
    core.num_threads = 1
    blank = core.std.BlankClip(width=3840, height=2160, format=vs.GRAYS, length=20)
    out = derain(blank, tiny)
    for n in range(16):
        out.get_frame(n)
    for n in range(5, 16):
        out.get_frame(n)
    assert count.steps == 16


def test_a_seek_costs_no_more_than_a_segment_and_its_warmup(
    tiny: str, clip: Any, count: type[CountingEngine]
) -> None:
    out = derain(clip, tiny, **ARGUMENTS)
    for n in random.Random(1).sample(range(LENGTH), 30):
        before = count.steps
        out.get_frame(n)
        assert count.steps - before <= 20 + 4
