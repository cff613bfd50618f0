"""Tiles of the CUDA engine, asked for or because memory runs out."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

from tests.cuda.cpu_kernels import CpuKernels
from vsj4r.engine.weights import Model
from vsj4r.errors import Vsj4rError

torch = pytest.importorskip("torch")

from tests.cuda.engines import HEIGHT, WIDTH, rainy_clip, residuals, small_engine, worst  # noqa: E402
from tests.cuda.fake_device import FakeDevice  # noqa: E402
from tests.cuda.small_model import write_small_model  # noqa: E402
from vsj4r.engine.cuda.cell_tiles import SMALLEST_TILE, halve_tile, split_cells  # noqa: E402
from vsj4r.engine.cuda.engine import CudaEngine, Options  # noqa: E402
from vsj4r.model.config import CONFIGS  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

REDUCED_TOLERANCE = 2e-5
"""Where the limit of detail falls steeply with rain, a rounding of rain is more in the result."""


def test_what_reduced_frames_take_is_counted(compiled: CpuKernels, tmp_path: Path) -> None:
    """What a state takes more by the device's count is what the estimate says."""
    model, found = write_small_model(tmp_path), []
    for by in (1, 2):
        device = FakeDevice(compiled)
        engine = CudaEngine(
            model, height=96 * by, width=128 * by, device=device, precision="f32",
            options=Options(graphs=False), downscale=by,
        )  # fmt: skip
        before = device.used
        state = engine.new_state()
        found.append((device.used - before, engine._needed(), state))
    (whole, whole_estimate, small_lane), (reduced, reduced_estimate, large_lane) = found
    host = sum(len(block.read()) for block in [*large_lane._in, *large_lane._back])
    host -= sum(len(block.read()) for block in [*small_lane._in, *small_lane._back])
    assert reduced - whole - host == reduced_estimate - whole_estimate


def test_tiles_give_what_the_whole_gives(compiled: CpuKernels, tmp_path: Path) -> None:
    model = write_small_model(tmp_path)
    clip = rainy_clip(4)
    whole = residuals(small_engine(FakeDevice(compiled), model), clip)
    engine = small_engine(FakeDevice(compiled), model)
    engine._step.tile = (10, 13)
    assert worst(residuals(engine, clip), whole) < 2e-6
    engine._step._margin //= 2
    assert worst(residuals(engine, clip), whole) > 1e-5, "half the margin is too little"


def test_a_tile_is_of_the_frame_where_that_is_reduced(compiled: CpuKernels, tmp_path: Path) -> None:
    model, clip = write_small_model(tmp_path), rainy_clip(2, 2 * HEIGHT, 2 * WIDTH)
    options: dict[str, Any] = {"device": FakeDevice(compiled), "precision": "f32", "downscale": 2}
    whole, tiled = (
        CudaEngine(
            model, height=2 * HEIGHT, width=2 * WIDTH, options=Options(graphs=False, tile=tile), **options
        )
        for tile in (None, (55, 43))
    )
    assert (whole.tile, tiled.tile) == ((24, 32), (10, 13))
    assert worst(residuals(tiled, clip), residuals(whole, clip)) < REDUCED_TOLERANCE


@pytest.mark.parametrize(
    ("tile", "cells"),
    [((26, 20), (10, 13)), ((27, 21), (10, 13)), ((1, 1000), (24, 1)), ((640, 480), (24, 32))],
)
def test_a_tile_that_is_asked_for_is_the_most(
    compiled: CpuKernels, tmp_path: Path, tile: tuple[int, int], cells: tuple[int, int]
) -> None:
    """Of a frame of 24x32 cells of 2 pixels; rounded down to cells."""
    engine = small_engine(FakeDevice(compiled), write_small_model(tmp_path), tile=tile)
    assert engine.tile == cells


def test_a_tile_that_is_asked_for_gives_what_the_whole_gives(compiled: CpuKernels, tmp_path: Path) -> None:
    model, clip = write_small_model(tmp_path), rainy_clip(3)
    whole = residuals(small_engine(FakeDevice(compiled), model), clip)
    tiled = small_engine(FakeDevice(compiled), model, tile=(26, 20))
    assert worst(residuals(tiled, clip), whole) < 2e-6
    assert tiled.tile == (10, 13)


def test_memory_that_runs_out_halves_the_tile_that_was_asked_for(
    compiled: CpuKernels, tmp_path: Path
) -> None:
    device = FakeDevice(compiled)
    options = Options(tile=(200, 16))
    engine = CudaEngine(
        write_small_model(tmp_path), height=16, width=288, device=device, precision="f32", options=options
    )
    device.fails = lambda taken, failing=device.taken + 3: taken == failing  # type: ignore[misc]
    engine.new_state()
    assert engine.tile == (8, 50)


def test_spans_cover_each_cell_once() -> None:
    for length in (1, 63, 64, 200):
        for tile in (7, 64, 500):
            kept = [
                cell
                for span in split_cells(length, tile, 21)
                for cell in range(span.keep, span.keep + span.kept)
            ]
            assert kept == list(range(length))
    assert CONFIGS["j4r"].radius == 21
    sides: tuple[int, int] | None = (540, 960)
    while sides is not None:
        last, sides = sides, halve_tile(sides)
    assert max(last) <= SMALLEST_TILE


def large(device: FakeDevice, model: Model, by: int = 1) -> CudaEngine:
    """Large enough for tiles of more than one size."""
    return CudaEngine(model, height=16 * by, width=144 * by, device=device, precision="f32", downscale=by)


@pytest.mark.slow
@pytest.mark.parametrize(("by", "tolerance"), [(1, 2e-6), (2, REDUCED_TOLERANCE)])
def test_out_of_memory_once_anywhere_leaves_a_usable_engine(
    compiled: CpuKernels, tmp_path: Path, by: int, tolerance: float
) -> None:
    model = write_small_model(tmp_path)
    clip = rainy_clip(1, 16 * by, 144 * by)
    device = FakeDevice(compiled)
    expected = residuals(large(device, model, by), clip)
    allocations = device.taken  # and launches, which may need memory too
    gc.collect()
    before = device.used
    for n in range(1, allocations + 1, 1 if by == 1 else 3):  # small planes are five allocations
        device.taken = 0
        device.fails = lambda taken, n=n: taken == n  # type: ignore[misc]
        assert worst(residuals(large(device, model, by), clip), expected) < tolerance, n
        device.fails = lambda taken: False
        gc.collect()
        assert device.used == before, f"memory was lost after allocation {n}"


def test_out_of_memory_for_good_says_how_much_was_needed(compiled: CpuKernels, tmp_path: Path) -> None:
    model = write_small_model(tmp_path)
    device = FakeDevice(compiled)
    engine = large(device, model)
    clip = rainy_clip(3, 16, 144)
    expected = residuals(engine, clip)
    state = engine.new_state()
    first = residuals(engine, clip[:1], state)
    device.fails = lambda taken: True
    with pytest.raises(
        Vsj4rError, match=r"^memory of fake must be about \d+ MiB for a state of 144x16, got 0 MiB free$"
    ):
        engine.new_state()
    with pytest.raises(Vsj4rError, match="memory of fake must be about"):
        engine.step(clip[1], clip[2], state)
    assert engine.tile[1] <= SMALLEST_TILE
    assert device.releases
    device.fails = lambda taken: False
    engine.step(clip[0], clip[0], engine.new_state())
    assert worst(residuals(engine, clip), expected) < 2e-6, "it goes on, in small tiles"
    assert first[0][0].shape == (16, 144)
