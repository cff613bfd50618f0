"""``vsj4r rain``: let rain fall on clean footage, with its layers as ground truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vsj4r.cli.outcome import UsageError, one_line
from vsj4r.errors import Vsj4rError
from vsj4r.media.whole import whole_folder, writing_to
from vsj4r.words import count_of

if TYPE_CHECKING:
    from vsj4r.arrays import Pixels
    from vsj4r.media.image_facts import Chunk
    from vsj4r.media.images import ImageSet

LAYERS = ("rainy", "clean", "streaks", "mask")


def rain(
    clean: Annotated[Path, typer.Argument(help="A folder of images (taken as one clip), or a video.")],
    out: Annotated[
        Path, typer.Argument(help=f"A new folder; gets {', '.join(LAYERS)}: one PNG a frame in each.")
    ],
    preset: Annotated[
        Literal["light", "complex", "soft", "photo"],
        typer.Option(help="light and complex: the benchmarks; soft: like real rain; photo: see --layers."),
    ] = "light",
    seed: Annotated[int, typer.Option(help="The same seed gives the same rain.", min=0)] = 0,
    layers: Annotated[
        Path | None, typer.Option(help="An image database of streaks (a folder of grey images), for photo.")
    ] = None,
) -> None:
    """Render rain on clean footage (the hybrid rain model), with streak layer and occlusion mask.

    OUT/clean is the ground truth: the footage, under the constant veil of the
    soft preset.
    """
    import numpy as np
    from rich.console import Console

    from vsj4r.media.images import write_png
    from vsj4r.rain.database import StreakDatabase
    from vsj4r.rain.presets import draw_style
    from vsj4r.rain.synthesis import Renderer, add_veil, rain_on

    if (preset == "photo") != (layers is not None):
        raise UsageError("--preset photo and --layers go together: rain from an image database")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Vsj4rError(f"{out} must be a new or an empty folder")
    with writing_to(out):
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
    source = Renderer(None if layers is None else StreakDatabase(layers))
    rng = np.random.default_rng(seed)
    style = None
    console = Console()
    with console.status("rendering") as status, whole_folder(out) as part:
        for layer in LAYERS:
            (part / layer).mkdir()
        for t, (name, frame, colours) in enumerate(_frames(clean)):
            if style is None:
                style = draw_style(rng, preset, min(frame.shape[:2]))
            if (part / LAYERS[0] / f"{name}.png").exists():
                raise Vsj4rError(f"{clean} must not hold two images called {name}")
            b_t = add_veil(frame, style)
            o_t, s_t, alpha_t = rain_on(b_t, style, t, rng, source)
            footage = zip(LAYERS[:2], (o_t, b_t), strict=True)
            layers_of_rain = zip(LAYERS[2:], (np.rint(s_t * 255), alpha_t * 255), strict=True)
            for layer, picture in footage:
                write_png(picture, part / layer / f"{name}.png", colours)
            for layer, plane in layers_of_rain:
                write_png(plane.astype(np.uint8)[..., None], part / layer / f"{name}.png")
            status.update(f"rendering: {t + 1} frames")
        if style is None:
            raise Vsj4rError(f"{clean} holds no frames")
    where = f"in {one_line(out)}: {', '.join(LAYERS)}"
    typer.echo(f"{count_of(t + 1, 'frame')} of {preset} rain, seed {seed}, {where}")


def _frames(path: Path) -> Iterator[tuple[str, Pixels, tuple[Chunk, ...]]]:
    """(name, (H, W, 3) uint8 RGB, what its numbers mean) of every frame; images keep their names, those of a
    video are numbered."""
    from vsj4r.media.images import colours_of, look_at_images
    from vsj4r.media.reading import find_images, gaps_in, read_image, to_8_bit
    from vsj4r.training.footage import clip_frames

    if (found := find_images(path)) is not None:
        images = look_at_images(*found)
        for line in (*gaps_in(images.names), *_lost_of(images)):
            typer.echo(f"vsj4r: {one_line(line)}", err=True)
        for path in (images.folder / name for name in images.names):
            yield path.stem, to_8_bit(read_image(path)), colours_of(path)
        return
    for n, frame in enumerate(clip_frames(path)):
        yield f"{n:06d}", frame, ()


def _lost_of(images: ImageSet) -> Iterator[str]:
    """A line for each thing of ``images`` that PNG of 8 bits, opaque, has not."""
    if images.translucent:
        yield f"the alpha of {images.translucent} of {count_of(len(images.names), 'image')} is left out"
    if images.depth == 32:
        yield "floats become 8 bit by sRGB's curve, and what is below 0 or above 1 is clipped"
    elif images.depth > 8:
        yield f"{images.bits} bit become 8 bit"
