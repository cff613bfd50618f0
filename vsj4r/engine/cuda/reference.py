"""What kernels.cu computes, in numpy: tests and the self-test hold the kernels to it, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats
from vsj4r.engine.base import Bytes, FrameCodes, FrameLayout, Plane, Scales
from vsj4r.engine.cuda.grid import Grid

Array = NDArray[Any]


def pack(layout: FrameLayout, grid: Grid, codes: FrameCodes, frame: Bytes) -> tuple[Array, Floats]:
    """The cells (``grid.cells_shape``) and luma as floats (``grid.luma_shape``) of the planes in
    ``frame``."""
    y, *uv = layout.views(frame)
    luma = _extend(_light(y, codes.y_zero, codes.y_span), grid.luma_shape)
    channels = np.zeros((grid.channels, grid.height, grid.width), np.float32)
    channels[: grid.lumas] = _unshuffle(luma, 1 << grid.shift)
    if grid.chroma and uv:
        side = 1 << (grid.shift - 1)
        shape = grid.height * side, grid.width * side
        for plane, place in zip(uv, _chroma_channels(grid), strict=True):
            light = _extend(_light(plane, codes.uv_zero, codes.uv_span), shape)
            channels[place] = np.float32(grid.gain) * _unshuffle(light, side)
    with np.errstate(over="ignore"):
        return _as_cells(channels, grid), luma


def unpack(layout: FrameLayout, grid: Grid, scales: Scales, cells: Array, before: Bytes | None) -> Bytes:
    """A block of ``layout``: ``before`` + scales * residual; where there is no residual it keeps
    ``before``."""
    after = np.zeros(layout.nbytes, np.uint8) if before is None else before.copy()
    originals = [None] * 3 if before is None else layout.views(before)
    channels = cells.transpose(2, 0, 1).astype(np.float32)
    y, *uv = layout.views(after)
    changed = _shuffle(channels[: grid.lumas], 1 << grid.shift)
    _add(changed, np.float32(scales.y), originals[0], layout, y)
    if grid.chroma:
        for index, plane in enumerate(uv):
            residual = _shuffle(channels[_chroma_channels(grid)[index]], 1 << (grid.shift - 1))
            residual *= np.float32(1 / grid.gain)
            scale = np.float32((scales.u, scales.v)[index])
            _add(residual, scale, originals[index + 1], layout, plane)
    return after


def gru_read(gates: Array, h: Array) -> Array:
    """max(0, r) * h: (C, n), from gates (2C, n)."""
    r = gates[len(h) :].astype(np.float32)
    return (np.maximum(r, 0) * h.astype(np.float32)).astype(h.dtype)


def gru_write(gates: Array, candidate: Array, h: Array) -> NDArray[np.float64]:
    """(1 - z) * h + z * tanh(candidate), unrounded: expf and tanhf are not the same everywhere."""
    z = 1 / (1 + np.exp(-gates[: len(h)].astype(np.float64)))
    return (1 - z) * h.astype(np.float64) + z * np.tanh(candidate.astype(np.float64))


def _light(plane: Plane, zero: float, span: float) -> Floats:
    if plane.dtype.kind == "f":
        return np.nan_to_num(plane.astype(np.float32), nan=0, posinf=1, neginf=0)
    codes: Floats = plane.astype(np.float32)
    codes -= np.float32(zero)
    codes /= np.float32(span)
    return codes


def _extend(plane: Floats, shape: tuple[int, int]) -> Floats:
    height, width = plane.shape
    return np.pad(plane, ((0, shape[0] - height), (0, shape[1] - width)), "edge")


def _unshuffle(plane: Floats, side: int) -> Floats:
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    blocks = plane.reshape(rows, side, columns, side).transpose(1, 3, 0, 2)
    return blocks.reshape(side * side, rows, columns)


def _shuffle(channels: Floats, side: int) -> Floats:
    _, rows, columns = channels.shape
    blocks = channels.reshape(side, side, rows, columns).transpose(2, 0, 3, 1)
    return blocks.reshape(rows * side, columns * side)


def _chroma_channels(grid: Grid) -> list[slice]:
    count = grid.lumas // 4
    return [slice(grid.lumas + k * count, grid.lumas + (k + 1) * count) for k in (0, 1)]


def _as_cells(channels: Floats, grid: Grid) -> Array:
    return np.ascontiguousarray(channels.astype(grid.cell).transpose(1, 2, 0))


def _add(
    residual: Floats,
    scale: np.float32,
    original: Plane | None,
    layout: FrameLayout,
    into: Plane,
) -> None:
    residual = residual[: into.shape[0], : into.shape[1]]
    change = np.where(np.isfinite(residual), residual, np.float32(0)) * scale
    base = np.zeros(into.shape, layout.dtype) if original is None else original
    with np.errstate(over="ignore", invalid="ignore"):
        values = change + base.astype(np.float32)
        if layout.dtype.kind == "f":
            np.copyto(into, np.where(change != 0, values.astype(layout.dtype), base))
            return
        values = np.rint(values)
    np.copyto(into, np.clip(values, 0, layout.peak), casting="unsafe")
