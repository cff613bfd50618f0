"""Ship trained weights: python scripts/export.py j4r --from RUN/best.pt  ->  weights/j4r.*

Weights of one's own take any name: python scripts/export.py mine --from RUN/best.pt --folder .
Without a checkpoint, the shipped safetensors are exported and checked again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from scripts.revision import commit
from vsj4r.errors import Vsj4rError
from vsj4r.model.config import CONFIGS
from vsj4r.model.publish import load_network, network_from_checkpoint, parameters_by_box, publish
from vsj4r.training import checkpoint

ROOT = Path(__file__).resolve().parent.parent


def export(
    name: Annotated[
        str, typer.Argument(help="name of the three files: j4r, j4r-lite, j4r-paper, or your own")
    ],
    trained: Annotated[Path | None, typer.Option("--from", help="best.pt or checkpoint.pt of a run")] = None,
    folder: Annotated[Path, typer.Option(help="where the three files go")] = ROOT / "weights",
) -> None:
    """Write safetensors, ONNX and JSON, after checking that ONNX and torch agree."""
    if trained is None:
        described = folder / f"{name}.json"
        if not described.is_file():
            raise Vsj4rError(f"{described} does not exist: name a checkpoint with --from")
        training = json.loads(described.read_text("utf-8"))["training"]
        net = load_network(folder, name)
    else:
        saved = checkpoint.load(trained)
        if saved is None:
            raise Vsj4rError(f"{trained} does not exist")
        model = saved.get("recipe", saved).get("model", name)
        if model not in CONFIGS:
            raise Vsj4rError(
                f"{trained} does not say its model: name one of {', '.join(CONFIGS)}, got {name!r}"
            )
        net = network_from_checkpoint(model, saved.get("ema", saved["net"]))
        training = {"steps": saved["step"], "commit": commit()}
        training |= {key: round(float(saved[key]), 3) for key in ("hours", "psnr") if key in saved}
    difference = publish(net, name, folder, training)
    typer.echo(f"{folder / name}: ONNX and torch differ by {difference:.1e} at most")
    boxes = parameters_by_box(net)
    typer.echo(", ".join(f"{box} {count:,}" for box, count in boxes.items()))
    shaping = boxes["r_net"] + boxes["c_net"]
    typer.echo(
        f"{sum(boxes.values()):,} parameters in training, {sum(boxes.values()) - shaping:,} in the graph"
    )


if __name__ == "__main__":
    try:
        typer.run(export)
    except Vsj4rError as error:
        sys.exit(f"export: {error}")
