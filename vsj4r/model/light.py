"""How much brighter a frame is than its neighbour: lightning, a lamp on mains, an exposure that jumps.

J4R-Net takes for rain what is brighter than the frames beside it. So its neighbours are given the light of
frame t first. The change is that of the middle one of many blocks, where three quarters of them have changed
the same way, or it is large: what moves, and rain, change some of them this way and some that way. Otherwise
there is none, and most frames are not touched (docs/experiments/lighting.md).

Everything is arithmetic on whole numbers below 2^24, as in ``alignment``;
``engine/native/light_change.py`` computes the same. A change here is a change there, and a new
``alignment.VERSION``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vsj4r.model.alignment import LEVELS, quotient

ONE = 4096
"""Ratios are counted in so many parts."""
BLOCK = 4
"""Pixels along a side of a block of matching luma."""
DARKEST = 8 * BLOCK**2
"""The sum of a block below which it tells nothing."""
AGREED, LARGE = ONE // 64, ONE // 8
"""A change of more than this counts: of three quarters of the blocks, of the middle one."""
LARGEST_BITS = 14
"""Ratios are below 2^14 parts: four times as bright at most."""


@torch.no_grad()
def light_ratio(l_t: Tensor, l_ref: Tensor) -> Tensor:
    """How much brighter ``l_t`` is than ``l_ref``, both ``alignment.matching_luma``, (N, 1, h, w): whole
    numbers (N, 1, 1, 1), in parts of ``ONE``."""
    now, ref = (F.avg_pool2d(level, BLOCK) * BLOCK**2 for level in (l_t, l_ref))
    known = (now >= DARKEST) & (ref >= DARKEST)
    quotients = quotient(now * ONE, torch.where(known, ref, torch.ones_like(ref)))
    ratios = torch.where(known, quotients, torch.full_like(now, ONE)).clamp(max=2**LARGEST_BITS - 1)
    low, middle, high = (_reached_by(ratios, share) for share in (0.75, 0.5, 0.25))
    counts = (low > ONE + AGREED) | (high < ONE - AGREED) | ((middle - ONE).abs() > LARGE)
    return torch.where(counts, middle, torch.full_like(middle, ONE))


def relight_levels(l_ref: Tensor, ratio: Tensor) -> Tensor:
    """``l_ref`` (N, 1, h, w) under the light of frame t: whole numbers, as it is."""
    return torch.floor((l_ref * ratio + ONE // 2) * (1 / ONE)).clamp(max=LEVELS - 1)


def relight(frame: Tensor, ratio: Tensor) -> Tensor:
    """A neighbour (N, C, h, w) under the light of frame t, no brighter than white by that."""
    return torch.minimum(frame * (ratio * (1 / ONE)).to(frame.dtype), frame.clamp(min=1))


def _reached_by(ratios: Tensor, share: float) -> Tensor:
    """The largest number that so many of ``ratios`` reach, bit by bit: engines are slow at sorting, and some
    of them sort few numbers only."""
    count = ratios.shape[2] * ratios.shape[3] * share
    found = torch.zeros_like(ratios[:, :, :1, :1])
    for bit in reversed(range(LARGEST_BITS)):
        tried = found + 2**bit
        reached = (ratios >= tried).to(ratios.dtype).sum((2, 3), keepdim=True)
        found = torch.where(reached >= count, tried, found)
    return found
