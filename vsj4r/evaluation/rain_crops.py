"""The parts of a clip in which it rains most, as each method leaves them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from vsj4r.arrays import Floats, Pixels
from vsj4r.evaluation.real_rain import REACH

CROPS = 3
"""Crops of a clip, each of another time."""
APART_FRAMES = 5
PART = 3
"""A crop's height is this part of the picture's shorter side; it is a third wider than high."""


class Crop(NamedTuple):
    """``frame``: its number; ``pictures`` of each method; ``rain`` of the input, in codes."""

    rain_energy: float
    frame: int
    pictures: dict[str, Pixels]
    rain: Floats


class RainCrops:
    """Of one clip, frame by frame: the crops with the most rain, ``APART_FRAMES`` apart."""

    def __init__(self) -> None:
        self._recent: deque[Mapping[str, Pixels]] = deque(maxlen=REACH + 1)
        self._count = 0
        self._best: list[Crop] = []

    def add(self, frames: Mapping[str, Pixels], rain: Floats | None) -> None:
        """A frame of every method, and what ``RainMeter.add`` gave for it."""
        self._recent.append(frames)
        self._count += 1
        if rain is not None:
            self._offer(self._recent[0], rain, self._count - 1 - REACH)

    def crops(self) -> list[Crop]:
        """In order of time."""
        return sorted(self._best, key=lambda crop: crop.frame)

    def _offer(self, frames: Mapping[str, Pixels], rain: Floats, number: int) -> None:
        where, energy = _find_rainiest(rain)
        near = [crop for crop in self._best if abs(crop.frame - number) < APART_FRAMES]
        rivals = near or self._best[CROPS - 1 :]
        if any(crop.rain_energy >= energy for crop in rivals):
            return
        pictures = {name: frame[where].copy() for name, frame in frames.items()}
        others = [crop for crop in self._best if all(crop is not rival for rival in rivals)]
        others.append(Crop(energy, number, pictures, rain[where].copy()))
        self._best = sorted(others, key=lambda crop: -crop.rain_energy)


def _find_rainiest(rain: Floats) -> tuple[tuple[slice, slice], float]:
    """Where the crop with the most one-sided energy lies, and that energy."""
    energy = rain * np.abs(rain)
    side = max(min(rain.shape) // PART, 1)
    height, width = side, min(side * 4 // 3, rain.shape[1])
    sums = np.pad(energy, ((1, 0), (1, 0))).cumsum(0, dtype=np.float64).cumsum(1)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    where = np.s_[int(top) : int(top) + height, int(left) : int(left) + width]
    return where, float(inside.max())
