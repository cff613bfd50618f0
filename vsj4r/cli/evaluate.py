"""``vsj4r eval``: methods measured side by side, as the deraining papers measure, and beyond luma."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from vsj4r.engine.weights import models
from vsj4r.errors import Vsj4rError

if TYPE_CHECKING:
    from vsj4r.evaluation.measurement import Measured, Method, Pixels

    Sets = Iterator[tuple[str, Iterator[tuple[str, Pixels, Pixels]]]]

SHEET_WIDTH = 240
BENCHMARKS = ("light", "complex", "clean", "long")


def evaluate(
    folder: Annotated[
        Path | None,
        typer.Argument(help="validation footage: a folder with video/ and stills/, for the benchmarks"),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="model to measure; may be repeated [default: all]")
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(
            help="light, complex, clean: the damage without rain, or long: drift over 1,000 frames; "
            "may be repeated [default: all that the footage allows]"
        ),
    ] = None,
    gt: Annotated[Path | None, typer.Option(help="ground truth: a folder of clips, or one clip")] = None,
    rain: Annotated[Path | None, typer.Option(help="the rainy clips of --gt, under the same names")] = None,
    static: Annotated[Path | None, typer.Option(help="a real clip from a camera that stands still")] = None,
    frames: Annotated[
        int, typer.Option(help="most frames read of a clip, for --gt and --static", min=3)
    ] = 400,
    json_file: Annotated[Path | None, typer.Option("--json", help="write every figure here")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="write a contact sheet here, one row a clip (PNG)")
    ] = None,
) -> None:
    """Measure the input, temporal medians and models on clips with ground truth.

    PSNR and SSIM are on luma, as the papers have them; chroma PSNR sees the colours, flicker what changes
    from frame to frame and should not. A clip is a folder of images or a video.
    """
    _check(folder, benchmark, gt, rain, static, json_file, sheet)
    console = Console()
    chosen = _benchmarks(console, folder, benchmark)
    from vsj4r.evaluation import measurement

    methods: dict[str, Method] = {
        "input": measurement.untouched,
        "median 3": measurement.temporal_median(3),
        "median 5": measurement.temporal_median(5),
    }
    methods |= {name: measurement.derained(name) for name in model or models()}
    results: dict[str, object] = {}
    rows: list[Pixels] = []
    try:
        for name, clips in _sets(folder, chosen, gt, rain, frames):
            measured: list[Measured] = []
            with console.status(f"{name}: measuring") as status:
                for row in measurement.measure(clips, methods, lambda shown: rows.append(_sheet_row(shown))):
                    measured.append(row)
                    status.update(f"{name}: {row.clip}, {row.method}")
            console.print(_table(name, measured))
            results |= measurement.as_json({name: measured})
        if folder is not None and "long" in chosen:
            results["long"] = _measure_drift(console, folder, methods)
        if static is not None:
            results["static"] = _measure_static(console, static, frames, methods)
    finally:  # what has been measured is kept
        if json_file is not None and results:
            json_file.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        if sheet is not None and rows:
            _write_sheet(sheet, rows)


def _check(
    folder: Path | None,
    benchmark: list[str] | None,
    gt: Path | None,
    rain: Path | None,
    static: Path | None,
    json_file: Path | None,
    sheet: Path | None,
) -> None:
    """Everything that can be known before hours are spent."""
    for name in benchmark or ():
        if name not in BENCHMARKS:
            raise Vsj4rError(f"benchmark must be one of {', '.join(BENCHMARKS)}, got {name!r}")
    if benchmark and folder is None:
        raise Vsj4rError("--benchmark needs a validation folder")
    if folder is None and gt is None and rain is None and static is None:
        raise Vsj4rError("nothing to measure: give a validation folder, --gt with --rain, or --static")
    if (gt is None) != (rain is None):
        raise Vsj4rError("--gt and --rain go together: the clean clips and the rainy ones")
    if folder is not None and not folder.is_dir():
        raise Vsj4rError(f"validation folder {folder} does not exist")
    for clip in (gt, rain, static):
        if clip is not None and not clip.exists():
            raise Vsj4rError(f"{clip} does not exist")
    if gt is not None and rain is not None:
        for _, rainy in _paths(gt, rain):
            if not rainy.exists():
                raise Vsj4rError(f"{rainy} does not exist")
    for file in (json_file, sheet):
        if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
            raise Vsj4rError(f"{file} can't be written: it must be a file in a folder that exists")
    if find_spec("skimage") is None or find_spec("PIL") is None:
        raise Vsj4rError("eval needs scikit-image: pip install 'vsj4r[train]'")


def _benchmarks(console: Console, folder: Path | None, asked: list[str] | None) -> list[str]:
    """Those ``asked`` for, or all that ``folder`` has footage for."""
    from vsj4r.evaluation.benchmark import check_clips, still_scene

    if folder is None:
        return []
    chosen = list(asked or BENCHMARKS)
    if chosen != ["long"]:
        check_clips(folder)
    if "long" in chosen:
        try:
            still_scene(folder)
        except Vsj4rError as error:
            if asked:
                raise
            console.print(f"long is left out: {error}")
            chosen.remove("long")
    return chosen


def _sets(folder: Path | None, chosen: list[str], gt: Path | None, rain: Path | None, frames: int) -> Sets:
    from vsj4r.evaluation.benchmark import LEVELS, benchmark_clips, dry_clips

    if folder is not None:
        for name in LEVELS:
            if name in chosen:
                yield name, benchmark_clips(folder, name)
        if "clean" in chosen:
            yield "clean", dry_clips(folder)
    if gt is not None and rain is not None:
        yield f"{gt.name} / {rain.name}", _pairs(gt, rain, frames)


def _paths(gt: Path, rain: Path) -> list[tuple[Path, Path]]:
    """One clip, or every clip of two folders under the same name."""
    from vsj4r.media.reading import images_in

    one_clip = not gt.is_dir() or bool(images_in(gt))
    names = [] if one_clip else sorted(p.name for p in gt.iterdir() if not p.name.startswith("."))
    if not one_clip and not names:
        raise Vsj4rError(f"{gt} holds no clips")
    return [(gt, rain)] if one_clip else [(gt / name, rain / name) for name in names]


def _pairs(gt: Path, rain: Path, frames: int) -> Iterator[tuple[str, Pixels, Pixels]]:
    from vsj4r.evaluation.metrics import SMALLEST_PX
    from vsj4r.training.footage import read_clip

    for clean_path, rainy_path in _paths(gt, rain):
        clean, rainy = read_clip(clean_path, frames), read_clip(rainy_path, frames)
        if clean.shape != rainy.shape:
            both = f"{clean_path} and {rainy_path}"
            raise Vsj4rError(f"{both} must have equal frames, got {_shape(clean)} and {_shape(rainy)}")
        if min(clean.shape[1:3]) < SMALLEST_PX:
            raise Vsj4rError(f"{clean_path} must be {SMALLEST_PX} px a side or more, got {_shape(clean)}")
        yield clean_path.name, clean, rainy


def _shape(clip: Pixels) -> str:
    return f"{clip.shape[0]} of {clip.shape[2]}x{clip.shape[1]}"


def _table(name: str, measured: list[Measured]) -> Table:
    from vsj4r.evaluation.measurement import means

    clips = len({row.clip for row in measured})
    table = Table(title=f"{name}: mean of {clips} clip{'s' * (clips != 1)}", title_justify="left")
    table.add_column("method")
    for column in ("PSNR dB", "SSIM", "chroma PSNR dB", "flicker"):
        table.add_column(column, justify="right")
    for method, s in means(measured).items():
        table.add_row(method, f"{s.psnr:.2f}", f"{s.ssim:.4f}", f"{s.chroma_psnr:.2f}", f"{s.flicker:.2f}")
    return table


def _measure_drift(console: Console, folder: Path, methods: dict[str, Method]) -> dict[str, dict[str, float]]:
    """PSNR early and late in a long clip that stands still."""
    from vsj4r.evaluation.benchmark import long_clip
    from vsj4r.evaluation.measurement import drift

    with console.status("long: letting it rain"):
        clean, rainy = long_clip(folder)
    table = Table(title=f"long: a still scene, {len(rainy):,} frames", title_justify="left")
    table.add_column("method")
    for column in ("frames 50 to 149, dB", "last 100, dB"):
        table.add_column(column, justify="right")
    results: dict[str, dict[str, float]] = {}
    for method, run in methods.items():
        with console.status(f"long: {method}"):
            measured = drift(run(rainy), clean)
        results[method] = measured._asdict()
        table.add_row(method, f"{measured.early:.2f}", f"{measured.late:.2f}")
    console.print(table)
    return results


def _measure_static(
    console: Console, path: Path, frames: int, methods: dict[str, Method]
) -> dict[str, float]:
    """The share of the input's squared error to the pseudo ground truth that each method takes away."""
    from vsj4r.evaluation.measurement import static_error, static_truth
    from vsj4r.training.footage import read_clip

    clip = read_clip(path, frames)
    truth = static_truth(clip)
    if not truth.still.any():
        raise Vsj4rError(
            f"{path} has no pixel that stands still: --static is for a camera that does not move"
        )
    before = static_error(clip, truth)
    if before == 0:
        raise Vsj4rError(f"{path} never changes: there is no rain in it to measure")
    table = Table(
        title=f"{path.name}: {truth.still.mean():.0%} of the picture stands still", title_justify="left"
    )
    table.add_column("method")
    table.add_column("error taken away", justify="right")
    gone: dict[str, float] = {}
    for method, run in methods.items():
        with console.status(f"{path.name}: {method}"):
            gone[method] = 1 - static_error(run(clip), truth) / before
        table.add_row(method, f"{gone[method]:.1%}")
    console.print(table)
    return gone


def _sheet_row(pictures: dict[str, Pixels]) -> Pixels:
    """One frame of every method side by side, each ``SHEET_WIDTH`` pixels wide."""
    import numpy as np
    from PIL import Image

    tiles = []
    for picture in pictures.values():
        frame = Image.fromarray(picture)
        height = max(round(frame.height * SHEET_WIDTH / frame.width), 1)
        tiles.append(np.asarray(frame.resize((SHEET_WIDTH, height), Image.Resampling.LANCZOS)))
    return np.concatenate(tiles, 1)


def _write_sheet(path: Path, rows: list[Pixels]) -> None:
    import numpy as np
    from PIL import Image

    Image.fromarray(np.concatenate(rows, 0)).save(path, format="PNG")
