"""``vsj4r eval``: methods measured side by side, as the deraining papers measure, and beyond luma."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vsj4r.engine import PRECISIONS
from vsj4r.errors import Vsj4rError
from vsj4r.media.whole import Read, check_output, whole_file
from vsj4r.pip_commands import install_extra

if TYPE_CHECKING:
    from vsj4r.arrays import Floats, Pixels
    from vsj4r.evaluation.measurement import Measured, Method, RealMeasured
    from vsj4r.evaluation.rain_crops import Crop
    from vsj4r.evaluation.real_rain import RealScores

    Sets = Iterator[tuple[str, Iterator[tuple[str, Pixels, Pixels]]]]

BENCHMARKS = ("light", "complex", "clean", "long")
_SHIPPED_NAME = len("j4r-lite-free")  # a path may be in several lines


def evaluate(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Validation footage: a folder with video/ and stills/, for the benchmarks."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Model to measure; may be repeated.", show_default="all")
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(
            help="light, complex, clean: the damage without rain, or long: drift over 1,000 frames; "
            "may be repeated.",
            show_default="all that the footage allows",
        ),
    ] = None,
    gt: Annotated[Path | None, typer.Option(help="Ground truth: a folder of clips, or one clip.")] = None,
    rain: Annotated[Path | None, typer.Option(help="The rainy clips of --gt, under the same names.")] = None,
    real: Annotated[
        list[Path] | None,
        typer.Option(help="A clip of real rain, or a folder of clips; may be repeated."),
    ] = None,
    frames: Annotated[
        int, typer.Option(help="Most frames read of a clip, for --gt and --real.", min=3)
    ] = 400,
    precision: Annotated[str, typer.Option(help="auto, f32, bf16 or int8: figures differ.")] = "auto",
    bidirectional: Annotated[
        bool, typer.Option("--bidirectional", help="Go through the clips backwards, too.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure here.")] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Write a contact sheet here (PNG): one frame of each clip, or its rainiest parts."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Measure the input, temporal medians and models: on clips with ground truth, or on real rain.

    PSNR and SSIM are on luma, as the papers have them; chroma PSNR sees the
    colours, flicker what changes from frame to frame and should not. Of real
    rain: how much of its light is left, how much of the picture is kept, and one
    score of both (docs/real-rain.md). A clip is a folder of images or a video.
    """
    from vsj4r.engine.weights import model_files, models

    _check(folder, benchmark, gt, rain, real or [], frames, sheet, json_file)
    if outputs := [output for output in (json_file, sheet) if output is not None]:
        footage = [given for given in (folder, gt, rain, *(real or ())) if given is not None]
        files = [path for given in footage for path in (given, *given.rglob("*"))]
        read = Read([*files, *(path for name in model or () for path in model_files(name))])
        for output in outputs:
            check_output(output, read=read, folder=False, overwrite=overwrite)
    if precision not in PRECISIONS:
        raise Vsj4rError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    console = Console(markup=False)
    chosen = _benchmarks(console, folder, benchmark)
    from vsj4r.evaluation.clips import real_clips

    clips_of_rain = real_clips(real or [])
    from vsj4r.evaluation import measurement

    methods: dict[str, Method] = {
        "input": measurement.identity,
        "median 3": measurement.temporal_median(3),
        "median 5": measurement.temporal_median(5),
    }
    way = " bidirectional" if bidirectional else ""
    methods |= {
        f"{name}{way}": measurement.derain_by(name, precision=precision, bidirectional=bidirectional)
        for name in model or models()
    }
    results: dict[str, object] = {}
    rows: list[Pixels] = []
    crops: dict[str, list[Crop]] = {}

    def show(pictures: dict[str, Pixels]) -> None:
        if sheet is not None:
            from vsj4r.evaluation.sheets import frames_row

            rows.append(frames_row(pictures))

    try:
        for name, clips in _sets(folder, chosen, gt, rain, frames):
            measured: list[Measured] = []
            with console.status(Text(f"{name}: measuring")) as status:
                for row in measurement.measure_methods(clips, methods, show):
                    measured.append(row)
                    status.update(Text(f"{name}: {row.clip}, {row.method}"))
            console.print(_table(name, measured))
            results |= measurement.benchmarks_as_json({name: measured})
        if folder is not None and "long" in chosen:
            results["long"] = _measure_drift(console, folder, methods)
        rained: list[RealMeasured] = []
        for name, path in clips_of_rain.items():
            rained += _measure_rain(console, name, path, frames, methods, crops)
            results["real"] = measurement.real_rain_as_json(rained)
        if len(clips_of_rain) > 1:
            rainy = {row.clip for row in rained if not math.isnan(row.scores.rain_left)}
            few = f", rain stands out in {len(rainy)}" if len(rainy) < len(clips_of_rain) else ""
            title = f"median of {len(clips_of_rain)} clips{few}"
            console.print(_real_table(title, measurement.medians(rained)))
    finally:  # what has been measured is kept
        if json_file is not None and results:
            with whole_file(json_file, replaces=overwrite) as part:
                part.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        if sheet is not None and (rows or crops):
            from vsj4r.evaluation.sheets import write_frames_sheet, write_rain_sheet

            if rows:
                write_frames_sheet(sheet, rows, replaces=overwrite)
            else:
                write_rain_sheet(sheet, crops, replaces=overwrite)


def _check(
    folder: Path | None,
    benchmark: list[str] | None,
    gt: Path | None,
    rain: Path | None,
    real: list[Path],
    frames: int,
    sheet: Path | None,
    json_file: Path | None,
) -> None:
    """Everything that can be known before hours are spent."""
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise Vsj4rError(f"--sheet is a PNG: name it so, got {sheet}")
    if sheet is not None and json_file is not None and os.path.realpath(sheet) == os.path.realpath(json_file):
        raise Vsj4rError(f"--json and --sheet must be two files, got {sheet} twice")
    for name in benchmark or ():
        if name not in BENCHMARKS:
            raise Vsj4rError(f"benchmark must be one of {', '.join(BENCHMARKS)}, got {name!r}")
    if benchmark and folder is None:
        raise Vsj4rError("--benchmark needs a validation folder")
    if folder is None and gt is None and rain is None and not real:
        raise Vsj4rError("nothing to measure: give a validation folder, --gt with --rain, or --real")
    if (gt is None) != (rain is None):
        raise Vsj4rError("--gt and --rain go together: the clean clips and the rainy ones")
    if folder is not None and not folder.is_dir():
        what = "is no folder: --real measures single clips" if folder.exists() else "does not exist"
        raise Vsj4rError(f"validation folder {folder} {what}")
    if sheet is not None and real and (folder is not None or gt is not None):
        raise Vsj4rError("--sheet of --real is another sheet: measure real clips alone, or leave --sheet out")
    for clip in (gt, rain, *real):
        if clip is not None and not clip.exists():
            raise Vsj4rError(f"{clip} does not exist")
    if gt is not None and rain is not None:
        from vsj4r.evaluation.clips import pair_paths

        pair_paths(gt, rain)
    if real:
        from vsj4r.evaluation.real_rain import FEWEST_FRAMES

        if frames < FEWEST_FRAMES:
            raise Vsj4rError(f"--frames must be {FEWEST_FRAMES} or more for --real, got {frames}")
    if (folder is not None or gt is not None) and find_spec("skimage") is None:
        raise Vsj4rError(f"eval needs scikit-image: {install_extra('demo')}")
    if sheet is not None and find_spec("PIL") is None:
        raise Vsj4rError(f"--sheet needs Pillow: {install_extra('train')}")


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
            console.print(f"long is left out: {error}", soft_wrap=True)
            chosen.remove("long")
    return chosen


def _sets(folder: Path | None, chosen: list[str], gt: Path | None, rain: Path | None, frames: int) -> Sets:
    from vsj4r.evaluation.benchmark import INPUT_LEVELS, benchmark_clips, dry_clips
    from vsj4r.evaluation.clips import pairs

    if folder is not None:
        for name in INPUT_LEVELS:
            if name in chosen:
                yield name, benchmark_clips(folder, name)
        if "clean" in chosen:
            yield "clean", dry_clips(folder)
    if gt is not None and rain is not None:
        yield f"{gt.name} / {rain.name}", pairs(gt, rain, frames)


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
        with console.status(Text(f"long: {method}")):
            measured = drift(run(rainy), clean)
        results[method] = measured._asdict()
        table.add_row(method, f"{measured.early:.2f}", f"{measured.late:.2f}")
    console.print(table)
    return results


def _measure_rain(
    console: Console,
    name: str,
    path: Path,
    frames: int,
    methods: dict[str, Method],
    crops: dict[str, list[Crop]],
) -> list[RealMeasured]:
    """One clip of real rain; ``crops`` gets its rainiest parts."""
    from vsj4r.evaluation.measurement import measure_rain
    from vsj4r.evaluation.rain_crops import RainCrops
    from vsj4r.training.footage import clip_frames

    rainiest, done = RainCrops(), 0
    with console.status(Text(f"{name}: measuring")) as status:

        def on_frame(shown: dict[str, Pixels], rain: Floats | None) -> None:
            nonlocal done
            done += 1
            status.update(Text(f"{name}: frame {done}"))
            rainiest.add(shown, rain)

        measured = measure_rain(name, islice(clip_frames(path), frames), methods, on_frame)
    crops[name] = rainiest.crops()
    scores = {row.method: row.scores for row in measured}
    console.print(_real_table(f"{name}: real rain, {done} frames", scores))
    if math.isnan(measured[0].scores.rain_left):
        console.print("no rain stands out from noise and motion: there is nothing to measure it by")
    return measured


def _real_table(title: str, scores: dict[str, RealScores]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)  # 80 columns
    table.add_column("method", min_width=min(_SHIPPED_NAME, max(map(len, scores))))
    for column in ("left", "low", "high", "U", "V", "sharp", "damage", "flicker", "harm", "score"):
        table.add_column(column, justify="right", no_wrap=True)
    for method, s in scores.items():
        left = (s.rain_left, s.rain_left_low, s.rain_left_high)
        kept = (s.u_left, s.v_left, s.sharpness, s.damage, s.flicker, s.harm, s.score)
        table.add_row(method, *map(_share, (*left, *kept)))
    return table


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.{2 if abs(value) < 10 else 0}f}"
