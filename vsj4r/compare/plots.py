"""Numbers by frame as the points of a line in SVG: the page's template draws them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

WIDTH, HEIGHT = 1000, 220
_POINTS = 500  # of a longer clip, the least and the greatest of each stretch are drawn
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Line:
    """``label`` is one of ``sides.LABELS``; infinite numbers are left out."""

    label: str
    numbers: list[float]


@dataclass(frozen=True, slots=True)
class Graph:
    """``ticks``: (y, text), ``paths``: (label, the ``d`` of an SVG path)."""

    title: str
    ticks: list[tuple[float, str]]
    paths: list[tuple[str, str]]
    width: int = field(default=WIDTH, init=False)
    height: int = field(default=HEIGHT, init=False)


def draw_graph(title: str, lines: list[Line], *, unit: str = "", from_zero: bool = False) -> Graph:
    """All ``lines`` over the same frames, on one scale."""
    finite = [number for line in lines for number in line.numbers if math.isfinite(number)]
    finite += [0.0] if from_zero else []
    low, high, step = _scale(min(finite, default=0.0), max(finite, default=1.0))
    digits = max(0, -math.floor(math.log10(step)))
    count = round((high - low) / step)
    ticks = [(_y(low + k * step, low, high), f"{low + k * step:.{digits}f}{unit}") for k in range(count + 1)]
    return Graph(title, ticks, [(line.label, _path(line.numbers, low, high)) for line in lines])


def frame_x(frame: int, frames: int) -> float:
    """Where ``frame`` of ``frames`` stands on a graph."""
    return round(WIDTH * frame / max(frames - 1, 1), 1)


def _scale(low: float, high: float) -> tuple[float, float, float]:
    """Round ends around both, and a round step between."""
    if high - low < 1e-6:
        low, high = (low, low + 1) if low < 1 else (low - 1, low)
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def _y(number: float, low: float, high: float) -> float:
    return round(HEIGHT * (1 - (number - low) / (high - low)), 1)


def _path(numbers: list[float], low: float, high: float) -> str:
    """Moves over the gaps where a number is not finite."""
    parts, pen_down = [], False
    for frame, number in _thin(numbers):
        if math.isfinite(number):
            point = f"{frame_x(frame, len(numbers))} {_y(number, low, high)}"
            parts.append(f"L{point}" if pen_down else f"M{point}h0")  # so that a point alone is seen
        pen_down = math.isfinite(number)
    return "".join(parts)


def _thin(numbers: list[float]) -> list[tuple[int, float]]:
    if len(numbers) <= 2 * _POINTS:
        return list(enumerate(numbers))
    points = []
    for k in range(_POINTS):
        stretch = range(k * len(numbers) // _POINTS, (k + 1) * len(numbers) // _POINTS)
        ends = {min(stretch, key=numbers.__getitem__), max(stretch, key=numbers.__getitem__)}
        points += [(frame, numbers[frame]) for frame in sorted(ends)]
    return points
