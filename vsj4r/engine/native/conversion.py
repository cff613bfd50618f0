"""Planes of whole samples to floats and back by the compiled library: the same bits as numpy gives, in a
third of the time."""

from __future__ import annotations

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.engine.base import Plane
from vsj4r.engine.native.library import library, needed_library

_TYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))


def takes_planes(*planes: Plane) -> bool:
    """Whether the library is there, and takes ``planes``: of whole samples or float32, rows in one piece."""
    return library() is not None and all(
        plane.dtype in _TYPES and plane.strides[1] == plane.itemsize for plane in planes
    )


def plane_to_floats(plane: Plane, zero: float, span: float, target: Floats) -> None:
    """``target = (plane - zero) / span``, of planes for which ``takes_planes`` holds, of one shape."""
    loaded = needed_library()
    loaded.j4r_planes_to_floats(*_describe(plane), zero, span, target.ctypes.data, target.strides[0])


def add_to_plane(plane: Plane, change: Floats, scale: float, top: float, target: Plane) -> bool:
    """``target = clip(round(plane + scale * change), 0, top)``, for what ``takes_planes``, of one shape.

    False where a scaled change is not a finite number; ``target`` then holds nothing of use.
    """
    loaded = needed_library()
    changed = change.ctypes.data, change.strides[0]
    into = target.ctypes.data, target.strides[0]
    return bool(loaded.j4r_planes_add(*_describe(plane), *changed, scale, top, *into))


def sum_sizes(plane: Floats) -> float | None:
    """The sum of |plane|, (H, W) with rows in one piece; None where there is no library."""
    loaded = library()
    if loaded is None:
        return None
    return float(loaded.j4r_planes_sizes(plane.ctypes.data, plane.strides[0], *plane.shape))


def _describe(plane: Plane) -> tuple[int, ...]:
    return plane.itemsize, plane.ctypes.data, plane.strides[0], *plane.shape
