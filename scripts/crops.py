"""Real rain before and after, for the docs: python scripts/crops.py DATA/real/yard/yard.mp4

Writes docs/images/yard.png: a part of three frames as filmed (top), by j4r-lite and by j4r (bottom).
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
FRAMES = (30, 45, 60)
PART = np.s_[60:270, 0:368]  # hedge, roofs and the far end of the yard
MODELS = ("j4r-lite", "j4r")


def crops(
    clip: Annotated[Path, typer.Argument(help="the static clip of real rain")],
    picture: Annotated[Path, typer.Option(help="where the picture goes")] = PICTURE,
) -> None:
    """Cut the same part out of the input and of what each model makes of it."""
    rainy = read_clip(clip, FRAMES[-1] + 2)
    rows = [np.concatenate([rainy[t][PART] for t in FRAMES], 1)]
    for model in MODELS:
        frames = list(derain_by(model)(rainy))
        rows.append(np.concatenate([frames[t][PART] for t in FRAMES], 1))
    Image.fromarray(np.concatenate(rows, 0)).save(picture)


if __name__ == "__main__":
    typer.run(crops)
