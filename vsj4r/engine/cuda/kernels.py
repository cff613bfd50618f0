"""The kernels by name, with typed arguments: a Python float would reach a kernel as a double."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vsj4r.engine.base import FrameCodes, FrameLayout, Scales
from vsj4r.engine.cuda.grid import GROUP, Grid

SOURCE = Path(__file__).with_name("kernels.cu")
OPTIONS = ("--std=c++17",)
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
"""sm_NN that the source is compiled for in the tests: Turing to Blackwell."""

CELLS: dict[np.dtype[Any], str] = {np.dtype(np.float16): "__half", np.dtype(np.float32): "float"}
PIXELS = CELLS | {np.dtype(np.uint8): "unsigned char", np.dtype(np.uint16): "unsigned short"}

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


def gate_kernel(kind: str, cell: np.dtype[Any]) -> str:
    """The name of the variant of ``gru_read`` or ``gru_write``."""
    return f"{kind}<{CELLS[cell]}>"


def all_names() -> list[str]:
    """Every variant in the source."""
    grids = [Grid(1, 1, 1, True, 1.0, cell) for cell in CELLS]
    frames = [
        frame_kernel(kind, pixel, grid) for kind in ("pack", "unpack") for pixel in PIXELS for grid in grids
    ]
    return frames + [gate_kernel(kind, cell) for kind in ("gru_read", "gru_write") for cell in CELLS]


def pack(
    kernels: Kernels, layout: FrameLayout, grid: Grid, codes: FrameCodes, *, frame: int, cells: int, luma: int
) -> None:
    """Planes to cells, and luma (``grid.luma_shape`` float32) beside them; all three are addresses."""
    arguments: list[KernelArgument] = [np.uint64(frame), *_geometry(layout, grid)]
    for zero, span in ((codes.y_zero, codes.y_span), (codes.uv_zero, codes.uv_span)):
        arguments += _floats(zero, span, float(1 / np.float32(span)))
    arguments += _floats(grid.gain)
    arguments += [np.uint64(cells), np.uint64(luma)]
    kernels.launch(frame_kernel("pack", layout.dtype, grid), _tiles(grid), _TILE, arguments)


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
    kernels.launch(frame_kernel("unpack", layout.dtype, grid), _tiles(grid), _TILE, arguments)


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


def _floats(*numbers: float) -> list[KernelArgument]:
    return [np.float32(number) for number in numbers]


def _tiles(grid: Grid) -> Size:
    return -(-grid.width // _TILE[0]), -(-grid.height // _TILE[1])
