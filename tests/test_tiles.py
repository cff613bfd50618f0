"""Tiles: that they cover a frame, by arithmetic, and give what the frame gives, by the shipped models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from skimage import data

from vsj4r.arrays import Floats
from vsj4r.engine import compiled
from vsj4r.engine.base import StepSpec, Tensors
from vsj4r.engine.cpu import CpuEngine
from vsj4r.engine.runtime import ov
from vsj4r.engine.tiles import Span, Tiles, tiles_of_size, tiles_within
from vsj4r.engine.weights import find_model

MULTIPLE = 8
SIDES = st.integers(1, 200).map(lambda side: MULTIPLE * side)
HALOS = st.integers(0, 130)


def spec(halo_px: int) -> StepSpec:
    return StepSpec("test", MULTIPLE, 1, "yuv420", halo_px)


def assert_right(spans: tuple[Span, ...], length: int, halo_px: int) -> None:
    """Each pixel is kept once, from a span that ends a halo beyond it or where the frame does."""
    assert [span.first for span in spans] == [0, *(span.last for span in spans[:-1])]
    assert spans[-1].last == length
    for span in spans:
        assert 0 <= span.start <= span.first < span.last <= span.stop <= length
        assert span.start == 0 or span.first - span.start >= halo_px
        assert span.stop == length or span.stop - span.last >= halo_px
        assert span.stop - span.start == spans[0].stop
        assert all(edge % MULTIPLE == 0 for edge in span)


@settings(deadline=None, max_examples=60)
@example(height=48, width=8, halo_px=17, tile=(1, 1))
@given(height=SIDES, width=SIDES, halo_px=HALOS, tile=st.tuples(st.integers(1, 3000), st.integers(1, 3000)))
def test_tiles_of_a_size_cover_the_frame(
    height: int, width: int, halo_px: int, tile: tuple[int, int]
) -> None:
    tiles = tiles_of_size(height, width, spec(halo_px), tile)
    assert_right(tiles.rows, height, halo_px)
    assert_right(tiles.columns, width, halo_px)
    rounded = [-(-side // MULTIPLE) * MULTIPLE for side in tile]
    longest = rounded[1] + 2 * MULTIPLE + halo_px
    if len(tiles.rows) == 1:  # a frame no longer than the shortest tile: two halos and what lies between
        longest = max(longest, 2 * -(-halo_px // MULTIPLE) * MULTIPLE + MULTIPLE)
    assert all(row.last - row.first <= longest for row in tiles.rows)
    if tile[0] >= width and tile[1] >= height:
        assert len(tiles) == 1


@settings(deadline=None, max_examples=60)
@given(height=SIDES, width=SIDES, halo_px=HALOS, most_px=st.integers(1, 2_000_000))
def test_tiles_within_a_budget_cover_the_frame(height: int, width: int, halo_px: int, most_px: int) -> None:
    tiles = tiles_within(height, width, spec(halo_px), most_px)
    assert_right(tiles.rows, height, halo_px)
    assert_right(tiles.columns, width, halo_px)
    smallest = tiles_of_size(height, width, spec(halo_px), (1, 1))
    assert tiles.height * tiles.width <= max(most_px, smallest.height * smallest.width)
    assert (len(tiles) == 1) == (height * width <= most_px) or len(smallest) == 1


def moving_rain(height: int, width: int, length: int) -> list[Tensors]:
    """A photograph that a fast camera pans over, some of it standing still, under streaks."""
    picture = data.astronaut().astype(np.float32) / 255  # type: ignore[no-untyped-call]
    rng = np.random.default_rng(1)
    clip = []
    for t in range(length):
        window = np.roll(picture, (-9 * t, -23 * t), (0, 1))[:height, :width].copy()
        window[:70, :90] = picture[100:170, 100:190]
        window[rng.random((height, width)) > 0.97] += 0.4
        chroma = window[::2, ::2]
        y = np.ascontiguousarray(window.mean(axis=2), np.float32)
        uv = np.stack([chroma[..., 2] - chroma[..., 1], chroma[..., 0] - chroma[..., 1]]) / 2
        clip.append(Tensors(np.clip(y, 0, 1), np.ascontiguousarray(uv, np.float32)))
    return clip


def outputs(engine: CpuEngine, clip: list[Tensors]) -> list[tuple[Floats, ...]]:
    state = engine.new_state()
    given: list[tuple[Floats, ...]] = []
    for o_t, o_next in zip(clip, [*clip[1:], clip[-1]], strict=True):
        step = engine.step(o_t, o_next, state)
        assert step.residual.uv is not None
        given.append((step.residual.y.copy(), step.residual.uv.copy(), step.alpha.copy()))
    return given


def largest_difference(a: list[tuple[Floats, ...]], b: list[tuple[Floats, ...]]) -> float:
    """In codes of 8 bit."""
    pairs = ((x, y) for left, right in zip(a, b, strict=True) for x, y in zip(left, right, strict=True))
    return max(float(np.abs(x - y).max()) for x, y in pairs) * 255


def opened(name: str, **options: Any) -> CpuEngine:
    """The engine of a frame of 272 x 336."""
    model = find_model(name)
    if "halo_px" in options:
        model = replace(model, spec=replace(model.spec, halo_px=options.pop("halo_px")))
    return CpuEngine(model, height=272, width=336, threads=2, **options)


needs_bf16 = pytest.mark.skipif(not compiled.has_bf16(ov.Core()), reason="a CPU without bfloat16")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("j4r", "auto"),
        ("j4r-lite", "auto"),
        ("j4r-lite", "f32"),
        pytest.param("j4r", "bf16", marks=needs_bf16),
    ],
)
def test_there_is_no_seam(name: str, precision: str) -> None:
    """After several frames of memory, too; and a halo that is too short shows."""
    clip = moving_rain(272, 336, 6)
    whole = outputs(opened(name, precision=precision), clip)
    assert max(float(np.abs(y).max()) for y, _, _ in whole) > 0.05
    engine = opened(name, precision=precision, tile=(60, 150))
    assert len(engine.tiles) > 2
    assert largest_difference(outputs(engine, clip), whole) < 0.01
    torn = opened(name, precision=precision, tile=(60, 150), halo_px=8)
    assert largest_difference(outputs(torn, clip), whole) > 1


def test_the_budget_chooses() -> None:
    """A frame of 1080p is one tile of j4r, one of 8K has several."""
    step = find_model("j4r").spec
    tiles: Tiles = tiles_within(1080, 1920, step, 3_300_000)
    assert len(tiles) == 1
    assert len(tiles_within(4320, 8192, step, 3_300_000)) > 10
