"""Real rain before and after, for the docs: python scripts/crops.py DATA/real/yard/yard.mp4

Writes docs/images/yard.png: a part of a frame as filmed (left), by j4r-lite and by j4r (right), enlarged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from vsj4r.evaluation.measurement import derain_by
from vsj4r.training.footage import read_clip

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "yard.png"
FRAME = 60
PART = np.s_[76:196, 4:126]  # a post before the hedge: rain shows on what is dark
ENLARGED = 3
MODELS = ("j4r-lite", "j4r")


def crops(
    clip: Annotated[Path, typer.Argument(help="the static clip of real rain")],
    picture: Annotated[Path, typer.Option(help="where the picture goes")] = PICTURE,
) -> None:
    """Cut the same part out of the input and of what each model makes of it."""
    rainy = read_clip(clip, FRAME + 2)
    parts = [rainy[FRAME][PART]]
    for model in MODELS:
        parts.append(list(derain_by(model)(rainy))[FRAME][PART])
    row = Image.fromarray(np.concatenate(parts, 1))
    row.resize((ENLARGED * row.width, ENLARGED * row.height), Image.Resampling.LANCZOS).save(picture)


if __name__ == "__main__":
    typer.run(crops)
