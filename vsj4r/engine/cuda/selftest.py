"""What a card must pass before it is trusted: kernels to the bit, graphs as eager, and a hundred recurrent
frames as on the CPU. Written against the device protocol: the tests run it on the fake device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from vsj4r.engine import open_engine
from vsj4r.engine.base import Bytes, Engine, FrameCodes, FrameLayout, Scales, Tensors
from vsj4r.engine.cuda import kernels, reference
from vsj4r.engine.cuda.device import Block, Device
from vsj4r.engine.cuda.engine import CudaEngine, Options
from vsj4r.engine.cuda.grid import Grid
from vsj4r.engine.cuda.kernels import Reduction
from vsj4r.engine.cuda.network import Fused, relu_after
from vsj4r.engine.cuda.reduced import Reduced
from vsj4r.engine.weights import Model, find_model
from vsj4r.errors import Vsj4rError

HEIGHT, WIDTH = 96, 128
TOLERANCES = {"f32": (1e-5, 1e-3), "f16": (2e-3, 5e-2)}
"""Of the residual of luma over all frames, by precision: its mean difference, and the 99.9th percentile. A
search that decides otherwise for a rounding error moves a few pixels by more: hence no maximum."""
_KINDS = ((np.uint8, 255), (np.uint16, 1023), (np.uint16, 65535), (np.float16, 0), (np.float32, 0))
"""Samples and their largest code."""


class SelfTest(NamedTuple):
    name: str
    passed: bool
    detail: str


def self_test(
    device: Device, model: str = "j4r", *, frames: int = 100, fused: Fused = relu_after
) -> Iterator[SelfTest]:
    """All checks, one after the other. ``device``: ``CupyDevice(index)``; ``fused``: of ``choose_fused``, for
    fp16.

    Raises:
        Vsj4rError: no such model, or no room on the device.
    """
    yield check_packing(device)
    yield check_reducing(device)
    found = find_model(model)
    yield check_graphs(device, found, fused)
    for precision in TOLERANCES:
        each = fused if precision == "f16" else relu_after
        yield check_against_cpu(device, found, precision, frames=frames, fused=each)


def check_packing(device: Device) -> SelfTest:
    """Every kind of sample, layout and range against numpy, to the bit."""
    rng = np.random.default_rng(0)
    wrong, count = [], 0
    for (dtype, peak), shift, cell in product(_KINDS, (1, 2), ("float16", "float32")):
        layout = FrameLayout(45, 131, np.dtype(dtype), True, peak)
        grid = Grid(48 >> shift, 136 >> shift, shift, True, 8.0, np.dtype(cell))
        count += 1
        if not _packs(device, layout, grid, rng):
            wrong.append(f"{layout.dtype} peak {peak}, {cell}, scale {1 << shift}")
    return _to_the_bit("pack and unpack", count, wrong)


def check_reducing(device: Device) -> SelfTest:
    """Frames of every kind of sample made smaller, and corrections made larger, against numpy, to the bit."""
    rng = np.random.default_rng(1)
    wrong, count = [], 0
    for (dtype, peak), by in product(_KINDS, (2, 3)):
        layout = FrameLayout(45, 131, np.dtype(dtype), True, peak)
        small = FrameLayout(48 // by, 144 // by, np.dtype(np.float32), True)
        count += 1
        if not _reduces(device, Reduction(layout, small, by), rng):
            wrong.append(f"{layout.dtype} peak {peak}, by {by}")
    return _to_the_bit("shrink and enlarge", count, wrong)


def check_graphs(device: Device, model: Model, fused: Fused = relu_after) -> SelfTest:
    """Whether the step can be captured, and gives by graphs what it gives without, over some frames."""
    clip = moving_clip(6)
    graphs, eager = (
        CudaEngine(
            model, height=HEIGHT, width=WIDTH, device=device, options=Options(graphs=captured, fused=fused)
        )
        for captured in (True, False)
    )
    state = graphs.new_state()
    if state.captured is None:
        return SelfTest("CUDA graphs", False, "the step runs eagerly: see the log")
    other = eager.new_state()
    worst = 0.0
    for t, o_t in enumerate(clip):
        ahead = clip[min(t + 1, len(clip) - 1)]
        a, b = (engine.step(o_t, ahead, s).residual.y for engine, s in ((graphs, state), (eager, other)))
        worst = max(worst, float(np.abs(a - b).max()))
    return SelfTest("CUDA graphs", worst == 0, f"even and odd step differ from eager by {worst:.2g} at most")


def check_against_cpu(
    device: Device, model: Model, precision: str, *, frames: int, fused: Fused = relu_after
) -> SelfTest:
    """``frames`` recurrent frames against OpenVINO in float32."""
    clip = moving_clip(frames)
    cuda = CudaEngine(
        model, height=HEIGHT, width=WIDTH, device=device, precision=precision, options=Options(fused=fused)
    )
    cpu = open_engine(model, height=HEIGHT, width=WIDTH, device="cpu", precision="f32")
    name = f"{frames} frames in {precision}"
    try:
        differences = np.stack(
            [np.abs(a - b) for a, b in zip(_lumas(cuda, clip), _lumas(cpu, clip), strict=True)]
        )
    except Vsj4rError as error:  # what is no number, or no room
        return SelfTest(name, False, str(error))
    mean, rare = float(differences.mean()), float(np.quantile(differences, 0.999))
    most_mean, most_rare = TOLERANCES[precision]
    return SelfTest(
        name,
        mean <= most_mean and rare <= most_rare,
        f"residual of luma against the CPU: mean difference {mean:.1e} (at most {most_mean:g}), 99.9 % "
        f"within {rare:.1e} (at most {most_rare:g}), largest {float(differences.max()):.1e}",
    )


def moving_clip(frames: int, height: int = HEIGHT, width: int = WIDTH) -> list[Tensors]:
    """A texture that pans, under streaks that are elsewhere in each frame; the same in every run."""
    rng = np.random.default_rng(11)
    scene = rng.random((height + 80, width + 80))
    for axis in (0, 1) * 3:
        scene = (np.roll(scene, 1, axis) + 2 * scene + np.roll(scene, -1, axis)) / 4
    scene = (scene - scene.min()) / np.ptp(scene)
    clip = []
    for t in range(frames):
        top, left = t // 2 % 40, abs(40 - 3 * t % 80)
        view = scene[top : top + height, left : left + width]
        streaks = np.random.default_rng(t).random((height, width)) > 0.97
        for _ in range(2):
            streaks |= np.roll(streaks, 1, 0)
        uv = 0.3 * np.stack([view[::2, ::2] - 0.5, 0.5 - view[1::2, 1::2]])
        clip.append(Tensors(np.clip(view + 0.35 * streaks, 0, 1).astype(np.float32), uv.astype(np.float32)))
    return clip


def _lumas(engine: Engine, clip: list[Tensors]) -> Iterator[np.ndarray]:
    state = engine.new_state()
    for t, o_t in enumerate(clip):
        yield engine.step(o_t, clip[min(t + 1, len(clip) - 1)], state).residual.y.copy()


def _packs(device: Device, layout: FrameLayout, grid: Grid, rng: np.random.Generator) -> bool:
    frame, codes, scales = _noise(layout, rng), _codes(layout), _scales(layout)
    residual = rng.normal(size=grid.cells_shape, scale=0.1).astype(grid.cell)

    def launch(inputs: list[Block], outputs: list[Block]) -> None:
        (raw, packed), (cells, luma, after) = inputs, outputs
        after.tensor.copy_(raw.tensor)
        kernels.pack(
            device.kernels, layout, grid, codes,
            frame=raw.address, cells=cells.address, luma=luma.address,
        )  # fmt: skip
        kernels.unpack(
            device.kernels, layout, grid, scales,
            cells=packed.address, before=raw.address, after=after.address,
        )  # fmt: skip

    sizes = [residual.nbytes, 4 * int(np.prod(grid.luma_shape)), layout.nbytes]
    got = _on_device(device, [frame, residual.view(np.uint8).ravel()], sizes, launch)
    expected = [
        *reference.pack(layout, grid, codes, frame),
        reference.unpack(layout, grid, scales, residual, frame),
    ]
    return [x.tobytes() for x in got] == [x.tobytes() for x in expected]


def _reduces(device: Device, reduction: Reduction, rng: np.random.Generator) -> bool:
    layout, small = reduction.frames, reduction.small
    frame, codes, scales = _noise(layout, rng), _codes(layout), _scales(layout)
    change = np.zeros(small.nbytes, np.uint8)
    for plane in small.views(change):
        plane[...] = rng.normal(size=plane.shape, scale=0.1) * (rng.random(plane.shape) < 0.2)
    with device.active():
        reduced = Reduced(device, reduction)

    def launch(inputs: list[Block], outputs: list[Block]) -> None:
        (raw, changed), (shrunk, after) = inputs, outputs
        after.tensor.copy_(raw.tensor)
        reduced.change.tensor.copy_(changed.tensor)
        reduced.small[0].tensor.zero_()
        reduced.shrink(codes, frame=raw.address, parity=0)
        shrunk.tensor.copy_(reduced.small[0].tensor)
        reduced.enlarge(codes, scales, frame=raw.address, parity=0, before=raw.address, after=after.address)

    scratch = [*reduced.small, *reduced.working]
    got = _on_device(device, [frame, change], [small.nbytes, layout.nbytes], launch, scratch)
    shrunk, rain = reference.shrink(reduction, codes, frame), reference.find_rain(small, change)
    after, _ = reference.enlarge(reduction, codes, scales, frame, shrunk, change, rain, frame)
    return [x.tobytes() for x in got] == [shrunk.tobytes(), after.tobytes()]


def _noise(layout: FrameLayout, rng: np.random.Generator) -> Bytes:
    frame, peak = np.zeros(layout.nbytes, np.uint8), layout.peak
    for plane in layout.views(frame):
        shape = plane.shape
        plane[...] = rng.integers(0, peak, shape, endpoint=True) if peak else rng.random(shape)
    return frame


def _codes(layout: FrameLayout) -> FrameCodes:
    peak = layout.peak
    return FrameCodes(peak / 16, peak * 0.85, peak / 2, peak * 0.9) if peak else FrameCodes()


def _scales(layout: FrameLayout) -> Scales:
    peak = max(layout.peak, 1)
    return Scales(peak * 0.8, peak * 0.9, peak)


def _to_the_bit(name: str, count: int, wrong: list[str]) -> SelfTest:
    detail = (
        f"{count} variants are numpy's to the bit" if not wrong else f"not to the bit: {'; '.join(wrong)}"
    )
    return SelfTest(name, not wrong, detail)


def _on_device(
    device: Device,
    inputs: Sequence[Bytes],
    sizes: Sequence[int],
    launch: Callable[[list[Block], list[Block]], None],
    scratch: Sequence[Block] = (),
) -> list[Bytes]:
    """What ``launch`` makes of blocks with ``inputs``: blocks of ``sizes``. It touches ``scratch`` too."""
    with device.active():
        stream = device.stream("self-test")
        sources = [(device.host(len(x)), device.block(len(x))) for x in inputs]
        outputs = [(device.host(size), device.block(size)) for size in sizes]
        for (host, block), content in zip(sources, inputs, strict=True):
            np.copyto(host.write(), content)
            stream.upload(host, block)
        read, written = ([block for _, block in each] for each in (sources, outputs))
        stream.run(lambda: launch(read, written), reads=read, writes=[*written, *scratch])
        for host, block in outputs:
            stream.download(block, host)
        stream.synchronize()
        return [host.read().copy() for host, _ in outputs]
