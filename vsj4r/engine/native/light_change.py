"""The change of light between two frames, in numpy: the same as ``model.light``, to the bit."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ONE, BLOCK, LARGEST_BITS = 4096, 4, 14
DARKEST, AGREED, LARGE = 8 * BLOCK**2, ONE // 64, ONE // 8

Luma = NDArray[np.uint8]
Sums = NDArray[np.uint32]


def block_sums(luma: Luma) -> Sums:
    """Of (h, w), multiples of ``BLOCK``: (h / BLOCK, w / BLOCK)."""
    rows, columns = (side // BLOCK for side in luma.shape)
    bands = luma.reshape(rows, BLOCK, columns * BLOCK)
    of_rows = bands[:, 0].astype(np.uint16)
    for k in range(1, BLOCK):
        of_rows += bands[:, k]
    blocks = of_rows.reshape(rows, columns, BLOCK)
    sums = blocks[..., 0].astype(np.uint32)
    for k in range(1, BLOCK):
        sums += blocks[..., k]
    return sums


def light_change(now: Sums, ref: Sums) -> int:
    """How much brighter a frame is than another, by their ``block_sums``, in parts of ``ONE``."""
    known = (now >= DARKEST) & (ref >= DARKEST)
    ratios = np.where(known, now * ONE // np.maximum(ref, 1), ONE).ravel()
    ratios = np.minimum(ratios, 2**LARGEST_BITS - 1)
    places = [len(ratios) - math.ceil(len(ratios) * share) for share in (0.75, 0.5, 0.25)]
    low, middle, high = (int(ratio) for ratio in np.partition(ratios, places)[places])
    counts = low > ONE + AGREED or high < ONE - AGREED or abs(middle - ONE) > LARGE
    return middle if counts else ONE


def relight_luma(luma: Luma, ratio: int) -> Luma:
    """``luma`` under the light of the other frame."""
    if ratio == ONE:
        return luma
    levels = (np.arange(256) * ratio + ONE // 2) // ONE
    lit: Luma = np.minimum(levels, 255).astype(np.uint8)[luma]
    return lit
