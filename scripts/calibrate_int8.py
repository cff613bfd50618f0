"""What a model's convolutions read, for `precision="int8"`:

    python -m scripts.calibrate_int8 CLIPS --model j4r --model j4r-lite

CLIPS: a folder of videos or of folders of frames. The network runs over a few of them, dry and under rain;
the least and the most that each inner convolution reads go into weights/NAME.json. Exporting a model writes
its JSON anew, without them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from vsj4r.engine.weights import find_model
from vsj4r.evaluation.measurement import load_tensors
from vsj4r.frames.formats import Format, Geometry
from vsj4r.frames.planes import Converter
from vsj4r.media.whole import whole_file
from vsj4r.publishing.publish import load_network
from vsj4r.rain import Preset, draw_style, render_rain
from vsj4r.training.footage import read_clip

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
CLIPS, FRAMES, HEIGHT, WIDTH = 6, 8, 192, 256
PRESETS: tuple[Preset | None, ...] = ("light", "complex", "soft", None)
BEYOND = 1e-5
"""The share of values, at each end, that may lie outside of a range."""
INNER = ("w_in", "w_mid", "w_z", "w_r", "w_h", "u_z", "u_r", "u_h")
"""Convolutions between full width and full width, by the end of their names; and JRC-Net's first one."""


def calibrate(
    clips: Annotated[Path, typer.Argument(help="folder of clean clips")],
    model: Annotated[list[str], typer.Option(help="may be repeated")],
) -> None:
    """Write the ranges."""
    paths = sorted(clips.iterdir())
    chosen = paths[:: max(1, len(paths) // CLIPS)][:CLIPS]
    for name in model:
        found = ranges(name, chosen)
        rounded = {node: [round(end, 4) for end in ends] for node, ends in found.items()}
        write_ranges(WEIGHTS / f"{name}.json", rounded)
        typer.echo(f"{name}: {len(found)} convolutions, {len(chosen)} clips")


def write_ranges(sidecar: Path, found: dict[str, list[float]]) -> None:
    """Put ``found`` into ``sidecar``, the JSON of a model."""
    described = json.loads(sidecar.read_text("utf-8")) | {"int8": found}
    with whole_file(sidecar) as part:
        part.write_text(json.dumps(described, indent=2) + "\n", "utf-8")


def ranges(name: str, clips: list[Path]) -> dict[str, tuple[float, float]]:
    """By the names that the exported nodes have."""
    net = load_network(WEIGHTS, name)
    spec = find_model(name).spec
    seen: dict[str, tuple[float, float]] = {}

    def watch(node: str) -> Callable[[Any, tuple[torch.Tensor, ...]], None]:
        def note(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            values = inputs[0].flatten()
            beyond = max(1, int(BEYOND * values.numel()))
            low, high = -float((-values).topk(beyond)[0][-1]), float(values.topk(beyond)[0][-1])
            before = seen.get(node, (0.0, 0.0))
            seen[node] = (min(low, before[0]), max(high, before[1]))

        return note

    for path, module in net.named_modules():
        if path == "jrc_net.0" or (
            path.rpartition(".")[2] in INNER and not path.startswith(("r_net", "c_net"))
        ):
            module.register_forward_pre_hook(watch(exported_name(path)))
    rng = np.random.default_rng(0)
    for clip in clips:
        clean = read_clip(clip, FRAMES)[:, :HEIGHT, :WIDTH]
        height, width = clean.shape[1:3]
        convert = Converter(Geometry(width, height, Format("rgb", "integer", 8)), spec)
        for preset in PRESETS:
            style = None if preset is None else draw_style(rng, preset, min(height, width))
            frames = clean if style is None else render_rain(clean, style, rng).rainy
            tensors = [convert.new_tensors() for _ in frames]
            for frame, into in zip(frames, tensors, strict=True):
                load_tensors(frame, convert, into)
            with torch.no_grad():
                observed = [
                    net.observe(
                        torch.from_numpy(each.y)[None, None],
                        None if each.uv is None else torch.from_numpy(each.uv)[None],
                    )
                    for each in tensors
                ]
                state = None
                for now, following in zip(observed, observed[1:] + observed[-1:], strict=True):
                    _, state = net.step(now, following, state)
    return seen


def exported_name(path: str) -> str:
    """ "extractor.2.w_in" -> "/extractor/extractor.2/w_in/Conv", as the exporter names a node."""
    parts = path.split(".")
    if parts[0] == "f_net":
        return f"/f_net.{parts[1]}/{parts[2]}/Conv"
    inside = "".join(f"/{part}" for part in parts[2:])
    return f"/{parts[0]}/{parts[0]}.{parts[1]}{inside}/Conv"


if __name__ == "__main__":
    typer.run(calibrate)
