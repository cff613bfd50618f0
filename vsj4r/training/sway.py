"""Surfaces that move within themselves: leaves and grass in the wind, water, cloth.

No block of whole-pixel motion follows them, so their bright spots come and go at a pixel as rain does; but
they stay. Filmed footage shows them; stills under a simulated camera do not.
"""

from __future__ import annotations

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.rain.draws import log_uniform

WAVES = 2, 4
LENGTH_PX = 8.0, 60.0
REACH_SHARE = 0.01, 0.07
"""Amplitude of a wave, share of its length: steeper ones together would fold the picture over."""
FARTHEST_PX = 4.0
"""Largest amplitude of a wave."""
PERIOD_FRAMES = 4.0, 20.0
GUST_FRAMES = 10.0, 60.0
NODES = 3, 8
"""Of the noise, on each side, that says where it sways and how crests bend."""


def draw_sway(rng: np.random.Generator, frames: int, size: tuple[int, int]) -> Floats:
    """By how much each pixel is displaced: (T, 2, h, w), (dy, dx) in output pixels.

    Travelling waves with bent crests in parts of the picture, in gusts.
    """
    height, width = size
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
    t = np.arange(frames, dtype=np.float32)[:, None, None]
    sway = np.zeros((frames, 2, height, width), np.float32)
    for _ in range(rng.integers(WAVES[0], WAVES[1] + 1)):
        length, period = (log_uniform(rng, ends) for ends in (LENGTH_PX, PERIOD_FRAMES))
        reach = min(length * rng.uniform(*REACH_SHARE), FARTHEST_PX)
        runs, swings = rng.uniform(0, 2 * np.pi, 2)
        place = (y * np.sin(runs) + x * np.cos(runs)) / length + _noise(rng, size)
        wave = np.sin(2 * np.pi * (place.astype(np.float32) - t / np.float32(period)))
        sway[:, 0] += wave * np.float32(reach * np.sin(swings))
        sway[:, 1] += wave * np.float32(reach * np.cos(swings))
    gust = 0.6 + 0.4 * np.sin(2 * np.pi * (t / rng.uniform(*GUST_FRAMES) + rng.random()))
    where = np.clip(0.5 + 1.5 * _noise(rng, size), 0, 1)
    sway *= (gust * where).astype(np.float32)[:, None]
    return sway


def _noise(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    """Smooth noise, about -0.5 to 0.5, (h, w)."""
    nodes = rng.normal(0, 0.3, rng.integers(NODES[0], NODES[1] + 1, 2))
    for length in size:  # the rows, then the columns: transposed once each
        places = np.linspace(0, len(nodes) - 1, length)
        shares = np.clip(1 - np.abs(places[:, None] - np.arange(len(nodes))), 0, 1)
        nodes = (shares @ nodes).T
    smooth: Floats = nodes.astype(np.float32)
    return smooth
