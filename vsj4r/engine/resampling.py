"""Planes to a fraction of their size, and a correction that was found there back to theirs.

In numpy and, where the compiled library is there, in C (``native/resampling.c``): the same bits.
"""

from __future__ import annotations

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.engine.native import scaling as native

MOST_RAIN = 256 / 255**2
"""What detail may stay, times rain: 1 code of rain leaves 256 codes of detail, 64 leave 4."""
LEAST_RAIN = 0.5 / 255
LEAST_DETAIL = 2 / 255
LIMITS = MOST_RAIN, LEAST_RAIN, LEAST_DETAIL


CUBIC, LINEAR, FIRST = slice(0, 4), slice(4, 6), 6
"""Columns of ``phases_of``. They are the C's and the kernels' too (``native/resampling.c``,
``cuda/kernels.cu``)."""
_COLUMNS = 8


def phases_of(by: int) -> Floats:
    """The ``by`` places that a sample is enlarged to, its own middle in their middle: (by, 8) float32. Each
    has the weights of four neighbours (Catmull-Rom's cubic) and of two (linear), and ``FIRST``: how far from
    the sample the first of the two is, -1 or 0; the first of the four is the one before that."""
    phases = np.zeros((by, _COLUMNS), np.float32)
    for place, phase in enumerate(phases):
        at = (place + 0.5) / by - 0.5
        first, t = np.floor(at), at - np.floor(at)
        phase[CUBIC] = (
            (-t + 2 * t**2 - t**3) / 2,
            (2 - 5 * t**2 + 3 * t**3) / 2,
            (t + 4 * t**2 - 3 * t**3) / 2,
            (-(t**2) + t**3) / 2,
        )
        phase[LINEAR], phase[FIRST] = (1 - t, t), first
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


def rain_near(change: Floats, *, halved: bool = False) -> Floats:
    """How much rain lies at a sample or beside it: the largest |change| of nine, (h, w). ``halved``, from the
    change of luma to chroma of half its sides: of each four samples the largest counts."""
    height, width = (side // (1 + halved) for side in change.shape)
    near = np.empty((height, width), np.float32)
    if native.find_rain(change, near, halved=halved):
        return near
    rain = np.abs(change)
    if halved:
        rows = np.maximum(rain[::2], rain[1::2])
        rain = np.maximum(rows[:, ::2], rows[:, 1::2])
    for axis in (0, 1):
        rain = _largest_of_three(rain, axis)
    return rain


def enlarge_change(
    plane: Floats, small: Floats, change: Floats, rain: Floats, phases: Floats, into: Floats
) -> None:
    """The correction of ``plane`` (h * by, w * by), from the ``change`` of ``small``, both (h, w).

    That is ``change`` enlarged, less rain's own edges. Those are in the detail, which ``plane`` has and
    ``small`` has not: where there is ``rain`` (h, w), detail beyond ``MOST_RAIN`` / rain is taken away.
    """
    if native.enlarge_floats(plane, small, change, rain, phases, LIMITS, into):
        return
    detail = plane - _enlarge_cubic(small, phases)
    limit = np.float32(MOST_RAIN) / np.maximum(_enlarge_linear(rain, phases), np.float32(LEAST_RAIN))
    np.maximum(limit, np.float32(LEAST_DETAIL), out=limit)
    kept = np.maximum(np.minimum(detail, limit), -limit)
    np.subtract(_enlarge_cubic(change, phases), detail - kept, out=into)


def _enlarge_cubic(plane: Floats, phases: Floats) -> Floats:
    for axis in (0, 1):
        plane = _enlarge(plane, axis, phases[:, FIRST] - 1, phases[:, CUBIC])
    return plane


def _enlarge_linear(plane: Floats, phases: Floats) -> Floats:
    for axis in (0, 1):
        plane = _enlarge(plane, axis, phases[:, FIRST], phases[:, LINEAR])
    return plane


def _enlarge(plane: Floats, axis: int, firsts: Floats, weights: Floats) -> Floats:
    """To ``len(weights)`` times the size along ``axis``; a row of ``weights`` for each place."""
    size, by = plane.shape[axis], len(weights)
    shape = list(plane.shape)
    shape[axis] *= by
    enlarged = np.empty(shape, np.float32)
    places = np.arange(size)
    for place, (first, of_taps) in enumerate(zip(firsts, weights, strict=True)):
        parts = (
            plane.take(np.clip(places + int(first) + tap, 0, size - 1), axis) * weight
            for tap, weight in enumerate(of_taps)
        )
        total = next(parts)
        for part in parts:
            total += part
        into = enlarged[place::by] if axis == 0 else enlarged[:, place::by]
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
