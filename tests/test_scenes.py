"""Cuts found in pictures under rain, in flashes, fades and pans; known in any order of looking."""

from __future__ import annotations

import random
import tracemalloc
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data, transform

from vsj4r.frames.scenes import LOOK_FRAMES, THUMB_SIDE, Cuts, FoundCuts, thumbnail
from vsj4r.rain import Preset, draw_style, render_rain

Pixels = NDArray[np.uint8]
HEIGHT, WIDTH = 144, 256
PICTURES = ("astronaut", "coffee", "chelsea", "rocket")
RAINS: tuple[Preset, ...] = ("light", "complex", "soft")


@cache
def picture(name: str) -> Pixels:
    """Luma, (216, 384): room for a pan."""
    shape = HEIGHT * 3 // 2, WIDTH * 3 // 2
    small = transform.resize(getattr(data, name)(), shape, anti_aliasing=True)  # type: ignore[no-untyped-call]
    luma: Pixels = np.rint(small @ np.array([0.2126, 0.7152, 0.0722]) * 255).astype(np.uint8)
    return luma


def still(name: str) -> Pixels:
    return picture(name)[:HEIGHT, :WIDTH]


def look_at(cuts: FoundCuts, luma: list[Pixels], first: int, last: int) -> None:
    """Do what the filter does until all cuts in ``first .. last`` are known."""
    for _ in range(1000):
        missing = cuts.find(first, last)
        if missing is None:
            return
        begin, end = missing
        assert 0 <= begin <= end < len(luma)
        assert end - begin < LOOK_FRAMES
        for n in range(begin, end + 1):
            cuts.look(n, thumbnail(luma[n], peak=255), told=None)
    pytest.fail("it never knows")


def found(luma: list[Pixels]) -> list[int]:
    cuts = FoundCuts(len(luma))
    look_at(cuts, luma, 1, len(luma) - 1)
    return listed(cuts, len(luma))


def listed(cuts: Cuts, length: int) -> list[int]:
    return [n for n in range(1, length) if cuts.last(n, since=n - 1) == n]


def rained(luma: list[Pixels], preset: Preset, seed: int) -> list[Pixels]:
    """Grey rain on each frame, and its luma."""
    rng = np.random.default_rng(seed)
    clean = np.stack(luma)[..., None].repeat(3, axis=3)
    rainy = render_rain(clean, draw_style(rng, preset, HEIGHT), rng).rainy
    return [np.ascontiguousarray(frame[..., 1]) for frame in rainy]


def times(frame: Pixels, gain: float, *, plus: float = 0) -> Pixels:
    scaled: Pixels = np.rint(frame * gain + plus).astype(np.uint8)
    return scaled


def panned(name: str, speed_px: int, *, rest: int) -> list[Pixels]:
    at = [0] * rest + [speed_px * t for t in range(10)]
    return [np.ascontiguousarray(picture(name)[:HEIGHT, x : x + WIDTH]) for x in at]


@pytest.mark.parametrize("preset", RAINS)
@pytest.mark.parametrize("seed", range(3))
def test_cuts_inside_rain_are_found_and_rain_is_not(preset: Preset, seed: int) -> None:
    scenes = [name for name in PICTURES for _ in range(5)]
    assert found(rained([still(name) for name in scenes], preset, seed)) == [5, 10, 15]


@pytest.mark.parametrize("preset", RAINS)
@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("level", [0.4, 0.8])
def test_a_flash_in_rain_is_no_cut_but_the_cut_after_it_is(level: float, name: str, preset: Preset) -> None:
    """Lightning: the scene is lit for a frame, the rain before it falls on."""
    scene = [still(name)] * 12 + [still(PICTURES[PICTURES.index(name) - 1])] * 4
    scene[5] = times(scene[5], 1 - level, plus=255 * level)
    assert found(rained(scene, preset, 0)) == [12]


@pytest.mark.parametrize("preset", RAINS)
@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("frames", [4, 12])
def test_a_fade_in_rain_is_no_cut(frames: int, name: str, preset: Preset) -> None:
    """Of the rainy footage, as an editor does it."""
    rainy = rained([still(name)] * (2 * frames + 8), preset, 0)
    gains = np.concatenate([np.ones(4), np.linspace(1, 0, frames), np.zeros(4), np.linspace(0, 1, frames)])
    assert found([times(frame, gain) for frame, gain in zip(rainy, gains, strict=True)]) == []


@pytest.mark.slow
@pytest.mark.parametrize("preset", RAINS)
@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("speed_px", [1, 6, 12])
def test_a_pan_in_rain_is_no_cut_but_a_cut_into_or_inside_it_is(
    speed_px: int, name: str, preset: Preset
) -> None:
    other = PICTURES[PICTURES.index(name) - 1]
    assert found(rained(panned(name, speed_px, rest=3), preset, 0)) == []
    assert found(rained([still(other)] * 4 + panned(name, speed_px, rest=3), preset, 0)) == [4]
    assert found(rained([still(other)] * 4 + panned(name, speed_px, rest=0), preset, 0)) == [4]
    assert found(rained(panned(other, speed_px, rest=0) + panned(name, speed_px, rest=0), preset, 0)) == [10]


@pytest.mark.parametrize("level", [0.4, 0.8])
def test_a_flash_is_no_cut(level: float) -> None:
    scene = [still("coffee")] * 10
    scene[5] = times(scene[5], 1 - level, plus=255 * level)
    assert found(scene) == []


@pytest.mark.parametrize("frames", [4, 12])
def test_a_fade_is_no_cut(frames: int) -> None:
    level = np.concatenate([np.ones(4), np.linspace(1, 0, frames), np.zeros(4), np.linspace(0, 1, frames)])
    assert found([times(still("coffee"), x) for x in level]) == []


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("speed_px", [1, 6, 12])
def test_a_pan_is_no_cut_but_a_cut_from_rest_into_it_is(name: str, speed_px: int) -> None:
    luma = panned(name, speed_px, rest=3)
    assert found(luma) == []
    other = PICTURES[PICTURES.index(name) - 1]
    assert found([still(other)] * 4 + luma) == [4]


def test_the_order_of_looking_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 40, 60)
    pictures = [np.full((16, 16), 6 * shade, np.uint8) for shade in range(40)]
    luma = [pictures[shade] for shade in np.repeat(scene, rng.integers(1, 4, 60))]
    expected = found(luma)
    assert len(expected) > 5
    for seed in range(5):
        order = random.Random(seed)
        cuts = FoundCuts(len(luma))
        for _ in range(200):
            first = order.randrange(1, len(luma))
            last = order.randrange(first, min(len(luma), first + 40))
            look_at(cuts, luma, first, last)
            within = [n for n in range(first, last + 1) if cuts.last(n, since=n - 1) == n]
            assert within == [n for n in expected if first <= n <= last]


def test_each_frame_is_looked_at_once_when_read_on() -> None:
    luma = [still("coffee")] * 50 + [still("rocket")] * 50
    cuts = FoundCuts(100)
    looked = []
    for n in range(99):
        while (missing := cuts.find(1, n + 1)) is not None:
            for i in range(missing[0], missing[1] + 1):
                looked.append(i)
                cuts.look(i, thumbnail(luma[i], peak=255), told=None)
    assert looked == list(range(100))
    assert listed(cuts, 100) == [50]


def test_what_a_frame_says_itself_goes_first() -> None:
    luma = [still("coffee")] * 4 + [still("rocket")] * 6
    told = {2: True, 4: False, 7: None}
    cuts = FoundCuts(10)
    while (missing := cuts.find(1, 9)) is not None:
        for n in range(missing[0], missing[1] + 1):
            cuts.look(n, thumbnail(luma[n], peak=255), told=told.get(n))
    assert listed(cuts, 10) == [2]


def test_given_cuts_are_known() -> None:
    cuts = Cuts([7, 0, 3, 7])
    assert cuts.find(1, 100) is None
    assert listed(cuts, 10) == [3, 7]
    assert [cuts.last(n, since=2) for n in (2, 3, 6, 7, 99)] == [2, 3, 3, 7, 7]
    assert cuts.last(5, since=4) == 4


@pytest.mark.parametrize(
    ("size", "spots", "spot"),
    [
        ((1, 1), 1, 1),
        ((2, 3), 1, 1),
        ((16, 16), 1, 1),
        ((17, 31), 1, 1),
        ((40, 70), 3, 1),
        ((100, 170), 4, 2),
    ],
)
def test_a_thumbnail_holds_the_darkest_spot_of_each_block(
    size: tuple[int, int], spots: int, spot: int
) -> None:
    luma = np.random.default_rng(1).integers(0, 1024, size, dtype=np.uint16)
    block = spots * spot
    thumb = thumbnail(luma, peak=1023)
    assert thumb.shape == (size[0] // block, size[1] // block)
    last = luma[(thumb.shape[0] - 1) * block :][:block, :block]
    darkest = min(
        last[y : y + spot, x : x + spot].mean() for y in range(0, block, spot) for x in range(0, block, spot)
    )
    assert thumb[-1, 0] == pytest.approx(darkest * 255 / 1023, rel=1e-6)
    floats = thumbnail((luma / 1023).astype(np.float32), peak=1.0)
    np.testing.assert_allclose(floats, thumb, rtol=1e-4)


def test_a_thumbnail_of_broken_floats_is_finite() -> None:
    luma = np.full((16, 16), np.nan, np.float16)
    luma[8:] = np.inf
    assert not thumbnail(luma, peak=1.0).any()


def test_a_frame_that_tells_takes_no_memory_of_its_own() -> None:
    cuts = FoundCuts(10_000)
    thumb = np.zeros((THUMB_SIDE, THUMB_SIDE), np.float32)
    tracemalloc.start()
    for n in range(10_000):
        cuts.look(n, thumb, told=n % 100 == 0)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 5_000
    assert cuts.find(1, 9_999) is None
    assert cuts.last(9_999, since=0) == 9_900
