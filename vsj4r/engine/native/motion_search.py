"""Motion found by the compiled library: the same displacements as ``model.alignment``, to the bit."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_float, c_int16, c_uint8
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats
from vsj4r.engine.base import MOTION_SIDE, MotionSpec
from vsj4r.engine.native.library import library, needed_library

METHOD = "blocks"
BLOCK = 2
"""Grid pixels along a side of a block, which has one displacement."""

Luma = NDArray[np.uint8]


class MotionSearch:
    """For luma of ``height`` x ``width`` pixels (multiples of ``MOTION_SIDE``) on a grid of ``scale`` pixels;
    one search at a time.

    Raises:
        ValueError: of other sides, with which the library would leave its memory.
        MemoryError
    """

    def __init__(self, height: int, width: int, scale: int) -> None:
        if min(height, width) < MOTION_SIDE or height % MOTION_SIDE or width % MOTION_SIDE:
            raise ValueError(f"sides must be multiples of {MOTION_SIDE}, got {height = }, {width = }")
        loaded = needed_library()
        self._library = loaded
        self._luma = height, width
        self._grid = height // scale, width // scale
        self._motion = loaded.j4r_motion_open(*self._grid, scale)
        if not self._motion:
            raise MemoryError("no memory for the motion search")
        closing = finalize(self, loaded.j4r_motion_close, self._motion)
        closing.atexit = False  # a thread may be in a search when Python ends

    def luma(self, y: Floats) -> Luma:
        """What motion is found in: (h, w), of luma (H, W) in [0, 1]."""
        if y.shape != self._luma or y.dtype != np.float32 or not y.flags.c_contiguous:
            raise ValueError(f"y must be C-contiguous float32 {self._luma}, got {y.dtype} {y.shape}")
        found = np.empty(self._grid, np.uint8)
        self._library.j4r_motion_luma(self._motion, _pointer(y, c_float), _pointer(found, c_uint8))
        return found

    def find(self, now: Luma, ref: Luma) -> NDArray[np.int16]:
        """Where each block of ``now`` lies in ``ref``, both from ``luma``: (2, h / 2, w / 2), dy and dx in
        pixels of the grid."""
        for luma in (now, ref):
            if luma.shape != self._grid or luma.dtype != np.uint8 or not luma.flags.c_contiguous:
                raise ValueError(
                    f"luma must be C-contiguous uint8 {self._grid}, got {luma.dtype} {luma.shape}"
                )
        flow = np.empty((2, *(side // BLOCK for side in self._grid)), np.int16)
        pictures = (_pointer(luma, c_uint8) for luma in (now, ref))
        self._library.j4r_motion_find(self._motion, *pictures, _pointer(flow, c_int16))
        return flow


def is_native(motion: MotionSpec | None) -> bool:
    """Whether the library finds the motion that a model was made with."""
    loaded = library()
    if loaded is None or motion is None:
        return False
    return motion.method == METHOD and motion.version == loaded.j4r_motion_version()


def _pointer(array: NDArray[Any], kind: type[Any]) -> Any:
    return ctypes.cast(array.ctypes.data, POINTER(kind))
