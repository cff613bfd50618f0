"""``engine.resampling`` by the compiled library: the same bits as numpy gives."""

from __future__ import annotations

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.engine.native.library import library

_ROWS, _MARGINS = 3, 4
"""Rows that the library works in, and the samples that each has beyond its width."""


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
    phases: Floats,
    limits: tuple[float, float, float],
    into: Floats,
) -> bool:
    """``resampling.enlarge_change``; False where it is not for the library. ``limits``: most rain, least
    rain, least detail."""
    loaded = library()
    if loaded is None or not _are_plain(plane, small, change, rain, phases, into):
        return False
    work = np.empty(_ROWS * (small.shape[1] + _MARGINS), np.float32)
    given = (each.ctypes.data for each in (plane, small, change, rain))
    sizes = *small.shape, len(phases)
    loaded.j4r_resampling_enlarge(
        *given, *sizes, phases.ctypes.data, *limits, work.ctypes.data, into.ctypes.data
    )
    return True


def find_rain(change: Floats, into: Floats, *, halved: bool) -> bool:
    """``resampling.rain_near``; False where it is not for the library."""
    loaded = library()
    if loaded is None or not _are_plain(change, into):
        return False
    work = np.empty(2 * into.shape[1] + 2, np.float32)
    loaded.j4r_resampling_rain(change.ctypes.data, *into.shape, halved, work.ctypes.data, into.ctypes.data)
    return True


def _are_plain(*planes: Floats) -> bool:
    return all(plane.dtype == np.float32 and plane.flags.c_contiguous for plane in planes)
