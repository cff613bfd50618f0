"""What the network's grid is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vsj4r.engine.base import round_up

GROUP = 8
"""Channels that the kernels read and write at once."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The network's grid: ``height`` x ``width`` cells of ``1 << shift`` luma samples a side. ``chroma``:
    the model reads it, times ``gain``. ``cell``: float16 or float32. Channels lie side by side, as
    tensor cores like it."""

    height: int
    width: int
    shift: int
    chroma: bool
    gain: float
    cell: np.dtype[Any]

    @property
    def lumas(self) -> int:
        return 1 << (2 * self.shift)

    @property
    def used(self) -> int:
        """Channels that mean something: 6 for scale 2 in 4:2:0."""
        return self.lumas + (self.lumas // 2 if self.chroma else 0)

    @property
    def channels(self) -> int:
        return round_up(self.used, GROUP)

    @property
    def cells_shape(self) -> tuple[int, ...]:
        return self.height, self.width, self.channels

    @property
    def luma_shape(self) -> tuple[int, int]:
        return self.height << self.shift, self.width << self.shift
