"""``vsj4r run``: derain one video, or one folder of images."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsj4r.cli.outcome import UsageError
from vsj4r.errors import Vsj4rError

if TYPE_CHECKING:
    from vsj4r.run.settings import Form


def run(
    input_name: Annotated[
        str,
        typer.Argument(
            metavar="INPUT", help="A video file, a folder of images, a .vpy, or - for y4m from stdin."
        ),
    ],
    output_name: Annotated[
        str,
        typer.Argument(
            metavar="OUTPUT",
            help="A video file (.mkv .mp4 .mov .mxf .webm ...), a folder for images, or - for y4m to stdout.",
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="A shipped model, or the path of an .onnx file.", show_default="j4r")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda or cuda:N.", show_default="auto")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="auto, f32, bf16 or int8.", show_default="auto")
    ] = None,
    downscale: Annotated[
        int | None,
        typer.Option(
            help="The network sees frames of so many times smaller sides, 1 to 8; 0 chooses by the size.",
            show_default="0",
        ),
    ] = None,
    bidirectional: Annotated[
        bool,
        typer.Option(
            "--bidirectional", help="Go through the clip backwards, too: better, at 2.3 times the work."
        ),
    ] = False,
    strength: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|FILE",
            help="0 (no change) to 1 (all rain); or a file of lines such as 120 0.5: from frame 120 on.",
            show_default="1.0",
        ),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            help="derained, rain or occlusion; several give several files, OUTPUT and OUTPUT.rain ...",
            show_default="derained",
        ),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="PNG|VIDEO|FOLDER", help="Where to derain: white all, black nothing, grey in part."
        ),
    ] = None,
    planes: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="The planes to derain, such as 0 for luma; all by default."),
    ] = None,
    scenes: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="The first frame of each scene, in place of detection."),
    ] = None,
    qpfile: Annotated[
        str | None, typer.Option(metavar="FILE", help="The same from an x264 qpfile, or Av1an's scenes.json.")
    ] = None,
    trim: Annotated[
        str | None,
        typer.Option(
            metavar="START:END",
            help="Only these frames, END not included: 100:250, or times, 1:02:03.5:1:03:00.",
        ),
    ] = None,
    preview: Annotated[
        bool,
        typer.Option(
            "--preview", help="Only 5 s where it rains most; into a .png, one frame before and after."
        ),
    ] = False,
    preset: Annotated[
        str | None, typer.Option(help="prores, dnxhr, ffv1, mezzanine, archive or web.")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="x264, x265, svtav1, vp9, ffv1, prores, dnxhr; on a graphics card nvenc, qsv, vaapi, amf; "
            "auto: x264, x265 for HDR, svtav1 for .webm, dnxhr for .mxf.",
            show_default="auto",
        ),
    ] = None,
    crf: Annotated[
        int | None, typer.Option(help="Quality of the encoder, lower is better; x264 has 17 by default.")
    ] = None,
    depth: Annotated[
        int | None, typer.Option(help="Bits a sample of the output; those of the input by default.")
    ] = None,
    chroma: Annotated[str | None, typer.Option(help="420, 422 or 444; that of the input by default.")] = None,
    track: Annotated[
        int | None,
        typer.Option(help="Which video track, counted from 0; the one that a player would play by default."),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            help="Images of an output folder: png, tif, exr or dpx; EXR and DPX stay what they are."
        ),
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option(
            help="Frames a second of an input that does not say it: images, raw streams.", show_default="25"
        ),
    ] = None,
    cfr: Annotated[
        str | None,
        typer.Option(
            metavar="RATE|auto",
            help="Write a constant rate, such as 25 or 30000/1001: frames are repeated or left out.",
        ),
    ] = None,
    assume_progressive: Annotated[
        bool,
        typer.Option(
            "--assume-progressive", help="Take frames that are flagged as interlaced as progressive."
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Report as JSON lines on stdout (stderr where frames go there).")
    ] = False,
    ffmpeg: Annotated[str, typer.Option(help='More output options for ffmpeg, e.g. "-preset slow".')] = "",
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Add what was done to this file, with the exact commands."),
    ] = None,
) -> None:
    """Derain INPUT into OUTPUT; sound, subtitles, chapters and timestamps are kept.

    OUTPUT appears when it is complete: a failed run leaves nothing behind.
    """
    from vsj4r.cli.report import BarReport, JsonReport, Report
    from vsj4r.cli.run_report import derain_with_report
    from vsj4r.cli.spelling import settings_from, split_trim, strength_of, whole_numbers
    from vsj4r.logfile import check_log
    from vsj4r.media.containers import CONTAINERS, names_folder
    from vsj4r.media.pipes import STDIN, STDOUT, is_y4m
    from vsj4r.media.whole import writing_to
    from vsj4r.run.job import Job, check_job, is_picture_name

    for name, value in (("INPUT", input_name), ("OUTPUT", output_name)):
        if not value or Path(value).name.lower() in CONTAINERS:
            raise UsageError(f"{name} has no name: {value!r}")
    try:
        arguments = tuple(shlex.split(ffmpeg))
    except ValueError as error:
        raise UsageError(f"--ffmpeg {ffmpeg!r}: {error}") from error
    given = {
        "model": model,
        "device": device,
        "precision": precision,
        "downscale": downscale,
        "bidirectional": bidirectional,
        "strength": None if strength is None else strength_of(strength),
        "outputs": [name for each in outputs or () for name in each.split(",")] or None,
        "mask": mask,
        "planes": None if planes is None else whole_numbers(planes, "--planes"),
        "scenes": None if scenes is None else whole_numbers(scenes, "--scenes"),
        "qpfile": qpfile,
        "trim": None if trim is None else split_trim(trim),
        "encoder": encoder,
        "crf": crf,
        "depth": depth,
        "chroma": chroma,
        "image": image,
        "track": track,
        "fps": fps,
        "cfr": cfr,
        "assume_progressive": assume_progressive,
        "overwrite": overwrite,
    }
    source = STDIN if input_name == "-" else Path(input_name)
    output = STDOUT if output_name == "-" else Path(output_name)
    report: Report = JsonReport(sys.stderr if output == STDOUT else sys.stdout) if as_json else BarReport()
    with report:
        to_folder = names_folder(output_name)
        is_picture = preview and is_picture_name(output)
        form: Form = "images" if to_folder or is_picture else "y4m" if is_y4m(output) else "video"
        job = Job(
            input=source,
            output=output,
            to_folder=to_folder,
            settings=settings_from(given, preset=preset, suffix=output.suffix, form=form),
            ffmpeg=arguments,
            preview=preview,
        )
        try:
            check_job(job)
            if log is not None:
                with writing_to(log):
                    check_log(log, job.settings.paths(output))
        except Vsj4rError as error:
            raise UsageError(str(error)) from error
        derain_with_report(job, report, log)
