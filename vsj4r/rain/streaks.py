"""Streak layers: one depth of rain in one frame, rendered by convolving random seeds with a soft line.

Angles are degrees from the vertical; a positive angle leans a falling streak to the right.
Lengths and widths are pixels, densities streaks per pixel, brightness a peak in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vsj4r.arrays import Floats

DIMMEST = 0.3  # streaks of one layer differ in brightness: uniform from here to 1
KERNELS_PER_LAYER = 3  # kernels in one layer of one frame: its streaks are alike, not equal


@dataclass(frozen=True, slots=True)
class StreakLayer:
    """One depth layer of a clip.

    ``hardness`` 0 is a streak of Gaussian profile that fades at its ends (real, motion-blurred
    rain), 1 a line with sharp, anti-aliased edges. ``spread_deg`` is the standard deviation of
    the direction between the streaks of the layer. ``stay_frames``: how many frames a streak is seen in, for
    splashes, drips and long exposures; it falls by ``fall_px`` from one to the next.
    """

    length_px: float
    width_px: float
    angle_deg: float
    density: float
    brightness: float
    hardness: float = 0.0
    spread_deg: float = 2.0
    stay_frames: int = 1
    fall_px: float = 0.0


class StreakSource(Protocol):
    """Where streak layers come from: rendered afresh, or cut from a bank."""

    def add(self, s_t: Floats, layer: StreakLayer, gain: float, rng: np.random.Generator) -> None:
        """Add one frame's streaks of ``layer``, times ``gain``, to ``s_t`` (H, W), in place."""

    def add_photographed(
        self, s_t: Floats, folder: float, mirror: bool, gain: float, rng: np.random.Generator
    ) -> None:
        """Add one layer of an image database; nothing where there is none. ``folder`` in [0, 1) picks
        one of its folders (a folder holds one direction)."""


def line_kernel(
    length_px: float,
    width_px: float,
    angle_deg: float,
    *,
    hardness: float = 0.0,
    offset: tuple[float, float] = (0.0, 0.0),
) -> Floats:
    """A streak of peak 1 in the middle of a square of odd side. ``offset``: its (y, x) shift in pixels."""
    reach = int(np.ceil(length_px / 2 + 1.5 * width_px)) + 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    y, x = y - offset[0], x - offset[1]
    angle = np.deg2rad(angle_deg)
    along = np.abs(x * np.sin(angle) + y * np.cos(angle))
    across = np.abs(x * np.cos(angle) - y * np.sin(angle))
    sigma = max(width_px, 0.8) / 2.355  # width is the full width at half maximum
    fade = max(0.3 * length_px, 1.0)
    soft = np.exp(-(across**2) / (2 * sigma * sigma)) * np.clip(
        (length_px / 2 + fade / 2 - along) / fade, 0, 1
    )
    hard = np.clip(width_px / 2 + 0.5 - across, 0, 1) * np.clip(length_px / 2 + 0.5 - along, 0, 1)
    kernel: Floats = ((1 - hardness) * soft + hardness * hard).astype(np.float32)
    return kernel


def render_layer(layer: StreakLayer, height: int, width: int, rng: np.random.Generator) -> Floats:
    """One frame of a layer, (H, W) float32 in [0, 1] with ``brightness`` 1 as its peak, edges periodic.

    Seeds are a Poisson process (probabilistic streaks, Garg and Nayar 2006); each of
    ``KERNELS_PER_LAYER`` kernels varies length, width and direction a little; one FFT convolution sums them.
    """
    spectrum = np.zeros((height, width // 2 + 1), np.complex64)
    for _ in range(KERNELS_PER_LAYER):
        kernel = line_kernel(
            layer.length_px * float(np.exp(rng.normal(0, 0.25))),
            layer.width_px * float(np.exp(rng.normal(0, 0.15))),
            layer.angle_deg + float(rng.normal(0, layer.spread_deg)),
            hardness=layer.hardness,
            offset=(float(rng.uniform(-0.5, 0.5)), float(rng.uniform(-0.5, 0.5))),
        )
        seeds = scatter(layer.density / KERNELS_PER_LAYER, height, width, rng)
        spectrum += np.fft.rfft2(seeds) * np.fft.rfft2(_embed(kernel, height, width))
    s_t = np.fft.irfft2(spectrum, s=(height, width)).astype(np.float32, copy=False)
    return np.clip(s_t, 0, 1, out=s_t)


def scatter(density: float, height: int, width: int, rng: np.random.Generator) -> Floats:
    """Poisson seeds of brightness ``DIMMEST`` to 1 on an empty (H, W)."""
    seeds = np.zeros((height, width), np.float32)
    count = rng.poisson(density * height * width)
    at = rng.integers(height, size=count), rng.integers(width, size=count)
    seeds[at] = rng.uniform(DIMMEST, 1, count)
    return seeds


def _embed(kernel: Floats, height: int, width: int) -> Floats:
    """The kernel with its centre at (0, 0) of an (H, W) torus, cut to fit."""
    reach = kernel.shape[0] // 2
    rows, cols = min(reach, (height - 1) // 2), min(reach, (width - 1) // 2)
    out = np.zeros((height, width), np.float32)
    out[: 2 * rows + 1, : 2 * cols + 1] = kernel[
        reach - rows : reach + rows + 1, reach - cols : reach + cols + 1
    ]
    return np.roll(out, (-rows, -cols), (0, 1))


def add_sparkle(s_t: Floats, density: float, level: float, rng: np.random.Generator) -> None:
    """Sparkle noise: isolated bright pixels, ``density`` of them per pixel, of brightness up to ``level``."""
    height, width = s_t.shape
    count = rng.poisson(density * height * width)
    at = rng.integers(height, size=count), rng.integers(width, size=count)
    s_t[at] += rng.uniform(0.3 * level, level, count).astype(np.float32)
