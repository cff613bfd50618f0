"""Where each block of a frame lies in another: whole-pixel motion of rainy footage, in numpy.

The method is that of ``model.alignment`` (hierarchical block matching of luma without its thin streaks, by
truncated absolute difference, with the camera's displacement as a second hypothesis), at full resolution
and with a coarsest level that suits the size of the frame. On clean footage seen through rain it leaves a
smaller difference between neighbours than the network's own alignment does (docs/real-rain.md).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats

Integers = NDArray[np.int32]

BLOCK = 4
"""Pixels a side, on every level."""
WINDOW = 3
"""Blocks a side over which a block is matched."""
TRUNCATION = 38.0
"""Differences are truncated here, in codes: more is rain, not motion."""
PENALTY = 0.75
"""Cost of each pixel of distance to the displacement found so far, in codes."""
FAVOUR, HEAVY, HEAVY_FAVOUR = 1.0, 13.0, 0.5
"""How much worse the camera's displacement may fit a block and still be chosen: ``FAVOUR`` codes, and
``HEAVY_FAVOUR`` times what it differs by over the whole frame beyond ``HEAVY``."""
COARSEST_PX, COARSEST_RADIUS = 60, 4
"""The coarsest level has a shorter side of about ``COARSEST_PX``, and is searched so far in each direction:
a fifteenth of the picture's shorter side a frame."""
RADIUS = 2
"""How far a finer level looks around the displacement that the level above found; 1 for the camera's."""
FEWEST_LEVELS, SMALLEST_PX = 3, 16
"""Fewest levels below full resolution, unless the coarsest would be under ``SMALLEST_PX`` a side."""

Pyramid = list[Floats]


def matching_pyramid(luma: Floats) -> Pyramid:
    """Luma (H, W) in codes of 8 bit, full resolution to the coarsest; each level without thin streaks."""
    shorter = min(luma.shape)
    levels = max(FEWEST_LEVELS, round(np.log2(shorter / COARSEST_PX)))
    while levels and shorter >> levels < SMALLEST_PX:
        levels -= 1
    pyramid = [_erode_streaks(luma)]
    for _ in range(levels):
        pyramid.append(_erode_streaks(_halve(pyramid[-1])))
    return pyramid


class BlockMotion:
    """The displacement of each block of a frame: ``flow`` (2, rows, columns), (dy, dx) in whole pixels."""

    def __init__(self, flow: Integers, height: int, width: int) -> None:
        self.flow = flow
        dy, dx = (each.repeat(BLOCK, 0).repeat(BLOCK, 1)[:height, :width] for each in flow)
        rows = np.clip(np.arange(height, dtype=np.int32)[:, None] + dy, 0, height - 1)
        self._index = rows * width + np.clip(np.arange(width, dtype=np.int32) + dx, 0, width - 1)

    def warp(self, plane: Floats) -> Floats:
        """The other frame's plane (H, W), moved to where this frame has it; clamped at the edges."""
        moved: Floats = plane.ravel().take(self._index)
        return moved


def find_motion(frame: Pyramid, other: Pyramid) -> BlockMotion:
    """Where each block of ``frame`` lies in ``other``: both ``matching_pyramid`` of frames of one size."""
    target, reference = frame[-1], other[-1]
    found = _costs(target, reference, _no_motion(target), COARSEST_RADIUS)
    overall = found.overall[:, None, None]
    camera = _offset(found.overall.argmin(), COARSEST_RADIUS)
    flow = _offset((found.windowed + overall + _penalties(COARSEST_RADIUS)).argmin(0), COARSEST_RADIUS)
    for target, reference in zip(frame[-2::-1], other[-2::-1], strict=True):
        flow, camera = _refine(target, reference, _enlarge_flow(flow, target), 2 * camera)
    return BlockMotion(flow, *frame[0].shape)


def _refine(target: Floats, reference: Floats, flow: Integers, camera: Integers) -> tuple[Integers, Integers]:
    """One level down: each block's displacement and the camera's, both in this level's pixels already."""
    by_camera = _costs(target, reference, _no_motion(target) + camera[:, None, None], 1)
    best = by_camera.overall.argmin()
    camera = camera + _offset(best, 1)
    favour = FAVOUR + HEAVY_FAVOUR * max(float(by_camera.overall[best]) - HEAVY, 0)
    own = _costs(target, reference, flow, RADIUS).windowed + _penalties(RADIUS)
    with_camera = by_camera.windowed[best] <= own.min(0) + favour
    return np.where(with_camera, camera[:, None, None], flow + _offset(own.argmin(0), RADIUS)), camera


class _Costs(NamedTuple):
    """Mean truncated difference of each candidate: ``windowed`` (side^2, rows, columns) around each block,
    ``overall`` (side^2,)."""

    windowed: Floats
    overall: Floats


def _costs(target: Floats, reference: Floats, flow: Integers, radius: int) -> _Costs:
    """Candidates are ``flow`` and what lies up to ``radius`` around it, by rows."""
    height, width = reference.shape
    _, rows, columns = flow.shape
    reach = np.arange(-radius, BLOCK + radius, dtype=np.int32)[:, None, None]
    y = np.clip(BLOCK * np.arange(rows, dtype=np.int32)[:, None] + flow[0] + reach, 0, height - 1)
    x = np.clip(BLOCK * np.arange(columns, dtype=np.int32) + flow[1] + reach, 0, width - 1)
    around = reference.ravel().take(y[:, None] * width + x[None])  # (side, side, rows, columns)
    mine = _by_blocks(target, rows, columns)
    side = range(2 * radius + 1)
    each = np.empty((len(side) ** 2, rows, columns), np.float32)
    for n, (dy, dx) in enumerate((dy, dx) for dy in side for dx in side):
        difference = np.abs(around[dy : dy + BLOCK, dx : dx + BLOCK] - mine)
        each[n] = np.minimum(difference, TRUNCATION, out=difference).mean((0, 1))
    return _Costs(_sum_windows(each), each.mean((1, 2)))


def _by_blocks(plane: Floats, rows: int, columns: int) -> Floats:
    """(BLOCK, BLOCK, rows, columns): the last row and column repeated where the plane is too small."""
    height, width = plane.shape
    filled = np.pad(plane, ((0, rows * BLOCK - height), (0, columns * BLOCK - width)), mode="edge")
    return np.ascontiguousarray(filled.reshape(rows, BLOCK, columns, BLOCK).transpose(1, 3, 0, 2))


def _sum_windows(costs: Floats) -> Floats:
    half, (rows, columns) = WINDOW // 2, costs.shape[1:]
    framed = np.pad(costs, ((0, 0), (half, half), (half, half)), mode="edge")
    down = np.add.reduce([framed[:, k : k + rows] for k in range(WINDOW)])
    both: Floats = np.add.reduce([down[:, :, k : k + columns] for k in range(WINDOW)])
    return both * np.float32(1 / WINDOW**2)


def _penalties(radius: int) -> Floats:
    steps = np.abs(np.arange(-radius, radius + 1))
    return np.float32(PENALTY) * (steps[:, None] + steps).reshape(-1, 1, 1).astype(np.float32)


def _offset(candidate: NDArray[np.intp] | np.intp, radius: int) -> Integers:
    """Candidate numbers to (dy, dx)."""
    side = 2 * radius + 1
    return np.stack((candidate // side - radius, candidate % side - radius)).astype(np.int32)


def _no_motion(plane: Floats) -> Integers:
    height, width = plane.shape
    return np.zeros((2, -(-height // BLOCK), -(-width // BLOCK)), np.int32)


def _enlarge_flow(flow: Integers, plane: Floats) -> Integers:
    """A level's flow for the blocks of the next, ``plane``, of twice its size."""
    _, rows, columns = _no_motion(plane).shape
    doubled = 2 * flow.repeat(2, 1).repeat(2, 2)
    missing = ((0, 0), (0, max(rows - doubled.shape[1], 0)), (0, max(columns - doubled.shape[2], 0)))
    return np.pad(doubled, missing, mode="edge")[:, :rows, :columns]


def _halve(plane: Floats) -> Floats:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in plane.shape)
    rows = plane[0:height:2, :width] + plane[1:height:2, :width]
    return (rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25)


def _erode_streaks(plane: Floats) -> Floats:
    """The minimum of each pixel and its two neighbours in the row: thin bright streaks are gone."""
    framed = np.pad(plane, ((0, 0), (1, 1)), mode="edge")
    return np.minimum(np.minimum(framed[:, :-2], framed[:, 1:-1]), framed[:, 2:])
