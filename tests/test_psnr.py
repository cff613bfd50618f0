"""The one PSNR: by hand, at its ends, and the same on tensors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vsj4r.psnr import MOST_DB, clip_psnr, psnr


def test_by_hand() -> None:
    truth = np.full((4, 5), 100, np.uint8)
    assert psnr(truth + 5, truth, peak=255) == pytest.approx(20 * math.log10(255 / 5))
    assert psnr(truth - 5, truth, peak=255) == pytest.approx(20 * math.log10(255 / 5)), "no wrap-around"
    assert psnr(truth, truth, peak=255) == math.inf
    assert math.isnan(psnr(np.array([math.nan, 1]), np.array([1.0, 1]), peak=1))


def test_a_clip_is_the_mean_of_its_frames() -> None:
    assert clip_psnr([30, 40]) == 35
    assert clip_psnr([30, math.inf]) == (30 + MOST_DB) / 2
    assert clip_psnr([math.inf, math.inf]) == math.inf


def test_tensors_agree_with_arrays() -> None:
    torch = pytest.importorskip("torch")
    from vsj4r.training.validation import mean_psnr

    errors = np.random.default_rng(0).normal(0, 0.05, (3, 1, 8, 9)).astype(np.float32)
    frames = [psnr(error, np.zeros_like(error), peak=1) for error in errors]
    assert float(mean_psnr(torch.from_numpy(errors))) == pytest.approx(clip_psnr(frames), abs=1e-4)
    assert float(mean_psnr(torch.zeros(2, 1, 8, 9))) == pytest.approx(60)
