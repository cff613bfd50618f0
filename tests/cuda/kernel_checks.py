"""What holds of the kernels, to the bit where rounding is defined: for the library, planted bugs, and a
GPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsj4r.engine.base import Bytes, FrameCodes, FrameLayout, Scales
from vsj4r.engine.cuda import kernels, reference
from vsj4r.engine.cuda.grid import Grid
from vsj4r.engine.cuda.kernels import Kernels, Reduction
from vsj4r.engine.resampling import phases_of

SIZES = {"odd": (29, 37), "whole": (16, 64), "one": (1, 1), "wide": (5, 261)}
SAMPLES: dict[str, tuple[Any, int]] = {
    "u8": (np.uint8, 255),
    "u10": (np.uint16, 1023),
    "u16": (np.uint16, 65535),
    "f16": (np.float16, 1),
    "f32": (np.float32, 1),
}


@dataclass(frozen=True)
class Case:
    samples: str
    size: str
    shift: int
    cell: str
    chroma: bool = True

    @property
    def layout(self) -> FrameLayout:
        dtype, peak = SAMPLES[self.samples]
        return FrameLayout(*SIZES[self.size], np.dtype(dtype), self.chroma, peak)

    @property
    def grid(self) -> Grid:
        height, width = (-(-side // 8) * 8 >> self.shift for side in SIZES[self.size])
        return Grid(height, width, self.shift, self.shift > 0, 8.0, np.dtype(self.cell))

    def codes(self, *, full: bool) -> FrameCodes:
        peak = SAMPLES[self.samples][1]
        unit = (peak + 1) / 256
        if peak == 1:
            return FrameCodes()
        half = (peak + 1) / 2
        return (
            FrameCodes(0, peak, half, peak) if full else FrameCodes(16 * unit, 219 * unit, half, 224 * unit)
        )


ALL = [Case(*each) for each in product(SAMPLES, SIZES, (0, 1, 2), ("float16", "float32"))]
ALL += [Case("u8", "odd", shift, "float16", chroma=False) for shift in (0, 1, 2)]
FEW = [Case("u8", "odd", 1, "float16"), Case("f32", "odd", 2, "float32")]
FEW += [Case("u8", "wide", 2, "float16"), Case("u8", "odd", 1, "float16", chroma=False)]


@dataclass(frozen=True)
class Reduced:
    """A case of frames that are made ``by`` times smaller, to an even size that covers them."""

    samples: str
    size: str
    by: int
    chroma: bool = True

    @property
    def reduction(self) -> Reduction:
        dtype, peak = SAMPLES[self.samples]
        height, width = SIZES[self.size]
        frames = FrameLayout(height, width, np.dtype(dtype), self.chroma, peak)
        rows, columns = (-(-side // (4 * self.by)) * 4 for side in (height, width))
        return Reduction(frames, FrameLayout(rows, columns, np.dtype(np.float32), self.chroma), self.by)


ALL_REDUCED = [Reduced(*each) for each in product(SAMPLES, SIZES, (2, 3, 4, 8))]
ALL_REDUCED += [Reduced(*each, chroma=False) for each in product(("u8", "f32"), SIZES, (2, 3))]
FEW_REDUCED = [Reduced("u8", "odd", 2), Reduced("f32", "odd", 3), Reduced("u8", "wide", 3, chroma=False)]


def check_reductions(compiled: Kernels, cases: Iterable[Reduced]) -> None:
    """Raises:
    AssertionError: frames made smaller, rain found there, or corrections enlarged differ from the reference
        in any bit of the planes.
    """
    rng = np.random.default_rng(2)
    for case in cases:
        reduction = case.reduction
        layout, small = reduction.frames, reduction.small
        frame, phases = noise(layout, rng), phases_of(reduction.by)
        codes = Case(case.samples, case.size, 1, "float32").codes(full=False)
        shrunk, rain = (np.full(small.nbytes, 0xFF, np.uint8) for _ in range(2))
        kernels.shrink(compiled, reduction, codes, frame=address(frame), small=address(shrunk))
        assert _same(small, shrunk, reference.shrink(reduction, codes, frame)), f"small frame of {case}"
        change = noise(small, rng)
        for plane in small.views(change):
            plane[...] = rng.normal(size=plane.shape, scale=0.2) * (rng.random(plane.shape) < 0.2)
        kernels.find_rain(compiled, small, change=address(change), rain=address(rain))
        expected_rain = reference.find_rain(small, change)
        assert _same(small, rain, expected_rain, planes=2), f"rain of {case}"
        shape = small.height, small.width
        for before, scales in _ways_back(Case(case.samples, case.size, 1, "float32"), frame):
            after = frame.copy() if before is not None else np.zeros_like(frame)
            levels = aligned(shape, np.dtype(np.float32))
            kernels.enlarge(
                compiled, reduction, codes, scales,
                frame=address(frame), small=address(shrunk), change=address(change), rain=address(rain),
                phases=address(phases), before=0 if before is None else address(before),
                after=address(after), levels=address(levels),
            )  # fmt: skip
            expected, expected_levels = reference.enlarge(
                reduction, codes, scales, frame, shrunk, change, expected_rain, before
            )
            for block in (after, expected):
                _one_nan(layout, block)
            assert after.tobytes() == expected.tobytes(), f"{case}, {scales}"
            assert levels.tobytes() == expected_levels.tobytes(), f"levels of {case}"


def check_frames(compiled: Kernels, cases: Iterable[Case]) -> None:
    """Raises:
    AssertionError: planes to cells or back differ from the reference in any bit, padding included.
    """
    rng = np.random.default_rng(0)
    for case in cases:
        layout, grid = case.layout, case.grid
        frame = noise(layout, rng)
        for full in (False, True):
            codes = case.codes(full=full)
            cells = aligned(grid.cells_shape, grid.cell)
            luma = aligned(grid.luma_shape, np.dtype(np.float32))
            kernels.pack(
                compiled, layout, grid, codes, frame=address(frame), cells=address(cells), luma=address(luma)
            )
            expected_cells, expected_luma = reference.pack(layout, grid, codes, frame)
            assert cells.tobytes() == expected_cells.tobytes(), f"cells of {case}"
            assert luma.tobytes() == expected_luma.tobytes(), f"luma of {case}"
        for before, scales in _ways_back(case, frame):
            residual = broken_residual(grid, rng)
            after = frame.copy() if before is not None else np.zeros_like(frame)
            kernels.unpack(
                compiled,
                layout,
                grid,
                scales,
                cells=address(residual),
                before=0 if before is None else address(before),
                after=address(after),
            )
            expected = reference.unpack(layout, grid, scales, residual, before)
            for block in (after, expected):
                _one_nan(layout, block)
            assert after.tobytes() == expected.tobytes(), f"{case}, {scales}"


def check_gates(compiled: Kernels) -> None:
    """Raises:
    AssertionError: a gate differs from what it is in float64 by more than rounding.
    """
    rng = np.random.default_rng(1)
    for cell, (pixels, channels) in product(("float16", "float32"), ((333, 32), (1, 8), (70, 64))):
        dtype = np.dtype(cell)
        gates = rng.normal(size=(2 * channels, pixels), scale=3).astype(dtype)
        gates[:4, 0] = [600, -600, 40, -40]
        candidate = rng.normal(size=(channels, pixels), scale=2).astype(dtype)
        h = rng.normal(size=(channels, pixels)).astype(dtype)
        inputs = [_stored(x) for x in (gates, candidate, h)]
        read, after = (_stored(np.full_like(h, np.nan)) for _ in range(2))
        shape = dtype, pixels, channels
        pointers = [address(x) for x in inputs]
        kernels.gru_read(compiled, *shape, pointers[0], pointers[2], address(read))
        kernels.gru_write(compiled, *shape, *pointers, address(after))
        assert _loaded(read).tobytes() == reference.gru_read(gates, h).tobytes()
        expected = reference.gru_write(gates, candidate, h)
        np.testing.assert_allclose(
            _loaded(after).astype(np.float64), expected, rtol=1e-3 if cell == "float16" else 1e-5,
            atol=1e-4 if cell == "float16" else 1e-6,
        )  # fmt: skip


def noise(layout: FrameLayout, rng: np.random.Generator) -> Bytes:
    """Random samples, floats that are broken or beyond ``SHOWN`` among them; the padding of rows is 7."""
    frame = np.full(layout.nbytes, 7, np.uint8)
    for plane in layout.views(frame):
        if layout.dtype.kind == "u":
            plane[...] = rng.integers(0, layout.peak, plane.shape, endpoint=True)
        else:
            plane[...] = rng.normal(size=plane.shape)
            if plane.size > 8:
                plane.flat[:8] = [np.nan, np.inf, -np.inf, -0.0, -1.25, 2.25, -60000, 60000]
    return frame


def broken_residual(grid: Grid, rng: np.random.Generator) -> NDArray[Any]:
    residual = aligned(grid.cells_shape, grid.cell)
    residual[...] = rng.normal(size=grid.cells_shape, scale=0.3)
    residual[rng.random(residual.shape) < 0.1] = 0.5
    residual.flat[:6] = [np.nan, np.inf, -np.inf, 60000, -60000, 0]
    return residual


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """All NaN, on a multiple of 64 bytes as device memory is."""
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.empty(size + 64, np.uint8)
    skip = -memory.ctypes.data % 64
    array: NDArray[Any] = memory[skip : skip + size].view(dtype).reshape(shape)
    array[...] = np.nan
    return array


def address(array: NDArray[Any]) -> int:
    return array.ctypes.data


def _ways_back(case: Case, frame: Bytes) -> Iterator[tuple[Bytes | None, Scales]]:
    span = float(SAMPLES[case.samples][1])
    yield frame, Scales(span, span, span)
    yield frame, Scales(1, 8, 8)  # a residual of 0.5 is half a code
    yield frame, Scales(0.7 * span, 0.3 * span, 0)
    yield frame, Scales(0.01 * span, span, span)
    if case.layout.dtype.kind == "f":
        yield None, Scales()


def _one_nan(layout: FrameLayout, block: Bytes) -> None:
    """Which NaN comes out of a sum is not defined."""
    if layout.dtype.kind == "f":
        for plane in layout.views(block):
            plane[np.isnan(plane)] = np.nan


def _same(layout: FrameLayout, block: Bytes, expected: Bytes, *, planes: int = 3) -> bool:
    """Whether the samples of the first ``planes`` are the same bits; nobody writes the padding of rows."""
    views = zip(layout.views(block)[:planes], layout.views(expected)[:planes], strict=True)
    return all(a.tobytes() == b.tobytes() for a, b in views)


def _stored(array: NDArray[Any]) -> NDArray[Any]:
    """(C, n) as the kernels have it: (n, C)."""
    stored = aligned(array.T.shape, array.dtype)
    stored[...] = array.T
    return stored


def _loaded(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array.T)
