"""Prerendered streaks: a training clip's rain for a few milliseconds.

The bank holds layers over a grid of shapes and directions; a requested layer is answered by the nearest
shape, cut at a random place. Everything is periodic, so any cut is seamless.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vsj4r.arrays import Floats, Pixels
from vsj4r.rain.database import StreakDatabase, window
from vsj4r.rain.presets import Preset, draw_style
from vsj4r.rain.streaks import StreakLayer, render_layer
from vsj4r.rain.synthesis import RainClip, render_rain

ANGLES = 10  # between 0 and 45 degrees; mirroring and transposing give the rest
VARIANTS = 3
SHAPES: tuple[tuple[float, float, float], ...] = (  # length_px, width_px, hardness
    (8, 1.1, 0), (15, 1.3, 0), (30, 1.6, 0), (22, 2.8, 0), (55, 2.4, 0), (60, 5.0, 0), (110, 9.0, 0),
    (14, 1.2, 1), (28, 1.5, 1), (50, 2.4, 1),
    (36, 3.4, 0), (30, 3.2, 1), (70, 5.0, 1),
    (4, 3.0, 0), (70, 13.0, 0), (160, 18.0, 0), (60, 10.0, 1), (140, 11.0, 1),
)  # fmt: skip
_OF_BANK = 0x7A1  # among the streams of random numbers; those of clips have two parts, the bank's three
MOST_PX, PATCHES = 448, 4  # side of the layers: that of four patches, MOST_PX at most
COVER = 0.02  # share of a prerendered layer under streaks; more is had by adding cuts
THIN_COVER, FEWEST = COVER / 16, 4  # where less than that is asked for; but so many streaks at least


class StreakBank:
    """Layers fixed by ``seed``, (shapes, angles, variants, size, size) uint8; built in seconds, 150 MB at
    most. The last variant is a thin one.

    ``patch_px``: the side of the clips that are rained on. ``database``: a folder of grey streak images, or
    of such folders (Garg and Nayar's database); optional.
    """

    def __init__(self, seed: int, *, patch_px: int, database: Path | None = None) -> None:
        size = min(PATCHES * patch_px, MOST_PX)
        self.database = None if database is None else StreakDatabase(database)
        self._shapes = np.array([(np.log(a), np.log(b), 1.5 * c) for a, b, c in SHAPES])
        self._angles = np.linspace(0, 45, ANGLES)
        thinnest = [FEWEST * length_px * width_px / size**2 for length_px, width_px, _ in SHAPES]
        self._thin = [min(max(THIN_COVER, cover), COVER) for cover in thinnest]
        self._layers = np.empty((len(SHAPES), ANGLES, VARIANTS + 1, size, size), np.uint8)
        for k in range(VARIANTS + 1):
            rng = np.random.default_rng([seed, _OF_BANK, k])
            for i, (length_px, width_px, hardness) in enumerate(SHAPES):
                density = (COVER if k < VARIANTS else self._thin[i]) / (length_px * width_px)
                for j, angle_deg in enumerate(self._angles):
                    layer = StreakLayer(length_px, width_px, float(angle_deg), density, 1.0, hardness)
                    self._layers[i, j, k] = np.rint(render_layer(layer, size, size, rng) * 255)
        self._layers.setflags(write=False)

    def add(self, s_t: Floats, layer: StreakLayer, gain: float, rng: np.random.Generator) -> None:
        angle = (layer.angle_deg + 90) % 180 - 90
        lying = abs(angle) > 45
        shape = np.array([np.log(layer.length_px), np.log(layer.width_px), 1.5 * layer.hardness])
        i = int(np.argmin(np.abs(self._shapes - shape).sum(1)))
        cover = layer.density * layer.length_px * layer.width_px
        out = s_t.T if lying else s_t
        if angle < 0:
            out = out[:, ::-1]
        step = self._angles[1]
        light = np.zeros(out.shape, np.float32)
        is_thin = cover < COVER
        for _ in range(int(cover / (self._thin[i] if is_thin else COVER) + rng.random())):
            wanted = (90 - abs(angle) if lying else abs(angle)) + rng.normal(0, layer.spread_deg / 2)
            j = int(np.clip(np.rint(wanted / step), 0, ANGLES - 1))
            k = VARIANTS if is_thin else int(rng.integers(VARIANTS))
            cut = window(self._layers[i, j, k], out.shape, rng)
            if rng.random() < 0.5:
                cut = cut[::-1, ::-1]  # turned by 180 degrees: the direction stays
            light += cut * np.float32(1 if layer.brightness == 1 else rng.uniform(0.8, 1.15))
        np.minimum(light, 255, out=light)  # as in render_layer: 1 at most
        out += light * np.float32(layer.brightness * gain / 255)

    def add_photographed(
        self, s_t: Floats, folder: float, mirror: bool, gain: float, rng: np.random.Generator
    ) -> None:
        if self.database is not None:
            self.database.add(s_t, folder, mirror, gain, rng)

    def clip(
        self, clean: Pixels, seed: int, index: int, *, shorter_px: int, preset: Preset = "mixed"
    ) -> RainClip:
        """Rain on a clean clip, (T, H, W, 3) uint8: a pure function of its arguments and the bank.

        ``shorter_px`` is the shorter side of the picture that the clip was cut from: streaks grow with it.
        """
        rng = np.random.default_rng([seed, index])
        style = draw_style(rng, preset, shorter_px, database=self.database is not None)
        return render_rain(clean, style, rng, source=self)
