"""Planes of any format to float tensors, and the residual back into planes. No VapourSynth, no engine.

Down: luma is normalised so that its nominal range is [0, 1] (limited range: code 16 is 0, code 235 is 1,
at 8 bit), chroma so that it is [-0.5, 0.5]; excursions beyond nominal are kept, of floats within ``SHOWN``.
RGB goes through the matrix, GRAY has neutral chroma, and chroma of a layout other than 4:2:0 comes to half of
luma's resolution.
Sides are padded at the right and the bottom, by repeating the edge, to the model's multiple.
Up: the residual is brought to the layout's own planes and added to the *original* samples; integers are
rounded and clipped, floats are not. Where a plane's change is 0 a sample comes back bit for bit.

By the compiled library where it takes such frames (``engine.native.frames``), otherwise by numpy: the same
bits.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.engine.base import SHOWN, Feed, Plane, StepSpec, Tensors, new_tensors
from vsj4r.engine.native.frames import FramePlanes, takes_frames
from vsj4r.frames.chroma import from_half, shrink_to_chroma, to_half
from vsj4r.frames.formats import Codes, Geometry
from vsj4r.frames.matrix import BT709, to_rgb, to_yuv

_STRIP_SAMPLES = 1 << 15


class Converter:
    """Planes of one geometry to the tensors that one model reads, and its residual back into planes."""

    def __init__(self, geometry: Geometry, spec: StepSpec) -> None:
        self.geometry = geometry
        self.padded_height, self.padded_width = geometry.padded(spec.multiple)
        self._format = geometry.format
        self._with_chroma = spec.planes == "yuv420"
        self._layout = geometry.layout(chroma=self._with_chroma)
        self._native: FramePlanes | None = None
        if takes_frames(self._layout):
            self._native = FramePlanes(self._layout, height=self.padded_height, width=self.padded_width)
        self._work = np.empty(max(_STRIP_SAMPLES, geometry.width), np.float32)

    def new_tensors(self) -> Tensors:
        """Unset tensors of the padded size."""
        return new_tensors(self.padded_height, self.padded_width, chroma=self._with_chroma)

    def load(self, planes: Sequence[Plane], *, full: bool, matrix: int = BT709, into: Tensors) -> None:
        """Write ``planes`` as padded floats. ``full``: full range, else limited; ``matrix`` is for RGB."""
        if self._native is not None and _are_plain(planes):
            self._native.load(self._feed(planes, full=full, matrix=matrix), into)
            if into.uv is not None and self._format.family == "gray":
                into.uv.fill(0)
            return
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
        residual: Tensors,
        *,
        strength: float,
        only: Container[int] | None = None,
        full: bool,
        matrix: int = BT709,
        weights: Floats | None = None,
        into: Sequence[Plane],
    ) -> None:
        """``into = clip(round(planes + strength * weights * changes))``, the ``changes`` counted in codes.

        ``only``: the planes that are changed, all by default; the others are copied. ``weights``: (H, W) in
        [0, 1] at luma's resolution; a chroma sample takes the mean of its pixels.

        Raises:
            FloatingPointError: a change is not a finite number.
        """
        scales = self._format.scales(strength, only, full=full)
        shares: list[Floats] = []
        if weights is not None:
            shares = [weights, shrink_to_chroma(weights, *self._format.subsampling(1))]
        if self._native is not None and _are_plain([*planes, *into]):
            feed = self._feed(planes, full=full, matrix=matrix)
            for plane, target in zip(planes[len(feed.planes) :], into[len(feed.planes) :], strict=True):
                np.copyto(target, plane)
            found = self._native.restore(
                feed, residual, residual, scales, shares=shares, into=into[: len(feed.planes)]
            )
            if not math.isfinite(found):
                raise _not_finite()
            return
        changes = self.changes(residual, matrix=matrix)
        for index, (plane, change, target) in enumerate(zip(planes, changes, into, strict=True)):
            scale = np.float32(scales[index])
            if change is None or scale == 0:
                np.copyto(target, plane)
                continue
            chroma = self._format.family == "yuv" and index > 0
            self._add_plane(plane, change * shares[chroma] if shares else change, scale, target)

    def _feed(self, planes: Sequence[Plane], *, full: bool, matrix: int) -> Feed:
        codes = self._format.frame_codes(full=full, matrix=matrix)
        return Feed(None, planes[: self._layout.planes], codes)

    def _add_plane(self, plane: Plane, change: Floats, scale: np.float32, target: Plane) -> None:
        height, width = plane.shape
        top = np.float32(self._format.peak)
        with np.errstate(invalid="raise"):
            for rows in _strips(height, width):
                count = rows.stop - rows.start
                work = self._work[: count * width].reshape(count, width)
                np.multiply(change[rows], scale, out=work)
                if not np.isfinite(work.sum()):
                    raise _not_finite()
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


def _are_plain(planes: Sequence[Plane]) -> bool:
    """Whether the samples of a row lie side by side."""
    return all(plane.strides[1] == plane.itemsize for plane in planes)


def _not_finite() -> FloatingPointError:
    return FloatingPointError("the network's result must be finite, got NaN or infinity")


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
