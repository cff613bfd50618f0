"""RGB and YUV 4:2:0 as training and evaluation see them, and the luma that papers measure.

Planes are float32 and full-range: y in [0, 1], u and v in [-0.5, 0.5]. Arrays may have leading axes.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats
from vsj4r.frames.matrix import BT709, SMPTE_170M
from vsj4r.frames.matrix import KR_KB as KR_KB

Matrix = Literal["bt601", "bt709"]
MATRICES: dict[Matrix, tuple[float, float]] = {  # Kr, Kb
    "bt601": KR_KB[SMPTE_170M],
    "bt709": KR_KB[BT709],
}
MATLAB_LUMA = (65.481, 128.553, 24.966)  # rgb2ycbcr of MATLAB: BT.601, 16 to 235


class Yuv(NamedTuple):
    """``y`` (..., H, W); ``u`` and ``v`` (..., H/2, W/2) for 4:2:0 or (..., H, W) for 4:4:4."""

    y: Floats
    u: Floats
    v: Floats


def rgb_to_yuv444(rgb: NDArray[np.uint8], matrix: Matrix = "bt709") -> Yuv:
    """(..., H, W, 3) uint8 to planes of full size."""
    kr, kb = MATRICES[matrix]
    pixels = rgb.astype(np.float32)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    luma = red * np.float32(kr / 255) + green * np.float32((1 - kr - kb) / 255) + blue * np.float32(kb / 255)
    u = (blue * np.float32(1 / 255) - luma) * np.float32(0.5 / (1 - kb))
    v = (red * np.float32(1 / 255) - luma) * np.float32(0.5 / (1 - kr))
    return Yuv(luma, u, v)


def rgb_to_yuv420(rgb: NDArray[np.uint8], matrix: Matrix = "bt709") -> Yuv:
    """(..., H, W, 3) uint8, H and W even, to planes; chroma is the mean of 2x2 pixels.

    Raises:
        ValueError: an odd side.
    """
    y, u, v = rgb_to_yuv444(rgb, matrix)
    return Yuv(y, halve(u), halve(v))


def halve(plane: Floats) -> Floats:
    """Means of 2x2 pixels: (..., H, W) to (..., H/2, W/2)."""
    if plane.shape[-2] % 2 or plane.shape[-1] % 2:
        raise ValueError(f"sides must be even, got {plane.shape[-2:]}")
    mean = plane[..., ::2, ::2] + plane[..., 1::2, ::2]
    mean += plane[..., ::2, 1::2]
    mean += plane[..., 1::2, 1::2]
    mean *= np.float32(0.25)
    return mean


def yuv_to_rgb(yuv: Yuv, matrix: Matrix = "bt709") -> NDArray[np.uint8]:
    """Planes to (..., H, W, 3) uint8, clipped and rounded; 4:2:0 chroma is repeated."""
    kr, kb = MATRICES[matrix]
    y, u, v = yuv
    if u.shape != y.shape:
        u, v = (np.repeat(np.repeat(c, 2, -2), 2, -1) for c in (u, v))
    red = y + v * np.float32(2 * (1 - kr))
    blue = y + u * np.float32(2 * (1 - kb))
    green = (y - red * np.float32(kr) - blue * np.float32(kb)) * np.float32(1 / (1 - kr - kb))
    rgb = np.clip(np.stack((red, green, blue), -1), 0, 1)
    pixels: NDArray[np.uint8] = np.rint(rgb * 255).astype(np.uint8)
    return pixels


def matlab_luma(rgb: NDArray[np.uint8]) -> Floats:
    """Y of MATLAB's rgb2ycbcr, (..., H, W) float32 in [16, 235]: rounded, as it is for uint8 pictures."""
    weighted = rgb.astype(np.float32) @ np.array(MATLAB_LUMA, np.float32)
    return np.rint(weighted * np.float32(1 / 255) + 16)
