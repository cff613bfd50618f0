"""``engine.resampling`` by the compiled library: the same bits as numpy gives."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import Structure, byref, c_float, c_int
from typing import TYPE_CHECKING

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.engine.native.library import library

if TYPE_CHECKING:  # it imports this module
    from vsj4r.engine.resampling import Phase

_MARGINS = 4  # samples that a row of work has beyond its width


class _Phase(Structure):
    _fields_ = (
        ("cubic_first", c_int),
        ("linear_first", c_int),
        ("cubic", c_float * 4),
        ("linear", c_float * 2),
    )


class _Limits(Structure):
    _fields_ = (("most_rain", c_float), ("least_rain", c_float), ("least", c_float))


def shrink_floats(plane: Floats, by: int, into: Floats) -> bool:
    """``resampling.shrink_plane``; False where it is not for the library."""
    loaded = library()
    if loaded is None or not _are_plain(plane, into):
        return False
    loaded.j4r_resampling_shrink(plane.ctypes.data, *into.shape, by, into.ctypes.data)
    return True


def enlarge_floats(
    plane: Floats,
    small: Floats,
    change: Floats,
    rain: Floats,
    phases: Sequence[Phase],
    limits: tuple[float, float, float],
    into: Floats,
) -> bool:
    """``resampling.enlarge_change``; False where it is not for the library. ``limits``: most rain, least
    rain, least detail."""
    loaded = library()
    if loaded is None or not _are_plain(plane, small, change, rain, into):
        return False
    given = (_Phase * len(phases))(
        *(
            _Phase(
                each.cubic_first,
                each.linear_first,
                (c_float * 4)(*each.cubic.tolist()),
                (c_float * 2)(*each.linear.tolist()),
            )
            for each in phases
        )
    )
    work = np.empty(3 * (small.shape[1] + _MARGINS), np.float32)
    pictures = (each.ctypes.data for each in (plane, small, change, rain))
    loaded.j4r_resampling_enlarge(
        *pictures,
        *small.shape,
        len(phases),
        given,
        byref(_Limits(*limits)),
        work.ctypes.data,
        into.ctypes.data,
    )
    return True


def _are_plain(*planes: Floats) -> bool:
    return all(plane.dtype == np.float32 and plane.flags.c_contiguous for plane in planes)
