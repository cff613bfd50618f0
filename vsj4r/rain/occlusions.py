"""Rain occlusions: where the light transmittance of rain is low and only the rain shows (Eq. 3-4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats
from vsj4r.rain.streaks import StreakLayer, StreakSource

THRESHOLD = 0.5  # of a streak's brightness: the dimmer ones let the background through


def occlude(
    layer: StreakLayer,
    reliance: float,
    height: int,
    width: int,
    source: StreakSource,
    rng: np.random.Generator,
) -> tuple[NDArray[np.bool_], Floats]:
    """One frame's occlusion mask alpha_t (H, W) and rain reliance A_t (H, W) in [0, 1].

    Inside a streak A_t has (nearly) one level, as Fig. 3 of the paper shows; between streaks it varies.
    A_t is zero outside the mask.
    """
    opaque = np.zeros((height, width), np.float32)
    source.add(opaque, layer, 1.0, rng)
    alpha_t = opaque > THRESHOLD
    a_t = np.where(alpha_t, np.float32(reliance) * (0.75 + 0.25 * np.minimum(opaque, 1)), np.float32(0))
    return alpha_t, a_t.astype(np.float32, copy=False)
