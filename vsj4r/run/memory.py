"""The C allocator, told to give frames back."""

from __future__ import annotations

import ctypes
import sys

_M_MMAP_THRESHOLD = -3
_SMALLEST_MAPPING_BYTES = 32 * 1024  # a chroma plane of 360p has 57 KiB


def give_frames_back() -> None:
    """Make glibc map every plane-sized block by itself, so that a freed frame returns to the system.

    Left alone, glibc raises that threshold after the first free, and frames that one thread allocates and
    another frees fragment its heaps: half a megabyte a 1080p frame, without end. Elsewhere: nothing to do.
    For frames only: under it, training spends 40 % of its time in page faults.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _SMALLEST_MAPPING_BYTES)
