"""Dead-leaves pictures: scenes made of overlapping shapes with edges of every size, free of any licence.

After Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 2001. Image restorers trained on
such pictures come near those trained on photographs (Achddou, Gousseau and Ladjal, "Synthetic images as a
regularity prior for image restoration neural networks", SSVM 2021). numpy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats, Pixels
from vsj4r.rain.draws import log_uniform

SMALLEST_PX, LARGEST_SHARE = 4.0, 0.4  # radii, the larger of the picture's shorter side
POWER = 2.6  # radii r follow r ** -POWER: 3 is scenes that look alike at any distance; this has fewer specks
MOST_LEAVES = 6000


def draw_leaves(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """(H, W, 3) uint8: leaves laid front to back until they cover the picture; edges are smooth, for they are
    drawn twice as large."""
    large = _lay_leaves(rng, 2 * height, 2 * width)
    means = large.reshape(height, 2, width, 2, 3).mean((1, 3))
    return np.rint(means.clip(0, 1) * 255).astype(np.uint8)


def _lay_leaves(rng: np.random.Generator, height: int, width: int) -> Floats:
    """The same, (H, W, 3) about [0, 1], its edges hard."""
    picture = np.zeros((height, width, 3), np.float32)
    bare = np.ones((height, width), bool)
    palette = _palette(rng)
    shading = _cloud(rng, height, width, 1.5)
    for _ in range(MOST_LEAVES):
        if not bare.any():
            break
        radius = _radius(rng, LARGEST_SHARE * min(height, width))
        y, x = rng.uniform(0, height), rng.uniform(0, width)
        top, left = max(int(y - radius), 0), max(int(x - radius), 0)
        bottom, right = min(int(y + radius) + 2, height), min(int(x + radius) + 2, width)
        open_ = bare[top:bottom, left:right]
        if not open_.any():
            continue
        yy, xx = np.ogrid[top - y : bottom - y, left - x : right - x]
        leaf = _shape(rng, yy, xx, radius) & open_
        picture[top:bottom, left:right][leaf] = _texture(rng, palette, *open_.shape)[leaf]
        open_[leaf] = False
    picture[bare] = palette[0]
    picture *= 1 + np.float32(0.25) * shading[..., None]
    return picture


def _radius(rng: np.random.Generator, largest: float) -> float:
    """By inversion of the power law between the two sizes."""
    ends = np.array([SMALLEST_PX, max(largest, SMALLEST_PX + 1)]) ** (1 - POWER)
    return float((ends[0] + rng.random() * (ends[1] - ends[0])) ** (1 / (1 - POWER)))


def _palette(rng: np.random.Generator) -> Floats:
    """(8, 3): colours of one light, mostly muted, from dark to bright."""
    light = rng.uniform(0.25, 1.0, (8, 1)) ** rng.uniform(0.7, 1.6)
    hue = rng.normal(0, rng.uniform(0.03, 0.25), (8, 3))
    cast = rng.normal(0, 0.05, 3)
    return (light * (1 + hue + cast)).clip(0.02, 1).astype(np.float32)


def _shape(
    rng: np.random.Generator, y: NDArray[np.float64], x: NDArray[np.float64], radius: float
) -> NDArray[np.bool_]:
    """A round, long, square or ragged leaf about the origin, within ``radius``."""
    turn = rng.uniform(0, np.pi)
    along, across = y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)
    slim = max(float(rng.uniform(0.08, 1)) * radius, 1)
    shape: NDArray[np.bool_]
    match rng.choice(["round", "long", "square", "ragged"]):
        case "round":
            shape = np.hypot(y, x) <= radius
        case "long":
            shape = np.hypot(along / radius, across / slim) <= 1
        case "square":
            shape = (np.abs(along) <= 0.95 * radius) & (np.abs(across) <= 0.7 * slim)
        case _:
            heading, waves = np.arctan2(y, x), zip((3, 5, 9), rng.uniform(0, 2 * np.pi, 3), strict=True)
            edge = 0.7 + sum(0.1 * np.cos(k * heading + wave) for k, wave in waves)
            shape = np.hypot(y, x) <= edge * radius
    return shape


def _texture(rng: np.random.Generator, palette: Floats, height: int, width: int) -> Floats:
    """(h, w, 3): one colour that varies, by stripes, clouds or hardly."""
    colour = palette[int(rng.integers(len(palette)))]
    kind = rng.random()
    if kind < 0.35:
        pattern = np.zeros((height, width), np.float32)
    elif kind < 0.55:
        turn, pitch = rng.uniform(0, np.pi), log_uniform(rng, (3, 30))
        y, x = np.mgrid[:height, :width].astype(np.float32)
        pattern = np.sin((y * np.cos(turn) + x * np.sin(turn)) * 2 * np.pi / pitch)
    else:
        pattern = _cloud(rng, height, width, float(rng.uniform(0.3, 1.6)))
    texture: Floats = colour * (1 + np.float32(rng.uniform(0.05, 0.45)) * pattern[..., None])
    return texture


def _cloud(rng: np.random.Generator, height: int, width: int, power: float) -> Floats:
    """Noise whose spectrum falls with frequency ** -power: (h, w) of rms 1, 2 at most."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((height, width))) * frequency**-power
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, s=(height, width))
    cloud: Floats = (noise / max(float(noise.std()), 1e-9)).clip(-2, 2).astype(np.float32)
    return cloud
