"""Contact sheets: one frame of each clip beside its truth; or, of real rain, where most of it was, what each
method left of it, and what it took.

Needs Pillow, of the extra "train".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vsj4r.arrays import Pixels
from vsj4r.evaluation.rain_crops import Crop
from vsj4r.evaluation.real_rain import INPUT
from vsj4r.media.whole import whole_file

FRAME_PX = 240
"""Width of a frame on the sheet of whole frames."""
TILE_PX = (320, 240)
GAIN = 4
"""How much the light that was taken is enlarged."""
LABEL_PX, TEXT_PX, GAP_PX = 24, 15, 4
MARGIN_PX = 150
MIDDLE = 128


def frames_row(pictures: Mapping[str, Pixels]) -> Pixels:
    """One frame of every method side by side, each ``FRAME_PX`` wide."""
    tiles = []
    for picture in pictures.values():
        frame = Image.fromarray(picture)
        height = max(round(frame.height * FRAME_PX / frame.width), 1)
        tiles.append(np.asarray(frame.resize((FRAME_PX, height), Image.Resampling.LANCZOS)))
    return np.concatenate(tiles, 1)


def write_frames_sheet(path: Path, rows: Sequence[Pixels], *, replaces: bool) -> None:
    """A PNG of what ``frames_row`` gave, one under the other."""
    with whole_file(path, replaces=replaces) as part:
        Image.fromarray(np.concatenate(rows, 0)).save(part, format="PNG")


def write_rain_sheet(path: Path, clips: Mapping[str, Sequence[Crop]], *, replaces: bool) -> None:
    """A PNG: a column for each method, and for each crop a row of pictures over a row of the light taken.

    Under the input stands what is brighter in it than in both neighbouring frames.
    """
    names = list(next(crop for crops in clips.values() for crop in crops).pictures)
    rows = [(clip, crop) for clip, crops in clips.items() for crop in crops]
    width, height = TILE_PX[0] + GAP_PX, 2 * (TILE_PX[1] + GAP_PX) + GAP_PX
    sheet = Image.new("RGB", (MARGIN_PX + width * len(names), LABEL_PX + height * len(rows)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT_PX)
    for column, name in enumerate(names):
        draw.text((MARGIN_PX + column * width, GAP_PX), name, "black", font)
    for row, (clip, crop) in enumerate(rows):
        top = LABEL_PX + row * height
        draw.text((GAP_PX, top), f"{clip}\nframe {crop.frame}", "black", font)
        taken = f"light taken, x {GAIN}\n(input: rain seen)"
        draw.text((GAP_PX, top + TILE_PX[1] + GAP_PX), taken, "black", font)
        for column, name in enumerate(names):
            left = MARGIN_PX + column * width
            sheet.paste(_tile(crop.pictures[name]), (left, top))
            sheet.paste(_tile(_take(crop, name)), (left, top + TILE_PX[1] + GAP_PX))
    with whole_file(path, replaces=replaces) as part:
        sheet.save(part, format="PNG")


def _take(crop: Crop, name: str) -> Pixels:
    """What the method took from the crop, enlarged around grey; of the input, its rain."""
    before, after = (crop.pictures[each].astype(np.float32) for each in (INPUT, name))
    light = np.repeat(crop.rain[..., None], 3, 2) if name == INPUT else before - after
    shown: Pixels = np.clip(light * GAIN + MIDDLE, 0, 255).astype(np.uint8)
    return shown


def _tile(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels).resize(TILE_PX, Image.Resampling.LANCZOS)
