"""The simulated camera: it shows the picture where it says it looks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vsj4r.training.motion import CameraPath, add_object, draw_path, simulate_motion

T = 5


def camera(
    y: float = 0, x: float = 0, zoom: float = 1, turn: float = 0, start: tuple[float, float] = (0.5, 0.5)
) -> CameraPath:
    """Constant displacement a frame, constant zoom, constant angle."""
    t = np.arange(T, dtype=np.float64)
    return CameraPath(y * t, x * t, np.full(T, float(zoom)), np.full(T, float(turn)), start)


def picture(height: int = 120, width: int = 160) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


def slope(height: int = 120, width: int = 160) -> NDArray[np.uint8]:
    """Red is the row, green the column, blue 0."""
    y, x = np.mgrid[:height, :width]
    return np.stack((y, x, 0 * x), -1).astype(np.uint8)


def test_static_camera_repeats_the_pixels() -> None:
    image = picture()
    clip = simulate_motion(image, camera(), (40, 50), T)
    assert (clip == clip[0]).all()
    windows = np.lib.stride_tricks.sliding_window_view(image, (40, 50, 3))[:, :, 0]
    assert (windows == clip[0]).all((2, 3, 4)).any(), "whole pixels, not blurred ones"


@pytest.mark.parametrize(("y", "x"), [(3, 0), (0, -7), (4, 5)])
def test_whole_displacement_is_exact(y: int, x: int) -> None:
    clip = simulate_motion(picture(), camera(y, x), (40, 50), T)
    for t in range(1, T):
        there = clip[t - 1][max(y, 0) : 40 + min(y, 0), max(x, 0) : 50 + min(x, 0)]
        here = clip[t][max(-y, 0) : 40 - max(y, 0), max(-x, 0) : 50 - max(x, 0)]
        assert np.array_equal(here, there)


def test_displacement_between_pixels() -> None:
    clip = simulate_motion(slope(), camera(0.25, 1.5), (40, 50), T).astype(int)
    moved = clip[4, 5, 5] - clip[0, 5, 5]
    assert moved.tolist() == [1, 6, 0]


def test_zoom_and_rotation() -> None:
    enlarged = simulate_motion(slope(), camera(zoom=0.5), (40, 40), T)[0].astype(int)
    assert enlarged[30, 0, 0] - enlarged[10, 0, 0] == pytest.approx(10, abs=1)
    turned = simulate_motion(slope(), camera(turn=90), (40, 40), T)[0].astype(int)
    assert abs(turned[30, 20, 1] - turned[10, 20, 1]) == pytest.approx(20, abs=1)  # rows have become columns
    assert abs(turned[30, 20, 0] - turned[10, 20, 0]) <= 1


def test_stays_inside_where_it_can_and_mirrors_where_not() -> None:
    steps = np.diff(simulate_motion(slope(), camera(x=20), (40, 50), T)[:, 0, 0, 1].astype(int))
    assert steps.tolist() == [20, 20, 20, 20]
    small = simulate_motion(slope(30, 30), camera(x=20), (40, 50), T)
    assert small.max() <= 29
    assert simulate_motion(slope(1, 1), camera(), (4, 4), 1).max() == 0


def test_paths_are_drawn_over_the_whole_range() -> None:
    paths = [draw_path(np.random.default_rng(i), 7) for i in range(400)]
    speeds = np.array([path.speed_px for path in paths])
    assert 0.12 < (speeds == 0).mean() < 0.3
    assert ((speeds > 0) & (speeds < 3)).mean() > 0.15
    assert (speeds > 12).mean() > 0.08
    assert speeds.max() <= 30 + 1e-9
    assert any(path.angle_deg.any() for path in paths)
    assert any(np.ptp(path.zoom) > 0 for path in paths)
    again = draw_path(np.random.default_rng(9), 7)
    assert np.array_equal(again.x_px, paths[9].x_px)


@pytest.mark.parametrize("zoom", [0.5, 1.5])
def test_displacement_counts_in_output_pixels_whatever_the_zoom(zoom: float) -> None:
    clip = simulate_motion(slope(200, 250), camera(y=2, x=4, zoom=zoom), (40, 50), T).astype(int)
    assert clip[4, 5, 5] - clip[0, 5, 5] == pytest.approx(np.array([8 * zoom, 16 * zoom, 0]), abs=1)


@pytest.mark.parametrize("start", [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
def test_start_says_where_in_the_picture(start: tuple[float, float]) -> None:
    clip = simulate_motion(slope(), camera(start=start), (40, 50), T)
    assert clip[0, 0, 0].tolist() == [80 * start[0], 110 * start[1], 0]


def test_a_turned_camera_stays_inside_too() -> None:
    """Nothing is mirrored at a corner: along rows and columns the picture runs on in one direction."""
    clip = simulate_motion(slope(), camera(turn=30, start=(0.0, 0.0)), (60, 20), 1)[0].astype(int)
    for axis in (0, 1):
        steps = np.diff(clip[..., 0], axis=axis)
        assert (steps >= 0).all() or (steps <= 0).all()


def test_samples_are_rounded() -> None:
    stripes = np.full((80, 80, 3), 100, np.uint8)
    stripes[:, ::2] = 101
    assert set(np.unique(simulate_motion(stripes, camera(x=0.75), (20, 20), 2)[1])) == {100, 101}


def test_an_object_is_blended_with_what_it_hides() -> None:
    clip = np.full((T, 64, 96, 3), 100, np.uint8)
    add_object(clip, np.full((80, 80, 3), 200, np.uint8), np.random.default_rng(3))
    assert clip.min() == 100
    assert clip.max() == 200


def test_object_moves_by_itself() -> None:
    clip = np.zeros((T, 64, 96, 3), np.uint8)
    add_object(clip, np.full((80, 80, 3), 200, np.uint8), np.random.default_rng(3))
    covered = (clip[..., 0] > 100).mean((1, 2))
    assert covered.max() > 0.01
    assert clip.max() == 200
    middles = [np.argwhere(frame[..., 0] > 100).mean(0) for frame in clip if frame.any()]
    assert np.ptp(np.array(middles), axis=0).max() > 0.2
    for seed in range(50):  # entering and leaving on every side
        add_object(clip, picture(), np.random.default_rng(seed))


def test_rejections() -> None:
    with pytest.raises(ValueError, match=r"image must be \(H, W, 3\) uint8, got \(9, 9\) uint8"):
        simulate_motion(np.zeros((9, 9), np.uint8), camera(), (4, 4), T)
    with pytest.raises(ValueError, match="path must have at least 6 poses, got 5"):
        simulate_motion(picture(), camera(), (4, 4), 6)
