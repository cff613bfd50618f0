"""What a model's convolutions read, for `precision="int8"`:

    python -m scripts.calibrate_int8 CLIPS --model j4r --model j4r-lite

CLIPS: a folder of videos or of folders of frames. The network runs over a few of them, dry and under rain;
the least and the most that each inner convolution reads go into the model's JSON. A model may be one of your
own, NAME.onnx.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from vsj4r.arrays import Pixels
from vsj4r.engine.loading import load_net
from vsj4r.engine.weights import Model, find_model
from vsj4r.evaluation.measurement import load_tensors
from vsj4r.frames.formats import Format, Geometry
from vsj4r.frames.planes import Converter
from vsj4r.media.whole import whole_file
from vsj4r.model.j4rnet import J4RNet
from vsj4r.publishing.ranges import Ranges, watch_ranges
from vsj4r.rain import Preset, rain_by
from vsj4r.training.footage import read_clip

CLIPS, FRAMES, HEIGHT, WIDTH = 6, 8, 192, 256
PRESETS: tuple[Preset | None, ...] = ("light", "complex", "soft", None)


def calibrate(
    clips: Annotated[Path, typer.Argument(help="folder of clean clips")],
    model: Annotated[list[str], typer.Option(help="may be repeated")],
) -> None:
    """Write the ranges."""
    paths = sorted(clips.iterdir())
    chosen = paths[:: max(1, len(paths) // CLIPS)][:CLIPS]
    for name in model:
        found = find_model(name)
        read = ranges(found, chosen)
        write_ranges(found.onnx.with_suffix(".json"), read)
        typer.echo(f"{name}: {len(read)} convolutions, {len(chosen)} clips")


def write_ranges(sidecar: Path, found: Ranges) -> None:
    """Put ``found`` into ``sidecar``, the JSON of a model."""
    described = json.loads(sidecar.read_text("utf-8")) | {"int8": found}
    with whole_file(sidecar) as part:
        part.write_text(json.dumps(described, indent=2) + "\n", "utf-8")


def ranges(model: Model, clips: list[Path]) -> Ranges:
    """Over ``clips``, each under every kind of rain."""
    net, rng = load_net(model), np.random.default_rng(0)
    with watch_ranges(net) as found:
        for clip in clips:
            clean = read_clip(clip, FRAMES)[:, :HEIGHT, :WIDTH]
            for preset in PRESETS:
                run(net, model, clean if preset is None else rain_by(clean, preset, rng).rainy)
    return found


@torch.no_grad()
def run(net: J4RNet, model: Model, frames: Pixels) -> None:
    """``net`` over all ``frames``, (T, H, W, 3) uint8 RGB."""
    height, width = frames.shape[1:3]
    convert = Converter(Geometry(width, height, Format("rgb", "integer", 8)), model.spec)
    tensors = [convert.new_tensors() for _ in frames]
    for frame, into in zip(frames, tensors, strict=True):
        load_tensors(frame, convert, into)
    observed = [
        net.observe(
            torch.from_numpy(each.y)[None, None], None if each.uv is None else torch.from_numpy(each.uv)[None]
        )
        for each in tensors
    ]
    state = None
    for now, following in zip(observed, observed[1:] + observed[-1:], strict=True):
        _, state = net.step(now, following, state)


if __name__ == "__main__":
    typer.run(calibrate)
