"""A frame in overlapping tiles: what each reads, and the part of it that is kept."""

from __future__ import annotations

from typing import NamedTuple

from vsj4r.engine.cuda.grid import Grid
from vsj4r.model.config import J4RConfig

SMALLEST_TILE = 64
"""Cells: tiles are not made shorter than this, for their margins are not worth less."""


class CellSpan(NamedTuple):
    """Cells ``begin`` .. ``end`` are read, of which those from ``keep`` on, ``kept`` of them, are right."""

    begin: int
    end: int
    keep: int
    kept: int


def split_cells(length: int, tile: int, margin: int) -> list[CellSpan]:
    """``length`` cells in spans of ``tile`` cells, each read with ``margin`` more on either side."""
    return [
        CellSpan(max(0, at - margin), min(length, at + tile + margin), at, min(tile, length - at))
        for at in range(0, length, tile)
    ]


def halve_tile(tile: tuple[int, int]) -> tuple[int, int] | None:
    """The longer side halved; None: it is as short as it gets."""
    height, width = tile
    if max(height, width) <= SMALLEST_TILE:
        return None
    return (height, -(-width // 2)) if width >= height else (-(-height // 2), width)


def working_bytes(config: J4RConfig, grid: Grid, tile: tuple[int, int]) -> int:
    """About what a step takes in passing: candidates of the motion search (9 in float32, three times over)
    and what is aligned on the whole frame; features, gates and candidates of the GRU in a tile."""
    margin = 2 * config.radius
    inside = min(grid.height, tile[0] + margin) * min(grid.width, tile[1] + margin)
    memory = config.gru_layers * config.channels
    aligned = (4 * grid.channels + 2 * memory) * grid.cell.itemsize
    search = 3 * 9 * 4 if config.align == "motion" else 0
    tiled = (3 * grid.channels + 9 * config.channels) * grid.cell.itemsize
    return grid.height * grid.width * (aligned + search) + inside * tiled
