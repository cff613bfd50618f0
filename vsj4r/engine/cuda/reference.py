"""What kernels.cu computes, in numpy: tests and the self-test hold the kernels to it, to the bit."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats
from vsj4r.engine.base import SHOWN, Bytes, FrameCodes, FrameLayout, Plane, Scales
from vsj4r.engine.cuda.grid import Grid
from vsj4r.engine.cuda.kernels import Reduction
from vsj4r.engine.resampling import enlarge_change, phases_of, rain_near, shrink_plane

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


def shrink(reduction: Reduction, codes: FrameCodes, frame: Bytes) -> Bytes:
    """A block of ``reduction.small``: light, the edge repeated beyond the picture."""
    block = np.zeros(reduction.small.nbytes, np.uint8)
    lights = _lights(reduction, codes, frame)
    for plane, view in zip(lights, reduction.small.views(block), strict=True):
        small = np.empty(view.shape, np.float32)  # rows of the view are padded
        shrink_plane(plane, reduction.by, small)
        view[...] = small
    return block


def find_rain(small: FrameLayout, change: Bytes) -> Bytes:
    """A block of ``small`` with the rain near luma in Y, near chroma in U."""
    block = np.zeros(small.nbytes, np.uint8)
    luma, into = small.views(change)[0], small.views(block)
    into[0][...] = rain_near(luma)
    if small.chroma:
        into[1][...] = rain_near(luma, halved=True)
    return block


def enlarge(
    reduction: Reduction,
    codes: FrameCodes,
    scales: Scales,
    frame: Bytes,
    small: Bytes,
    change: Bytes,
    rain: Bytes,
    before: Bytes | None,
) -> tuple[Bytes, Floats]:
    """``before`` + scales * the correction, a block of ``reduction.frames``; and the sums of |correction| of
    luma over the picture's samples that each sample became."""
    by, frames = reduction.by, reduction.frames
    after = np.zeros(frames.nbytes, np.uint8) if before is None else before.copy()
    originals = [None] * 3 if before is None else frames.views(before)
    phases = phases_of(by)
    levels = np.zeros((reduction.small.height, reduction.small.width), np.float32)
    near = reduction.small.views(rain)
    parts = zip(
        _lights(reduction, codes, frame), reduction.small.views(small), reduction.small.views(change),
        frames.views(after), (scales.y, scales.u, scales.v), strict=False,
    )  # fmt: skip
    for index, (plane, reduced, changed, into, scale) in enumerate(parts):
        correction = np.empty(plane.shape, np.float32)
        of_small, of_change, of_rain = map(np.ascontiguousarray, (reduced, changed, near[min(index, 1)]))
        with np.errstate(over="ignore", invalid="ignore"):
            enlarge_change(plane, of_small, of_change, of_rain, phases, correction)
        _add(correction, np.float32(scale), originals[index], frames, into)
        if index == 0:
            correction[~np.isfinite(correction)] = 0
            correction[frames.height :], correction[:, frames.width :] = 0, 0
            for dy, dx in product(range(by), range(by)):
                levels += np.abs(correction[dy::by, dx::by])
    return after, levels


def gru_read(gates: Array, h: Array) -> Array:
    """max(0, r) * h: (C, n), from gates (2C, n)."""
    r = gates[len(h) :].astype(np.float32)
    return (np.maximum(r, 0) * h.astype(np.float32)).astype(h.dtype)


def gru_write(gates: Array, candidate: Array, h: Array) -> NDArray[np.float64]:
    """(1 - z) * h + z * tanh(candidate), unrounded: expf and tanhf are not the same everywhere."""
    z = 1 / (1 + np.exp(-gates[: len(h)].astype(np.float64)))
    return (1 - z) * h.astype(np.float64) + z * np.tanh(candidate.astype(np.float64))


def _lights(reduction: Reduction, codes: FrameCodes, frame: Bytes) -> list[Floats]:
    """The planes, as large as those of ``reduction.small`` enlarged."""
    found = []
    for index, (plane, place) in enumerate(
        zip(reduction.frames.views(frame), reduction.small.places, strict=True)
    ):
        zero, span = (codes.uv_zero, codes.uv_span) if index else (codes.y_zero, codes.y_span)
        height, width = place[2]
        found.append(_extend(_light(plane, zero, span), (height * reduction.by, width * reduction.by)))
    return found


def _light(plane: Plane, zero: float, span: float) -> Floats:
    if plane.dtype.kind == "f":
        return np.nan_to_num(plane.astype(np.float32), nan=0, posinf=1, neginf=0).clip(*SHOWN)
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
