"""Leaves in the wind: many small surfaces, each with a swing of its own, that cover and uncover what is
behind.

The gaps between them open and close, and a leaf that turns catches the light: bright spots of a frame or a
few, which are no rain. numpy only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vsj4r.arrays import Floats, Pixels
from vsj4r.rain.draws import log_uniform

COUNT = 20, 110
LENGTH_PX = 5.0, 40.0
"""Half of a leaf's."""
SLIMNESS = 0.2, 0.6
"""Width by length."""
SPREAD_SHARE = 0.12, 0.5
"""Of the tuft, share of the frame's shorter side."""
SWING_DEG = 3.0, 50.0
"""Amplitude of a leaf's turning."""
REACH_PX = 0.3, 6.0
"""Amplitude of the branch's."""
PERIOD_FRAMES = 3.0, 24.0
FASTEST_PX = 8.0
"""By which the tuft moves in a frame."""
CONTRAST_CODES = 8.0, 90.0
"""Between leaves and the clip's mean colour."""
GLOSS_SHARE, GLOSS = 0.6, 0.9
"""How many tufts are glossy, and how much at most: 1 is the brightest glint."""
GLINT_CODES = 160.0


class Leaf(NamedTuple):
    """``place``: (y, x) in the middle of the clip; ``length_px`` and ``width_px``: half of it; angles in
    radians; ``period``: frames of one swing; ``gloss``: 0 to 1."""

    place: tuple[float, float]
    length_px: float
    width_px: float
    angle: float
    swing: float
    phase: float
    period: float
    colour: Floats
    gloss: float


class Tuft(NamedTuple):
    """Leaves on a branch that sways by ``reach_px`` (dy, dx) in twice ``period`` frames, and moves by
    ``velocity`` (dy, dx) px a frame."""

    leaves: list[Leaf]
    reach_px: tuple[float, float]
    period: float
    velocity: tuple[float, float]


def add_foliage(clip: Pixels, rng: np.random.Generator) -> None:
    """Let a tuft of leaves move over the clip, in place: (T, H, W, 3) uint8."""
    frames = len(clip)
    tuft = _draw_tuft(clip, rng)
    for t in range(frames):
        since = t - frames / 2
        for leaf in tuft.leaves:
            turn = np.sin(leaf.phase + 2 * np.pi * t / leaf.period)
            sway = np.sin(leaf.phase * 0.3 + np.pi * t / tuft.period)
            y, x = (
                place + speed * since + reach * sway
                for place, speed, reach in zip(leaf.place, tuft.velocity, tuft.reach_px, strict=True)
            )
            _paint(clip[t], leaf, float(leaf.angle + leaf.swing * turn), float(y), float(x))


def _draw_tuft(clip: Pixels, rng: np.random.Generator) -> Tuft:
    _, height, width, _ = clip.shape
    shorter = min(height, width)
    swing, period, reach, length, contrast = (
        log_uniform(rng, ends) for ends in (SWING_DEG, PERIOD_FRAMES, REACH_PX, LENGTH_PX, CONTRAST_CODES)
    )
    speed = rng.uniform(0, FASTEST_PX) * (rng.random() < 0.4)
    heading, sways, begin = rng.uniform(0, 2 * np.pi, 3)
    slimness, spread = rng.uniform(*SLIMNESS), rng.uniform(*SPREAD_SHARE) * shorter
    colour = clip.mean((0, 1, 2)) + rng.choice([-1, 1]) * contrast + rng.normal(0, 10, 3)
    gloss = rng.uniform(0, GLOSS) * (rng.random() < GLOSS_SHARE)
    lies, along = rng.uniform(0, np.pi), rng.normal(0, 0.05, 2)
    covering = 8 * spread**2 / (3 * slimness * length**2)  # as many as the tuft has room for
    count = int(np.clip(rng.uniform(0.3, 1.5) * covering, *COUNT))
    middle = rng.uniform(0, 1, 2) * (height, width)
    leaves = [
        Leaf(
            (float(y), float(x)),
            max(length * rng.uniform(0.5, 1.5), 2),
            max(length * slimness * rng.uniform(0.6, 1.4), 1),
            lies + rng.normal(0, 0.8),
            np.radians(swing) * rng.uniform(0.3, 1.7),
            begin + along @ (y, x) + rng.normal(0, 0.7),
            period * rng.uniform(0.7, 1.4),
            np.clip(colour + rng.normal(0, 0.35 * contrast) + rng.normal(0, 6, 3), 4, 250).astype(np.float32),
            gloss * rng.random(),
        )
        for y, x in middle + rng.normal(0, spread, (count, 2))
    ]
    return Tuft(
        leaves,
        (reach * np.sin(sways), reach * np.cos(sways)),
        period,
        (speed * np.sin(heading), speed * np.cos(heading)),
    )


def _paint(frame: Pixels, leaf: Leaf, angle: float, y: float, x: float) -> None:
    """A pointed oval about (y, x), its edge one pixel soft, with a glint along its middle where it faces the
    light."""
    reach = leaf.length_px + 1.5
    top, bottom = max(int(y - reach), 0), min(int(y + reach) + 2, frame.shape[0])
    left, right = max(int(x - reach), 0), min(int(x + reach) + 2, frame.shape[1])
    if top >= bottom or left >= right:
        return
    dy = (np.arange(top, bottom, dtype=np.float32) - np.float32(y))[:, None]
    dx = np.arange(left, right, dtype=np.float32) - np.float32(x)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along, across = dy * sin + dx * cos, dx * sin - dy * cos
    half = np.float32(leaf.width_px) * (1 - (along / np.float32(leaf.length_px)) ** 2)
    cover = np.clip(half - np.abs(across) + np.float32(0.5), 0, 1)
    faces = max(np.sin(2 * angle), 0.0) ** 6
    glint = np.exp(-((across / np.float32(0.5 * leaf.width_px + 0.5)) ** 2))
    light = np.float32(GLINT_CODES * leaf.gloss * faces) * glint
    under = frame[top:bottom, left:right]
    painted = np.clip(leaf.colour + light[..., None], 0, 255)
    under[:] = np.rint(under + cover[..., None] * (painted - under)).astype(np.uint8)
