"""Cut few large pictures into many pieces of about 600 px, and add pictures that nobody owns.

python -m scripts.pieces PICTURES OUT [--leaves 60]

Every picture of PICTURES gives one view of the whole, four pieces of a smaller copy and two of a larger one;
``--leaves`` dead-leaves pictures are drawn. They are OUT/*.webp, near-lossless: the ``stills`` of a recipe.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from vsj4r.media.reading import is_image
from vsj4r.training.leaves import draw_leaves

WHOLE_PX, HALF_PX, SHARP_PX = 640, 1280, 1920  # longer side of the picture that a piece is cut from
PIECE_PX = (600, 450)  # of the sharp ones
LEAVES_PX = (352, 480)
QUALITY = 95


def cut(picture: Image.Image, rng: np.random.Generator) -> Iterator[Image.Image]:
    yield _shrink(picture, WHOLE_PX)
    half = _shrink(picture, HALF_PX)
    width, height = half.width // 2, half.height // 2
    for left in (0, width):
        for top in (0, height):
            yield half.crop((left, top, left + width, top + height))
    sharp = _shrink(picture, SHARP_PX)
    if min(sharp.width - PIECE_PX[0], sharp.height - PIECE_PX[1]) > 0:
        for _ in range(2):
            left = int(rng.integers(sharp.width - PIECE_PX[0]))
            top = int(rng.integers(sharp.height - PIECE_PX[1]))
            yield sharp.crop((left, top, left + PIECE_PX[0], top + PIECE_PX[1]))


def _shrink(picture: Image.Image, longer_px: int) -> Image.Image:
    share = longer_px / max(picture.size)
    if share >= 1:
        return picture
    size = round(picture.width * share), round(picture.height * share)
    return picture.resize(size, Image.Resampling.LANCZOS)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--leaves", type=int, default=60)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(sorted(p for p in arguments.pictures.iterdir() if is_image(p))):
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        for k, piece in enumerate(cut(picture, np.random.default_rng([number, 0x91E]))):
            piece.save(arguments.out / f"{path.stem}_{k}.webp", quality=QUALITY)
    for number in range(arguments.leaves):
        leaves = draw_leaves(np.random.default_rng([number, 0x1EA]), *LEAVES_PX)
        Image.fromarray(leaves).save(arguments.out / f"leaves_{number:03d}.webp", quality=QUALITY)
    written = list(arguments.out.glob("*.webp"))
    megabytes = sum(path.stat().st_size for path in written) / 2**20
    print(f"{len(written)} pictures, {megabytes:.1f} MiB, in {arguments.out}")


if __name__ == "__main__":
    main()
