"""``vsj4r run``: derain one video, or one folder of images."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from vsj4r.cli.outcome import UsageError
from vsj4r.errors import Vsj4rError


def run(
    input_name: Annotated[str, typer.Argument(metavar="INPUT", help="A video file, or a folder of images.")],
    output_name: Annotated[
        str,
        typer.Argument(
            metavar="OUTPUT", help="A video file (.mkv .mp4 .mov .webm ...), or a folder for PNG images."
        ),
    ],
    model: Annotated[str, typer.Option(help="A shipped model, or the path of an .onnx file.")] = "j4r",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    strength: Annotated[float, typer.Option(min=0.0, max=1.0, help="0 changes nothing, 1 is all.")] = 1.0,
    encoder: Annotated[str, typer.Option(help="x264, x265, svtav1, vp9, ffv1 or prores.")] = "x264",
    crf: Annotated[
        int | None, typer.Option(min=0, max=63, help="Quality of the encoder, lower is better.")
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option(help="Frames a second of an input that does not say it: images, raw streams.  [25]"),
    ] = None,
    assume_progressive: Annotated[
        bool,
        typer.Option("--assume-progressive", help="Frames flagged as interlaced are whole all the same."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON lines on stdout.")] = False,
    ffmpeg: Annotated[str, typer.Option(help='More output options for ffmpeg, e.g. "-preset slow".')] = "",
) -> None:
    """Derain INPUT into OUTPUT; sound, subtitles, chapters and timestamps are kept.

    A folder of images is read in the order of its names; as a video it has 25 frames a second,
    or --fps.
    OUTPUT appears when it is complete: a failed or interrupted run leaves nothing behind.
    """
    from vsj4r.cli.report import BarReport, JsonReport, Report
    from vsj4r.cli.run_report import derain_with_report
    from vsj4r.media.sources import Reading
    from vsj4r.media.times import parse_rate
    from vsj4r.run.derain import Job, check_job

    try:
        rate = None if fps is None else parse_rate(fps)
    except Vsj4rError as error:
        raise UsageError(str(error)) from error
    try:
        arguments = tuple(shlex.split(ffmpeg))
    except ValueError as error:
        raise UsageError(f"--ffmpeg {ffmpeg!r}: {error}") from error
    job = Job(
        input=Path(input_name),
        output=Path(output_name),
        to_folder=is_folder_name(output_name),
        model=model,
        device=device,
        strength=strength,
        encoder=encoder,
        crf=crf,
        overwrite=overwrite,
        ffmpeg=arguments,
        reading=Reading(rate, assume_progressive),
    )
    report: Report = JsonReport() if as_json else BarReport()
    with report:
        try:
            check_job(job)
        except Vsj4rError as error:
            raise UsageError(str(error)) from error
        derain_with_report(job, report)


def is_folder_name(name: str) -> bool:
    """Whether output ``name`` means a folder: it is one already, ends with a separator, or has no suffix."""
    separators = tuple(filter(None, (os.sep, os.altsep)))
    return Path(name).is_dir() or name.endswith(separators) or not Path(name).suffix
