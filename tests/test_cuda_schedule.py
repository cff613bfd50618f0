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


def clip() -> list[Feed]:
    rng = np.random.default_rng(5)
    shapes = [(LAYOUT.height, LAYOUT.width), LAYOUT.half, LAYOUT.half]
    return [
        Feed(n, [rng.integers(0, 256, shape, np.uint8) for shape in shapes], FrameCodes(16, 219, 128, 224))
        for n in range(FRAMES)
    ]


def new_lane(device: FakeDevice, depth: int) -> Lane:
    with device.active():
        streams = Streams(*(device.stream(name) for name in Streams._fields))
        plan = LaneSpec(LAYOUT, GRID, depth, GRID.channels, residual=False)
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


def visible(outputs: list[Bytes]) -> list[bytes]:
    """Without the padding of rows, which nobody writes."""
    return [
        b"".join(plane.tobytes() for plane in LAYOUT.views(block[: LAYOUT.nbytes])) + block[-12:].tobytes()
        for block in outputs
    ]


@pytest.fixture(scope="module")
def sequential(compiled: CpuKernels) -> list[bytes]:
    """Each thing after the other: one frame in flight, and the device drained after every call."""
    device = FakeDevice(compiled)
    lane = new_lane(device, 1)
    sources, outputs = clip(), []
    for n, now in enumerate(sources):
        lane.submit(now, sources[min(n + 1, len(sources) - 1)], Scales(219, 224, 224) if WANTED[n] else None)
        with device.active():
            for stream in device.streams:
                stream.synchronize()
        if WANTED[n]:
            output = lane.collect()
            outputs.append(np.concatenate((output.frame, output.figures.view(np.uint8))))
    return visible(outputs)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_every_interleaving_equals_the_sequential_result(
    compiled: CpuKernels, sequential: list[bytes], depth: int
) -> None:
    sources = clip()
    for seed in range(SEEDS if depth == 2 else 20):
        lane = new_lane(FakeDevice(compiled, seed=seed), depth)
        assert visible(run(lane, sources, depth)) == sequential, f"{seed = }"


def sabotaged(device: FakeDevice, depth: int, fault: str) -> Lane:
    lane = new_lane(device, depth)
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


@pytest.mark.parametrize("fault", FAULTS)
def test_every_event_is_needed_and_its_absence_is_found(compiled: CpuKernels, fault: str) -> None:
    with pytest.raises(Hazard):
        run(sabotaged(FakeDevice(compiled), 2, fault), clip(), 2)


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


def test_undo_takes_a_step_back(compiled: CpuKernels, sequential: list[bytes]) -> None:
    lane, sources = new_lane(FakeDevice(compiled), 1), clip()
    outputs = []
    for n, now in enumerate(sources):
        for attempt in range(2):
            lane.submit(now, sources[min(n + 1, len(sources) - 1)], Scales(219, 224, 224))
            output = lane.collect()
            if attempt == 0:
                lane.undo()
        if WANTED[n]:
            outputs.append(np.concatenate((output.frame, output.figures.view(np.uint8))))
    assert visible(outputs) == sequential
