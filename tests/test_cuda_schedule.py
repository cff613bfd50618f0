"""Three streams and their events, on a device that does everything as late and as oddly as CUDA may."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.cuda.cpu_kernels import CpuKernels
from vsj4r.engine.base import Bytes, Feed, FrameCodes, FrameLayout, Scales
from vsj4r.engine.cuda.grid import Grid

torch = pytest.importorskip("torch")

from tests.cuda.fake_device import FakeDevice, Hazard  # noqa: E402
from vsj4r.engine.cuda.lane import Lane, LaneSpec, Streams  # noqa: E402
from vsj4r.engine.cuda.network import Found  # noqa: E402
from vsj4r.model.j4rnet import J4RState, Observation  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

LAYOUT = FrameLayout(10, 14, np.dtype(np.uint8), True, 255)
LARGE = FrameLayout(27, 30, np.dtype(np.uint8), True, 255)
"""Frames of which the network sees half."""
GRID = Grid(8, 8, 1, True, 8.0, np.dtype(np.float32))
FRAMES = 9
WANTED = [True, False, False, False, True, True, False, True, True]
"""Frames 1 to 3 and 6 run in: their outputs are thrown away, and nobody waits for them."""
SEEDS = 200


class Recurrence:
    """In place of the network: order-sensitive, quick, and wrong as soon as anything it reads is."""

    net = SimpleNamespace(config=SimpleNamespace(lookahead=1))

    def matching(self, luma: Any) -> Any:
        return torch.nn.functional.avg_pool2d(luma[None, None], 2)

    def run(
        self, now: Observation, following: Observation | None, before: J4RState, after: J4RState, found: Found
    ) -> None:
        assert following is not None
        h = 0.7 * before.h.roll(1, 3) + now.o + 0.5 * before.b_prev - 0.25 * following.o
        after.h.copy_(h)
        after.b_prev.copy_(now.o)
        after.l_prev.copy_(now.l + following.l)
        after.seen.fill_(1)
        found.residual.copy_(0.05 * h + 0.01 * before.l_prev)
        found.alpha.copy_(h[0, 0])
        found.figures.copy_(h.flatten()[: len(found.figures)])


def clip(layout: FrameLayout = LAYOUT) -> list[Feed]:
    rng = np.random.default_rng(5)
    shapes = [(layout.height, layout.width), layout.chroma_sides, layout.chroma_sides]
    return [
        Feed(n, [rng.integers(0, 256, shape, np.uint8) for shape in shapes], FrameCodes(16, 219, 128, 224))
        for n in range(FRAMES)
    ]


def new_lane(device: FakeDevice, depth: int, layout: FrameLayout = LAYOUT) -> Lane:
    with device.active():
        streams = Streams(*(device.stream(name) for name in Streams._fields))
        downscale = 1 if layout is LAYOUT else 2
        plan = LaneSpec(layout, GRID, depth, GRID.channels, residual=False, downscale=downscale)
        return Lane(device, streams, plan, Recurrence(), device.block(4 * 16 * 16))  # type: ignore[arg-type]


def run(lane: Lane, sources: Sequence[Feed], depth: int) -> list[Bytes]:
    """All wanted frames, at most ``depth`` in flight."""
    outputs, flying = [], 0

    def collect() -> None:
        output = lane.collect()
        outputs.append(np.concatenate((output.frame, output.figures.view(np.uint8))))

    for n, now in enumerate(sources):
        if flying == depth:
            collect()
            flying -= 1
        lane.submit(now, sources[min(n + 1, len(sources) - 1)], Scales(219, 224, 224) if WANTED[n] else None)
        flying += WANTED[n]
    for _ in range(flying):
        collect()
    return outputs


def visible(outputs: list[Bytes], layout: FrameLayout = LAYOUT) -> list[bytes]:
    """Without the padding of rows, which nobody writes."""
    return [
        b"".join(plane.tobytes() for plane in layout.views(block[: layout.nbytes])) + block[-12:].tobytes()
        for block in outputs
    ]


def run_one_by_one(compiled: CpuKernels, layout: FrameLayout) -> list[bytes]:
    """Each thing after the other: one frame in flight, and the device drained after every call."""
    device = FakeDevice(compiled)
    lane = new_lane(device, 1, layout)
    sources, outputs = clip(layout), []
    for n, now in enumerate(sources):
        lane.submit(now, sources[min(n + 1, len(sources) - 1)], Scales(219, 224, 224) if WANTED[n] else None)
        with device.active():
            for stream in device.streams:
                stream.synchronize()
        if WANTED[n]:
            output = lane.collect()
            outputs.append(np.concatenate((output.frame, output.figures.view(np.uint8))))
    return visible(outputs, layout)


@pytest.fixture(scope="module")
def sequential(compiled: CpuKernels) -> list[bytes]:
    return run_one_by_one(compiled, LAYOUT)


@pytest.fixture(scope="module")
def reduced(compiled: CpuKernels) -> list[bytes]:
    return run_one_by_one(compiled, LARGE)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_every_interleaving_equals_the_sequential_result(
    compiled: CpuKernels, sequential: list[bytes], depth: int
) -> None:
    sources = clip()
    for seed in range(SEEDS if depth == 2 else 20):
        lane = new_lane(FakeDevice(compiled, seed=seed), depth)
        assert visible(run(lane, sources, depth)) == sequential, f"{seed = }"


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_every_interleaving_of_reduced_frames_too(
    compiled: CpuKernels, reduced: list[bytes], depth: int
) -> None:
    assert len(set(reduced)) == len(reduced)
    sources = clip(LARGE)
    for seed in range(SEEDS // 4 if depth == 2 else 20):
        lane = new_lane(FakeDevice(compiled, seed=seed), depth, LARGE)
        assert visible(run(lane, sources, depth), LARGE) == reduced, f"{seed = }"


def test_two_lanes_of_reduced_frames_know_nothing_of_each_other(
    compiled: CpuKernels, reduced: list[bytes]
) -> None:
    """By turns: each has small planes of its own."""
    device = FakeDevice(compiled, seed=4)
    lanes, sources = [new_lane(device, 1, LARGE) for _ in range(2)], clip(LARGE)
    outputs: list[list[Bytes]] = [[], []]
    for n, now in enumerate(sources):
        for lane, found in zip(lanes, outputs, strict=True):
            scales = Scales(219, 224, 224) if WANTED[n] else None
            lane.submit(now, sources[min(n + 1, len(sources) - 1)], scales)
            if scales is not None:
                output = lane.collect()
                found.append(np.concatenate((output.frame, output.figures.view(np.uint8))))
    assert [visible(each, LARGE) for each in outputs] == [reduced] * 2


def sabotaged(device: FakeDevice, depth: int, fault: str, layout: FrameLayout = LAYOUT) -> Lane:
    lane = new_lane(device, depth, layout)
    events = {"staging is not waited for": lane._uploaded, "output is not waited for": lane._downloaded}
    device.removed |= {event.name for event in events[fault]} if fault in events else {fault}  # type: ignore[attr-defined]
    return lane


FAULTS = [
    "upload waits",  # before raw samples are overwritten
    "compute waits",  # before they are packed
    "download waits",  # before the output goes back
    "staging is not waited for",
    "output is not waited for",
]


@pytest.mark.parametrize("layout", [LAYOUT, LARGE], ids=["whole", "reduced"])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_event_is_needed_and_its_absence_is_found(
    compiled: CpuKernels, fault: str, layout: FrameLayout
) -> None:
    with pytest.raises(Hazard):
        run(sabotaged(FakeDevice(compiled), 2, fault, layout), clip(layout), 2)


@pytest.mark.parametrize("fault", FAULTS)
def test_without_an_event_pixels_go_wrong(compiled: CpuKernels, sequential: list[bytes], fault: str) -> None:
    """The detector is not the only witness."""
    wrong = 0
    for seed in range(12):
        lane = sabotaged(FakeDevice(compiled, seed=seed, detects=False), 2, fault)
        wrong += visible(run(lane, clip(), 2)) != sequential
    assert wrong > 0


def test_a_frame_that_is_there_is_not_uploaded_again(compiled: CpuKernels) -> None:
    lane = new_lane(FakeDevice(compiled), 2)
    run(lane, clip(), 2)
    assert lane._uploads == FRAMES + 1, "each once, and the last once more: it follows itself"


def test_more_than_depth_in_flight_is_refused(compiled: CpuKernels) -> None:
    lane, sources = new_lane(FakeDevice(compiled), 1), clip()
    lane.submit(sources[0], sources[1], Scales())
    with pytest.raises(RuntimeError, match="1 outputs wait to be collected"):
        lane.submit(sources[1], sources[2], Scales())


def test_reset_goes_back_to_the_beginning(compiled: CpuKernels, sequential: list[bytes]) -> None:
    lane, sources = new_lane(FakeDevice(compiled, seed=3), 2), clip()
    run(lane, sources[:5], 2)
    lane.reset()
    assert visible(run(lane, sources, 2)) == sequential


@pytest.mark.parametrize("layout", [LAYOUT, LARGE], ids=["whole", "reduced"])
def test_undo_takes_a_step_back(
    compiled: CpuKernels, sequential: list[bytes], reduced: list[bytes], layout: FrameLayout
) -> None:
    lane, sources = new_lane(FakeDevice(compiled), 1, layout), clip(layout)
    outputs = []
    for n, now in enumerate(sources):
        for attempt in range(2):
            lane.submit(now, sources[min(n + 1, len(sources) - 1)], Scales(219, 224, 224))
            output = lane.collect()
            if attempt == 0:
                lane.undo()
        if WANTED[n]:
            outputs.append(np.concatenate((output.frame, output.figures.view(np.uint8))))
    assert visible(outputs, layout) == (sequential if layout is LAYOUT else reduced)
