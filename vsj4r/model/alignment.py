"""Motion alignment of H_{t-1} and of the neighbour frames: a part of every step.

J4R-Net compares frames in place, so what moves looks like rain to it. Here each frame is matched
to a neighbour by hierarchical block matching of rainy luma: whole-pixel displacements, found coarse
to fine by the smallest truncated absolute difference over a window. At each level a small block either
refines what the level above found for it, or joins the one displacement that fits the whole frame
best (the camera's), the more readily the more rain there is. Three things keep rain from deciding: a
horizontal minimum on every level removes most of the near-vertical streaks, the coarse levels average
the rest, and the difference is truncated.

Everything is arithmetic on whole numbers, and ties are decided by the order of the candidates. Here
the numbers are floats below 2^24, which are exact on every device and in every runtime that the
exported graph is given to; ``engine/native/motion.c`` computes the same in integers. All of them give
the same displacements, to the bit, for frames up to 27,000 luma pixels a side (scale 2). A change
here is a change there, and a new ``VERSION``.

There is nothing to learn and no gradient. The constants were chosen on rainy clips
(docs/experiments/alignment.md).
"""

from __future__ import annotations

from functools import cache
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

METHOD, VERSION = "blocks", 1
"""What they are called in a model's JSON: whatever changes one displacement changes the version."""
LEVELS = 256
"""Number of levels that luma is quantised to: black is 0, white ``LEVELS - 1``."""
TRUNCATION = 38
"""Differences are truncated here, in levels (0.15 of the range): more is rain, not motion."""
COARSEST = 8
"""Luma pixels per pixel of the coarsest level."""
COARSEST_RADIUS = 4
"""Search radius there: 4 * 8 = 32 luma pixels a frame."""
BLOCK, WINDOW = 2, 5
"""A level finds one displacement for each block of so many pixels, from a window of so many blocks."""
WINDOW_PX = (BLOCK * WINDOW) ** 2
"""Costs are sums over the pixels of a window; the next three are such costs."""
PENALTY = 77
"""For each pixel of distance to the displacement found so far (0.003 of the range): decides where the
picture is flat."""
FAVOUR = 102
"""How much worse the camera's displacement may fit a window and still be chosen (0.004 of the range),"""
HEAVY, HEAVY_FAVOUR = 408, 25 / 16
"""and how much more for each ``FINE``-th of a level by which the whole frame differs beyond ``HEAVY`` of
them: half of the difference beyond 0.05 of the range."""
FINE = 32
"""Differences of the whole frame are counted in so many parts of a level."""


def matching_luma(y: Tensor) -> Tensor:
    """Half-resolution luma in levels, thin bright streaks removed: (N, 1, H, W) -> (N, 1, H/2, W/2).
    NaN is black."""
    positive = torch.where(y > 0, y, torch.zeros_like(y))
    levels = torch.floor(positive.clamp(max=1) * LEVELS).clamp(max=LEVELS - 1)
    return _erode_streaks(halve_luma(levels))


def halve_luma(l_t: Tensor) -> Tensor:
    """Each pixel the mean of four, halves rounded up: (N, 1, h, w) -> (N, 1, h/2, w/2)."""
    return torch.floor(F.avg_pool2d(l_t, 2) + 0.5)


def reach_px(scale: int) -> int:
    """The largest displacement that ``displacement`` gives, in pixels of its grid."""
    radius = COARSEST_RADIUS
    while scale < COARSEST:
        radius, scale = 2 * radius + 1, 2 * scale
    return radius


def _erode_streaks(l_t: Tensor) -> Tensor:
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
    """Truncated |l_t - l_ref shifted| by each of ``_candidates``: (N, side^2, h, w)."""
    h, w = l_t.shape[-2:]
    padded = F.pad(l_ref, (radius,) * 4, mode="replicate")
    tops, lefts = zip(*((radius + dy, radius + dx) for dy, dx in _candidates(radius)), strict=True)
    shifted = torch.cat([padded[..., y : y + h, x : x + w] for y, x in zip(tops, lefts, strict=True)], 1)
    return (shifted - l_t).abs().clamp(max=TRUNCATION)


def _sum_windows(difference: Tensor) -> Tensor:
    """The sum of the differences in the window around each block, blocks at the edges repeated beyond.

    Engines are fast at means; a mean's rounding is far below the half that ``round`` takes away.
    """
    half = WINDOW // 2
    framed = F.pad(F.avg_pool2d(difference, BLOCK), (half,) * 4, mode="replicate")
    means = F.avg_pool2d(F.avg_pool2d(framed, (1, WINDOW), 1), (WINDOW, 1), 1)
    return torch.round(means * WINDOW_PX)


def _sum_all(difference: Tensor) -> Tensor:
    """The sum over the rows of each candidate's mean in a row, rounded down: (N, side^2, 1, 1), in
    ``FINE``-ths of a level."""
    return quotient(difference.sum(3, keepdim=True) * FINE, difference.shape[3]).sum(2, keepdim=True)


def quotient(x: Tensor, n: int | Tensor) -> Tensor:
    """x / n rounded down, for whole x and n; a division alone is not the same in every engine. Below 2^22."""
    about = torch.floor(x * (1.0 / n))
    rest = x - about * n
    return about + (rest >= n).to(x.dtype) - (rest < 0).to(x.dtype)


def _find_smallest(overall: Tensor, radius: int) -> Tensor:
    """The (dy, dx) of the first candidate that has the smallest of (N, side^2, 1, 1): (N, 2, 1, 1)."""
    count = len(_candidates(radius))
    numbers = torch.arange(count, dtype=overall.dtype, device=overall.device).view(1, -1, 1, 1)
    equal = overall == overall.amin(1, keepdim=True)
    return _offset(torch.where(equal, numbers, numbers + count).amin(1).long(), radius)


def _find_cheapest(costs: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Of the candidates' costs (N, side^2, h, w), the smallest (N, 1, h, w) and the (dy, dx) of the first
    candidate that has it (N, 2, h, w).

    Both come from one minimum of cost and number packed together, for engines are slow at argmin: the
    number takes 7 bits (81 candidates), the cost 14.
    """
    count = len(_candidates(radius))
    most = 1 << (count - 1).bit_length()
    numbers = torch.arange(count, dtype=costs.dtype, device=costs.device).view(1, -1, 1, 1)
    best = (costs * most + numbers).amin(1)
    own = torch.floor(best / most)
    return own[:, None], _offset((best - own * most).long(), radius)


@cache
def _candidates(radius: int) -> list[tuple[int, int]]:
    """Every (dy, dx) in [-radius, radius]^2, the nearest first: where the picture is flat, nothing moves."""
    side = range(-radius, radius + 1)
    return sorted(product(side, side), key=lambda offset: abs(offset[0]) + abs(offset[1]))


def _penalty_away(radius: int, like: Tensor) -> Tensor:
    """The penalty of each candidate: (1, side^2, 1, 1)."""
    return PENALTY * _offsets(radius, like.device).abs().sum(1).view(1, -1, 1, 1).to(like.dtype)


def _offset(candidate: Tensor, radius: int) -> Tensor:
    """Candidate numbers (N, h, w) to (dy, dx): (N, 2, h, w). A number that is no candidate (from
    memory that was never written) is clamped to one, for a wrong index would end a CUDA context."""
    n, h, w = candidate.shape
    offsets = _offsets(radius, candidate.device)
    offsets = offsets.index_select(0, candidate.reshape(-1).clamp(0, len(offsets) - 1))
    return offsets.view(n, h, w, 2).permute(0, 3, 1, 2)


@cache
def _offsets(radius: int, device: torch.device) -> Tensor:
    """``_candidates``, (side^2, 2) int64. Made once: a CUDA graph must not copy from the host."""
    return torch.tensor(_candidates(radius), device=device)


def _enlarge_flow(flow: Tensor) -> Tensor:
    """Of blocks to that of their pixels."""
    n, _, h, w = flow.shape
    each = flow.view(n, 2, h, 1, w, 1).expand(n, 2, h, BLOCK, w, BLOCK)
    return each.reshape(n, 2, BLOCK * h, BLOCK * w)


def _refine(l_t: Tensor, l_ref: Tensor, flow: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
    """One level down: the displacement of each block (a pixel of the level above) and the camera's, both in
    this level's pixels already."""
    overall = _sum_all(_differences(l_t, warp(l_ref, camera), 1))
    camera = camera + _find_smallest(overall, 1)
    difference = _differences(l_t, warp(l_ref, camera), 0)
    mean = quotient(_sum_all(difference), l_t.shape[2])
    favour = FAVOUR + torch.floor((mean - HEAVY).clamp(min=0) * HEAVY_FAVOUR)
    with_camera = _sum_windows(difference)
    costs = _sum_windows(_differences(l_t, warp(l_ref, _enlarge_flow(flow)), 1))
    own, offset = _find_cheapest(costs + _penalty_away(1, costs), 1)
    return torch.where(with_camera <= own + favour, camera, flow + offset), camera


@torch.no_grad()
def displacement(l_t: Tensor, l_ref: Tensor, scale: int) -> Tensor:
    """Where each pixel of ``l_t`` lies in ``l_ref``: (N, 2, h, w) int64, (dy, dx).

    Both are ``matching_luma`` on the network's grid, (N, 1, h, w) = (H / scale, W / scale), H and W
    multiples of ``COARSEST * BLOCK``; the result is in whole pixels of that grid.
    """
    pyramid = [(l_t, l_ref)]
    while scale < COARSEST:
        finer = pyramid[-1]
        pyramid.append((_erode_streaks(halve_luma(finer[0])), _erode_streaks(halve_luma(finer[1]))))
        scale *= 2
    difference = _differences(*pyramid.pop(), COARSEST_RADIUS)
    overall = _sum_all(difference)
    camera = _find_smallest(overall, COARSEST_RADIUS)
    mean = quotient(overall, difference.shape[2])
    costs = (
        _sum_windows(difference)
        + torch.floor(mean * (WINDOW_PX / FINE))
        + _penalty_away(COARSEST_RADIUS, overall)
    )
    flow = _enlarge_flow(_find_cheapest(costs, COARSEST_RADIUS)[1])
    while pyramid:
        flow, camera = _refine(*pyramid.pop(), 2 * flow, 2 * camera)
        flow = _enlarge_flow(flow)
    return flow
