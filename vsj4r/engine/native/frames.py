"""Frames of whole samples straight to small planes of floats and straight back, by the compiled library: the
bits that ``conversion`` and ``scaling`` give one after the other."""

from __future__ import annotations

import ctypes
from ctypes import c_float, c_int, c_ssize_t, c_void_p

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.engine.base import Plane
from vsj4r.engine.native.library import needed_library


class _FramePlane(ctypes.Structure):
    _fields_ = (
        ("plane", c_void_p),
        ("pitch", c_ssize_t),
        *((name, c_int) for name in ("bytes", "height", "width")),
        ("zero", c_float),
        ("span", c_float),
        ("by", c_int),
    )


class _FrameChange(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("small", "change", "rain")),
        ("height", c_int),
        ("width", c_int),
        ("phases", c_void_p),
        *((name, c_float) for name in ("most_rain", "least_rain", "least_detail")),
    )


class ReducedFrames:
    """For planes of uint8 or uint16, up to ``width`` * ``by`` samples wide; ``phases`` and ``limits`` as in
    ``scaling``. One call at a time.

    Raises:
        RuntimeError: there is no library.
    """

    def __init__(self, width: int, by: int, phases: Floats, limits: tuple[float, float, float]) -> None:
        loaded = needed_library()
        self._shrink, self._restore = loaded.j4r_frames_shrink, loaded.j4r_frames_restore
        self._by, self._phases, self._limits = by, phases, limits
        self._work = np.empty(max(by * by * width, 3 * (width + 4) + 2 * by * width), np.float32)

    def shrink(self, plane: Plane, zero: float, span: float, into: Floats) -> None:
        """``plane``, its edge repeated to the sides of ``into`` times ``by``, as the values of its codes,
        reduced by ``by``."""
        described = self._describe(plane, zero, span)
        self._shrink(ctypes.byref(described), *into.shape, self._work.ctypes.data, into.ctypes.data)

    def restore(
        self,
        plane: Plane,
        zero: float,
        span: float,
        small: tuple[Floats, Floats, Floats],
        scale: float,
        top: int,
        into: Plane,
    ) -> float:
        """``into = clip(round(plane + scale * change), 0, top)``. ``small``: what ``shrink`` gave of
        ``plane``, its change, and the rain there. Gives the sum of the sizes of all changes; NaN where one is
        not a finite number: ``into`` then holds nothing of use."""
        described = self._describe(plane, zero, span)
        given = (each.ctypes.data for each in small)
        change = _FrameChange(*given, *small[0].shape, self._phases.ctypes.data, *self._limits)
        return float(
            self._restore(
                ctypes.byref(described), ctypes.byref(change), scale, top,
                self._work.ctypes.data, into.ctypes.data, into.strides[0],
            )
        )  # fmt: skip

    def _describe(self, plane: Plane, zero: float, span: float) -> _FramePlane:
        return _FramePlane(
            plane.ctypes.data, plane.strides[0], plane.itemsize, *plane.shape, zero, span, self._by
        )
