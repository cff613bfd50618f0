"""Frames as they are straight to the planes of floats that a network takes, reduced or not, and straight
back, by the compiled library: the bits that numpy gives in ``frames.planes`` and ``engine.resampling``."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import c_float, c_int, c_ssize_t, c_void_p
from functools import partial
from itertools import pairwise

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.engine.base import Feed, FrameLayout, Plane, Scales, Tensors
from vsj4r.engine.native.library import library, needed_library
from vsj4r.engine.resampling import LIMITS, phases_of
from vsj4r.engine.threads import Threads

_Y, _YUV, _RGB = range(3)
_TYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))


def takes_frames(layout: FrameLayout) -> bool:
    """Whether the compiled library is there, and for such samples and such chroma."""
    return library() is not None and layout.dtype in _TYPES and max(layout.ssw, layout.ssh) <= 1


class _Frame(ctypes.Structure):
    _fields_ = (
        ("planes", c_void_p * 3),
        ("pitches", c_ssize_t * 3),
        *((name, c_int) for name in ("family", "bytes", "height", "width", "ssw", "ssh")),
        *((name, c_float * 2) for name in ("zeros", "spans")),
        ("shares", c_float * 3),
        ("differences", c_float * 2),
        ("by", c_int),
    )


class _FrameChange(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p * 3) for name in ("small", "change")),
        ("rain", c_void_p * 2),
        ("height", c_int),
        ("width", c_int),
        ("shares", c_void_p * 2),
        ("phases", c_void_p),
        *((name, c_float) for name in ("most_rain", "least_rain", "least_detail")),
        *((name, c_float) for name in ("of_v", "of_u", "of_red", "of_blue")),
        ("scales", c_float * 3),
        ("top", c_float),
    )


class FramePlanes:
    """For frames of ``layout`` and a network that takes ``height`` x ``width`` luma samples, ``by`` times
    smaller. One call at a time; each thread takes some rows, and nothing depends on how many there are.

    Raises:
        RuntimeError: there is no library.
    """

    def __init__(
        self, layout: FrameLayout, *, height: int, width: int, by: int = 1, threads: int = 1
    ) -> None:
        loaded = needed_library()
        self._load, self._restore = loaded.j4r_frames_load, loaded.j4r_frames_restore
        self._layout, self._height, self._width, self._by = layout, height, width, by
        self._phases = phases_of(by)
        self._threads = Threads(threads)
        floats = loaded.j4r_frames_work(width, by)
        self._work = [np.empty(floats, np.float32) for _ in range(threads)]
        self._sizes = np.empty(layout.height)

    def load(self, feed: Feed, into: Tensors) -> None:
        """The values of the codes of ``feed``, its edge repeated to the sides of ``into`` times ``by``,
        reduced. Chroma that frames have not stays as it is."""
        frame = self._describe(feed)
        uv = into.uv.ctypes.data if into.uv is not None and self._layout.chroma else None
        self._share(
            self._height // 2,
            lambda first, stop, work: self._load(
                ctypes.byref(frame), self._height, self._width, first, stop, work, into.y.ctypes.data, uv
            ),
        )

    def restore(
        self,
        feed: Feed,
        small: Tensors,
        change: Tensors,
        scales: Scales,
        *,
        rain: Sequence[Floats] = (),
        shares: Sequence[Floats] = (),
        into: Sequence[Plane],
    ) -> float:
        """``feed`` with ``change`` of ``small``, what ``load`` gave, enlarged and clipped, ``into`` planes.
        ``rain`` near each of the network's samples of luma and of chroma: none where nothing is reduced.
        ``shares`` of the change that count, of the frame's samples of luma and of chroma: none for all of it.

        Gives the sum of the sizes of luma's changes; NaN where any is not a finite number: ``into`` then
        holds nothing of use.
        """
        codes, sizes = feed.codes, self._sizes
        kg = 1 - codes.kr - codes.kb
        described = _FrameChange(
            *((c_void_p * 3)(*_addresses(each)) for each in (small, change)),
            (c_void_p * 2)(*(each.ctypes.data for each in rain)),
            self._height, self._width, (c_void_p * 2)(*(each.ctypes.data for each in shares)),
            self._phases.ctypes.data, *LIMITS,
            2 * (1 - codes.kr), 2 * (1 - codes.kb), codes.kr / kg, codes.kb / kg,
            (c_float * 3)(*scales), self._layout.peak,
        )  # fmt: skip
        frame, planes = self._describe(feed), (c_void_p * 3)(*(plane.ctypes.data for plane in into))
        pitches = (c_ssize_t * 3)(*(plane.strides[0] for plane in into))
        self._share(
            (self._layout.height + 1) // 2,
            lambda first, stop, work: self._restore(
                ctypes.byref(frame), ctypes.byref(described), first, stop, work, planes, pitches,
                sizes.ctypes.data,
            ),
        )  # fmt: skip
        # one row after the other, so that it does not depend on the threads
        return float(np.add.accumulate(sizes)[-1])

    def _share(self, rows: int, do: Callable[[int, int, int], None]) -> None:
        """``do`` rows from a first one up to a last one, with memory to work in."""
        parts = self._threads.count
        parted = pairwise(rows * part // parts for part in range(parts + 1))
        shares = zip(parted, self._work, strict=True)
        self._threads.run([partial(do, first, stop, work.ctypes.data) for (first, stop), work in shares])

    def _describe(self, feed: Feed) -> _Frame:
        layout, codes, planes = self._layout, feed.codes, feed.planes
        kr, kb = codes.kr, codes.kb
        return _Frame(
            (c_void_p * 3)(*(plane.ctypes.data for plane in planes)),
            (c_ssize_t * 3)(*(plane.strides[0] for plane in planes)),
            _RGB if layout.rgb else _YUV if layout.chroma else _Y,
            layout.dtype.itemsize, layout.height, layout.width, layout.ssw, layout.ssh,
            (c_float * 2)(codes.y_zero, codes.uv_zero), (c_float * 2)(codes.y_span, codes.uv_span),
            (c_float * 3)(kr, 1 - kr - kb, kb), (c_float * 2)(0.5 / (1 - kb), 0.5 / (1 - kr)),
            self._by,
        )  # fmt: skip


def _addresses(tensors: Tensors) -> list[int]:
    """Of Y, and of U and V where there are any."""
    uv = () if tensors.uv is None else tensors.uv
    return [plane.ctypes.data for plane in (tensors.y, *uv)]
