"""``vsj4r compare``: before and after, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsj4r.cli.outcome import one_line


def compare(
    before: Annotated[
        Path, typer.Argument(metavar="BEFORE", help="A video, or a folder of images.", show_default=False)
    ],
    after: Annotated[
        Path, typer.Argument(metavar="AFTER", help="The derained video or folder.", show_default=False)
    ],
    truth: Annotated[
        Path | None,
        typer.Option("--gt", help="The same scene without rain (ground truth), where there is one."),
    ] = None,
    page: Annotated[Path, typer.Option("--output", "-o", help="The page to write.")] = Path("compare.html"),
    video: Annotated[Path | None, typer.Option(help="Write them side by side as a video, too.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
) -> None:
    """Show BEFORE and AFTER on one HTML page, with a slider over the frames that tell most.

    The page has everything in it and needs no network. Graphs show how much was
    removed from each frame and, with --gt, PSNR, SSIM and VMAF.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from vsj4r import __version__
    from vsj4r.compare.comparison import Comparison, write_comparison

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    comparison = Comparison(before, after, truth, page, video, overwrite)
    with bar:
        task = bar.add_task("reading", total=None)

        def on_step(name: str, done: int, total: int) -> None:
            bar.update(task, description=name, completed=done, total=total)

        compared = write_comparison(comparison, on_step, version=__version__)
    for note in compared.notes:
        typer.echo(f"vsj4r: {note}", err=True)
    written = ", ".join(one_line(path) for path in (page, video) if path is not None)
    typer.echo(f"{written}: {compared.summary}")
