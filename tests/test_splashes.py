"""Splashes: sized, flat, dark or bright as asked for, seen for their life, the same whoever asks when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.showers import LAYER, rng, scene
from vsj4r.rain import RainStyle, draw_style, render
from vsj4r.rain.presets import Preset
from vsj4r.rain.splashes import SplashLayer, ripples
from vsj4r.rain.streaks import Floats

SPLASHES = SplashLayer(density=0.001, radius_px=6, flatness=0.4, level=0.2, dark=0.5, life_frames=4, seed=11)


def widths(r_t: Floats) -> tuple[int, int]:
    """Height and width of all that is not zero."""
    y, x = np.nonzero(r_t)
    return int(np.ptp(y)) + 1, int(np.ptp(x)) + 1


def single(layer: SplashLayer) -> tuple[SplashLayer, Floats]:
    """A seed whose frame 0 shows one splash, whole inside the frame."""
    for seed in range(1000):
        alone = replace(layer, density=1 / 128**2, life_frames=1, seed=seed)
        r_t = ripples(alone, 0, 128, 128)
        edges = r_t[0].any() or r_t[-1].any() or r_t[:, 0].any() or r_t[:, -1].any()
        if r_t.any() and not edges and widths(r_t)[1] <= 3 * layer.radius_px + 1:
            return alone, r_t
    raise AssertionError("no seed has a single splash")


def test_each_frame_is_a_pure_function_of_its_number() -> None:
    forward = [ripples(SPLASHES, t, 80, 120) for t in range(6)]
    backward = [ripples(SPLASHES, t, 80, 120) for t in reversed(range(6))][::-1]
    assert np.array_equal(forward, backward)
    assert not np.array_equal(forward[0], forward[1])
    assert not np.array_equal(forward[0], ripples(replace(SPLASHES, seed=12), 0, 80, 120))


def test_a_splash_lives_for_its_frames_and_no_longer() -> None:
    def correlation(life_frames: int, apart: int) -> float:
        layer = replace(SPLASHES, life_frames=life_frames)
        first, later = (ripples(layer, t, 256, 256).ravel() for t in (3, 3 + apart))
        return float(np.corrcoef(first, later)[0, 1])

    assert correlation(4, 1) > 0.3
    assert abs(correlation(4, 4)) < 0.1
    assert abs(correlation(1, 1)) < 0.1


def test_is_as_wide_and_as_flat_as_asked_for() -> None:
    _, r_t = single(replace(SPLASHES, radius_px=20, flatness=0.3))
    height, width = widths(r_t)
    assert 0.3 * 2 * 20 < width <= 1.5 * 2 * 20
    assert height / width == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize(("dark", "sign"), [(1.0, -1), (0.0, 1)])
def test_darkens_or_brightens(dark: float, sign: int) -> None:
    layer = replace(SPLASHES, dark=dark, density=0.0005)
    r_t = ripples(layer, 0, 256, 256)
    assert 0.1 < np.abs(r_t).max() <= 1
    spots = [ripples(replace(layer, seed=seed), 0, 256, 256).sum() for seed in range(8)]
    assert all(np.sign(total) == sign for total in spots)


def test_the_rain_falls_in_front_of_them_and_the_background_has_none() -> None:
    clean = scene(3)
    rain = RainStyle(layers=(LAYER,))
    dry, wet = (render(clean, style, rng()) for style in (rain, replace(rain, splashes=SPLASHES)))
    assert np.array_equal(wet.background, clean)
    assert np.array_equal(wet.s, dry.s)
    changed = (wet.rainy != dry.rainy).any(-1)
    still = np.stack([ripples(SPLASHES, t, 96, 128) == 0 for t in range(3)])
    assert not (changed & still).any()
    assert 0 < changed.mean() < 0.5


def test_training_sees_them_and_the_calibrated_benchmarks_do_not() -> None:
    mixed = [draw_style(rng(i), "mixed", 288) for i in range(600)]
    share = sum(style.splashes is not None for style in mixed) / 600
    assert 0.2 < share < 0.4  # half of the soft two fifths, 0.15 of the rest: 0.29
    assert all(style.splashes is None for style in mixed if style.kind == "none")
    frozen: tuple[Preset, ...] = ("light", "complex", "soft")
    assert not any(draw_style(rng(i), preset, 288).splashes for preset in frozen for i in range(20))
