"""The hybrid rain model: O_t = (1 - alpha_t)(B_t + S_t) + alpha_t A_t (Eq. 3-5 of Liu et al., CVPR 2018).

Rendered in RGB, clipped and rounded to 8 bits there, as a camera does: white rain that saturates a
channel changes the colour, which rain added to luma alone would never show.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsj4r.rain.occlusions import occlude
from vsj4r.rain.streaks import Floats, StreakLayer, StreakSource, add_sparkle, render_layer
from vsj4r.rain.style import RainStyle

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class RainClip(NamedTuple):
    """A rendered clip.

    ``rainy``: O_t, (T, H, W, 3) uint8 RGB. ``s``: the streak layer s_t before tint and blending,
    (T, H, W) float32 in [0, 1]. ``alpha``: occlusion mask, (T, H, W) bool. ``background``: B_t, what
    a network is to restore, (T, H, W, 3) uint8: the clean clip under the style's constant veil (a veil
    that never changes cannot be told from the scene); the clean clip itself where there is none.
    """

    rainy: Pixels
    s: Floats
    alpha: Mask
    background: Pixels


class Renderer:
    """Streaks rendered afresh at the frame's own size: exact, for the benchmark and the command line."""

    def add(self, s_t: Floats, layer: StreakLayer, gain: float, rng: np.random.Generator) -> None:
        s_t += render_layer(layer, s_t.shape[0], s_t.shape[1], rng) * np.float32(layer.brightness * gain)

    def add_photographed(
        self, s_t: Floats, folder: float, mirror: bool, gain: float, rng: np.random.Generator
    ) -> None:
        """No database: nothing."""


def render(
    clean: Pixels, style: RainStyle, rng: np.random.Generator, *, source: StreakSource | None = None
) -> RainClip:
    """Let rain fall on a clean clip, (T, H, W, 3) uint8 RGB. Pure: the same arguments give the same clip."""
    if clean.ndim != 4 or clean.shape[3] != 3 or clean.dtype != np.uint8:
        raise ValueError(f"clean must be (T, H, W, 3) uint8, got {clean.shape} {clean.dtype}")
    source = source or Renderer()
    background = _veil(clean, style)
    rainy = np.empty_like(background)
    s = np.empty(clean.shape[:3], np.float32)
    alpha = np.zeros(clean.shape[:3], bool)
    for t, b_t in enumerate(background):
        s[t] = streaks(style, t, clean.shape[1], clean.shape[2], source, rng)
        a_t = None
        if style.occlusion is not None:
            reliance = style.reliance * float(rng.uniform(0.95, 1.05))
            layer = _turned(style.occlusion, style, t)
            alpha[t], a_t = occlude(layer, reliance, clean.shape[1], clean.shape[2], source, rng)
        rainy[t] = compose(b_t, s[t], alpha[t], a_t, tint=style.tint, screen=style.screen)
    return RainClip(rainy, s, alpha, background)


def streaks(
    style: RainStyle, t: int, height: int, width: int, source: StreakSource, rng: np.random.Generator
) -> Floats:
    """s_t of frame t, (H, W) float32 in [0, 1]; independent of every other frame's."""
    s_t = np.zeros((height, width), np.float32)
    gain = float(np.clip(rng.normal(1, style.gain_jitter), 0.5, 1.5))
    for layer in style.layers:
        source.add(s_t, _turned(layer, style, t), gain, rng)
    for _ in range(style.photographed):
        source.add_photographed(s_t, style.photo_folder, style.photo_mirror, gain * style.photo_gain, rng)
    if style.sparkle > 0:
        add_sparkle(s_t, style.sparkle, style.sparkle_level, rng)
    if style.haze > 0:
        s_t += style.haze * _smooth_noise(height, width, rng)
    return np.minimum(s_t, 1, out=s_t)


def compose(
    b_t: Pixels,
    s_t: Floats,
    alpha_t: Mask,
    a_t: Floats | None,
    *,
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
    screen: float = 0.0,
) -> Pixels:
    """Eq. 3 for one frame in RGB, clipped and rounded: (H, W, 3) uint8.

    ``b_t`` (H, W, 3) uint8, ``s_t`` (H, W) in [0, 1], ``alpha_t`` (H, W) bool, ``a_t`` (H, W) in [0, 1]
    (None where nothing is occluded). S_t = s_t (tint - screen B_t) per channel, A_t is tinted too.
    """
    light = np.multiply(s_t, np.float32(255))
    o_t = np.empty_like(b_t)
    for c in range(3):
        channel = b_t[..., c].astype(np.float32)
        if screen > 0:
            channel -= channel * s_t * np.float32(screen)
        channel += light * np.float32(tint[c])
        if a_t is not None:
            np.copyto(channel, a_t * np.float32(255 * tint[c]), where=alpha_t)
        np.clip(channel, 0, 255, out=channel)
        o_t[..., c] = np.rint(channel, out=channel)
    return o_t


def _turned(layer: StreakLayer, style: RainStyle, t: int) -> StreakLayer:
    if style.turn_deg == 0:
        return layer
    return StreakLayer(
        layer.length_px,
        layer.width_px,
        layer.angle_deg + style.turn_deg * t,
        layer.density,
        layer.brightness,
        layer.hardness,
        layer.spread_deg,
    )


def _veil(clean: Pixels, style: RainStyle) -> Pixels:
    """The background under a constant veil: B (1 - v) + v L, by table."""
    if style.veil <= 0:
        return clean
    levels = np.arange(256) * (1 - style.veil) + 255 * style.veil * style.veil_level
    return np.rint(levels).astype(np.uint8)[clean]


def _smooth_noise(height: int, width: int, rng: np.random.Generator) -> Floats:
    """A smooth field in [0, 1]: a coarse random grid, bilinearly enlarged."""
    grid = rng.random((5, 5), np.float32)
    y, x = np.linspace(0, 3.999, height, dtype=np.float32), np.linspace(0, 3.999, width, dtype=np.float32)
    i, j = y.astype(int), x.astype(int)
    fy, fx = (y - i)[:, None], (x - j)
    rows = grid[i] * (1 - fy) + grid[i + 1] * fy
    smooth: Floats = rows[:, j] * (1 - fx) + rows[:, j + 1] * fx
    return smooth
