"""``vsj4r export``: the weights of a run as a model for the filter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsj4r import __version__
from vsj4r.cli.extra import train_extra
from vsj4r.cli.outcome import UsageError, one_line
from vsj4r.media.whole import Read, check_output


def export(
    name: Annotated[
        str, typer.Argument(help="The three files are called NAME.safetensors, .onnx and .json.")
    ],
    trained: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="best.pt or checkpoint.pt of a run.",
            show_default="NAME.safetensors, anew; with --overwrite",
        ),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the three files go.")] = Path(),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Write safetensors, ONNX and JSON of trained weights, once ONNX and torch agree on six frames.

    Derain(clip, model="NAME.onnx") and --model NAME.onnx take them.
    """
    if not name.strip(".") or Path(name).name != name:
        raise UsageError(f"NAME must be a name (--folder says where), got {name!r}")
    read = Read([trained] if trained else [])
    for kind in ("safetensors", "onnx", "json"):
        if name.endswith(f".{kind}"):
            raise UsageError(f"NAME must be without .{kind}, which is added: got {name}")
        check_output(folder / f"{name}.{kind}", read=read, folder=False, overwrite=overwrite)
    with train_extra("export"):
        from vsj4r.publishing.trained_run import export_run
    exported = export_run(name, folder, trained, version=__version__, replaces=overwrite)
    typer.echo(f"{one_line(folder / name)}.onnx: ONNX and torch differ by {exported.difference:.1e} at most")
    boxes = exported.parameters
    typer.echo(", ".join(f"{box} {count:,}" for box, count in boxes.items()))
    shaping = boxes["r_net"] + boxes["c_net"]
    typer.echo(
        f"{sum(boxes.values()):,} parameters in training, {sum(boxes.values()) - shaping:,} in the graph"
    )
