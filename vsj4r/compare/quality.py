"""PSNR, SSIM and VMAF against a ground truth, frame by frame, by ffmpeg's filters."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import ffmpeg
import vapoursynth as vs

from vsj4r.compare.sides import Side, in_yuv420
from vsj4r.errors import Vsj4rError
from vsj4r.media.encoders import ffmpeg_executable, has_filter
from vsj4r.media.nut import NutWriter
from vsj4r.media.process import FFmpeg
from vsj4r.media.video import frames_in_order

SMALLEST_PX = 32
"""libvmaf crashes on 16."""


@dataclass(frozen=True, slots=True)
class Quality:
    """One number a frame: PSNR of luma in dB (infinite where nothing differs), SSIM of luma, VMAF 0 to 100.
    ``vmaf`` is empty where ffmpeg has no libvmaf."""

    psnr: list[float]
    ssim: list[float]
    vmaf: list[float]


def measure_quality(tested: list[Side], truth: Side, on_frame: Callable[[int], None]) -> list[Quality]:
    """How near each of ``tested`` comes to ``truth``, 8 bit, or 10 where one of them is deeper.

    All go to ffmpeg as one picture, stacked, so that no timestamp can pair the wrong frames.

    Raises:
        Vsj4rError: a frame or ffmpeg fails, or the frames are smaller than ``SMALLEST_PX``.
    """
    sides = [*tested, truth]
    width, height = truth.clip.width, truth.clip.height
    if min(width, height) < SMALLEST_PX:
        raise Vsj4rError(f"a ground truth must have {SMALLEST_PX} px a side or more, got {width}x{height}")
    depth = 10 if any(side.clip.format.bits_per_sample > 8 for side in sides) else 8
    clips = in_yuv420(sides, depth)
    stacked = vs.core.std.StackVertical(clips)
    with TemporaryDirectory(prefix="vsj4r-") as folder:
        logs = [
            [Path(folder, f"{n}.{kind}") for kind in ("psnr", "ssim", "vmaf")] for n in range(len(tested))
        ]
        command = _command(clips[0].width, clips[0].height, logs, vmaf=has_filter("libvmaf"))
        writer = NutWriter(stacked, time_base=Fraction(1, 25), rate=Fraction(25))
        with closing(frames_in_order(stacked)) as frames, FFmpeg(command) as process:
            for n, frame in enumerate(frames):
                process.put(writer.frame(frame, n))
                on_frame(n + 1)
            process.put(writer.end)
            process.finish()
        found = [Quality(_read_log(p, "psnr_y"), _read_log(s, "Y"), _read_vmaf_log(v)) for p, s, v in logs]
    for quality in found:
        if any(
            len(numbers) not in (0, len(stacked)) for numbers in (quality.psnr, quality.ssim, quality.vmaf)
        ):
            raise Vsj4rError("ffmpeg has not measured every frame")
    return found


def _command(width: int, height: int, logs: list[list[Path]], *, vmaf: bool) -> list[str]:
    tested = len(logs)
    parts = ffmpeg.input("pipe:0", format="nut").video.filter_multi_output("split")
    cut = [parts[n].filter("crop", width, height, 0, n * height) for n in range(tested + 1)]
    truths = _copies(cut[tested])
    outputs = []
    for part, (psnr, ssim, log) in zip(cut, logs, strict=False):
        part = ffmpeg.filter([part, next(truths)], "psnr", stats_file=str(psnr))  # noqa: PLW2901
        part = ffmpeg.filter([part, next(truths)], "ssim", stats_file=str(ssim))  # noqa: PLW2901
        if vmaf:
            options = {"log_path": str(log), "log_fmt": "json", "n_threads": os.cpu_count() or 1}
            part = ffmpeg.filter([part, next(truths)], "libvmaf", **options)  # noqa: PLW2901
        outputs.append(ffmpeg.output(part, "-", format="null", fps_mode="passthrough"))
    command: list[str] = ffmpeg.compile(
        ffmpeg.merge_outputs(*outputs),
        cmd=[ffmpeg_executable(), "-hide_banner", "-loglevel", "error", "-nostdin"],
    )
    return command


def _copies(stream: object) -> Iterator[object]:
    """A filter's output is used once: as many copies as are asked for."""
    parts = stream.filter_multi_output("split")  # type: ignore[attr-defined]
    n = 0
    while True:
        yield parts[n]
        n += 1


def _read_log(log: Path, key: str) -> list[float]:
    """The numbers after ``key:`` in the log of psnr or ssim, one a line."""
    return [float(number) for number in re.findall(rf"\b{key}:(\S+)", log.read_text())]


def _read_vmaf_log(log: Path) -> list[float]:
    if not log.exists():
        return []
    return [float(frame["metrics"]["vmaf"]) for frame in json.loads(log.read_text())["frames"]]
