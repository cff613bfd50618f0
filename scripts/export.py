"""Ship trained weights: python scripts/export.py RUN/best.pt j4r  ->  weights/j4r.safetensors, .onnx, .json

Without a checkpoint, the shipped safetensors are exported and checked again.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from vsj4r.model.publish import load_network, network_from_checkpoint, publish
from vsj4r.training import checkpoint

ROOT = Path(__file__).resolve().parent.parent


def export(
    name: Annotated[str, typer.Argument(help="j4r, j4r-lite or j4r-paper")],
    trained: Annotated[Path | None, typer.Option("--from", help="best.pt or checkpoint.pt of a run")] = None,
    folder: Annotated[Path, typer.Option(help="where the three files go")] = ROOT / "weights",
) -> None:
    """Write safetensors, ONNX and JSON, after checking that ONNX and torch agree."""
    if trained is None:
        training = json.loads((folder / f"{name}.json").read_text("utf-8"))["training"]
        net = load_network(folder, name)
    else:
        saved = checkpoint.load(trained)
        if saved is None:
            raise typer.BadParameter(f"{trained} does not exist")
        net = network_from_checkpoint(name, saved.get("ema", saved["net"]))
        training = {"steps": saved["step"], "commit": _commit()}
        training |= {key: round(float(saved[key]), 3) for key in ("hours", "psnr") if key in saved}
    difference = publish(net, name, folder, training)
    typer.echo(f"{folder / name}: ONNX and torch differ by {difference:.1e} at most")


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    typer.run(export)
