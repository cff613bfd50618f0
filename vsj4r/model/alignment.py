"""Motion alignment of H_{t-1} and of the neighbour frames, inside the exported step.

J4R-Net compares frames in place, so what moves looks like rain to it. Here each frame is matched
to a neighbour by hierarchical block matching of rainy luma: whole-pixel displacements, found coarse
to fine by the smallest truncated absolute difference over a window. At each level a small block either
refines what the level above found for it, or joins the one displacement that fits the whole frame
best (the camera's), the more readily the more rain there is. Rain is kept from deciding by three
things: a horizontal minimum on every level wears most of the near-vertical streaks away, the coarse
levels average the rest, and the difference is truncated.

There is nothing to learn and no gradient; every operation exports to ONNX. The constants were
chosen on rainy clips (docs/experiments/alignment.md).
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

TRUNCATION = 0.15
"""Luma difference at which a pixel stops counting more: rain, not motion."""
PENALTY = 0.003
"""Cost per pixel away from the displacement found so far; decides where nothing shows."""
FAVOUR, HEAVY, HEAVY_FAVOUR = 0.004, 0.05, 0.5
"""How much worse the camera's displacement may fit a pixel and still be its own: ``FAVOUR``, and
``HEAVY_FAVOUR`` times what it differs by over the whole frame beyond ``HEAVY``."""
COARSEST = 8
"""Luma pixels per pixel of the coarsest level."""
COARSEST_RADIUS = 4
"""Search radius there: 4 * 8 = 32 luma pixels a frame."""
EXACT = 2**24
"""Whole numbers up to this are exact in float32."""
BLOCK, WINDOW = 2, 5
"""A level finds one displacement for each block of so many pixels, from a window of so many blocks."""


def matching_luma(y: Tensor) -> Tensor:
    """Half-resolution luma with thin bright streaks worn away: (N, 1, H, W) -> (N, 1, H/2, W/2)."""
    return _worn(F.avg_pool2d(y, 2))


def reach(scale: int) -> int:
    """The largest displacement that ``displacement`` gives, in pixels of its grid."""
    radius = COARSEST_RADIUS
    while scale < COARSEST:
        radius, scale = 2 * radius + 1, 2 * scale
    return radius


def _worn(l_t: Tensor) -> Tensor:
    """The minimum of each pixel and its two neighbours in the row."""
    return -F.max_pool2d(-F.pad(l_t, (1, 1, 0, 0), mode="replicate"), (1, 3), 1)


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """``x`` (N, C, h, w) at the whole-pixel places ``flow`` points to: out[y, x] = x[y + dy, x + dx],
    clamped at the edges. ``flow``: (N, 2, h, w), or (N, 2, 1, 1) for one of all; int64, (dy, dx)."""
    n, c, h, w = x.shape
    ys = torch.arange(h, device=x.device).view(1, h, 1)
    xs = torch.arange(w, device=x.device).view(1, 1, w)
    index = (ys + flow[:, 0]).clamp(0, h - 1) * w + (xs + flow[:, 1]).clamp(0, w - 1)
    if n > 1:
        index = index + (h * w * torch.arange(n, device=x.device)).view(n, 1, 1)
    rows = x.permute(0, 2, 3, 1).reshape(n * h * w, c)
    return rows.index_select(0, index.reshape(-1)).view(n, h, w, c).permute(0, 3, 1, 2)


def _differences(l_t: Tensor, l_ref: Tensor, radius: int) -> Tensor:
    """Truncated |l_t - l_ref shifted| by every (dy, dx) in [-radius, radius]^2: (N, side^2, h, w)."""
    h, w = l_t.shape[-2:]
    padded = F.pad(l_ref, (radius,) * 4, mode="replicate")
    side = range(2 * radius + 1)
    shifted = torch.cat([padded[..., dy : dy + h, dx : dx + w] for dy in side for dx in side], 1)
    return (shifted - l_t).abs().clamp(max=TRUNCATION)


def _windowed(difference: Tensor) -> Tensor:
    """Differences of pixels to the mean of the window around each block."""
    half = WINDOW // 2
    framed = F.pad(F.avg_pool2d(difference, BLOCK), (half,) * 4, mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(framed, (1, WINDOW), 1), (WINDOW, 1), 1)


def _overall(difference: Tensor) -> Tensor:
    """The mean of each candidate over the whole frame: (N, side^2, 1, 1)."""
    return difference.mean((2, 3), keepdim=True)


def _away(radius: int, like: Tensor) -> Tensor:
    """The penalty of each candidate: (1, side^2, 1, 1)."""
    return _penalties(radius, like.dtype, like.device)


@cache
def _penalties(radius: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Made once: a CUDA graph must not copy from the host."""
    steps = [abs(dy) + abs(dx) for dy in range(-radius, radius + 1) for dx in range(-radius, radius + 1)]
    return PENALTY * torch.tensor(steps, dtype=dtype, device=device).view(1, -1, 1, 1)


def _cheapest(costs: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Of the candidates' costs (N, side^2, h, w), below 1: the smallest (N, 1, h, w), rounded down a little,
    and the (dy, dx) that it belongs to (N, 2, h, w).

    Both come from one minimum, as engines are slow to tell where a minimum lies.
    """
    candidates = (2 * radius + 1) ** 2
    most = 1 << (candidates - 1).bit_length()
    numbers = torch.arange(candidates, dtype=costs.dtype, device=costs.device).view(1, -1, 1, 1)
    best = (torch.floor(costs * (EXACT / most)) * most + numbers).amin(1)
    own = torch.floor(best / most)
    return own[:, None] * (most / EXACT), _offset((best - own * most).long(), radius)


def _offset(candidate: Tensor, radius: int) -> Tensor:
    """Candidate numbers (N, h, w) to (dy, dx): (N, 2, h, w)."""
    side = 2 * radius + 1
    return torch.stack((candidate // side - radius, candidate % side - radius), 1)


def _enlarged(flow: Tensor) -> Tensor:
    """Of blocks to that of their pixels."""
    n, _, h, w = flow.shape
    each = flow.view(n, 2, h, 1, w, 1).expand(n, 2, h, BLOCK, w, BLOCK)
    return each.reshape(n, 2, BLOCK * h, BLOCK * w)


def _refine(l_t: Tensor, l_ref: Tensor, flow: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
    """One level down: the displacement of each block (a pixel of the level above) and the camera's, both in
    this level's pixels already."""
    camera = camera + _offset(_overall(_differences(l_t, warp(l_ref, camera), 1)).argmin(1), 1)
    difference = _differences(l_t, warp(l_ref, camera), 0)
    favour = FAVOUR + HEAVY_FAVOUR * (_overall(difference) - HEAVY).clamp(min=0)
    with_camera = _windowed(difference)
    costs = _windowed(_differences(l_t, warp(l_ref, _enlarged(flow)), 1))
    own, offset = _cheapest(costs + _away(1, costs), 1)
    return torch.where(with_camera <= own + favour, camera, flow + offset), camera


@torch.no_grad()
def displacement(l_t: Tensor, l_ref: Tensor, scale: int) -> Tensor:
    """Where each pixel of ``l_t`` lies in ``l_ref``: (N, 2, h, w) int64, (dy, dx).

    Both are ``matching_luma`` on the network's grid, (N, 1, h, w) = (H / scale, W / scale), H and W
    multiples of ``COARSEST * BLOCK``; the result is in whole pixels of that grid.
    """
    pyramid = [(l_t, l_ref)]
    while scale < COARSEST:
        pyramid.append((_worn(F.avg_pool2d(pyramid[-1][0], 2)), _worn(F.avg_pool2d(pyramid[-1][1], 2))))
        scale *= 2
    difference = _differences(*pyramid.pop(), COARSEST_RADIUS)
    overall = _overall(difference)
    camera = _offset(overall.argmin(1), COARSEST_RADIUS)
    costs = _windowed(difference) + overall + _away(COARSEST_RADIUS, difference)
    flow = _enlarged(_cheapest(costs, COARSEST_RADIUS)[1])
    while pyramid:
        flow, camera = _refine(*pyramid.pop(), 2 * flow, 2 * camera)
        flow = _enlarged(flow)
    return flow
