"""An estimate of a rainy clip without its rain, from the clip alone.

Rain is in one frame and not in the next, and it only adds light. So the median of a pixel over five frames,
each moved to where the scene is in the middle one, is nearly dry; where a frame is brighter than that by more
than noise, it rains. Everywhere else the frame is its own truth: there the network learns to leave it alone.
Where the scene moves by itself, or its motion is not found, a frame is brighter here and darker there; rain
is brighter alone. That tells the two apart.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vsj4r.model.alignment import displacement, matching_luma, warp

REACH = 2  # frames before and after
NOISE = 3 / 255
"""Brighter than the median by less is not rain."""
NEAR_PX = 15  # side of the window in which brighter and darker are weighed
ONE_SIDED = 3.0  # how much more is brighter than darker where it rains


class YuvClip(NamedTuple):
    """A clip: ``y`` (T, 1, H, W) in [0, 1], ``uv`` (T, 2, H/2, W/2) in [-0.5, 0.5], full range."""

    y: Tensor
    uv: Tensor


@torch.no_grad()
def estimate_target(clip: YuvClip) -> YuvClip:
    """The clip without what is rain by this estimate; sides are multiples of 16."""
    medians = [_median(clip, t) for t in range(len(clip.y))]
    median = YuvClip(torch.cat([m.y for m in medians]), torch.cat([m.uv for m in medians]))
    rain = rain_mask(clip.y, median.y)
    rain_uv = F.max_pool2d(rain, 2)
    return YuvClip(
        torch.where(rain > 0, median.y, clip.y),
        torch.where(rain_uv > 0, median.uv, clip.uv),
    )


def rain_mask(y: Tensor, median: Tensor) -> Tensor:
    """1 where ``y`` is brighter than ``median`` by more than noise, and hardly anything near it is darker:
    (T, 1, H, W)."""
    difference = y - median
    brighter, darker = ((sign * difference - NOISE).clamp(min=0) for sign in (1, -1))
    near = [
        F.avg_pool2d(part, NEAR_PX, 1, NEAR_PX // 2, count_include_pad=False) for part in (brighter, darker)
    ]
    return ((brighter > 0) & (near[0] > ONE_SIDED * near[1])).to(y)


def _median(clip: YuvClip, t: int) -> YuvClip:
    """Of frame t and its neighbours moved to it; at the ends of the clip of the nearest five."""
    last = len(clip.y) - 1
    first = min(max(t - REACH, 0), max(last - 2 * REACH, 0))
    now = matching_luma(clip.y[t : t + 1])
    y, uv = [], []
    for n in range(first, min(first + 2 * REACH, last) + 1):
        flow = displacement(now, matching_luma(clip.y[n : n + 1]), 2)
        uv.append(warp(clip.uv[n : n + 1], flow))
        whole = (2 * flow).repeat_interleave(2, 2).repeat_interleave(2, 3)
        y.append(warp(clip.y[n : n + 1], whole))
    return YuvClip(*(torch.stack(parts).median(0).values for parts in (y, uv)))
