"""The compiled library, through ctypes: calls release the GIL and know nothing of Python."""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, c_char, c_double, c_float, c_int, c_int16, c_ssize_t, c_uint8, c_void_p
from functools import cache
from pathlib import Path

_NAMES = {"win32": "j4r_native.dll", "darwin": "libj4r_native.dylib"}
LIBRARY_PATH = Path(__file__).with_name(_NAMES.get(sys.platform, "libj4r_native.so"))

_Opaque = POINTER(c_char)
_SIGNATURES = {
    "j4r_motion_version": (c_int, ()),
    "j4r_motion_open": (_Opaque, (c_int, c_int, c_int)),
    "j4r_motion_close": (None, (_Opaque,)),
    "j4r_motion_luma": (None, (_Opaque, POINTER(c_float), POINTER(c_uint8))),
    "j4r_motion_find": (None, (_Opaque, POINTER(c_uint8), POINTER(c_uint8), POINTER(c_int16))),
    "j4r_resampling_shrink": (None, (c_void_p, c_int, c_int, c_int, c_void_p)),
    "j4r_resampling_enlarge": (
        None,
        (*(c_void_p,) * 4, *(c_int,) * 3, c_void_p, *(c_float,) * 3, *(c_void_p,) * 2),
    ),
    "j4r_resampling_rain": (None, (c_void_p, *(c_int,) * 3, *(c_void_p,) * 2)),
    "j4r_frames_work": (c_ssize_t, (c_int, c_int)),
    "j4r_frames_load": (None, (c_void_p, *(c_int,) * 4, *(c_void_p,) * 3)),
    "j4r_frames_restore": (None, (c_void_p, c_void_p, c_int, c_int, *(c_void_p,) * 4)),
    "j4r_planes_sizes": (c_double, (c_void_p, c_ssize_t, c_int, c_int)),
}


def needed_library() -> ctypes.CDLL:
    """The library.

    Raises:
        RuntimeError: there is none.
    """
    loaded = library()
    if loaded is None:
        raise RuntimeError("the compiled library is missing")
    return loaded


@cache
def library() -> ctypes.CDLL | None:
    """The library with the types of its functions; None where the package was installed without it, with one
    that does not load here, or, in a checkout, with one of an older source."""
    try:
        built = LIBRARY_PATH.stat().st_mtime
        if any(source.stat().st_mtime > built for source in LIBRARY_PATH.parent.glob("*.[ch]")):
            return None  # other arguments than it takes would end the process
        loaded = ctypes.CDLL(str(LIBRARY_PATH))
    except OSError:
        return None
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded
