"""Integer planes to float tensors and back: range, bit depth, padding. No VapourSynth, no engine.

Down: luma is normalised so that its nominal range is [0, 1] (limited range: code 16 is 0, code 235 is 1,
at 8 bit), chroma so that it is [-0.5, 0.5] around ``1 << (bits - 1)``; excursions beyond nominal are kept.
Sides are padded at the right and the bottom, by repeating the edge, to the model's multiple.
Up: the residual is scaled to codes and added to the *original* samples, rounded and clipped to the bit
depth: where the residual is 0 a sample comes back bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsj4r.engine.base import Floats, StepSpec, Tensors

Plane = NDArray[Any]
"""(H, W) uint8 or uint16 samples; rows may be strided, samples in a row are not."""

_STRIP_SAMPLES = 1 << 15
"""Samples that pass through all the arithmetic while they are in the cache."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """YUV 4:2:0 planes of ``width`` x ``height`` luma samples (both even), ``bits`` (8 to 16) deep."""

    width: int
    height: int
    bits: int

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    @property
    def peak(self) -> int:
        """The largest code."""
        return (1 << self.bits) - 1

    def plane(self, index: int) -> tuple[int, int]:
        """(H, W) of plane 0 (luma), 1 or 2 (chroma)."""
        return (self.height // 2, self.width // 2) if index else (self.height, self.width)

    def padded(self, multiple: int) -> tuple[int, int]:
        """(H, W) of luma with both sides rounded up to ``multiple`` and to even numbers."""
        step = multiple if multiple % 2 == 0 else 2 * multiple
        return -(-self.height // step) * step, -(-self.width // step) * step

    def views(self, planes: Sequence[memoryview], strides: Sequence[int]) -> list[Plane]:
        """The planes as arrays on the same memory; ``strides`` in bytes from row to row."""
        item = self.dtype.itemsize
        return [
            np.ndarray(self.plane(index), self.dtype, buffer=memory, strides=(stride, item))
            for index, (memory, stride) in enumerate(zip(planes, strides, strict=True))
        ]


@dataclass(frozen=True, slots=True)
class Codes:
    """How the codes of a plane mean light: ``value = (code - zero) / span``."""

    zero: float
    span: float

    @staticmethod
    def of(plane: int, *, bits: int, full: bool) -> Codes:
        """H.273: full range spans 2^bits - 1; limited spans 219 (luma) or 224 (chroma) at 8 bit."""
        unit = 1 << (bits - 8)
        span = (1 << bits) - 1 if full else (224 if plane else 219) * unit
        zero = 1 << (bits - 1) if plane else (0 if full else 16 * unit)
        return Codes(float(zero), float(span))


class Converter:
    """Planes of one geometry to the tensors that one model reads, and its residual back into planes."""

    def __init__(self, geometry: Geometry, spec: StepSpec) -> None:
        self.geometry = geometry
        self.padded_height, self.padded_width = geometry.padded(spec.multiple)
        self._with_chroma = spec.planes == "yuv420"
        self._work = np.empty(max(_STRIP_SAMPLES, geometry.width), np.float32)

    def new_tensors(self) -> Tensors:
        """Unset tensors of the padded size, each aligned to 64 bytes."""
        height, width = self.padded_height, self.padded_width
        uv = _aligned((2, height // 2, width // 2)) if self._with_chroma else None
        return Tensors(_aligned((height, width)), uv)

    def load(self, planes: Sequence[Plane], *, full: bool, into: Tensors) -> None:
        """Write Y, U, V ``planes`` as padded floats. ``full``: full range, else limited."""
        targets = [into.y] if into.uv is None else [into.y, into.uv[0], into.uv[1]]
        for index, (plane, target) in enumerate(zip(planes, targets, strict=False)):
            codes = Codes.of(index, bits=self.geometry.bits, full=full)
            height, width = plane.shape
            for rows in self._strips(height, width):
                part = target[rows, :width]
                np.subtract(plane[rows], np.float32(codes.zero), out=part, dtype=np.float32)
                np.divide(part, np.float32(codes.span), out=part)
            target[:height, width:] = target[:height, width - 1 : width]
            target[height:] = target[height - 1]

    def add(
        self,
        planes: Sequence[Plane],
        residual: Tensors,
        *,
        strength: float,
        full: bool,
        into: Sequence[Plane],
    ) -> None:
        """``into = clip(round(planes + strength * residual))``, the residual counted in codes.

        Raises:
            FloatingPointError: the residual holds a NaN.
        """
        uv = residual.uv
        floats: list[Floats | None] = [residual.y, None, None] if uv is None else [residual.y, uv[0], uv[1]]
        for index, (plane, change, target) in enumerate(zip(planes, floats, into, strict=True)):
            if change is None:
                np.copyto(target, plane)
            else:
                codes = Codes.of(index, bits=self.geometry.bits, full=full)
                self._add_plane(plane, change, np.float32(strength * codes.span), target)

    def _add_plane(self, plane: Plane, change: Floats, scale: np.float32, target: Plane) -> None:
        height, width = plane.shape
        top = np.float32((1 << self.geometry.bits) - 1)
        with np.errstate(invalid="raise"):
            for rows in self._strips(height, width):
                count = rows.stop - rows.start
                work = self._work[: count * width].reshape(count, width)
                np.multiply(change[rows, :width], scale, out=work)
                np.add(work, plane[rows], out=work, dtype=np.float32)
                np.rint(work, out=work)
                np.clip(work, np.float32(0), top, out=work)
                np.copyto(target[rows], work, casting="unsafe")

    @staticmethod
    def _strips(height: int, width: int) -> Iterator[slice]:
        rows = max(1, _STRIP_SAMPLES // width)
        for top in range(0, height, rows):
            yield slice(top, min(top + rows, height))


class TensorRing:
    """The last few frames as tensors, by frame number: each is read as ``o_next`` and then as ``o_t``."""

    def __init__(self, buffers: Sequence[Tensors]) -> None:
        self._held: dict[int, Tensors] = {}  # least recently used first
        self._free = list(buffers)

    def get(self, n: int, load: Callable[[Tensors], None]) -> Tensors:
        """Frame ``n``, filled by ``load`` if it is not held. The two latest are never overwritten."""
        tensors = self._held.pop(n, None)
        if tensors is None:
            tensors = self._free.pop() if self._free else self._held.pop(next(iter(self._held)))
            try:
                load(tensors)
            except BaseException:
                self._free.append(tensors)
                raise
        self._held[n] = tensors
        return tensors


def _aligned(shape: tuple[int, ...], alignment: int = 64) -> Floats:
    """An unset float32 array whose first element lies on a multiple of ``alignment`` bytes."""
    size = int(np.prod(shape)) * 4
    memory = np.empty(size + alignment, np.uint8)
    skip = -memory.ctypes.data % alignment
    return memory[skip : skip + size].view(np.float32).reshape(shape)
