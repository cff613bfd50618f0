"""The measure of real rain, on rain whose energy is known; and the motion that it stands on."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.faint_rain import compare
from vsj4r.errors import Vsj4rError
from vsj4r.evaluation.block_motion import find_motion, matching_pyramid
from vsj4r.evaluation.measurement import identity, measure_rain, temporal_median
from vsj4r.evaluation.rain_crops import APART_FRAMES, CROPS, RainCrops
from vsj4r.evaluation.real_rain import NOISE_CODES, RainMeter, RealScores, measure_real, rain_score

Pixels = NDArray[np.uint8]
HEIGHT, WIDTH, FRAMES = 96, 128, 9
LIGHT = 40
STEP = (1, 3)  # pixels a frame, down and to the right


def texture(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """Grey structure of several sizes, 40 to 180."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    for side in (2, 5, 13):
        coarse = rng.random((height // side + 2, width // side + 2), np.float32)
        total += coarse.repeat(side, 0).repeat(side, 1)[:height, :width]
    return np.float32(40) + total * np.float32(140 / 3)


def moving(frames: int = FRAMES, step: tuple[int, int] = STEP, seed: int = 0) -> Pixels:
    """A camera over ``texture``: (T, H, W, 3), grey."""
    wide = texture(HEIGHT + abs(step[0]) * frames, WIDTH + abs(step[1]) * frames, seed)
    clip = [
        wide[t * step[0] : t * step[0] + HEIGHT, t * step[1] : t * step[1] + WIDTH] for t in range(frames)
    ]
    return np.repeat(np.rint(clip).astype(np.uint8)[..., None], 3, -1)


def streaks(frames: int = FRAMES, share: float = 0.02, seed: int = 1) -> NDArray[np.bool_]:
    """Where it rains in each frame, (T, H, W): upright lines 1 px wide, 8 px long."""
    tops = np.random.default_rng(seed).random((frames, HEIGHT, WIDTH)) < share / 8
    rain: NDArray[np.bool_] = np.logical_or.reduce([np.roll(tops, k, axis=1) for k in range(8)])
    return rain


def with_light(clip: Pixels, where: NDArray[np.bool_], light: float) -> Pixels:
    return np.clip(clip + light * where[..., None], 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def scene() -> tuple[Pixels, Pixels]:
    """A moving scene dry, and in rain."""
    clean = moving()
    return clean, with_light(clean, streaks(), LIGHT)


def test_what_is_left_of_the_light_is_what_is_found(scene: tuple[Pixels, Pixels]) -> None:
    clean, rainy = scene
    gone = measure_real(rainy, clean)
    assert abs(gone.rain_left) < 0.02
    assert gone.harm < 0.02
    assert gone.score > 0.98
    assert gone.sharpness == pytest.approx(1, abs=0.03)
    assert gone.damage < 1
    half = measure_real(rainy, with_light(clean, streaks(), LIGHT / 2))
    expected = ((LIGHT / 2 - NOISE_CODES) / (LIGHT - NOISE_CODES)) ** 2
    assert half.rain_left == pytest.approx(expected, abs=0.02)
    assert half.rain_left_low <= half.rain_left <= half.rain_left_high
    assert half.rain_left_high - half.rain_left_low < 0.1
    same = measure_real(rainy, rainy)
    assert same.rain_left == same.rain_left_low == same.sharpness == 1
    assert (same.harm, same.damage, same.score) == (0, 0, 0)


def test_noise_lies_on_both_sides(scene: tuple[Pixels, Pixels]) -> None:
    clean, rainy = scene

    def noisy(clip: Pixels, seed: int) -> Pixels:
        grey = np.random.default_rng(seed).normal(0, 5, (*clip.shape[:3], 1))
        return np.clip(np.rint(clip + grey), 0, 255).astype(np.uint8)

    assert abs(measure_real(noisy(rainy, 0), noisy(clean, 0)).rain_left) < 0.03
    dry = measure_real(noisy(clean, 0), noisy(clean, 1))
    assert math.isnan(dry.rain_left), "noise alone is no rain to be a share of"
    assert math.isnan(dry.score)


@pytest.mark.parametrize("step", [(0, 0), (1, 3), (4, 9)])
def test_motion_is_no_rain(step: tuple[int, int]) -> None:
    clean = moving(step=step)
    assert math.isnan(measure_real(clean, clean).rain_left)
    rainy = with_light(clean, streaks(), LIGHT)
    assert abs(measure_real(rainy, clean).rain_left) < 0.05


def test_what_no_motion_explains_is_no_rain() -> None:
    """Leaves that flutter, brighter here and there: nor do the frames beside them agree."""
    clean = moving()
    flutter = np.random.default_rng(5).random((FRAMES, 50, 60, 1), np.float32) ** 2
    clean[:, 20:70, 30:90] = np.rint(40 + 200 * flutter).astype(np.uint8)
    rainy = with_light(clean, streaks(), LIGHT)
    assert abs(measure_real(rainy, clean).rain_left) < 0.2, "0.9 where every pixel counts"


def test_darker_is_not_drier(scene: tuple[Pixels, Pixels]) -> None:
    _, rainy = scene
    darker = measure_real(rainy, rainy - 10)
    assert darker.rain_left == pytest.approx(1, abs=0.01)
    assert darker.score < 0.02
    assert darker.damage == pytest.approx(10, abs=0.01)


def blurred(clip: Pixels) -> Pixels:
    total = sum(np.roll(clip.astype(np.float32), (y, x), (1, 2)) for y in (-1, 0, 1) for x in (-1, 0, 1))
    return np.rint(np.asarray(total) / 9).astype(np.uint8)


def darkest(clip: Pixels) -> Pixels:
    """Of each pixel and two on either side in the row: bright thin things go, rain among them."""
    least: Pixels = np.minimum.reduce([np.roll(clip, x, 2) for x in (-2, -1, 0, 1, 2)])
    return least


def test_cheats_gain_nothing(scene: tuple[Pixels, Pixels]) -> None:
    _, rainy = scene
    for name, cheat in {
        "blur": blurred(rainy),
        "darkest of five": darkest(rainy),
        "frozen": np.repeat(rainy[:1], FRAMES, 0),
        "doubled": rainy[np.arange(FRAMES) // 2 * 2],
        "median in place": np.stack(list(temporal_median(3)(rainy))),
        "brightest in place": np.maximum(rainy, np.roll(rainy, 1, 0)),
        "grey": np.full_like(rainy, 128),
    }.items():
        assert measure_real(rainy, cheat).score < 0, name


def test_harm_to_the_scene_costs() -> None:
    """A bright thin bar that stands still, taken for rain; and a scene made brighter."""
    clean = moving(step=(0, 0))
    clean[:, 20:60, 40:42] = 230
    rainy = with_light(clean, streaks(), LIGHT)
    erased = clean.copy()
    erased[:, 20:60, 40:42] = erased[:, 20:60, 38:40]
    found = measure_real(rainy, erased)
    bar = np.square((clean - erased.astype(np.float32))[0, ..., 0]).mean()
    assert found.harm == pytest.approx(bar / measure_rain_energy(rainy), rel=0.3)
    assert found.score < measure_real(rainy, clean).score - 0.3
    brighter = measure_real(rainy, with_light(clean, np.ones((FRAMES, HEIGHT, WIDTH), bool), 13))
    assert brighter.harm == pytest.approx(100 / measure_rain_energy(rainy), rel=0.1)


def measure_rain_energy(rainy: Pixels) -> float:
    """Mean square of the light beyond noise, of ``streaks``."""
    alone = streaks()[1:-1] & ~streaks()[:-2] & ~streaks()[2:]
    return float(alone.mean()) * (LIGHT - NOISE_CODES) ** 2


def test_colour_that_stays_is_seen() -> None:
    clean = moving()
    where = streaks()
    tinted = clean.astype(np.float32) + where[..., None] * np.array([40, 40, 0])
    rainy = np.rint(np.clip(tinted, 0, 255)).astype(np.uint8)
    assert abs(measure_real(rainy, clean).u_left) < 0.02
    grey = np.where(where[..., None], clean + np.array([6, 6, -34]), clean).clip(0, 255).astype(np.uint8)
    ghost = measure_real(rainy, grey)
    assert abs(ghost.rain_left) < 0.05
    assert ghost.u_left == pytest.approx(1, abs=0.1)
    assert math.isnan(measure_real(with_light(clean, where, LIGHT), clean).u_left), "grey rain has no colour"


def test_nothing_is_measured_across_a_cut(scene: tuple[Pixels, Pixels]) -> None:
    clean, rainy = scene
    other = moving(seed=7)
    both = [np.concatenate((a, 255 - b)) for a, b in ((rainy, other), (clean, other))]
    alone = measure_real(*both)
    assert abs(alone.rain_left) < 0.02
    assert alone.flicker < 2, "a cut would be tens of codes"


def test_what_cannot_be_measured() -> None:
    small = np.zeros((6, 30, 40, 3), np.uint8)
    with pytest.raises(Vsj4rError, match="frames must be 32 px a side or more, got 40x30"):
        measure_real(small, small)
    short = np.zeros((4, 32, 40, 3), np.uint8)
    with pytest.raises(Vsj4rError, match="a clip must have a scene of 5 frames or more"):
        measure_real(short, short)
    with pytest.raises(ValueError, match="one size"):
        measure_real(short, short[:, :, :-1])
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        measure_real(short, short[:-1])


def test_the_score_is_the_harmonic_mean_of_removed_and_kept() -> None:
    assert rain_score(1, 0) == 0
    assert rain_score(0, 0) == 1
    assert rain_score(0.5, 0) == pytest.approx(2 * 0.5 / 1.5)
    assert rain_score(-0.5, 0) == rain_score(0.5, 0), "dark traces are no better than bright ones"
    assert rain_score(0.4, 0.3) == pytest.approx(2 * 0.6 * 0.5 / 1.1)
    assert rain_score(0.4, 0.6) == 0
    assert rain_score(0.4, 1.6) == pytest.approx(-1)
    assert math.isnan(rain_score(math.nan, math.nan))


@pytest.mark.parametrize("step", [(0, 0), (3, -2), (-6, 5), (1, 12)])
def test_motion_is_found_through_rain(step: tuple[int, int]) -> None:
    wide = texture(HEIGHT + 16, WIDTH + 32)
    planes = [
        wide[8:-8, 16:-16],
        wide[8 + step[0] : 8 + step[0] + HEIGHT, 16 + step[1] : 16 + step[1] + WIDTH],
    ]
    rainy = [np.where(rain, np.float32(220), plane) for plane, rain in zip(planes, streaks(2), strict=True)]
    motion = find_motion(*(matching_pyramid(plane) for plane in rainy))
    assert motion.flow.shape == (2, HEIGHT // 4, WIDTH // 4)
    right = (motion.flow == -np.array(step)[:, None, None]).all(0)
    assert right[3:-3, 3:-3].mean() > 0.98
    inside = np.s_[16:-16, 16:-16]
    assert np.abs(motion.warp(planes[1]) - planes[0])[inside].mean() < 0.5


def test_a_thing_moves_by_itself() -> None:
    ground, thing = texture(192, 256), texture(80, 80, 5)
    frames = [ground.copy(), ground.copy()]
    frames[0][60:140, 60:140], frames[1][62:142, 66:146] = thing, thing
    flow = find_motion(*map(matching_pyramid, frames)).flow
    assert (flow[:, 18:32, 18:32] == np.array((2, 6))[:, None, None]).mean() > 0.9
    assert not flow[:, :12].any()


@pytest.mark.parametrize(("height", "width"), [(33, 47), (61, 32), (250, 34)])
def test_sides_of_any_length(height: int, width: int) -> None:
    plane = texture(height, width)
    motion = find_motion(matching_pyramid(plane), matching_pyramid(plane))
    assert not motion.flow.any()
    assert np.array_equal(motion.warp(plane), plane)


def test_motion_is_at_least_as_good_as_the_networks() -> None:
    torch = pytest.importorskip("torch")
    from vsj4r.model import alignment

    theirs, ours = [], []
    for seed, step in enumerate([(0, 3), (2, 7), (5, -4)]):
        wide = texture(HEIGHT + 16, WIDTH + 32, seed)
        here = np.s_[8 : 8 + HEIGHT, 16 : 16 + WIDTH]
        there = np.s_[8 + step[0] : 8 + step[0] + HEIGHT, 16 + step[1] : 16 + step[1] + WIDTH]
        planes = [wide[here], wide[there]]
        rainy = [
            np.where(rain, np.float32(200), plane)
            for plane, rain in zip(planes, streaks(2, 0.1, seed), strict=True)
        ]
        worn = [
            alignment.matching_luma(torch.from_numpy(plane / np.float32(255))[None, None]) for plane in rainy
        ]
        flow = alignment.displacement(worn[0], worn[1], 2)
        doubled = 2 * flow.repeat_interleave(2, 2).repeat_interleave(2, 3)
        warped = alignment.warp(torch.from_numpy(planes[1].copy())[None, None], doubled)[0, 0].numpy()
        theirs.append(np.abs(warped - planes[0]).mean())
        motion = find_motion(*(matching_pyramid(plane) for plane in rainy))
        ours.append(np.abs(motion.warp(planes[1]) - planes[0]).mean())
    assert np.mean(ours) <= np.mean(theirs)


def test_crops_are_where_most_rain_is() -> None:
    """Three showers at three places and times, the lightest of four left out."""
    where = np.zeros((41, HEIGHT, WIDTH), bool)
    showers = {6: (10, 10, 30), 9: (20, 50, 10), 20: (60, 80, 20), 33: (50, 10, 12)}
    for t, (top, left, light) in showers.items():
        where[t, top : top + light, left : left + 20 : 2] = True
    rainy = with_light(moving(41, (0, 0)), where, LIGHT)
    meter, crops = RainMeter(), RainCrops()
    for frame in rainy:
        frames = {"input": frame, "same": frame}
        crops.add(frames, meter.add(frames))
    found = crops.crops()
    assert [crop.frame for crop in found] == [6, 20, 33]
    assert len(found) == CROPS
    assert APART_FRAMES > 9 - 6
    for crop in found:
        assert list(crop.pictures) == ["input", "same"]
        assert crop.pictures["input"].shape == (32, 42, 3)
        assert (crop.rain > 0).sum() == where[crop.frame].sum(), "the whole shower is in it"


@pytest.mark.slow
def test_a_long_clip_takes_no_more_memory() -> None:
    rng = np.random.default_rng(0)

    def frames(count: int) -> Iterator[Pixels]:
        for _ in range(count):
            yield rng.integers(0, 255, (192, 256, 3), dtype=np.uint8)

    methods = {"input": identity, "median 5": temporal_median(5)}
    measure_rain("short", frames(9), methods)  # what is imported late
    peaks = []
    for count in (10, 30):
        tracemalloc.start()
        rows = measure_rain("clip", frames(count), methods)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert [row.method for row in rows] == list(methods)
        assert isinstance(rows[0].scores, RealScores)
    assert peaks[1] < 1.3 * peaks[0]


def test_what_is_left_by_the_truth(scene: tuple[Pixels, Pixels]) -> None:
    clean, rainy = scene
    half = with_light(clean, streaks(), LIGHT / 2)
    for restored, left in ((clean, 0), (half, 0.5), (rainy, 1)):
        found = compare(clean, rainy, restored)
        assert found.remaining / found.rain == pytest.approx(left, abs=0.02)
        assert found.dry_square == 0
