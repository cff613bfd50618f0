"""Thin bright things that move: blades of grass, twigs, wires, gaps between leaves.

They are as bright and narrow as rain, and a block of whole-pixel motion does not follow them; but they stay.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vsj4r.arrays import Floats, Pixels
from vsj4r.rain.draws import log_uniform

COUNT = 2, 12
LENGTH_SHARE = 0.15, 0.7
"""Of the frame's shorter side."""
WIDTH_PX = 1.2, 5.0
"""At the foot; the tip is a point."""
SWAY_DEG = 1.0, 14.0
"""Amplitude of the swing about the foot."""
PERIOD_FRAMES = 5.0, 30.0
FASTEST_PX = 6.0
"""By which the foot moves in a frame."""
PIECES = 5
LIGHT_CODES = 15.0, 150.0
"""By which a thing is brighter than what is around it."""


class Blade(NamedTuple):
    """``foot``: (y, x) in the middle of the clip; angles in radians, 0 upright."""

    foot: tuple[float, float]
    length_px: float
    width_px: float
    angle: float
    sway: float
    phase: float
    bend: float
    colour: Floats


def add_blades(clip: Pixels, rng: np.random.Generator) -> None:
    """Let a tuft of blades move over the clip, in place: (T, H, W, 3) uint8.

    They share a direction, a swing and the motion of their feet, each a little different.
    """
    frames, height, width = clip.shape[:3]
    shorter = min(height, width)
    angle = rng.uniform(-np.pi, np.pi) if rng.random() < 0.3 else rng.normal(0, 0.35)
    sway = np.radians(log_uniform(rng, SWAY_DEG))
    turn = 2 * np.pi / log_uniform(rng, PERIOD_FRAMES)
    heading, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0, FASTEST_PX) * (rng.random() < 0.5)
    velocity = speed * np.sin(heading), speed * np.cos(heading)
    thickness = log_uniform(rng, WIDTH_PX)
    length = shorter * rng.uniform(*LENGTH_SHARE)
    around = clip.mean((0, 1, 2))
    colour = np.clip(around + rng.uniform(*LIGHT_CODES) + rng.normal(0, 12, 3), 0, 255)
    middle, spread = rng.uniform(0, 1, 2) * (height, width), rng.uniform(0.05, 0.4) * shorter
    blades = [
        Blade(
            (float(y), float(x)),
            length * rng.uniform(0.6, 1.4),
            thickness * rng.uniform(0.7, 1.4),
            angle + rng.normal(0, 0.25),
            sway * rng.uniform(0.5, 1.5),
            rng.normal(0, 0.6),
            rng.normal(0, 0.5),
            np.clip(colour + rng.normal(0, 15), 0, 255).astype(np.float32),
        )
        for y, x in middle + rng.normal(0, spread, (rng.integers(COUNT[0], COUNT[1] + 1), 2))
    ]
    begin = rng.uniform(0, 2 * np.pi)
    for t in range(frames):
        moved = velocity[0] * (t - frames / 2), velocity[1] * (t - frames / 2)
        for blade in blades:
            swing = blade.angle + blade.sway * np.sin(begin + turn * t + blade.phase)
            _draw(clip[t], blade, float(swing), (blade.foot[0] + moved[0], blade.foot[1] + moved[1]))


def _draw(frame: Pixels, blade: Blade, angle: float, foot: tuple[float, float]) -> None:
    """A tapered arc of straight pieces, its edge one pixel soft."""
    turned = angle + blade.bend * (np.arange(PIECES) + 0.5) / PIECES
    step = blade.length_px / PIECES
    ys = foot[0] - np.concatenate(([0], np.cumsum(np.cos(turned)))) * step
    xs = foot[1] + np.concatenate(([0], np.cumsum(np.sin(turned)))) * step
    margin = blade.width_px / 2 + 1.5
    top, bottom = max(int(ys.min() - margin), 0), min(int(ys.max() + margin) + 1, frame.shape[0])
    left, right = max(int(xs.min() - margin), 0), min(int(xs.max() + margin) + 1, frame.shape[1])
    if top >= bottom or left >= right:
        return
    y, x = np.arange(top, bottom, dtype=np.float32), np.arange(left, right, dtype=np.float32)
    cover = np.zeros((bottom - top, right - left), np.float32)
    for piece in range(PIECES):
        dy, dx = np.float32(ys[piece + 1] - ys[piece]), np.float32(xs[piece + 1] - xs[piece])
        from_y, from_x = (y - np.float32(ys[piece]))[:, None], x - np.float32(xs[piece])
        along = np.clip((from_y * dy + from_x * dx) / np.float32(step * step), 0, 1)
        radius = np.float32(blade.width_px / 2 / PIECES) * (PIECES - piece - along)
        distance = np.hypot(from_y - along * dy, from_x - along * dx)
        np.maximum(cover, np.clip(radius + np.float32(0.5) - distance, 0, 1), out=cover)
    under = frame[top:bottom, left:right]
    under[:] = np.rint(under + cover[..., None] * (blade.colour - under)).astype(np.uint8)
