"""What the tests of the rain have in common: a layer, a scene, the direction of streaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vsj4r.arrays import Floats, Pixels
from vsj4r.rain.streaks import StreakLayer, StreakSource

LAYER = StreakLayer(length_px=30, width_px=1.6, angle_deg=20, density=0.001, brightness=0.5, spread_deg=0.5)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def scene(frames: int = 3, height: int = 96, width: int = 128) -> Pixels:
    return rng(7).integers(0, 256, (frames, height, width, 3)).astype(np.uint8)


def direction_deg(layer: Floats) -> float:
    """The direction of a layer's streaks from its structure tensor, degrees from the vertical."""
    gy, gx = np.gradient(layer.astype(np.float64))
    across = 0.5 * np.arctan2(2 * (gx * gy).sum(), (gx * gx).sum() - (gy * gy).sum())
    return float(-np.rad2deg(across))


def off_direction_deg(source: StreakSource, angle_deg: float) -> float:
    """How far the streaks of a layer lie from the direction asked for. They are wide: of thin ones (1 to
    2 px) gradients see the pixel grid, and this ruler is off by up to 10 degrees wherever they come from."""
    layer = replace(LAYER, length_px=60, width_px=5, angle_deg=angle_deg, spread_deg=0.0)
    s_t = np.zeros((160, 160), np.float32)
    source.add(s_t, layer, 1.0, rng(5))
    return (direction_deg(s_t) - angle_deg + 90) % 180 - 90
