"""Motion alignment of H_{t-1} and of the neighbour frames, inside the exported step.

J4R-Net compares frames in place, so what moves looks like rain to it. Here each frame is
matched to a neighbour by hierarchical block matching of rainy luma: whole-pixel
displacements, found coarse to fine by the smallest truncated absolute difference over a
window. Rain is kept from deciding by three things: a horizontal minimum takes most of the
near-vertical streaks out, the coarse levels average them, and the difference is truncated.
There is nothing to learn and no gradient; every operation exports to ONNX. The constants were
chosen on rainy validation clips (docs/log.md).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TRUNCATION = 0.15
"""Luma difference at which a pixel stops counting more: rain, not motion."""
PENALTY = 0.003
"""Cost per step away from the displacement found so far; decides where nothing shows."""


COARSEST = 8
"""Luma pixels per pixel of the coarsest matching level."""
COARSEST_SEARCH = (4, 9)
"""Search radius and window side there: 4 * 8 = 32 luma pixels a frame."""
FINER_SEARCH = (1, 11)
"""The same on each finer level."""


def matching_luma(y: Tensor) -> Tensor:
    """Half-resolution luma with thin bright streaks worn away: (N, 1, H, W) -> (N, 1, H/2, W/2)."""
    half = F.avg_pool2d(y, 2)
    return -F.max_pool2d(-F.pad(half, (1, 1, 0, 0), mode="replicate"), (1, 3), 1)


def _shift_costs(l_t: Tensor, l_ref: Tensor, radius: int, window: int) -> Tensor:
    """Windowed truncated difference of ``l_t`` (N, 1, h, w) to ``l_ref`` shifted by every
    (dy, dx) in [-radius, radius]^2: (N, (2 radius + 1)^2, h, w), row-major in (dy, dx)."""
    h, w = l_t.shape[-2:]
    padded = F.pad(l_ref, (radius,) * 4, mode="replicate")
    steps = range(-radius, radius + 1)
    shifted = [
        padded[..., radius + dy : radius + dy + h, radius + dx : radius + dx + w] for dy in steps for dx in steps
    ]
    difference = (torch.cat(shifted, 1) - l_t).abs().clamp(max=TRUNCATION)
    half = window // 2
    framed = F.pad(difference, (half,) * 4, mode="replicate")
    costs = F.avg_pool2d(F.avg_pool2d(framed, (1, window), 1), (window, 1), 1)
    away = torch.tensor([abs(dy) + abs(dx) for dy in steps for dx in steps], dtype=costs.dtype, device=costs.device)
    return costs + PENALTY * away.view(1, -1, 1, 1)


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """``x`` (N, C, h, w) at the whole-pixel places ``flow`` points to: out[y, x] = x[y + dy, x + dx],
    clamped at the edges. ``flow`` (N, 2, h, w) int64, (dy, dx)."""
    n, c, h, w = x.shape
    ys = torch.arange(h, device=x.device).view(1, h, 1)
    xs = torch.arange(w, device=x.device).view(1, 1, w)
    index = (ys + flow[:, 0]).clamp(0, h - 1) * w + (xs + flow[:, 1]).clamp(0, w - 1)
    if n > 1:
        index = index + (h * w * torch.arange(n, device=x.device)).view(n, 1, 1)
    rows = x.permute(0, 2, 3, 1).reshape(n * h * w, c)
    return rows.index_select(0, index.reshape(-1)).view(n, h, w, c).permute(0, 3, 1, 2)


def _refine(l_t: Tensor, l_ref: Tensor, flow: Tensor | None, radius: int, window: int) -> Tensor:
    aligned = l_ref if flow is None else warp(l_ref, flow)
    best = _shift_costs(l_t, aligned, radius, window).argmin(1)
    side = 2 * radius + 1
    step = torch.stack((best // side - radius, best % side - radius), 1)
    return step if flow is None else flow + step


def _double(flow: Tensor) -> Tensor:
    n, _, h, w = flow.shape
    return (2 * flow).view(n, 2, h, 1, w, 1).expand(n, 2, h, 2, w, 2).reshape(n, 2, 2 * h, 2 * w)


@torch.no_grad()
def displacement(l_t: Tensor, l_ref: Tensor, scale: int) -> Tensor:
    """Where each pixel of ``l_t`` lies in ``l_ref``: (N, 2, h, w) int64, (dy, dx).

    Both are luma on the network's grid, (N, 1, h, w) = (H / scale, W / scale), with h and w
    multiples of ``COARSEST / scale``; so is the result, in whole pixels of that grid.
    """
    pyramid = [(l_t, l_ref)]
    while scale < COARSEST:
        pyramid.append((F.avg_pool2d(pyramid[-1][0], 2), F.avg_pool2d(pyramid[-1][1], 2)))
        scale *= 2
    flow = _refine(*pyramid.pop(), None, *COARSEST_SEARCH)
    while pyramid:
        flow = _refine(*pyramid.pop(), _double(flow), *FINER_SEARCH)
    return flow
