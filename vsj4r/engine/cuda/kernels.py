"""The kernels by name, with typed arguments: a Python float would reach a kernel as a double."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vsj4r.engine.base import FrameCodes, FrameLayout, Scales
from vsj4r.engine.cuda.grid import GROUP, Grid
from vsj4r.engine.resampling import LEAST_DETAIL, LEAST_RAIN, MOST_RAIN

SOURCE = Path(__file__).with_name("kernels.cu")
OPTIONS = ("--std=c++17",)
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
"""sm_NN that the source is compiled for in the tests: Turing to Blackwell."""

CELLS: dict[np.dtype[Any], str] = {np.dtype(np.float16): "__half", np.dtype(np.float32): "float"}
PIXELS = CELLS | {np.dtype(np.uint8): "unsigned char", np.dtype(np.uint16): "unsigned short"}

FIND_RAIN = "find_rain"

_TILE = (32, 8)
_LINE = 256

KernelArgument = np.int32 | np.int64 | np.uint64 | np.float32
Size = tuple[int, int]


class Kernels(Protocol):
    """Compiled kernels of one device."""

    def launch(self, name: str, grid: Size, block: Size, arguments: Sequence[KernelArgument]) -> None:
        """Put ``name`` on the current stream. Each argument has the size of its parameter; a pointer is
        uint64."""


def frame_kernel(kind: str, pixel: np.dtype[Any], grid: Grid) -> str:
    """The name of the variant of ``pack`` or ``unpack``."""
    return f"{kind}<{PIXELS[pixel]}, {CELLS[grid.cell]}>"


def plane_kernel(kind: str, pixel: np.dtype[Any]) -> str:
    """The name of the variant of ``shrink`` or ``enlarge``."""
    return f"{kind}<{PIXELS[pixel]}>"


def gate_kernel(kind: str, cell: np.dtype[Any]) -> str:
    """The name of the variant of ``gru_read`` or ``gru_write``."""
    return f"{kind}<{CELLS[cell]}>"


def all_names() -> list[str]:
    """Every variant in the source."""
    grids = [Grid(1, 1, 1, True, 1.0, cell) for cell in CELLS]
    frames = [
        frame_kernel(kind, pixel, grid) for kind in ("pack", "unpack") for pixel in PIXELS for grid in grids
    ]
    planes = [plane_kernel(kind, pixel) for kind in ("shrink", "enlarge") for pixel in PIXELS]
    return [*frames, *planes, FIND_RAIN] + [
        gate_kernel(kind, cell) for kind in ("gru_read", "gru_write") for cell in CELLS
    ]


def pack(
    kernels: Kernels, layout: FrameLayout, grid: Grid, codes: FrameCodes, *, frame: int, cells: int, luma: int
) -> None:
    """Planes to cells, and luma (``grid.luma_shape`` float32) beside them; all three are addresses."""
    arguments: list[KernelArgument] = [np.uint64(frame), *_geometry(layout, grid)]
    for plane in (0, 1):
        arguments += _codes(codes, plane)
    arguments += _floats(grid.gain)
    arguments += [np.uint64(cells), np.uint64(luma)]
    kernels.launch(
        frame_kernel("pack", layout.dtype, grid), _blocks((grid.height, grid.width)), _TILE, arguments
    )


def unpack(
    kernels: Kernels,
    layout: FrameLayout,
    grid: Grid,
    scales: Scales,
    *,
    cells: int,
    before: int,
    after: int,
) -> None:
    """The residual in ``cells`` added to the planes ``before`` (0: none), all three addresses."""
    arguments: list[KernelArgument] = [np.uint64(cells), np.uint64(before), *_geometry(layout, grid)]
    arguments += _floats(scales.y, scales.u, scales.v, 1 / grid.gain, layout.peak)
    arguments += [np.uint64(after)]
    kernels.launch(
        frame_kernel("unpack", layout.dtype, grid), _blocks((grid.height, grid.width)), _TILE, arguments
    )


@dataclass(frozen=True, slots=True)
class Reduction:
    """``frames`` and what they are made ``by`` times smaller: ``small``, float32, whose sides times ``by``
    reach beyond the picture or to its end."""

    frames: FrameLayout
    small: FrameLayout
    by: int


def shrink(kernels: Kernels, reduction: Reduction, codes: FrameCodes, *, frame: int, small: int) -> None:
    """Planes to smaller ones of light; both are addresses."""
    frames, by = reduction.frames, reduction.by
    part = float(np.float32(1) / np.float32(by * by))
    planes = zip(frames.places, reduction.small.places, strict=True)
    for index, ((at, pitch, shape), (small_at, small_pitch, small_shape)) in enumerate(planes):
        arguments = [*_plane(frame + at, pitch, shape), *_codes(codes, index), np.int32(by), *_floats(part)]
        arguments += _plane(small + small_at, small_pitch, small_shape)
        kernels.launch(plane_kernel("shrink", frames.dtype), _blocks(small_shape), _TILE, arguments)


def find_rain(kernels: Kernels, small: FrameLayout, *, change: int, rain: int) -> None:
    """How much rain lies near each sample, by the ``change`` of luma: for luma where that lies in ``small``,
    for chroma where U does; both are addresses."""
    _, pitch, luma = small.places[0]
    for side, (at, rain_pitch, shape) in enumerate(small.places[:2], 1):
        arguments = [*_plane(change, pitch, luma), np.int32(side), *_plane(rain + at, rain_pitch, shape)]
        kernels.launch(FIND_RAIN, _blocks(shape), _TILE, arguments)


def enlarge(
    kernels: Kernels,
    reduction: Reduction,
    codes: FrameCodes,
    scales: Scales,
    *,
    frame: int,
    small: int,
    change: int,
    rain: int,
    phases: int,
    before: int,
    after: int,
    levels: int,
) -> None:
    """The ``change`` of ``small``, enlarged, added to the planes ``before``, which are ``frame``'s or none
    (0). ``levels``: sums of |correction| of luma, float32 for each sample of it in ``small``. All are
    addresses."""
    frames, by = reduction.frames, reduction.by
    planes = zip(frames.places, reduction.small.places, (scales.y, scales.u, scales.v), strict=False)
    for index, ((at, pitch, shape), (small_at, small_pitch, small_shape), scale) in enumerate(planes):
        arguments = [*_plane(frame + at, pitch, shape), *_codes(codes, index)]
        arguments += [np.uint64(small + small_at), np.uint64(change + small_at)]
        arguments += _plane(rain + reduction.small.places[min(index, 1)][0], small_pitch, small_shape)
        arguments += [np.int32(by), np.uint64(phases), *_floats(MOST_RAIN, LEAST_RAIN, LEAST_DETAIL)]
        arguments += [np.uint64(before and before + at), *_floats(scale, frames.peak)]
        arguments += [np.uint64(after + at), np.uint64(0 if index else levels)]
        kernels.launch(plane_kernel("enlarge", frames.dtype), _blocks(small_shape), _TILE, arguments)


def gru_read(kernels: Kernels, cell: np.dtype[Any], pixels: int, channels: int, *addresses: int) -> None:
    """``addresses``: gates, h, and where max(0, r) * h goes."""
    _gate(kernels, gate_kernel("gru_read", cell), pixels, channels, addresses)


def gru_write(kernels: Kernels, cell: np.dtype[Any], pixels: int, channels: int, *addresses: int) -> None:
    """``addresses``: gates, candidate, h, and where the new h goes."""
    _gate(kernels, gate_kernel("gru_write", cell), pixels, channels, addresses)


def _gate(kernels: Kernels, name: str, pixels: int, channels: int, addresses: Sequence[int]) -> None:
    arguments: list[KernelArgument] = [np.uint64(address) for address in addresses]
    groups = pixels * channels // GROUP
    kernels.launch(
        name, (-(-groups // _LINE), 1), (_LINE, 1), [*arguments, np.int32(pixels), np.int32(channels)]
    )


def _geometry(layout: FrameLayout, grid: Grid) -> list[KernelArgument]:
    offsets: list[KernelArgument] = [np.int64(layout.u_offset), np.int64(layout.v_offset)]
    numbers = layout.y_pitch, layout.uv_pitch, layout.width, layout.height, grid.width, grid.height
    return offsets + [np.int32(x) for x in (*numbers, grid.shift, grid.channels, grid.chroma)]


def _plane(address: int, pitch: int, shape: Size) -> list[KernelArgument]:
    height, width = shape
    return [np.uint64(address), np.int32(pitch), np.int32(width), np.int32(height)]


def _codes(codes: FrameCodes, plane: int) -> list[KernelArgument]:
    zero, span = (codes.uv_zero, codes.uv_span) if plane else (codes.y_zero, codes.y_span)
    return _floats(zero, span, float(1 / np.float32(span)))


def _floats(*numbers: float) -> list[KernelArgument]:
    return [np.float32(number) for number in numbers]


def _blocks(shape: Size) -> Size:
    height, width = shape
    return -(-width // _TILE[0]), -(-height // _TILE[1])
