"""The hybrid rain model: O_t = (1 - alpha_t)(B_t + S_t) + alpha_t A_t (Eq. 3-5 of Liu et al., CVPR 2018).

Rendered in RGB, clipped and rounded to 8 bits there, as a camera does: white rain that saturates a
channel changes the colour, which rain added to luma alone would never show.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats, Pixels
from vsj4r.rain.database import StreakDatabase
from vsj4r.rain.occlusions import occlude
from vsj4r.rain.presets import Preset, draw_style
from vsj4r.rain.streaks import StreakLayer, StreakSource, add_sparkle, render_layer
from vsj4r.rain.style import RainStyle

Mask = NDArray[np.bool_]
GAMMA = 2.2
LINEAR = (255 * (np.arange(256) / 255) ** GAMMA).astype(np.float32)
"""Linear light of each 8-bit code, both in [0, 255]."""
GRID = 5  # blocks a side, from which the light around a drop is known
SKY = 1.4  # how much brighter than its surroundings a drop is


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

    def __init__(self, database: StreakDatabase | None = None) -> None:
        self.database = database

    def add(self, s_t: Floats, layer: StreakLayer, gain: float, rng: np.random.Generator) -> None:
        s_t += render_layer(layer, s_t.shape[0], s_t.shape[1], rng) * np.float32(layer.brightness * gain)

    def add_photographed(
        self, s_t: Floats, folder: float, mirror: bool, gain: float, rng: np.random.Generator
    ) -> None:
        if self.database is not None:
            self.database.add(s_t, folder, mirror, gain, rng)


def render_rain(
    clean: Pixels, style: RainStyle, rng: np.random.Generator, *, source: StreakSource | None = None
) -> RainClip:
    """Let rain fall on a clean clip, (T, H, W, 3) uint8 RGB. Pure: the same arguments give the same clip."""
    if clean.ndim != 4 or clean.shape[3] != 3 or clean.dtype != np.uint8:
        raise ValueError(f"clean must be (T, H, W, 3) uint8, got {clean.shape} {clean.dtype}")
    source = source or Renderer()
    clip = RainClip(
        np.empty_like(clean),
        np.empty(clean.shape[:3], np.float32),
        np.empty(clean.shape[:3], bool),
        add_veil(clean, style),
    )
    for t, b_t in enumerate(clip.background):
        clip.rainy[t], clip.s[t], clip.alpha[t] = rain_on(b_t, style, t, rng, source)
    return clip


def rain_by(clean: Pixels, preset: Preset, rng: np.random.Generator) -> RainClip:
    """The rain of ``preset`` on a whole clean clip, (T, H, W, 3) uint8 RGB; see ``draw_style``."""
    return render_rain(clean, draw_style(rng, preset, min(clean.shape[1:3])), rng)


def rain_on(
    b_t: Pixels, style: RainStyle, t: int, rng: np.random.Generator, source: StreakSource
) -> tuple[Pixels, Floats, Mask]:
    """Frame t in the rain: O_t (H, W, 3) uint8, s_t (H, W) in [0, 1] and alpha_t (H, W)."""
    height, width = b_t.shape[:2]
    s_t = streaks(style, t, height, width, source, rng)
    if style.occlusion is None:
        nothing = np.zeros((height, width), bool)
        return compose(b_t, s_t, nothing, None, style), s_t, nothing
    reliance = style.reliance * float(rng.uniform(0.95, 1.05))
    alpha_t, a_t = occlude(_turn_layer(style.occlusion, style, t), reliance, height, width, source, rng)
    return compose(b_t, s_t, alpha_t, a_t, style), s_t, alpha_t


def streaks(
    style: RainStyle, t: int, height: int, width: int, source: StreakSource, rng: np.random.Generator
) -> Floats:
    """s_t of frame t, (H, W) float32 in [0, 1]; independent of every other frame's, but for the layers whose
    streaks stay."""
    s_t = np.zeros((height, width), np.float32)
    gain = float(np.clip(rng.normal(1, style.gain_jitter), 0.5, 1.5))
    for number, layer in enumerate(style.layers):
        if layer.stay_frames == 1:
            source.add(s_t, _turn_layer(layer, style, t), gain, rng)
        else:
            _add_staying(s_t, layer, style, number, t, source)
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
    style: RainStyle,
) -> Pixels:
    """Eq. 3 for one frame in RGB, clipped and rounded: (H, W, 3) uint8.

    ``b_t`` (H, W, 3) uint8, ``s_t`` (H, W) in [0, 1], ``alpha_t`` (H, W) bool, ``a_t`` (H, W) in [0, 1]
    (None where nothing is occluded). S_t = s_t (tint - screen B_t) per channel, A_t is tinted too; with
    ``glow`` the tint takes the colour of the surroundings, with ``linear`` B_t and O_t are linear light.
    """
    light = np.multiply(s_t, np.float32(255))
    surroundings = _surroundings(b_t) if style.glow > 0 else None
    o_t = np.empty_like(b_t)
    for c in range(3):
        tint: np.float32 | Floats = np.float32(style.tint[c])
        if surroundings is not None:
            glow = np.float32(style.glow)
            tint = tint * (1 - glow + glow * surroundings[..., c])
        channel = LINEAR[b_t[..., c]] if style.linear else b_t[..., c].astype(np.float32)
        if style.screen > 0:
            channel -= channel * s_t * np.float32(style.screen)
        channel += light * tint
        if a_t is not None:
            np.copyto(channel, a_t * (np.float32(255) * tint), where=alpha_t)
        np.clip(channel, 0, 255, out=channel)
        if style.linear:
            channel = np.float32(255) * (channel / np.float32(255)) ** np.float32(1 / GAMMA)
        o_t[..., c] = np.rint(channel, out=channel)
    return o_t


def _surroundings(b_t: Pixels) -> Floats:
    """The light around each pixel, (H, W, 3) in [0, 1]: means of a coarse grid, bilinearly enlarged. A drop's
    view is wide and mostly of the sky above, so it is brighter than the scene behind it."""
    height, width = b_t.shape[:2]
    down, across = max(height // GRID, 1), max(width // GRID, 1)
    rows, columns = height // down, width // across
    blocks = b_t[: rows * down, : columns * across].reshape(rows, down, columns, across, 3)
    means = blocks.mean((1, 3), dtype=np.float32) * np.float32(SKY / 255)
    return np.minimum(_enlarge(means, height, width), 1)


def _add_staying(
    s_t: Floats, layer: StreakLayer, style: RainStyle, number: int, t: int, source: StreakSource
) -> None:
    """Add a layer whose streaks stay: those of ``stay_frames`` frames in a row are the same ones, fallen."""
    began, age = divmod(t + number, layer.stay_frames)
    height, width = s_t.shape
    angle = np.deg2rad(layer.angle_deg)
    fall_px = layer.fall_px * np.array([np.cos(angle), np.sin(angle)])  # down, to the right
    fallen, whole = (np.rint(steps * fall_px).astype(int) for steps in (age, layer.stay_frames - 1))
    seen = np.zeros(s_t.shape + np.abs(whole), np.float32)
    source.add(seen, layer, 1.0, np.random.default_rng([style.seed, number, began]))
    top, left = np.maximum(whole, 0) - fallen
    s_t += seen[top : top + height, left : left + width]


def _turn_layer(layer: StreakLayer, style: RainStyle, t: int) -> StreakLayer:
    if style.turn_deg == 0 and style.gust_deg == 0:
        return layer
    gust = style.gust_deg * float(np.sin(2 * np.pi * t / style.gust_frames))
    return replace(layer, angle_deg=layer.angle_deg + style.turn_deg * t + gust)


def add_veil(clean: Pixels, style: RainStyle) -> Pixels:
    """The clean picture under the style's constant veil v of level L: B (1 - v) + v L, by table."""
    if style.veil <= 0:
        return clean
    levels = np.arange(256) * (1 - style.veil) + 255 * style.veil * style.veil_level
    return np.rint(levels).astype(np.uint8)[clean]


def _smooth_noise(height: int, width: int, rng: np.random.Generator) -> Floats:
    """A smooth field in [0, 1]: a coarse random grid, bilinearly enlarged."""
    return _enlarge(rng.random((5, 5), np.float32)[..., None], height, width)[..., 0]


def _enlarge(grid: Floats, height: int, width: int) -> Floats:
    """(rows, columns, C) to (H, W, C), bilinear, corners to corners."""
    rows, columns = grid.shape[:2]
    y = np.linspace(0, rows - 1.001, height, dtype=np.float32)
    x = np.linspace(0, columns - 1.001, width, dtype=np.float32)
    i, j = y.astype(int), x.astype(int)
    fy, fx = (y - i)[:, None, None], (x - j)[:, None]
    blended = grid[i] * (1 - fy) + grid[i + 1] * fy
    smooth: Floats = blended[:, j] * (1 - fx) + blended[:, j + 1] * fx
    return smooth
