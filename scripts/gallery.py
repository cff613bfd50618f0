"""Real rain before and after, as pictures and loops: python -m scripts.gallery CLIP...

Of each clip two files in docs/images/gallery: NAME-still.webp, the part in which it rains most as filmed,
derained, and the light that was taken, enlarged around grey; NAME.webp, a loop of the whole picture, left of
the middle as filmed, right of it derained. Each is at most 300 KB.
"""

from __future__ import annotations

from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image

from vsj4r.arrays import Floats, Pixels
from vsj4r.evaluation import measurement
from vsj4r.evaluation.rain_crops import Crop, RainCrops
from vsj4r.evaluation.real_rain import INPUT
from vsj4r.training.footage import clip_frames

GALLERY = Path(__file__).resolve().parent.parent / "docs" / "images" / "gallery"
LARGEST_BYTES = 300_000
STILL_PX = 300
"""Height of each of the three parts."""
LOOP_PX = 480
"""Width of a loop, at most."""
GAIN, MIDDLE = 4, 128
QUALITIES = range(80, 20, -10)
FRAME_MS = 80


def _save(path: Path, pictures: list[Image.Image]) -> None:
    """A picture, or a loop of several, in the best quality that is small enough."""
    for quality in QUALITIES:
        written = BytesIO()
        loop: dict[str, Any] = (
            {"save_all": True, "append_images": pictures[1:], "duration": FRAME_MS, "loop": 0, "method": 4}
            if len(pictures) > 1
            else {"method": 6}
        )
        pictures[0].save(written, "WEBP", quality=quality, **loop)
        if len(written.getvalue()) <= LARGEST_BYTES:
            path.write_bytes(written.getvalue())
            return
    raise SystemExit(f"{path.name} stays above {LARGEST_BYTES} bytes: ask for fewer frames")


def _still(before: Pixels, after: Pixels) -> Image.Image:
    light = np.clip((before.astype(np.int16) - after) * GAIN + MIDDLE, 0, 255).astype(np.uint8)
    height = STILL_PX
    width = round(before.shape[1] * height / before.shape[0])
    still = Image.new("RGB", (3 * width + 8, height), "white")
    for place, part in enumerate((before, after, light)):
        tile = Image.fromarray(part).resize((width, height), Image.Resampling.LANCZOS)
        still.paste(tile, (place * (width + 4), 0))
    return still


def _halves(before: Pixels, after: Pixels) -> Image.Image:
    middle = before.shape[1] // 2
    joined = after.copy()
    joined[:, :middle] = before[:, :middle]
    joined[:, middle - 1 : middle + 1] = 255
    picture = Image.fromarray(joined)
    scale = min(LOOP_PX / picture.width, 1)
    size = round(picture.width * scale), round(picture.height * scale)
    return picture.resize(size, Image.Resampling.LANCZOS)


def gallery(
    clips: Annotated[list[Path], typer.Argument(help="videos or folders of images")],
    model: Annotated[str, typer.Option(help="the model shown")] = "j4r",
    frames: Annotated[int, typer.Option(help="of each clip, from its beginning")] = 49,
    loop_frames: Annotated[int, typer.Option(help="in a loop, around the most rain")] = 18,
    out: Annotated[Path, typer.Option(help="where the pictures go")] = GALLERY,
) -> None:
    """Derain the clips and write the pictures."""
    out.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        best, halves = _derain(clip, model, frames)
        still = _still(best.pictures[INPUT], best.pictures[model])
        first = max(min(best.frame - loop_frames // 2, len(halves) - loop_frames), 0)
        _save(out / f"{clip.stem}-still.webp", [still])
        _save(out / f"{clip.stem}.webp", halves[first : first + loop_frames])
        typer.echo(f"{clip.name}: most rain in frame {best.frame}")


def _derain(clip: Path, model: str, frames: int) -> tuple[Crop, list[Image.Image]]:
    """Where it rains most, and every frame, half as filmed."""
    crops, halves = RainCrops(), []

    def show(moment: dict[str, Pixels], rain: Floats | None) -> None:
        crops.add(moment, rain)
        halves.append(_halves(moment[INPUT], moment[model]))

    methods = {INPUT: measurement.identity, model: measurement.derain_by(model)}
    measurement.measure_rain(clip.name, islice(clip_frames(clip), frames), methods, show)
    return max(crops.crops(), key=lambda crop: crop.rain_energy), halves


if __name__ == "__main__":
    typer.run(gallery)
