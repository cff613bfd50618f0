"""Chroma between a layout's own resolution and the network's, which is half of luma's on both axes.

Down by the mean of pairs, as training subsamples; up by linear interpolation between sample centres. Both are
linear and keep constants: 0 stays 0.
"""

from __future__ import annotations

import numpy as np

from vsj4r.arrays import Floats


def to_half(plane: Floats, ssw: int, ssh: int) -> Floats:
    """(H >> ssh, W >> ssw) to (ceil(H / 2), ceil(W / 2)); ``ssw``, ``ssh`` 0 to 2."""
    return _to_half(_to_half(plane, ssh, 0), ssw, 1)


def from_half(half: Floats, shape: tuple[int, int], ssw: int, ssh: int) -> Floats:
    """The way back to ``shape``, the layout's own resolution; 4:2:0 comes back as it is."""
    return _from_half(_from_half(half, shape[0], ssh, 0), shape[1], ssw, 1)


def shrink_to_chroma(plane: Floats, ssw: int, ssh: int) -> Floats:
    """Luma's resolution to a layout's: means of 2^ssh x 2^ssw samples, which divide the sides."""
    for axis, times in enumerate((ssh, ssw)):
        for _ in range(times):
            plane = _pair_means(plane, axis)
    return plane


def _to_half(plane: Floats, ss: int, axis: int) -> Floats:
    if ss == 0:
        return _pair_means(plane, axis)
    return plane if ss == 1 else plane.repeat(2, axis)


def _from_half(half: Floats, size: int, ss: int, axis: int) -> Floats:
    if ss == 2:
        return _pair_means(half, axis)
    return half if ss == 1 else double(half, size, axis)


def _pair_means(plane: Floats, axis: int) -> Floats:
    """An odd last sample stays as it is."""
    first, second = (slice(None), slice(None, None, 2)), (slice(None), slice(1, None, 2))
    if axis == 0:
        first, second = first[::-1], second[::-1]
    mean, odd = plane[first].copy(order="C"), plane[second]
    pairs = mean[: odd.shape[0], : odd.shape[1]]
    pairs += odd
    pairs *= np.float32(0.5)
    return mean


def double(half: Floats, size: int, axis: int) -> Floats:
    """Two samples for each, at a quarter left and right of its centre; the edge sample is repeated."""
    rows = np.moveaxis(half, axis, 0)
    near = rows * np.float32(0.75)
    far = rows * np.float32(0.25)
    doubled = np.empty((2 * len(rows), *rows.shape[1:]), np.float32)
    doubled[::2], doubled[1::2] = near, near
    doubled[2::2] += far[:-1]
    doubled[0] += far[0]
    doubled[1:-1:2] += far[1:]
    doubled[-1] += far[-1]
    return np.moveaxis(doubled[:size], 0, axis)
