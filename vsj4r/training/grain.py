"""Sensor noise: what a camera adds to each frame, independent of the frames before."""

from __future__ import annotations

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.rain.colour import Yuv
from vsj4r.rain.draws import log_uniform

NOISE_LEVELS = 0.5, 6.0  # rms in luma, 8-bit levels
CHROMA = 0.4  # of luma's
COARSE_SHARE = 0.5  # of the clips: noise of some pixels' size, as scalers and codecs leave it


def draw_grain(rng: np.random.Generator, shape: tuple[int, int, int]) -> Yuv:
    """Noise to add to full-range 4:2:0 planes: ``y`` ``shape`` = (T, H, W), ``u`` and ``v`` (T, H/2, W/2)."""
    level = np.float32(log_uniform(rng, NOISE_LEVELS) / 255)
    coarse = rng.random() < COARSE_SHARE
    frames, height, width = shape
    halves = frames, height // 2, width // 2
    y, u, v = (_noise(rng, plane, coarse) for plane in (shape, halves, halves))
    return Yuv(level * y, np.float32(CHROMA) * level * u, np.float32(CHROMA) * level * v)


def _noise(rng: np.random.Generator, shape: tuple[int, int, int], coarse: bool) -> Floats:
    """(T, H, W) float32 of rms 1."""
    noise: Floats = rng.standard_normal(shape, np.float32)
    if coarse:
        for axis in (1, 2):
            noise = noise + np.roll(noise, 1, axis) + np.roll(noise, -1, axis)
        noise /= 3
    return noise
