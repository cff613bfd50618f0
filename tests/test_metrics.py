"""Metrics against scikit-image and by hand; the benchmarks' input levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vsj4r.evaluation import metrics
from vsj4r.evaluation.benchmark import INPUT_LEVELS, Benchmark, benchmark_clips, clean_clips
from vsj4r.psnr import MOST_DB
from vsj4r.rain import draw_style, render_rain
from vsj4r.rain.colour import matlab_luma
from vsj4r.training.motion import draw_path, simulate_motion

measure = pytest.importorskip("skimage.metrics")
VALIDATION = Path(__file__).parents[2] / "shared" / "data" / "val"
SCENES = ("astronaut", "coffee", "chelsea", "rocket")  # shipped with scikit-image


def pair() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (3, 40, 50, 3)).astype(np.uint8)
    return np.clip(clean + rng.normal(0, 12, clean.shape), 0, 255).astype(np.uint8), clean


def test_agrees_with_scikit_image() -> None:
    noisy, clean = pair()
    a, b = matlab_luma(noisy[0]).astype(float), matlab_luma(clean[0]).astype(float)
    assert metrics.luma_psnr(noisy[0], clean[0]) == pytest.approx(
        measure.peak_signal_noise_ratio(b, a, data_range=255), abs=1e-4
    )
    expected = measure.structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, win_size=11
    )
    assert metrics.luma_ssim(noisy[0], clean[0]) == pytest.approx(expected, abs=1e-4)


def test_equal_clips() -> None:
    _, clean = pair()
    scores = metrics.score_clip(clean, clean)
    assert metrics.luma_psnr(clean[0], clean[0]) == float("inf")
    assert scores.psnr == MOST_DB
    assert scores.ssim == pytest.approx(1)
    assert scores.chroma_psnr == MOST_DB
    assert scores.flicker == 0


def test_chroma_psnr_sees_colour_alone() -> None:
    grey = np.full((16, 16, 3), 100, np.uint8)
    brighter = grey + np.uint8(10)
    assert metrics.chroma_psnr(brighter, grey) > 100
    bluer = grey.copy()
    bluer[..., 2] += 10
    u, v = 10 / 255 * 0.5, -0.114 * 10 / 255 * 0.5 / (1 - 0.299)
    assert metrics.chroma_psnr(bluer, grey) == pytest.approx(-10 * np.log10((u * u + v * v) / 2), abs=1e-3)


def test_flicker_sees_change_not_offset() -> None:
    clean = np.full((4, 16, 16, 3), 100, np.uint8)
    assert metrics.score_clip(clean + np.uint8(20), clean).flicker == 0
    blinking = clean.copy()
    blinking[::2] += 20
    luma = matlab_luma(blinking)[0, 0, 0] - matlab_luma(clean)[0, 0, 0]
    assert metrics.score_clip(blinking, clean).flicker == pytest.approx(luma)
    assert metrics.score_clip(blinking[:1], clean[:1]).flicker == 0


def test_a_score_has_each_figure_in_its_place() -> None:
    noisy, clean = pair()
    noisy = noisy + np.random.default_rng(5).integers(0, 9, noisy.shape).astype(np.uint8)
    found, frames = metrics.score_clip(noisy, clean), list(zip(noisy, clean, strict=True))
    assert found.psnr == pytest.approx(np.mean([metrics.luma_psnr(*each) for each in frames]))
    assert found.ssim == pytest.approx(np.mean([metrics.luma_ssim(*each) for each in frames]))
    assert found.chroma_psnr == pytest.approx(np.mean([metrics.chroma_psnr(*each) for each in frames]))
    error = matlab_luma(noisy) - matlab_luma(clean)
    assert found.flicker == pytest.approx(np.mean(np.abs(np.diff(error, axis=0))), rel=1e-4)


def test_shapes_must_agree() -> None:
    noisy, clean = pair()
    with pytest.raises(ValueError, match="clips must have one shape"):
        metrics.score_clip(noisy[:2], clean)


@pytest.mark.slow
@pytest.mark.skipif(not VALIDATION.is_dir(), reason="no validation footage beside the checkout")
@pytest.mark.parametrize("preset", INPUT_LEVELS)
def test_benchmark_level(preset: Benchmark) -> None:
    psnr, ssim, names = [], [], []
    for name, clean, rainy in benchmark_clips(VALIDATION, preset):
        names.append(name)
        psnr.append(np.mean([metrics.luma_psnr(o, b) for o, b in zip(rainy[::8], clean[::8], strict=True)]))
        ssim.append(np.mean([metrics.luma_ssim(o, b) for o, b in zip(rainy[::8], clean[::8], strict=True)]))
    assert len(names) == len(set(names)) == 12
    level = INPUT_LEVELS[preset]
    assert np.mean(psnr) == pytest.approx(level.psnr, abs=level.psnr_tolerance)
    assert np.mean(ssim) == pytest.approx(level.ssim, abs=level.ssim_tolerance)


@pytest.mark.slow
@pytest.mark.skipif(not VALIDATION.is_dir(), reason="no validation footage beside the checkout")
def test_benchmark_is_deterministic_and_even() -> None:
    name, clean, rainy = next(benchmark_clips(VALIDATION, "light"))
    again = next(benchmark_clips(VALIDATION, "light"))
    assert name == again[0]
    assert np.array_equal(rainy, again[2])
    assert np.array_equal(clean, again[1])
    for _, clip in clean_clips(VALIDATION):
        assert clip.shape[1] % 2 == clip.shape[2] % 2 == 0


@pytest.mark.slow
@pytest.mark.parametrize("preset", INPUT_LEVELS)
def test_level_on_pictures_of_scikit_image(preset: Benchmark) -> None:
    """Wherever the tests run; wider, for these four scenes are not those that were calibrated on."""
    skimage_data = pytest.importorskip("skimage.data")
    psnr, ssim = [], []
    for index, scene in enumerate(SCENES):
        rng = np.random.default_rng(index)
        clean = simulate_motion(getattr(skimage_data, scene)(), draw_path(rng, 3), (240, 352), 3)
        rainy = render_rain(clean, draw_style(rng, preset, 240), rng).rainy
        scores = metrics.score_clip(rainy, clean)
        psnr.append(scores.psnr)
        ssim.append(scores.ssim)
    level = INPUT_LEVELS[preset]
    assert np.mean(psnr) == pytest.approx(level.psnr, abs=2.0)
    assert np.mean(ssim) == pytest.approx(level.ssim, abs=0.15)
