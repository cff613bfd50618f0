"""Figures of merit for restored clips, as the deraining papers measure them and beyond.

Clips are (T, H, W, 3) uint8 RGB. Papers measure luma alone; chroma and flicker show what luma hides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from vsj4r.arrays import Floats, Pixels
from vsj4r.psnr import MOST_DB, psnr
from vsj4r.rain.colour import matlab_luma, rgb_to_yuv444

PEAK = 255.0
SMALLEST_PX = 11  # the window of SSIM


class Scores(NamedTuple):
    """Means over a clip's frames. ``psnr``, ``chroma_psnr`` in dB (a frame counts for ``MOST_DB`` at most, as
    equal ones would be infinite), ``ssim`` in [-1, 1].

    ``flicker``: temporal-difference error, |(b_t - b_{t-1}) - (c_t - c_{t-1})| on luma, 8-bit levels: 0 for a
    clip whose error is constant over time, and for a single frame. After the
    temporal consistency measures of Lai et al., "Learning blind video temporal consistency", ECCV 2018,
    without their warping: the clean clip itself is the reference.
    """

    psnr: float
    ssim: float
    chroma_psnr: float
    flicker: float


def score_clip(restored: Iterable[Pixels], clean: Iterable[Pixels]) -> Scores:
    """Every figure for one clip, frame after frame; PSNR and SSIM are means of the frames' figures.

    Raises:
        ValueError: the shapes differ.
    """
    figures: list[tuple[float, float, float]] = []
    changes: list[float] = []
    before: Floats | None = None
    for b_t, c_t in zip_longest(restored, clean):
        if b_t is None or c_t is None or b_t.shape != c_t.shape:
            raise ValueError(f"clips must have one shape, got other frames from {len(figures)} on")
        decibels = min(luma_psnr(b_t, c_t), MOST_DB), min(chroma_psnr(b_t, c_t), MOST_DB)
        figures.append((decibels[0], luma_ssim(b_t, c_t), decibels[1]))
        error = matlab_luma(b_t) - matlab_luma(c_t)
        if before is not None:
            changes.append(float(np.mean(np.abs(error - before))))
        before = error
    luma, ssim, chroma = (float(x) for x in np.mean(figures, 0))
    return Scores(luma, ssim, chroma, float(np.mean(changes)) if changes else 0.0)


def luma_psnr(frame: Pixels, truth: Pixels) -> float:
    """PSNR in dB on MATLAB's luma of (H, W, 3) frames, the measure of Table 1 of Liu et al., CVPR 2018."""
    return psnr(matlab_luma(frame), matlab_luma(truth), peak=PEAK)


def luma_ssim(frame: Pixels, truth: Pixels) -> float:
    """SSIM on MATLAB's luma of (H, W, 3) frames, no side below 11.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP
    2004: Gaussian window of 11 x 11 and sigma 1.5, K1 0.01, K2 0.03, range 255, biased covariances.
    """
    from skimage.metrics import structural_similarity

    similarity: Callable[..., float] = structural_similarity
    value = similarity(
        matlab_luma(frame).astype(np.float64),
        matlab_luma(truth).astype(np.float64),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=PEAK,
    )
    return float(value)


def chroma_psnr(frame: Pixels, truth: Pixels) -> float:
    """PSNR in dB over U and V together (BT.601, 4:4:4, range 1): what luma PSNR cannot see."""
    restored, wanted = rgb_to_yuv444(frame, "bt601"), rgb_to_yuv444(truth, "bt601")
    return psnr(np.stack((restored.u, restored.v)), np.stack((wanted.u, wanted.v)), peak=1.0)
