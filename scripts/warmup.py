"""How long a run-in before an anchor is enough: the error against a memory that began with the clip.

    python -m scripts.warmup CLIPS --model j4r      # CLIPS: a folder of videos or of folders of frames

Rain is rendered on each clip, a short one going back and forth; from anchors inside it the network starts
anew, 0 to 32 frames before. What comes out after the anchor is compared with what the memory since the
clip's start gives (luma, codes of 8 bit), and with the truth (what is lost in dB). A second table tells what
is gained over the rainy clip so many frames after the memory's beginning.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from scripts.revision import commit
from vsj4r.arrays import Floats, Pixels
from vsj4r.engine import open_engine
from vsj4r.engine.base import Engine, Tensors
from vsj4r.engine.weights import find_model
from vsj4r.evaluation.measurement import load_tensors
from vsj4r.frames.formats import Format, Geometry
from vsj4r.frames.planes import Converter
from vsj4r.psnr import psnr
from vsj4r.rain import Preset, rain_by
from vsj4r.training.footage import read_clip

WARMUPS = (0, 1, 2, 4, 8, 16, 32)
ANCHORS = (40, 56)
LENGTH = 65
AGES = (0, 1, 2, 4, 8, 16, 32, 48, 63)
AFTER = 8
"""Frames looked at from an anchor on."""
PRESETS: tuple[Preset, ...] = ("light", "complex", "soft")


def bounced(frames: Pixels) -> Pixels:
    """``LENGTH`` frames, back and forth."""
    there_and_back = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    return frames[[there_and_back[t % len(there_and_back)] for t in range(LENGTH)]]


def tensors_of(frames: Pixels, model: str) -> list[Tensors]:
    """RGB frames as the engine takes them."""
    height, width = frames.shape[1:3]
    convert = Converter(Geometry(width, height, Format("rgb", "integer", 8)), find_model(model).spec)
    clip = [convert.new_tensors() for _ in frames]
    for frame, into in zip(frames, clip, strict=True):
        load_tensors(frame, convert, into)
    return clip


def derain(engine: Engine, clip: list[Tensors], first: int, keep: int, stop: int) -> list[Floats]:
    """Derained luma of frames ``keep`` .. ``stop`` - 1, from a memory that begins with frame ``first``."""
    state = engine.new_state()
    out = []
    for t in range(first, stop):
        step = engine.step(clip[t], clip[min(t + 1, len(clip) - 1)], state)
        if t >= keep:
            out.append(np.clip(clip[t].y + step.residual.y, 0, 1))
    return out


luma_psnr = partial(psnr, peak=1.0)


def rms_codes(a: Floats, b: Floats) -> float:
    return float(255 * np.sqrt(np.square(a - b).mean()))


def warmup(
    clips: Annotated[Path, typer.Argument(help="folder of clean clips")],
    model: Annotated[str, typer.Option()] = "j4r",
    size: Annotated[str, typer.Option(help="of the part that is taken, WIDTHxHEIGHT")] = "320x192",
    precision: Annotated[str, typer.Option()] = "auto",
) -> None:
    """Print a table in Markdown: for each warm-up, the error of the first frame and of the first eight."""
    width, height = (int(side) for side in size.split("x"))
    engine = open_engine(find_model(model), height=height, width=width, precision=precision)
    first: dict[int, list[float]] = defaultdict(list)
    window: dict[int, list[float]] = defaultdict(list)
    worst: dict[int, float] = defaultdict(float)
    lost: dict[int, list[float]] = defaultdict(list)
    gained: dict[int, list[float]] = defaultdict(list)
    for number, path in enumerate(sorted(clips.iterdir())):
        clean = bounced(read_clip(path, LENGTH)[:, :height, :width])
        for preset in PRESETS:
            rain = rain_by(clean, preset, np.random.default_rng(number))
            rainy, truth = (tensors_of(frames, model) for frames in (rain.rainy, rain.background))
            endless = derain(engine, rainy, 0, 0, len(rainy))
            for t, out in enumerate(endless):
                gained[t].append(luma_psnr(out, truth[t].y) - luma_psnr(rainy[t].y, truth[t].y))
            for anchor in ANCHORS:
                for frames in WARMUPS:
                    restarted = derain(engine, rainy, anchor - frames, anchor, anchor + AFTER)
                    errors = [rms_codes(a, endless[anchor + i]) for i, a in enumerate(restarted)]
                    first[frames].append(errors[0])
                    window[frames].append(float(np.mean(errors)))
                    worst[frames] = max(worst[frames], *errors)
                    lost[frames].append(
                        luma_psnr(endless[anchor], truth[anchor].y) - luma_psnr(restarted[0], truth[anchor].y)
                    )
        typer.echo(f"{path.name} done", err=True)
    typer.echo(f"{model}, {size}, {len(first[0])} anchors, commit {commit()}\n")
    typer.echo(f"| warm-up | first frame | {AFTER} frames | worst frame (codes) | first frame, dB lost |")
    typer.echo("|---|---|---|---|---|")
    for frames in WARMUPS:
        row = (np.mean(first[frames]), np.mean(window[frames]), worst[frames], np.mean(lost[frames]))
        typer.echo(f"| {frames} | " + " | ".join(f"{value:.3f}" for value in row) + " |")
    typer.echo("\n| frames since the beginning | gain, dB |\n|---|---|")
    for first_age, after in zip(AGES, (*AGES[1:], LENGTH), strict=True):
        mean = np.mean([gained[t] for t in range(first_age, after)])
        typer.echo(f"| {first_age} to {after - 1} | {mean:.2f} |")


if __name__ == "__main__":
    typer.run(warmup)
