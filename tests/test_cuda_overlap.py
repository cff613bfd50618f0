"""Frames in flight in the real filter: work of several at once, and the bits and errors of one by one."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest
import vapoursynth as vs

from tests.clips import bytes_of, noise_clip
from tests.cuda.opening import Opening
from tests.cuda.timed_device import Span, TimedDevice
from vsj4r.frames import segments
from vsj4r.run.filtering import derain_clips

LENGTH = 14
ARGUMENTS = {"model": "j4r-lite", "device": "cuda", "precision": "f32", "scene_detect": 0}


def derain(clip: Any, **arguments: Any) -> Any:
    return vs.core.j4r.Derain(clip, **ARGUMENTS | arguments)


def small_clip(length: int = LENGTH) -> Any:
    return noise_clip(width=16, height=16, length=length).std.BoxBlur()


def outcomes(clip: Any, order: Iterable[int]) -> dict[int, bytes | str]:
    """The bytes or the error of each frame."""
    found: dict[int, bytes | str] = {}
    for n in order:
        try:
            found[n] = bytes_of(clip.get_frame(n))
        except vs.Error as error:
            found[n] = str(error)
    return found


@pytest.fixture
def in_flight(opened: list[Opening], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames were in flight whenever one was waited for."""
    from vsj4r.engine.cuda.engine import CudaFrameEngine

    found: list[int] = []
    finish: Callable[..., Any] = CudaFrameEngine.finish

    def finish_and_count(engine: CudaFrameEngine, state: Any) -> Any:
        found.append(engine.waiting(state))
        return finish(engine, state)

    monkeypatch.setattr(CudaFrameEngine, "finish", finish_and_count)
    return found


@pytest.mark.parametrize(
    ("num_streams", "expected"),
    [(1, [1] * 10), (2, [2, 2, 2, 1] * 2 + [2, 1]), (3, [3, 3, 2, 1] * 2 + [2, 1])],
)
def test_frames_are_in_flight_while_one_is_waited_for(
    in_flight: list[int], num_streams: int, expected: list[int]
) -> None:
    """Read in order by one who asks for one frame at a time, as far as the same memory goes."""
    for _ in derain(small_clip(10), num_streams=num_streams, segment=4, warmup=0).frames(prefetch=1):
        pass
    assert in_flight == expected


def test_a_scene_is_not_begun_before_the_one_before_it_is_done(in_flight: list[int]) -> None:
    for _ in derain(small_clip(6), num_streams=3, segment=0, scenes=[2]).frames(prefetch=1):
        pass
    assert in_flight == [2, 1, 3, 3, 2, 1]


@pytest.mark.slow
@pytest.mark.usefixtures("restored_threads")
def test_in_any_order_they_are_the_bits_of_one_by_one(
    opened: list[Opening], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fake device finds what no event orders. Runs are cut short, so that some go in pieces."""
    arguments: dict[str, Any] = {"segment": 7, "warmup": 2, "scenes": [3, 11], "scene_detect": 1}
    clip = small_clip()
    expected = outcomes(derain(clip, **arguments), range(LENGTH))
    assert len(set(expected.values())) == LENGTH
    monkeypatch.setattr(segments, "RUN_FRAMES", 3)
    rng = random.Random(0)
    orders = [list(range(LENGTH)), list(range(LENGTH))[::-1], list(range(0, LENGTH, 3))]
    orders += [[rng.randrange(LENGTH) for _ in range(20)] for _ in range(2)]
    vs.core.num_threads = 8
    for num_streams in (2, 3, 8):
        for order in orders:
            found = outcomes(derain(clip, num_streams=num_streams, **arguments), order)
            assert found == {n: expected[n] for n in found}, (num_streams, order)
            derained = derain(clip, num_streams=num_streams, **arguments)
            futures = [(n, derained.get_frame_async(n)) for n in order]
            assert all(bytes_of(future.result()) == expected[n] for n, future in futures)


@pytest.mark.usefixtures("restored_threads")
def test_reduced_frames_in_any_order_are_the_bits_of_one_by_one(in_flight: list[int]) -> None:
    arguments: dict[str, Any] = {"segment": 4, "warmup": 2, "scenes": [3], "downscale": 2}
    clip = noise_clip(width=30, height=26, length=8).std.BoxBlur()
    expected = outcomes(derain(clip, **arguments), range(8))
    assert len(set(expected.values())) == 8
    vs.core.num_threads = 8
    for order in (list(range(8)), [5, 7, 0, 3, 2, 6]):
        derained = derain(clip, num_streams=3, **arguments)
        futures = [(n, derained.get_frame_async(n)) for n in order]
        assert all(bytes_of(future.result()) == expected[n] for n, future in futures)
    assert max(in_flight) == 3


def test_who_encodes_has_two_frames_in_flight(opened: list[Opening]) -> None:
    derain_clips(small_clip(), ["derained"], model="j4r-lite", strength=1, device="cuda")
    assert opened[0].arguments["num_streams"] == 2


def idle(spans: list[Span]) -> float:
    """How long nothing was computed between the first computation and the last."""
    computing = [span for span in spans if span.stream == "compute"]
    return sum(after.begin - before.end for before, after in pairwise(computing))


def read_with_a_slow_host(device: TimedDevice, derained: Any) -> list[Span]:
    """A frame after the other, on each of which the host works for as long as two steps of three."""
    derained.get_frame(0)
    device.spans.clear()
    for n in range(1, LENGTH):
        device.host_time += 4
        derained.get_frame(n)
    return device.spans


def test_the_card_need_not_wait_for_copies_and_for_the_host(opened: list[Opening]) -> None:
    """By the clock of the fake device: one by one the card stands still while a frame is fetched and the next
    is brought; with two in flight it computes all the time, and every copy happens meanwhile."""
    spans = []
    for num_streams in (1, 2):
        derained = derain(small_clip(), num_streams=num_streams, segment=0)
        spans.append(read_with_a_slow_host(opened[-1].device, derained))
    one_by_one, overlapping = spans
    assert idle(one_by_one) > LENGTH * 4
    assert idle(overlapping) == 0
    computing = [span for span in overlapping if span.stream == "compute"]
    while_it_computes = [
        span.stream
        for span in overlapping
        if span.begin >= computing[0].begin and span.end <= computing[-1].end
    ]
    assert all(while_it_computes.count(copy) >= LENGTH - 4 for copy in ("upload", "download"))


def test_a_filter_that_goes_waits_for_what_is_in_flight(opened: list[Opening]) -> None:
    """A card would go on writing to memory that is somebody else's by then."""
    derained = derain(small_clip(), num_streams=3)
    derained.get_frame(4)
    device = opened.pop().device
    del derained
    for _ in range(200):  # VapourSynth frees a filter when it comes to it
        if gc.collect() == 0 and device.used == 0:
            break
        time.sleep(0.02)
    assert (device.used, device.freed_early) == (0, 0)


# What goes wrong


def bad_strength(n: int, f: Any) -> Any:
    frame = f.copy()
    frame.props["J4RStrength"] = 2.0 if n == 6 else 1.0
    return frame


def bad_field(n: int, f: Any) -> Any:
    frame = f.copy()
    frame.props["_FieldBased"] = 2 if n == 6 else 0
    return frame


@pytest.mark.parametrize(("spoil", "wrong"), [(bad_strength, [6]), (bad_field, list(range(5, LENGTH)))])
def test_an_error_is_its_own_frames(
    opened: list[Opening], spoil: Callable[..., Any], wrong: list[int]
) -> None:
    """That a later frame was begun with it does a frame no harm."""
    clip = small_clip()
    spoilt = clip.std.ModifyFrame(clip, spoil)
    order = list(range(LENGTH))
    expected = outcomes(derain(spoilt, segment=10), order)
    errors = [n for n, found in expected.items() if isinstance(found, str)]
    assert errors == wrong
    plain = outcomes(derain(clip, segment=10), order)
    assert all(expected[n] == plain[n] for n in order if n not in errors)
    for way in (order, order[::-1], [7, 4, 12, 6, 5, 9]):
        found = outcomes(derain(spoilt, segment=10, num_streams=3), way)
        assert found == {n: expected[n] for n in way}


@pytest.mark.parametrize("figure", [1, 2])
def test_what_is_no_number_costs_what_was_begun_after_it(
    opened: list[Opening], monkeypatch: pytest.MonkeyPatch, figure: int
) -> None:
    """Frame 4 fails once; those in flight with it are computed anew."""
    from vsj4r.engine.cuda.lane import Lane, LaneOutput

    clip = small_clip()
    expected = outcomes(derain(clip, segment=0), range(LENGTH))
    derained = derain(clip, segment=0, num_streams=3)
    collect, collected = Lane.collect, 0

    def collect_one_that_is_none(lane: Lane) -> LaneOutput:
        nonlocal collected
        output = collect(lane)
        collected += 1
        if collected == 5:
            output.figures[figure] = float("nan")
        return output

    monkeypatch.setattr(Lane, "collect", collect_one_that_is_none)
    found = outcomes(derained, range(LENGTH))
    error = found.pop(4)
    assert error == "Derain: frame 4: model j4r-lite: its result must be finite, got NaN or infinity"
    assert found == {n: expected[n] for n in found}
    assert outcomes(derained, [4]) == {4: expected[4]}


def test_a_source_frame_that_cannot_be_had_is_met_by_those_that_read_it(opened: list[Opening]) -> None:
    clip = small_clip()

    def read(n: int, f: Any) -> Any:
        if n == 8:
            raise ValueError("the disk is wet")
        return f

    broken = clip.std.ModifyFrame(clip, read)
    for num_streams, first in ((1, 7), (3, 5)):
        for order in (range(8), range(7, -1, -1)):
            found = outcomes(derain(broken, segment=0, num_streams=num_streams), order)
            assert sorted(n for n, each in found.items() if isinstance(each, str)) == list(range(first, 8))


@pytest.mark.parametrize("num_streams", [1, 2])
def test_memory_that_runs_out_in_the_middle_costs_a_smaller_tile(
    opened: list[Opening], num_streams: int
) -> None:
    """At each of the first allocations and launches of a step; the frames are the same."""
    clip = noise_clip(width=640, height=16, length=LENGTH).std.BoxBlur()
    expected = outcomes(derain(clip, segment=0), range(LENGTH))
    derained = derain(clip, segment=0, num_streams=num_streams)
    engine, device = opened[-1].engine, opened[-1].device
    assert outcomes(derained, [0]) == {0: expected[0]}
    met = 0
    for n in range(1, LENGTH):
        whole = engine._step.tile = 4, 160
        failing = device.taken + 1 + n // 2
        device.fails = lambda taken, failing=failing: taken == failing  # type: ignore[misc]
        assert outcomes(derained, [n]) == {n: expected[n]}
        met += engine.tile != whole
    assert met > LENGTH // 2
