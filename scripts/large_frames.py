"""Which downscale suits which size: luma PSNR of photographs under a camera that pans, in rain of their size.

    python -m scripts.large_frames PICTURE... --sizes 1920x1080 --downscales 1,2 --presets complex,light

    python -m scripts.large_frames PICTURE --downscales 1,2 --sheet size.webp

PICTURE is about 2,400 px wide. The camera moves by 1/170 of the width a frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, cast, get_args

import numpy as np
import typer
from PIL import Image

from vsj4r.arrays import Pixels
from vsj4r.evaluation.measurement import derain_by
from vsj4r.evaluation.metrics import luma_psnr
from vsj4r.psnr import clip_psnr
from vsj4r.rain import Preset, rain_by
from vsj4r.training.footage import read_still
from vsj4r.training.motion import CameraPath, simulate_motion

FRAMES, SETTLED = 7, 2
"""The first two are left out: the memory is empty there."""
SHOWN, SHOWN_PX = 5, 420
"""Frame and side of a picture in the sheet."""
SPEED = 1 / 170
"""Widths a frame; no whole number of pixels, as no camera pans by one."""
CLEAN = "clean"
SEED = 7


def measure(
    pictures: Annotated[list[Path], typer.Argument()],
    model: Annotated[str, typer.Option()] = "j4r",
    sizes: Annotated[str, typer.Option(help="WIDTHxHEIGHT, one or more, with commas")] = "1920x1080",
    downscales: Annotated[str, typer.Option(help="one or more, with commas")] = "1,2",
    presets: Annotated[str, typer.Option(help=f"of {', '.join(get_args(Preset))} and {CLEAN}")] = "complex",
    sheet: Annotated[
        Path | None,
        typer.Option(help="write the middle of a frame here: rainy, each, truth"),
    ] = None,
) -> None:
    """Print a line for each size and preset: the input's PSNR and that of each downscale, dB."""
    factors = [int(each) for each in downscales.split(",")]
    for size in sizes.split(","):
        width, height = map(int, size.split("x"))
        for preset in presets.split(","):
            found: dict[str, list[float]] = {}
            for index, path in enumerate(pictures):
                clean = pan(read_still(path), height, width)
                rng = np.random.default_rng([SEED, index])
                truth = rainy = clean
                if preset != CLEAN:
                    rain = rain_by(clean, cast("Preset", preset), rng)
                    truth, rainy = rain.background, rain.rainy
                found.setdefault("input", []).append(_mean_psnr(rainy, truth))
                shown = [rainy[SHOWN]]
                for by in factors:
                    restored = list(derain_by(model, downscale=by)(iter(rainy)))
                    found.setdefault(f"1/{by}", []).append(_mean_psnr(restored, truth))
                    shown.append(restored[SHOWN])
                if sheet is not None:
                    _write_sheet(sheet, [*shown, truth[SHOWN]])
                    sheet = None
            columns = ", ".join(f"{name} {np.mean(values):.2f}" for name, values in found.items())
            print(f"{model} {size} {preset}: {columns}", flush=True)


def pan(picture: Pixels, height: int, width: int) -> Pixels:
    """(T, height, width, 3): the picture as it fills the way of the camera."""
    t = np.arange(FRAMES, dtype=np.float64)
    path_px = SPEED * width * t
    zoom = 0.98 * min(picture.shape[1] / (width + path_px[-1] + SPEED * width), picture.shape[0] / height)
    camera = CameraPath(np.zeros(FRAMES), path_px, np.full(FRAMES, zoom), np.zeros(FRAMES))
    return simulate_motion(picture, camera, (height, width), FRAMES)


def _mean_psnr(frames: Iterable[Pixels], truth: Pixels) -> float:
    return clip_psnr([luma_psnr(a, b) for a, b in zip(frames, truth, strict=True)][SETTLED:])


def _write_sheet(path: Path, frames: list[Pixels]) -> None:
    top, left = ((side - SHOWN_PX) // 2 for side in frames[0].shape[:2])
    crops = [frame[top : top + SHOWN_PX, left : left + SHOWN_PX] for frame in frames]
    Image.fromarray(np.concatenate(crops, 1)).save(path, quality=85)


if __name__ == "__main__":
    typer.run(measure)
