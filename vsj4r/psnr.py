"""Peak signal-to-noise ratio: the one definition for whoever measures with numpy.

``training.validation.mean_psnr`` is its counterpart on tensors, inside a training step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_DB = 100.0
"""What a frame without any error counts in a mean, where its own PSNR is infinite."""


def psnr(picture: NDArray[Any], truth: NDArray[Any], *, peak: float) -> float:
    """PSNR in dB of two arrays of one shape; infinite where they are equal, NaN if any value is NaN."""
    error = float(np.mean(np.square(picture.astype(np.float64) - truth.astype(np.float64))))
    return math.inf if error == 0 else 10 * math.log10(peak * peak / error)


def clip_psnr(decibels: Sequence[float]) -> float:
    """PSNR of a clip in dB: its frames' mean, each at most ``MOST_DB``; infinite where every frame is."""
    if all(value == math.inf for value in decibels):
        return math.inf
    return sum(min(value, MOST_DB) for value in decibels) / len(decibels)
