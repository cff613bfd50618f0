"""``vsj4r adapt``: shipped weights fitted to one rainy clip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from vsj4r import __version__
from vsj4r.cli.extra import train_extra
from vsj4r.cli.outcome import UsageError
from vsj4r.cores import THREADS_MAX
from vsj4r.media.whole import Read, check_output
from vsj4r.words import count_of

if TYPE_CHECKING:
    from vsj4r.adaptation.fitting import Standing


def adapt(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A rainy video, 24 frames or more.")],
    out: Annotated[
        Path, typer.Option(help="The model to write, NAME.onnx; .json and .safetensors beside it.")
    ],
    model: Annotated[str, typer.Option(help="What to begin from: a shipped model or an .onnx file.")] = "j4r",
    minutes: Annotated[
        float,
        typer.Option(help="Minutes that it may learn; judging the clip comes on top.", min=0.01, max=1440),
    ] = 8.0,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 is all cores.", min=0, max=THREADS_MAX)] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Fit a model to one rainy clip, which needs no ground truth.

    A part of the clip is not learned from; where it does not come out better, OUT
    is the model begun from. Ctrl-C keeps what has been learned in OUT.adapting;
    the same command goes on from there.
    """
    from vsj4r.engine.weights import find_model, model_files

    if out.suffix != ".onnx":
        raise UsageError(f"--out must end with .onnx, got {out}")
    read = Read([source, *model_files(model)])
    for kind in (".onnx", ".safetensors", ".json"):
        check_output(out.with_suffix(kind), read=read, folder=False, overwrite=overwrite)
    with train_extra("adapting"):
        import torch

        from vsj4r.adaptation import fitting
    if threads:
        torch.set_num_threads(threads)
    begun_from = find_model(model)
    net = fitting.load_start(begun_from)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    state = out.with_name(f"{out.name}.adapting")
    with _bar() as bar:
        task = bar.add_task("adapting", total=1.0, step=0, before=0.0, best=0.0)

        def show(now: Standing) -> None:
            bar.update(task, completed=now.share, step=now.step, before=now.start_score, best=now.best_score)

        try:
            found = fitting.fit_to_clip(
                source, net, state, minutes=minutes, device=device, replaces=overwrite, on_step=show
            )
        except (KeyboardInterrupt, SystemExit):
            if state.exists():
                typer.echo(f"stopped, {state} kept: the same command goes on from there", err=True)
            raise
    spent = f"{count_of(found.steps, 'step')}, {found.seconds / 60:.1f} min"
    fitting.publish_adapted(found, begun_from, out, version=__version__, replaces=overwrite)
    state.unlink(missing_ok=True)
    if not found.better:
        typer.echo(f"{out} is {model} as it was: nothing learned from {source} made it better ({spent})")
        return
    typer.echo(
        f"{out}: rain left {found.before.rain_left:.2f} -> {found.after.rain_left:.2f}, sharpness "
        f"{found.before.sharpness:.3f} -> {found.after.sharpness:.3f}, score {found.before.score:.2f} -> "
        f"{found.after.score:.2f} on frames that it has not learned from ({spent})"
    )


def _bar() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("step {task.fields[step]}"),
        BarColumn(bar_width=20),
        TextColumn("score {task.fields[before]:.2f} -> {task.fields[best]:.2f}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
