"""RGB and YUV by the matrix coefficients of H.273, full range: both directions are linear, so that they take
differences too."""

from __future__ import annotations

import numpy as np

from vsj4r.arrays import Floats

BT709, UNSPECIFIED, SMPTE_170M, BT2020 = 1, 2, 6, 9
"""BT.2020's is without constant luminance; its primaries have the same number."""

KR_KB = {
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.470 BG
    SMPTE_170M: (0.299, 0.114),
    7: (0.212, 0.087),  # SMPTE 240M
    BT2020: (0.2627, 0.0593),
    10: (0.2627, 0.0593),  # with constant luminance
}
"""Kr and Kb by ``_Matrix``."""


def usual_matrix(height: int, primaries: int = UNSPECIFIED) -> int:
    """What footage of that many lines has where no tag says it: BT.2020 with its ``primaries``, else BT.709
    from 720 lines up, and BT.601 below."""
    if primaries == BT2020:
        return BT2020
    return BT709 if height >= 720 else SMPTE_170M


def coefficients(matrix: int) -> tuple[float, float]:
    """Kr and Kb; those of BT.709 where ``matrix`` has none."""
    return KR_KB.get(matrix, KR_KB[BT709])


def to_yuv(r: Floats, g: Floats, b: Floats, matrix: int) -> tuple[Floats, Floats, Floats]:
    """R, G, B in [0, 1] to Y in [0, 1], U and V in [-0.5, 0.5]."""
    kr, kb = coefficients(matrix)
    y = r * np.float32(kr) + g * np.float32(1 - kr - kb) + b * np.float32(kb)
    return y, (b - y) * np.float32(0.5 / (1 - kb)), (r - y) * np.float32(0.5 / (1 - kr))


def to_rgb(y: Floats, u: Floats, v: Floats, matrix: int) -> tuple[Floats, Floats, Floats]:
    """The inverse of ``to_yuv``."""
    kr, kb = coefficients(matrix)
    red, blue = v * np.float32(2 * (1 - kr)), u * np.float32(2 * (1 - kb))
    green = red * np.float32(kr / (1 - kr - kb)) + blue * np.float32(kb / (1 - kr - kb))
    return y + red, y - green, y + blue
