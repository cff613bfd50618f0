"""Planes to a fraction of their size, and a correction that was found there back to theirs.

In numpy and, where the compiled library is there, in C (``native/resampling.c``): the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.engine.native import scaling as native

_CUBIC_TAPS, _LINEAR_TAPS = 4, 2

MOST_RAIN = 256 / 255**2
"""What detail may stay, times rain: 1 code of rain leaves 256 codes of detail, 64 leave 4."""
LEAST_RAIN = 0.5 / 255
LEAST_DETAIL = 2 / 255


class Phase(NamedTuple):
    """One of the places between two samples: taps of the sample's neighbours, the first of them so many
    samples beyond it."""

    cubic_first: int
    cubic: Floats
    linear_first: int
    linear: Floats


def phases_of(by: int) -> list[Phase]:
    """The ``by`` places that a sample is enlarged to, its own middle in their middle: Catmull-Rom's cubic and
    the linear weights, float32."""
    phases = []
    for place in range(by):
        at = (place + 0.5) / by - 0.5
        first, t = int(np.floor(at)), at - np.floor(at)
        cubic = (
            (-t + 2 * t**2 - t**3) / 2,
            (2 - 5 * t**2 + 3 * t**3) / 2,
            (t + 4 * t**2 - 3 * t**3) / 2,
            (-(t**2) + t**3) / 2,
        )
        phases.append(Phase(first - 1, np.array(cubic, np.float32), first, np.array((1 - t, t), np.float32)))
    return phases


def shrink_plane(plane: Floats, by: int, into: Floats) -> None:
    """The mean of each ``by`` x ``by`` samples of ``plane`` (h * by, w * by) ``into`` (h, w)."""
    if native.shrink_floats(plane, by, into):
        return
    into.fill(0)
    for dy in range(by):
        for dx in range(by):
            into += plane[dy::by, dx::by]
    into *= np.float32(1) / np.float32(by * by)


def rain_near(change: Floats) -> Floats:
    """How much rain lies at a sample or beside it: the largest |change| of nine, (h, w)."""
    rain = np.abs(change)
    for axis in (0, 1):
        rain = _largest_of_three(rain, axis)
    return rain


def halve_rain(change: Floats) -> Floats:
    """The change of luma for chroma of half the sides: the largest |change| of four."""
    rain = np.abs(change)
    rows = np.maximum(rain[::2], rain[1::2])
    return np.maximum(rows[:, ::2], rows[:, 1::2])


def enlarge_change(
    plane: Floats, small: Floats, change: Floats, rain: Floats, phases: list[Phase], into: Floats
) -> None:
    """The correction of ``plane`` (h * by, w * by), from the ``change`` of ``small``, both (h, w).

    That is ``change`` enlarged, less rain's own edges. Those are in the detail, which ``plane`` has and
    ``small`` has not: where there is ``rain`` (h, w), detail beyond ``MOST_RAIN`` / rain is taken away.
    """
    if native.enlarge_floats(plane, small, change, rain, phases, (MOST_RAIN, LEAST_RAIN, LEAST_DETAIL), into):
        return
    detail = plane - _enlarge_cubic(small, phases)
    limit = np.float32(MOST_RAIN) / np.maximum(_enlarge_linear(rain, phases), np.float32(LEAST_RAIN))
    np.maximum(limit, np.float32(LEAST_DETAIL), out=limit)
    kept = np.maximum(np.minimum(detail, limit), -limit)
    np.subtract(_enlarge_cubic(change, phases), detail - kept, out=into)


def _enlarge_cubic(plane: Floats, phases: list[Phase]) -> Floats:
    for axis in (0, 1):
        plane = _enlarge(plane, axis, [(phase.cubic_first, phase.cubic) for phase in phases])
    return plane


def _enlarge_linear(plane: Floats, phases: list[Phase]) -> Floats:
    for axis in (0, 1):
        plane = _enlarge(plane, axis, [(phase.linear_first, phase.linear) for phase in phases])
    return plane


def _enlarge(plane: Floats, axis: int, taps: list[tuple[int, Floats]]) -> Floats:
    size = plane.shape[axis]
    shape = list(plane.shape)
    shape[axis] *= len(taps)
    enlarged = np.empty(shape, np.float32)
    places = np.arange(size)
    for place, (first, weights) in enumerate(taps):
        parts = (
            plane.take(np.clip(places + first + tap, 0, size - 1), axis) * weight
            for tap, weight in enumerate(weights)
        )
        total = next(parts)
        for part in parts:
            total += part
        into = enlarged[place :: len(taps)] if axis == 0 else enlarged[:, place :: len(taps)]
        into[...] = total
    return enlarged


def _largest_of_three(plane: Floats, axis: int) -> Floats:
    """Along ``axis``, the sample itself and its two neighbours."""
    largest = plane.copy()
    before, after = (largest[:-1], largest[1:]) if axis == 0 else (largest[:, :-1], largest[:, 1:])
    source_before, source_after = (plane[:-1], plane[1:]) if axis == 0 else (plane[:, :-1], plane[:, 1:])
    np.maximum(before, source_after, out=before)
    np.maximum(after, source_before, out=after)
    return largest
