"""``vsj4r train``: weights of one's own, from a recipe and clean footage."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from vsj4r.cli.extra import train_extra
from vsj4r.cores import THREADS_MAX, WORKERS_MAX
from vsj4r.training.launch import place_among_ranks

if TYPE_CHECKING:
    from vsj4r.training.runlog import Progress as Standing


_LONGEST_S = 100 * 365 * 86400  # that is shown to be left


def train(
    recipe: Annotated[Path, typer.Argument(help="TOML recipe, see docs/training.md.")],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's footage folders lie in.")],
    run: Annotated[Path, typer.Option(help="Folder of this run; a run found there is resumed.")],
    threads: Annotated[
        int,
        typer.Option(
            help="CPU threads of the network; 0 is the cores less the workers.", min=0, max=THREADS_MAX
        ),
    ] = 0,
    workers: Annotated[
        int,
        typer.Option(
            help="Processes that render rain, for each process of training.", min=0, max=WORKERS_MAX
        ),
    ] = 1,
) -> None:
    """Train a network, or go on with a run, until the recipe's last step.

    Ctrl-C saves a checkpoint and ends; the same command goes on from there.
    """
    with train_extra("training"):
        from vsj4r.training.session import train_network
    console = Console(stderr=True)
    _log_to(console, place_among_ranks()[0])
    with _bar(console) as bar:
        task = bar.add_task("training", total=None, loss=0.0, gain=0.0, step_s=0.0, loader_s=0.0, left="?")

        def show(now: Standing) -> None:
            left = timedelta(seconds=round(min(now.left_s, _LONGEST_S)))
            bar.update(
                task, completed=now.step, total=now.steps, loss=now.loss, gain=now.psnr_out - now.psnr_in,
                step_s=now.step_s, loader_s=now.loader_s, left=left,
            )  # fmt: skip

        stopped_by = train_network(recipe, data, run, threads=threads, workers=workers, on_step=show)
    if stopped_by is not None:
        logging.getLogger("vsj4r").info("stopped, checkpoint saved: the same command goes on from there")
        raise typer.Exit(128 + stopped_by)


def _log_to(console: Console, rank: int) -> None:
    """Lines above the bar on a terminal, plain ones elsewhere; of several processes the first one's only."""
    handler: logging.Handler = RichHandler(console=console, show_level=False, show_path=False)
    if not console.is_terminal:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("vsj4r")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO if rank == 0 else logging.ERROR)


def _bar(console: Console) -> Progress:
    return Progress(
        MofNCompleteColumn(),
        BarColumn(bar_width=8),
        TextColumn("loss {task.fields[loss]:.4f} {task.fields[gain]:+.2f} dB"),
        TextColumn("{task.fields[step_s]:.2f} s/step, {task.fields[loader_s]:.2f} waiting"),
        TextColumn("{task.fields[left]} left"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
