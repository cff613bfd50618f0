"""How a camera was held, as a decoded frame says it."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray


def upright[T: np.generic](pixels: NDArray[T], frame: av.VideoFrame) -> NDArray[T]:
    """``pixels`` (H, W, C) of ``frame``, turned and mirrored as its display matrix says (a picture's is its
    EXIF orientation)."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()  # (x, y) is shown at (ax + cy, bx + dy)
    if abs(b) > abs(a):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return pixels[:: 1 if d > 0 else -1, :: 1 if a > 0 else -1]
