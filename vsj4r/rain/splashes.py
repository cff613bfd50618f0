"""Splashes: where a drop meets wet ground, a flat spot or ring, darker or brighter than it, for a few frames.

Not in the paper's model. Real footage has them wherever ground is in view, and a network that has never seen
them takes them for the scene.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vsj4r.rain.streaks import Floats

RIM = 1.5  # of the radius: there a ring has faded to nothing


@dataclass(frozen=True, slots=True)
class SplashLayer:
    """The splashes of one clip.

    ``density``: new ones per pixel and frame. ``radius_px``: the widest that the largest grow to.
    ``flatness``: height over width, as the ground is seen. ``level``: the largest change, in [0, 1].
    ``dark``: share of those that darken. ``life_frames``: how long each is seen. ``seed``: of their places.
    """

    density: float
    radius_px: float
    flatness: float
    level: float
    dark: float
    life_frames: int
    seed: int


def ripples(layer: SplashLayer, t: int, height: int, width: int) -> Floats:
    """What the splashes of frame t add to the background, (H, W) in [-1, 1]; independent of other calls."""
    r_t = np.zeros((height, width), np.float32)
    for age in range(layer.life_frames):
        grown = (age + 1) / layer.life_frames
        rng = np.random.default_rng([layer.seed, t - age + layer.life_frames])
        count = rng.poisson(layer.density * height * width)
        for y, x, size, phase, dark in zip(*(rng.random(count) for _ in range(5)), strict=True):
            radius = max(layer.radius_px * (0.3 + 0.7 * size) * grown**0.5, 0.7)
            peak = layer.level * (0.3 + 0.7 * size) * (1.2 - grown) * (-1 if dark < layer.dark else 1)
            _add(r_t, y * height, x * width, radius, layer.flatness, peak, phase)
    return np.clip(r_t, -1, 1, out=r_t)


def _add(r_t: Floats, y: float, x: float, radius: float, flatness: float, peak: float, phase: float) -> None:
    """One splash about (y, x): from a spot with a rim of the other sign (phase 0) to a ring (phase 1)."""
    tall, wide = int(RIM * radius * flatness) + 1, int(RIM * radius) + 1
    top, left = max(int(y) - tall, 0), max(int(x) - wide, 0)
    part = r_t[top : int(y) + tall + 1, left : int(x) + wide + 1]
    dy = (np.arange(top, top + part.shape[0], dtype=np.float32) - np.float32(y)) / np.float32(flatness)
    dx = np.arange(left, left + part.shape[1], dtype=np.float32) - np.float32(x)
    q = np.hypot(dy[:, None], dx) / np.float32(radius)
    wave = np.cos(np.float32(np.pi) * (q - np.float32(phase)))
    part += np.float32(peak) * wave * np.maximum(1 - q / RIM, 0)
