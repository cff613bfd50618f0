"""Planes of any format to float tensors, and the residual back into planes. No VapourSynth, no engine.

Down: luma is normalised so that its nominal range is [0, 1] (limited range: code 16 is 0, code 235 is 1,
at 8 bit), chroma so that it is [-0.5, 0.5]; excursions beyond nominal are kept, of floats within ``SHOWN``.
RGB goes through the matrix, GRAY has neutral chroma, and chroma of a layout other than 4:2:0 comes to half of
luma's resolution.
Sides are padded at the right and the bottom, by repeating the edge, to the model's multiple.
Up: the residual is brought to the layout's own planes and added to the *original* samples; integers are
rounded and clipped, floats are not. Where a plane's change is 0 a sample comes back bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.engine.base import SHOWN, Plane, StepSpec, Tensors
from vsj4r.engine.native import conversion as native
from vsj4r.frames.chroma import from_half, shrink_to_chroma, to_half
from vsj4r.frames.formats import Codes, Geometry
from vsj4r.frames.matrix import BT709, to_rgb, to_yuv

_STRIP_SAMPLES = 1 << 15

_CACHE_LINE = 64  # bytes


class Converter:
    """Planes of one geometry to the tensors that one model reads, and its residual back into planes."""

    def __init__(self, geometry: Geometry, spec: StepSpec) -> None:
        self.geometry = geometry
        self.padded_height, self.padded_width = geometry.padded(spec.multiple)
        self._format = geometry.format
        self._with_chroma = spec.planes == "yuv420"
        self._work = np.empty(max(_STRIP_SAMPLES, geometry.width), np.float32)

    def new_tensors(self) -> Tensors:
        """Unset tensors of the padded size, each aligned to 64 bytes."""
        height, width = self.padded_height, self.padded_width
        uv = _aligned_empty((2, height // 2, width // 2)) if self._with_chroma else None
        return Tensors(_aligned_empty((height, width)), uv)

    def load(self, planes: Sequence[Plane], *, full: bool, matrix: int = BT709, into: Tensors) -> None:
        """Write ``planes`` as padded floats. ``full``: full range, else limited; ``matrix`` is for RGB."""
        if self._format.family == "rgb":
            r, g, b = (self._floats(plane, index, full=full) for index, plane in enumerate(planes))
            y, *uv = to_yuv(r, g, b, matrix)
            _pad(y, into.y)
        else:
            self._normalise(planes[0], self._format.codes(0, full=full), into.y)
            uv = []
        if into.uv is None:
            return
        if self._format.family == "gray":
            into.uv.fill(0)
        elif (self._format.ssw, self._format.ssh) == (1, 1):
            for index in (1, 2):
                self._normalise(planes[index], self._format.codes(index, full=full), into.uv[index - 1])
        else:
            uv = uv or [self._floats(planes[index], index, full=full) for index in (1, 2)]
            for plane, target in zip(uv, into.uv, strict=True):
                _pad(to_half(plane, self._format.ssw, self._format.ssh), target)

    def changes(self, residual: Tensors, *, matrix: int = BT709) -> list[Floats | None]:
        """The residual on each plane at the plane's own resolution, in units of its nominal range; None where
        the model has none. They hold as long as ``residual`` does."""
        ssw, ssh = self._format.ssw, self._format.ssh
        y = residual.y[: self.geometry.height, : self.geometry.width]
        if self._format.family == "gray":
            return [y]
        if residual.uv is None:
            return [y] * 3 if self._format.family == "rgb" else [y, None, None]
        half = -(-self.geometry.height // 2), -(-self.geometry.width // 2)
        shape = self.geometry.plane(1)
        u, v = (from_half(plane[: half[0], : half[1]], shape, ssw, ssh) for plane in residual.uv)
        return list(to_rgb(y, u, v, matrix)) if self._format.family == "rgb" else [y, u, v]

    def add(
        self,
        planes: Sequence[Plane],
        changes: Sequence[Floats | None],
        *,
        strength: float,
        full: bool,
        weights: Floats | None = None,
        into: Sequence[Plane],
    ) -> None:
        """``into = clip(round(planes + strength * weights * changes))``, the changes counted in codes.

        ``weights``: (H, W) in [0, 1] at luma's resolution; a chroma sample takes the mean of its pixels.

        Raises:
            FloatingPointError: a change is not a finite number.
        """
        for index, (plane, change, target) in enumerate(zip(planes, changes, into, strict=True)):
            if change is None:
                np.copyto(target, plane)
                continue
            share = None if weights is None else shrink_to_chroma(weights, *self._format.subsampling(index))
            scale = np.float32(strength * self._format.codes(index, full=full).span)
            self._add_plane(plane, change if share is None else change * share, scale, target)

    def _add_plane(self, plane: Plane, change: Floats, scale: np.float32, target: Plane) -> None:
        height, width = plane.shape
        top = np.float32(self._format.peak)
        if self._format.sample != "float" and native.takes_planes(plane, change, target):
            if not native.add_to_plane(plane, change, float(scale), float(top), target):
                raise FloatingPointError("the network's result must be finite, got NaN or infinity")
            return
        with np.errstate(invalid="raise"):
            for rows in _strips(height, width):
                count = rows.stop - rows.start
                work = self._work[: count * width].reshape(count, width)
                np.multiply(change[rows], scale, out=work)
                if not np.isfinite(work.sum()):
                    raise FloatingPointError("the network's result must be finite, got NaN or infinity")
                if self._format.sample == "float":
                    _add_floats(plane[rows], work, target[rows])
                    continue
                np.add(work, plane[rows], out=work, dtype=np.float32)
                np.rint(work, out=work)
                np.clip(work, np.float32(0), top, out=work)
                np.copyto(target[rows], work, casting="unsafe")

    def _floats(self, plane: Plane, index: int, *, full: bool) -> Floats:
        values = np.empty(plane.shape, np.float32)
        self._normalise(plane, self._format.codes(index, full=full), values)
        return values

    def _normalise(self, plane: Plane, codes: Codes, target: Floats) -> None:
        """Into the top left of ``target``, the edge repeated beyond."""
        height, width = plane.shape
        if self._format.sample != "float" and native.takes_planes(plane, target):
            native.plane_to_floats(plane, codes.zero, codes.span, target[:, :width])
            _repeat_edge(target, height, width)
            return
        for rows in _strips(height, width):
            part = target[rows, :width]
            if self._format.sample == "float":
                np.copyto(part, plane[rows])
                np.nan_to_num(part, copy=False, nan=0, posinf=1, neginf=0)
                np.clip(part, *SHOWN, out=part)
                continue
            np.subtract(plane[rows], np.float32(codes.zero), out=part, dtype=np.float32)
            np.divide(part, np.float32(codes.span), out=part)
        _repeat_edge(target, height, width)


def _add_floats(plane: Plane, work: Floats, target: Plane) -> None:
    """``target = plane + work``, and ``plane`` to the bit (-0.0, a NaN) where ``work`` is 0."""
    np.copyto(target, plane)
    with np.errstate(over="ignore", invalid="ignore"):
        np.copyto(target, plane + work, where=work != 0, casting="same_kind")


def _pad(plane: Floats, target: Floats) -> None:
    height, width = plane.shape
    target[:height, :width] = plane
    _repeat_edge(target, height, width)


def _repeat_edge(target: Floats, height: int, width: int) -> None:
    target[:height, width:] = target[:height, width - 1 : width]
    target[height:] = target[height - 1]


def _strips(height: int, width: int) -> Iterator[slice]:
    """Rows of a plane, so many at a time that all the arithmetic on them stays in the cache."""
    rows = max(1, _STRIP_SAMPLES // width)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def _aligned_empty(shape: tuple[int, ...]) -> Floats:
    """An unset float32 array whose first element lies on a cache line's first byte."""
    size = int(np.prod(shape)) * 4
    memory = np.empty(size + _CACHE_LINE, np.uint8)
    skip = -memory.ctypes.data % _CACHE_LINE
    return memory[skip : skip + size].view(np.float32).reshape(shape)
