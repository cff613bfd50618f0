"""One comparison, from two or three inputs to the page and the video."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import vapoursynth as vs

from vsj4r.compare.measures import measure_sides
from vsj4r.compare.page import render_page, summary
from vsj4r.compare.quality import measure_quality
from vsj4r.compare.sides import Side, choose_timed_side, in_yuv420, open_sides
from vsj4r.errors import Vsj4rError
from vsj4r.media.command import Encode
from vsj4r.media.containers import CONTAINERS, container_for
from vsj4r.media.encoders import find_encoder, has_filter
from vsj4r.media.extras import Extras
from vsj4r.media.frame_errors import frame_errors
from vsj4r.media.muxing import find_extras
from vsj4r.media.reading import missing_error
from vsj4r.media.video import write_video
from vsj4r.media.whole import Read, check_output, whole_file
from vsj4r.run.memory import give_frames_back

OnStep = Callable[[str, int, int], None]
"""Told what is done at the moment, how many frames of it, and of how many."""

_PAGES = (".html", ".htm")
_VIDEOS = tuple(suffix for suffix, container in CONTAINERS.items() if container.h264)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``page`` is the HTML file to write; ``video`` None is no video; ``truth`` None is no ground truth."""

    before: Path
    after: Path
    truth: Path | None
    page: Path
    video: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """``summary`` is one line; ``notes``: what is missing from the page or the video, a line each."""

    summary: str
    notes: list[str]


@frame_errors()
def write_comparison(comparison: Comparison, on_step: OnStep, *, version: str) -> Compared:
    """Write the page and, where it is asked for, the video. On any exception neither is left half done.

    Raises:
        Vsj4rError: everything that the user can mend, in one line.
    """
    outputs = [output for output in (comparison.page, comparison.video) if output is not None]
    _check(comparison, outputs)
    give_frames_back()
    sides = open_sides(comparison.before, comparison.after, comparison.truth)
    frames = len(sides[0].clip)
    notes = [f"{side.name}: {line}" for side in sides for line in side.source.said]
    measures = measure_sides(sides[0], sides[1], lambda done: on_step("comparing", done, frames))
    quality = []
    if comparison.truth is not None:
        quality = measure_quality(sides[:2], sides[2], lambda done: on_step("measuring", done, frames))
        if not has_filter("libvmaf"):
            notes.append("this ffmpeg has no libvmaf: VMAF is left out")
    with whole_file(comparison.page, replaces=comparison.overwrite) as temporary:
        temporary.write_text(render_page(sides, measures, quality, version), "utf-8")
        if comparison.video is not None:
            notes += _write_video(
                sides,
                comparison.video,
                lambda done: on_step("encoding", done, frames),
                replaces=comparison.overwrite,
            )
    return Compared(summary(measures, quality), notes)


def _check(comparison: Comparison, outputs: list[Path]) -> None:
    if comparison.page.suffix.lower() not in _PAGES:
        raise Vsj4rError(f"the page is HTML: name {comparison.page} .html (--video writes a video)")
    if comparison.video is not None and comparison.video.suffix.lower() not in _VIDEOS:
        raise Vsj4rError(
            f"the video is H.264: name {comparison.video} {', '.join(_VIDEOS[:-1])} or {_VIDEOS[-1]}"
        )
    sources = [source for source in (comparison.before, comparison.after, comparison.truth) if source]
    for source in sources:
        if not source.exists():
            raise missing_error(source)
    read = Read(sources)
    for output in outputs:
        check_output(output, read=read, folder=False, overwrite=comparison.overwrite)


def _write_video(
    sides: list[Side], output: Path, on_frame: Callable[[int], None], *, replaces: bool
) -> list[str]:
    """All sides in a row, each with its label, with the sound and the timestamps of the first video.

    Returns a line for each thing of that video that ``output`` lacks.
    """
    clips = [
        clip.text.Text(side.label, alignment=7, scale=max(clip.height // 360, 1))
        for side, clip in zip(sides, in_yuv420(sides, 8), strict=True)
    ]
    source = choose_timed_side(sides).source
    container = container_for(output)
    time_base, timestamps, last_seconds = source.times(container)
    extras = Extras() if source.probe is None else find_extras(source.probe, output.suffix)
    encode = Encode(
        container=container,
        encoder=find_encoder("x264"),
        time_base=time_base,
        timestamps=timestamps,
        rate=source.rate_beside(time_base, timestamps),
        last_seconds=last_seconds,
        source=source.probe,
        extras=extras,
    )
    write_video(vs.core.std.StackHorizontal(clips), output, encode, replaces=replaces, on_frame=on_frame)
    return [*source.notes(), *extras.notes]
