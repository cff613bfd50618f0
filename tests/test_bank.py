"""The bank of prerendered streaks: as much rain, as bright and as inclined as where it is rendered afresh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.showers import LAYER, off_direction_deg, rng, scene
from vsj4r.arrays import Pixels
from vsj4r.rain import RainStyle, StreakBank, draw_style, render_rain
from vsj4r.rain.presets import MIST, SOFT, SOFT_DASHES, SPLASHES, Ranges
from vsj4r.rain.streaks import StreakSource
from vsj4r.rain.synthesis import Renderer


@pytest.fixture(scope="module")
def bank() -> StreakBank:
    return StreakBank(3, patch_px=40)


def test_is_a_pure_function_of_its_seed(bank: StreakBank) -> None:
    clean = scene(2)
    again = StreakBank(3, patch_px=40)
    first, second = (source.clip(clean, 1, 5, shorter_px=288) for source in (bank, again))
    assert np.array_equal(first.rainy, second.rainy)
    assert np.array_equal(first.s, second.s)
    assert np.array_equal(first.alpha, second.alpha)
    assert np.array_equal(first.background, second.background)


def test_a_clip_does_not_depend_on_those_before(bank: StreakBank) -> None:
    clean = scene(2)

    def rainy(seed: int, index: int) -> Pixels:
        return bank.clip(clean, seed, index, shorter_px=288).rainy

    alone = rainy(1, 9)
    for index in range(9):
        rainy(1, index)
    assert np.array_equal(rainy(1, 9), alone)
    assert not np.array_equal(rainy(2, 9), alone)


def test_frames_are_independent(bank: StreakBank) -> None:
    s = render_rain(np.zeros((8, 64, 64, 3), np.uint8), RainStyle(layers=(LAYER,)), rng(), source=bank).s
    correlation = np.asarray(np.corrcoef(s.reshape(8, -1)))[np.triu_indices(8, 1)]
    assert np.median(np.abs(correlation)) < 0.15
    assert correlation.max() < 0.9, "no frame repeats"


@pytest.mark.parametrize("ranges", [SPLASHES, SOFT_DASHES, SOFT[2], SOFT[1], MIST])
def test_thin_layers_rain_as_much_as_asked_for(bank: StreakBank, ranges: Ranges) -> None:
    """Fewer than one streak a frame, where that is asked for."""

    def light(source: StreakSource) -> float:
        draws, cuts, s = rng(4), rng(5), np.zeros((160, 160), np.float32)
        for _ in range(400):
            source.add(s, ranges.draw(draws, 1.0, float(draws.uniform(-30, 30))), 1.0, cuts)
        return float(s.mean())

    assert light(bank) == pytest.approx(light(Renderer()), rel=0.35)


@pytest.mark.slow
def test_rains_as_much_as_asked_for() -> None:
    """The densest layers too: 34 % of the frame, far more than a prerendered layer holds."""
    clean = np.zeros((2, 160, 160, 3), np.uint8)

    def light(source: StreakSource) -> float:
        styles = (draw_style(rng(seed), "complex", 288) for seed in range(12))
        return sum(float(render_rain(clean, style, rng(1), source=source).s.mean()) for style in styles)

    assert light(StreakBank(3, patch_px=112)) == pytest.approx(light(Renderer()), rel=0.2)


def test_no_brighter_than_its_layer(bank: StreakBank) -> None:
    """Streaks that lie on each other stay below the layer's brightness, as where they are rendered."""
    dense = replace(LAYER, density=0.02)
    for source in (Renderer(), bank):
        s_t = np.zeros((96, 96), np.float32)
        source.add(s_t, dense, 1.0, rng(2))
        assert 0.9 * dense.brightness < s_t.max() <= dense.brightness


def test_patches_larger_than_the_bank(bank: StreakBank) -> None:
    clip = bank.clip(np.zeros((1, 200, 330, 3), np.uint8), 0, 1, shorter_px=288, preset="light")
    assert clip.rainy[0, 170:].any()
    assert clip.rainy[0, :, 300:].any()


@pytest.mark.parametrize("angle_deg", [-60, -20, 0, 35, 80])
def test_direction(angle_deg: float, bank: StreakBank) -> None:
    assert abs(off_direction_deg(bank, angle_deg)) < 3


def test_hard_streaks_have_hard_edges() -> None:
    bank = StreakBank(3, patch_px=40)
    shares = []
    for hardness in (0.0, 1.0):
        layer = replace(
            LAYER, length_px=28, width_px=1.5, angle_deg=0.0, density=0.0004, brightness=1.0,
            hardness=hardness, spread_deg=0.0,
        )  # fmt: skip
        s_t = np.zeros((160, 160), np.float32)
        bank.add(s_t, layer, 1.0, rng())
        shares.append((s_t[s_t > 0.02] > 0.25).mean())
    assert shares[0] < 0.6 < shares[1]
