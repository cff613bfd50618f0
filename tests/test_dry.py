"""Dry pictures come through where they are not like most footage: neon, title cards and bars in pure colours."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from vsj4r.psnr import clip_psnr, psnr

WIDTH, HEIGHT, FRAMES, STEP_PX = 256, 144, 24, 4
MODELS = ["j4r", "j4r-lite", "j4r-free"]
LEAST_DB = 45
"""Of luma. Where convolutions are shown all of the chroma: 43.8, 27.4 and 33.4."""


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


@pytest.mark.parametrize("name", MODELS)
def test_dry_pictures_of_pure_colours_are_kept(name: str) -> None:
    clip = pure_colours()
    found = [
        psnr(np.asarray(derained[0]), np.asarray(dry[0]), peak=219)
        for dry, derained in zip(clip.frames(), vs.core.j4r.Derain(clip, model=name).frames(), strict=True)
    ]
    assert clip_psnr(found) > LEAST_DB
