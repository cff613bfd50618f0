"""Dry pictures come through where they are not like most footage: neon, title cards and bars in pure colours,
lamps that flicker, lightning."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from vsj4r.psnr import clip_psnr, psnr

WIDTH, HEIGHT, FRAMES, STEP_PX = 256, 144, 24, 4
MODELS = ["j4r", "j4r-lite", "j4r-free", "j4r-lite-free"]
LEAST_COLOURS_DB, LEAST_LIGHT_DB = 45, 38
"""Of luma: the mean of all frames, and the worst one. Shown all of the chroma: 43.8, 27.4 and
33.4. Where the frames beside keep their light: 24 and less."""


def pure_colours() -> Any:
    """Bars of the eight corners of RGB, and a row of the opposite ones below, that move to the left."""
    corners = [[255 * part for part in corner] for corner in product((0, 1), repeat=3)]

    def row(colours: list[list[int]]) -> Any:
        return vs.core.std.StackHorizontal(
            [
                vs.core.std.BlankClip(
                    width=48, height=HEIGHT // 2, format=vs.RGB24, length=FRAMES, color=colour
                )
                for colour in colours
            ]
        )

    wide = vs.core.std.StackVertical([row(corners), row(corners[3:] + corners[:3])])
    wide = wide.resize.Bicubic(format=vs.YUV420P8, matrix_s="709")
    return vs.core.std.Splice(
        [wide[n].std.CropAbs(width=WIDTH, height=HEIGHT, left=STEP_PX * n) for n in range(FRAMES)]
    )


def under_light(gains: list[float]) -> Any:
    """A picture of many surfaces that stands still, so many times as bright."""
    rng = np.random.default_rng(5)
    picture = np.full((HEIGHT, WIDTH), 0.4)
    for _ in range(300):
        y, x, *size = rng.integers((0, 0, 6, 6), (HEIGHT, WIDTH, 40, 40))
        picture[y : y + size[0], x : x + size[1]] = rng.uniform(0.1, 0.6)
    clip = vs.core.std.BlankClip(width=WIDTH, height=HEIGHT, format=vs.YUV420P8, length=len(gains))

    def draw(n: int, f: Any) -> Any:
        frame = f.copy()
        np.asarray(frame[0])[:] = np.rint(16 + 219 * picture * gains[n])
        for plane in (1, 2):
            np.asarray(frame[plane])[:] = 128
        return frame

    return clip.std.ModifyFrame(clip, draw)


def luma_psnr(dry: Any, name: str) -> list[float]:
    return [
        psnr(np.asarray(after[0]), np.asarray(before[0]), peak=219)
        for before, after in zip(dry.frames(), vs.core.j4r.Derain(dry, model=name).frames(), strict=True)
    ]


@pytest.mark.parametrize("name", MODELS)
def test_pure_colours_are_kept(name: str) -> None:
    assert clip_psnr(luma_psnr(pure_colours(), name)) > LEAST_COLOURS_DB


@pytest.mark.parametrize("name", MODELS)
def test_a_lamp_that_flickers_goes_on_flickering(name: str) -> None:
    gains = [1 + 0.08 * math.sin(2 * math.pi * n / 4.3) for n in range(FRAMES)]
    assert min(luma_psnr(under_light(gains), name)) > LEAST_LIGHT_DB


@pytest.mark.parametrize("name", MODELS)
def test_lightning_stays(name: str) -> None:
    gains = [1.5 if n == 12 else 1.0 for n in range(FRAMES)]
    assert min(luma_psnr(under_light(gains), name)) > LEAST_LIGHT_DB
