"""How the light of a scene changes from frame to frame: lamps on mains, lightning, an exposure that drifts.
It is brighter then, without any rain."""

from __future__ import annotations

import numpy as np

from vsj4r.arrays import Floats, Pixels
from vsj4r.rain.draws import log_uniform

HUM_SHARE, FLASH_SHARE = 0.5, 0.3  # the others drift
PART_SHARE = 0.4  # one side of the picture is lit, the other stays


def light(clean: Pixels, rng: np.random.Generator) -> Pixels:
    """``clean`` (T, H, W, 3) under light that changes."""
    frames, height, width, _ = clean.shape
    changes = _draw_gains(rng, frames) - 1
    places = _draw_place(rng, height, width) if rng.random() < PART_SHARE else np.ones((1, 1), np.float32)
    lit = [
        np.rint(np.clip(frame * (1 + change * places[..., None]), 0, 255)).astype(np.uint8)
        for frame, change in zip(clean, changes, strict=True)
    ]
    return np.stack(lit)


def _draw_gains(rng: np.random.Generator, frames: int) -> Floats:
    """(T,) float32: how much brighter each frame is than the scene."""
    kind, n = rng.random(), np.arange(frames)
    if kind < HUM_SHARE:
        depth = log_uniform(rng, (0.02, 0.15))
        gains = 1 + depth * np.sin(2 * np.pi * (rng.uniform(0.05, 0.5) * n + rng.random()))
    elif kind < HUM_SHARE + FLASH_SHARE:
        gains = np.ones(frames)
        for first in rng.integers(frames, size=1 + rng.poisson(frames / 20)):
            gains[first : first + rng.integers(1, 4)] = log_uniform(rng, (1.15, 2.5))
    else:
        gains = np.exp(np.cumsum(rng.normal(rng.normal(0, 0.03), 0.03, frames)))
    found: Floats = gains.astype(np.float32)
    return found


def _draw_place(rng: np.random.Generator, height: int, width: int) -> Floats:
    """(H, W) float32: 1 on one side of a line that is soft or sharp, 0 on the other."""
    angle, softness = rng.uniform(0, 2 * np.pi), log_uniform(rng, (1, 64))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    along = (y - rng.uniform(0, height)) * np.sin(angle) + (x - rng.uniform(0, width)) * np.cos(angle)
    place: Floats = np.clip(along / softness + 0.5, 0, 1).astype(np.float32)
    return place
