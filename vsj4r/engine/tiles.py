"""A frame in overlapping tiles: arithmetic on sizes, in luma pixels.

What a tile gives near its inner edges is wrong, for lack of what lies beyond: as far as the model's halo
reaches. So tiles overlap by two halos, and each pixel is kept from one tile that is right there. All tiles
are of one size; they end where the frame ends, so its own edges are what they are untiled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from vsj4r.engine.base import StepSpec, round_up


class Span(NamedTuple):
    """Pixels ``start .. stop`` along one side are evaluated, of which ``first .. last`` are kept (ends
    excluded)."""

    start: int
    stop: int
    first: int
    last: int

    def evaluated(self, factor: int) -> slice:
        """In a tensor with one sample for ``factor`` pixels."""
        return slice(self.start // factor, self.stop // factor)

    def kept(self, factor: int) -> slice:
        return slice(self.first // factor, self.last // factor)

    def kept_inside(self, factor: int) -> slice:
        """Where the kept samples lie in the tile itself."""
        return slice((self.first - self.start) // factor, (self.last - self.start) // factor)


@dataclass(frozen=True, slots=True)
class Tiles:
    """``rows`` times ``columns`` tiles, each of ``height`` x ``width`` with its overlap."""

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @property
    def height(self) -> int:
        return self.rows[0].stop

    @property
    def width(self) -> int:
        return self.columns[0].stop

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[tuple[Span, Span]]:
        return product(self.rows, self.columns)

    @property
    def evaluated_px(self) -> int:
        return len(self) * self.height * self.width


def tiles_of_size(height: int, width: int, spec: StepSpec, tile: tuple[int, int]) -> Tiles:
    """Tiles that keep ``tile`` (width, height) each, or a little less; the overlap comes on top."""
    across, down = tile
    return Tiles(_spans(height, -(-height // down), spec), _spans(width, -(-width // across), spec))


def tiles_within(height: int, width: int, spec: StepSpec, most_px: int) -> Tiles:
    """The tiles of at most ``most_px`` each that evaluate the fewest pixels: one where the frame is no
    larger. Where the overlap alone exceeds that, the smallest tiles."""
    found: list[Tiles] = []
    while not found or found[-1].height > _least_cells(height, spec):
        down = _spans(height, len(found) + 1, spec)
        across = _spans(width, _parts(width, most_px // down[0].stop, spec), spec)
        found.append(Tiles(down, across))
    fitting = [tiles for tiles in found if tiles.height * tiles.width <= most_px]
    return min(fitting, key=lambda tiles: tiles.evaluated_px) if fitting else found[-1]


def _halo(spec: StepSpec) -> int:
    return round_up(spec.halo_px, spec.multiple)


def _least_cells(length: int, spec: StepSpec) -> int:
    """The shortest tile keeps ``multiple`` pixels between two halos."""
    return min(length, 2 * _halo(spec) + spec.multiple)


def _parts(length: int, longest: int, spec: StepSpec) -> int:
    """How many spans of at most ``longest`` cover ``length``, or as many of the shortest as it takes."""
    size = max(longest // spec.multiple * spec.multiple, _least_cells(length, spec))
    return 1 if size >= length else 1 + -(-(length - size) // (size - 2 * _halo(spec)))


def _spans(length: int, parts: int, spec: StepSpec) -> tuple[Span, ...]:
    """``length`` in about ``parts`` spans of one size, the smallest that do."""
    halo = _halo(spec)
    size = round_up(-(-(length + 2 * halo * (parts - 1)) // parts), spec.multiple)
    size = min(length, max(size, _least_cells(length, spec)))
    spans: list[Span] = []
    while not spans or spans[-1].last < length:
        first = spans[-1].last if spans else 0
        start = min(max(0, first - halo), length - size)
        stop = start + size
        spans.append(Span(start, stop, first, length if stop == length else stop - halo))
    return tuple(spans)
