"""Sums of planes of floats by the compiled library."""

from __future__ import annotations

from vsj4r.arrays import Floats
from vsj4r.engine.native.library import library


def sum_sizes(plane: Floats) -> float | None:
    """The sum of |plane|, (H, W) with rows in one piece; None where there is no library."""
    loaded = library()
    if loaded is None:
        return None
    return float(loaded.j4r_planes_sizes(plane.ctypes.data, plane.strides[0], *plane.shape))
