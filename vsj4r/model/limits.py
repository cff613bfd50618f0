"""What keeps the network where it has been trained: limits for what it is shown and for what comes back."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vsj4r.model.config import J4RConfig

CHROMA_GAIN = 8.0
"""Chroma on the network's grid, against the plane's: chroma varies so much less than luma that it is not
learned at its own scale (docs/experiments/chroma.md)."""

CHROMA_SHOWN = 1.0
"""The most chroma on the network's grid that convolutions are shown: most footage has no more, so beyond it
they would guess (docs/experiments/chroma.md)."""

_LUMA_RANGE, _CHROMA_LARGEST = (-16 / 219, 239 / 219), CHROMA_GAIN * 128 / 224


class Limits(NamedTuple):
    """For each channel of a frame on the network's grid, (1, channels, 1, 1): the most that convolutions are
    ``shown``; the ``least`` and the ``most`` that an image holds, of limited range."""

    shown: Tensor
    least: Tensor
    most: Tensor

    def show(self, frames: Tensor) -> Tensor:
        """``frames``, side by side, for the convolutions."""
        count = frames.shape[1] // self.shown.shape[1]
        most = self.shown.repeat(1, count, 1, 1)
        return torch.minimum(torch.maximum(frames, -most), most)

    def restore(self, o: Tensor, residual: Tensor) -> Tensor:
        """B_t, no further outside of what an image holds than O_t is. As B_{t-1} it comes back, and part of
        its difference to the frame is added once more: without an end to it that grows from frame to frame,
        where the network meets something it does not know."""
        least, most = torch.minimum(o, self.least), torch.maximum(o, self.most)
        return torch.minimum(torch.maximum(o + residual, least), most)


def limits_of(config: J4RConfig, *, spare: int = 0) -> Limits:
    """``spare``: channels of a frame that mean nothing."""
    lumas, chromas = config.scale**2, config.frame_channels - config.scale**2

    def limit(luma: float, chroma: float) -> Tensor:
        return torch.tensor([luma] * lumas + [chroma] * chromas + [0.0] * spare).view(1, -1, 1, 1)

    return Limits(
        shown=limit(math.inf, CHROMA_SHOWN),
        least=limit(_LUMA_RANGE[0], -_CHROMA_LARGEST),
        most=limit(_LUMA_RANGE[1], _CHROMA_LARGEST),
    )
