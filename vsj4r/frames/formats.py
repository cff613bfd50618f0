"""What the samples of a frame are: colour family, type, depth, subsampling, and what their codes mean."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vsj4r.engine.base import FrameCodes, FrameLayout, Plane, Scales
from vsj4r.frames.matrix import coefficients

Family = Literal["gray", "rgb", "yuv"]


@dataclass(frozen=True, slots=True)
class Format:
    """``bits`` is 8 to 16 for integers, 16 or 32 for floats; ``ssw``, ``ssh`` are log2 of how much narrower
    and lower chroma is: (1, 1) is 4:2:0, (1, 0) 4:2:2, (2, 0) 4:1:1, (0, 1) 4:4:0."""

    family: Family
    sample: Literal["integer", "float"]
    bits: int
    ssw: int = 0
    ssh: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        if self.sample == "float":
            return np.dtype(np.float16 if self.bits == 16 else np.float32)
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    @property
    def peak(self) -> int:
        """The largest code; nominal white of floats."""
        return 1 if self.sample == "float" else (1 << self.bits) - 1

    @property
    def planes(self) -> int:
        return 1 if self.family == "gray" else 3

    def subsampling(self, plane: int) -> tuple[int, int]:
        """(ssw, ssh) of a plane: (0, 0) for luma, R, G and B."""
        return (self.ssw, self.ssh) if plane else (0, 0)

    def codes(self, plane: int, *, full: bool) -> Codes:
        """H.273. Floats are always [0, 1], chroma [-0.5, 0.5]; full range spans 2^bits - 1; limited range
        spans 219 (chroma: 224) at 8 bit and begins at 16."""
        chroma = self.family == "yuv" and plane > 0
        if self.sample == "float":
            return Codes(0.0, 1.0)
        unit = 1 << (self.bits - 8)
        span = self.peak if full else (224 if chroma else 219) * unit
        zero = 1 << (self.bits - 1) if chroma else (0 if full else 16 * unit)
        return Codes(float(zero), float(span))

    def frame_codes(self, *, full: bool, matrix: int) -> FrameCodes:
        """Of all planes, as an engine is told them; ``matrix`` is for RGB."""
        y, uv = (self.codes(plane, full=full) for plane in (0, 1))
        return FrameCodes(y.zero, y.span, uv.zero, uv.span, *coefficients(matrix))

    def scales(self, strength: float, planes: Container[int] | None = None, *, full: bool) -> Scales:
        """What changes the ``planes``, all of them by default, by so much of what is found."""
        return Scales(
            *(
                strength * self.codes(plane, full=full).span if planes is None or plane in planes else 0.0
                for plane in range(3)
            )
        )


@dataclass(frozen=True, slots=True)
class Codes:
    """How the codes of a plane mean light: ``value = (code - zero) / span``."""

    zero: float
    span: float


@dataclass(frozen=True, slots=True)
class Geometry:
    """Frames of ``width`` x ``height`` pixels, which the format's subsampling divides."""

    width: int
    height: int
    format: Format

    def plane(self, index: int) -> tuple[int, int]:
        """(H, W) of a plane."""
        ssw, ssh = self.format.subsampling(index)
        return self.height >> ssh, self.width >> ssw

    def layout(self, *, chroma: bool) -> FrameLayout:
        """As an engine is told it; ``chroma``: whether that of YUV is wanted."""
        kind, rgb = self.format, self.format.family == "rgb"
        has_chroma = rgb or (chroma and kind.family == "yuv")
        return FrameLayout(
            self.height, self.width, kind.dtype, has_chroma, kind.peak, kind.ssw, kind.ssh, rgb=rgb
        )

    def padded(self, multiple: int) -> tuple[int, int]:
        """(H, W) with both sides rounded up to ``multiple`` and to even numbers."""
        step = multiple if multiple % 2 == 0 else 2 * multiple
        return -(-self.height // step) * step, -(-self.width // step) * step

    def views(self, planes: Sequence[memoryview | None], strides: Sequence[int]) -> list[Plane]:
        """The planes as arrays on the same memory; ``strides`` in bytes from row to row."""
        dtype = self.format.dtype
        return [
            np.ndarray(
                self.plane(index), dtype, buffer=planes[index], strides=(strides[index], dtype.itemsize)
            )
            for index in range(self.format.planes)
        ]
