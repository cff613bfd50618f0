"""Surfaces that move within themselves: training/sway.py, and how a simulated camera sees them."""

from __future__ import annotations

import numpy as np

from vsj4r.training.motion import CameraPath, simulate_motion
from vsj4r.training.sway import draw_sway

T, SIZE = 8, (64, 96)
SEEDS = range(20)


def sway(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return draw_sway(np.random.default_rng(seed), T, SIZE)


def camera(zoom: float) -> CameraPath:
    still = np.zeros(T)
    return CameraPath(still, still, np.full(T, zoom), still)


def test_it_moves_by_a_few_pixels_and_comes_back() -> None:
    for seed in SEEDS:
        moved = np.abs(sway(seed))
        assert 0.05 < moved.max() < 16
        assert np.abs(sway(seed).mean()) < moved.max() / 2
    assert np.median([np.abs(np.diff(sway(seed), axis=0)).max() for seed in SEEDS]) > 0.3


def test_some_places_stand_still() -> None:
    still = [(np.abs(sway(seed)).max((0, 1)) < 0.01).mean() for seed in SEEDS]
    assert 0.05 < np.mean(still) < 0.6


def test_the_picture_is_hardly_ever_folded_over() -> None:
    steepest = [max(np.abs(np.diff(sway(seed), axis=axis)).max() for axis in (2, 3)) for seed in SEEDS]
    assert np.median(steepest) < 1


def test_the_same_seed_gives_the_same_sway() -> None:
    assert np.array_equal(sway(4), sway(4))
    assert not np.array_equal(sway(4), sway(5))


def test_the_camera_shows_what_lies_that_far_away() -> None:
    """A picture whose red is the row and green the column, so that a sample says where it was taken."""
    y, x = np.mgrid[:200, :220]
    slope = np.stack((y, x, 0 * x), -1).astype(np.uint8)
    away = np.zeros((T, 2, *SIZE), np.float32)
    away[3, 0], away[3, 1, :, 50:] = 5, -7
    for zoom in (1.0, 2.0):
        clip = simulate_motion(slope, camera(zoom), SIZE, T, away).astype(int)
        moved = clip[3] - clip[0]
        assert np.abs(moved[:, :, 0] - 5 * zoom).max() <= 1
        assert np.abs(moved[:, 50:, 1] + 7 * zoom).max() <= 1
        assert not moved[:, :50, 1].any()
