"""Frames of whole samples straight to small planes of floats and straight back, by the compiled library: the
bits that ``conversion`` and ``scaling`` give one after the other."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_float, c_int, c_ssize_t, c_void_p
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats
from vsj4r.engine.base import Plane
from vsj4r.engine.native.library import needed_library
from vsj4r.engine.threads import Threads


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


class Change(NamedTuple):
    """What is to be done to ``plane``, whose codes mean (code - zero) / span: ``into`` becomes
    clip(round(plane + scale * change), 0, top). ``small``: what ``shrink`` gave of it; ``change`` of that,
    and the ``rain`` there."""

    plane: Plane
    zero: float
    span: float
    small: Floats
    change: Floats
    rain: Floats
    scale: float
    into: Plane


class ReducedFrames:
    """For planes of uint8 or uint16, up to ``width`` * ``by`` samples wide; ``phases`` and ``limits`` as in
    ``scaling``. One call at a time.

    Raises:
        RuntimeError: there is no library.
    """

    def __init__(
        self, width: int, by: int, phases: Floats, limits: tuple[float, float, float], threads: int
    ) -> None:
        loaded = needed_library()
        self._shrink, self._restore = loaded.j4r_frames_shrink, loaded.j4r_frames_restore
        self._by, self._phases, self._limits = by, phases, limits
        self._threads = Threads(threads)
        floats = max(by * by * width, 3 * (width + 4) + 2 * by * width)
        self._work = [np.empty(floats, np.float32) for _ in range(threads)]

    def shrink(self, plane: Plane, zero: float, span: float, into: Floats) -> None:
        """``plane``, its edge repeated to the sides of ``into`` times ``by``, as the values of its codes,
        reduced by ``by``."""
        described = self._describe(plane, zero, span)
        self._shrink(ctypes.byref(described), *into.shape, self._work[0].ctypes.data, into.ctypes.data)

    def restore(self, changes: Sequence[Change], top: int) -> list[float]:
        """Do them; each thread takes some rows of every plane. Gives for each plane the sum of the sizes of
        all its changes; NaN where one is not a finite number: it then holds nothing of use."""
        sizes = [np.empty(len(each.into)) for each in changes]
        some = partial(self._restore_part, changes, top, sizes)
        self._threads.run([partial(some, part) for part in range(self._threads.count)])
        # one row after the other, so that it does not depend on the threads
        return [float(np.add.accumulate(of_rows)[-1]) for of_rows in sizes]

    def _restore_part(
        self, changes: Sequence[Change], top: int, sizes: Sequence[NDArray[np.float64]], part: int
    ) -> None:
        parts = self._threads.count
        for each, of_rows in zip(changes, sizes, strict=True):
            described = self._describe(each.plane, each.zero, each.span)
            small = (plane.ctypes.data for plane in (each.small, each.change, each.rain))
            change = _FrameChange(*small, *each.small.shape, self._phases.ctypes.data, *self._limits)
            first, stop = (len(of_rows) * k // parts for k in (part, part + 1))
            self._restore(
                ctypes.byref(described), ctypes.byref(change), first, stop, each.scale, top,
                self._work[part].ctypes.data, each.into.ctypes.data, each.into.strides[0],
                of_rows.ctypes.data,
            )  # fmt: skip

    def _describe(self, plane: Plane, zero: float, span: float) -> _FramePlane:
        return _FramePlane(
            plane.ctypes.data, plane.strides[0], plane.itemsize, *plane.shape, zero, span, self._by
        )
