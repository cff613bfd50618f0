"""One run: an input derained into an output, frame by frame, whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import vapoursynth as vs

from vsj4r.encode.command import encode_command
from vsj4r.encode.encoders import find_encoder
from vsj4r.encode.images import write_png
from vsj4r.encode.muxing import Extras, container_for, count_video_packets, find_extras
from vsj4r.encode.nut import NutWriter
from vsj4r.encode.outputs import check_output, whole_file, whole_folder
from vsj4r.encode.process import FFmpeg
from vsj4r.encode.sources import Source, first_line, open_source, to_yuv420
from vsj4r.engine.weights import find_model
from vsj4r.errors import Vsj4rError

_FRAMES_ASKED_AHEAD = 2  # the network works on one frame at a time: more would only take memory
_FRAMES_WAITING = 4


@dataclass(frozen=True, slots=True)
class Job:
    """What to derain, and how. ``crf`` None is the encoder's default; ``ffmpeg`` are extra output arguments.

    ``output`` is a folder of PNG where it is one already, ends with "/", or has no suffix.
    """

    input: Path
    output: Path
    to_folder: bool
    model: str = "j4r"
    device: str = "auto"
    strength: float = 1.0
    encoder: str = "x264"
    crf: int | None = None
    overwrite: bool = False
    ffmpeg: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Started:
    """What is known before the first frame; ``format`` is VapourSynth's name of what is derained."""

    frames: int
    width: int
    height: int
    format: str
    fps: float


class Listener(Protocol):
    """Told how a run goes, in the thread that runs it."""

    def note(self, text: str) -> None: ...

    def started(self, started: Started) -> None: ...

    def frame_done(self, frame: int) -> None: ...


def check_job(job: Job) -> None:
    """What can be refused from the job alone, without reading the input.

    Raises:
        Vsj4rError: unknown model, encoder or type of output, a crf that means nothing.
    """
    find_model(job.model)
    encoder = find_encoder(job.encoder)
    if not 0 <= job.strength <= 1:
        raise Vsj4rError(f"strength must be between 0 and 1, got {job.strength:g}")
    if not job.to_folder:
        container_for(job.output)
        if job.crf is not None and encoder.crf is None:
            raise Vsj4rError(f"encoder {job.encoder} has no crf")


def derain(job: Job, listener: Listener) -> float:
    """Run ``job``; gives the seconds it took. On any exception nothing is left behind.

    Raises:
        Vsj4rError: everything that the user can mend, in one line.
    """
    began = time.monotonic()
    check_job(job)
    if not job.input.exists():
        raise Vsj4rError(f"no such file or folder: {job.input}")
    check_output(job.output, source=job.input, folder=job.to_folder, overwrite=job.overwrite)
    source = open_source(job.input)
    clip, conversion = to_yuv420(source.clip)
    if conversion is not None:
        listener.note(conversion)
    try:
        derained = vs.core.j4r.Derain(clip, model=job.model, strength=job.strength, device=job.device)
    except AttributeError:
        raise Vsj4rError("the filter core.j4r is not installed: reinstall vsj4r with pip") from None
    except vs.Error as error:
        raise Vsj4rError(first_line(error)) from error
    started = Started(
        frames=len(clip), width=clip.width, height=clip.height, format=clip.format.name, fps=float(clip.fps)
    )
    if job.to_folder:
        _write_images(job, source, derained, listener, started)
    else:
        _write_video(job, source, clip, derained, listener, started)
    return time.monotonic() - began


def _write_video(
    job: Job, source: Source, clip: vs.VideoNode, derained: vs.VideoNode, listener: Listener, started: Started
) -> None:
    encoder = find_encoder(job.encoder)
    depth = clip.format.bits_per_sample
    if encoder.depth_for(depth) < depth:
        listener.note(f"{job.encoder} has no {depth} bit: the output has {encoder.depth_for(depth)} bit")
    muxer = container_for(job.output)
    is_video = source.image_names is None
    extras = find_extras(source.path, muxer) if is_video else Extras()
    for stream in extras.dropped:
        listener.note(f"{job.output.suffix} cannot hold {stream}: left out")
    with whole_file(job.output) as temporary:
        command = encode_command(
            temporary,
            clip=clip,
            encoder=encoder,
            crf=job.crf,
            muxer=muxer,
            source=source.path if is_video else None,
            extras=extras,
            arguments=list(job.ffmpeg),
        )
        listener.started(started)
        writer = NutWriter(derained, time_base=source.time_base)
        with FFmpeg(command) as process:
            for n, frame in enumerate(_frames(derained)):
                process.put(writer.frame(frame, source.timestamps[n]))
                listener.frame_done(n + 1)
            process.put(writer.end)
            process.finish()
        written = count_video_packets(temporary)
        if written != started.frames:
            raise Vsj4rError(f"{written} of {started.frames} frames arrived in the output: it is not kept")


def _write_images(
    job: Job, source: Source, derained: vs.VideoNode, listener: Listener, started: Started
) -> None:
    names = _png_names(source, len(derained))
    wide = source.clip
    deep = derained.format.bits_per_sample > 8
    images = vs.core.resize.Bicubic(derained, format=vs.RGB48 if deep else vs.RGB24)
    images = images.std.Crop(right=images.width - wide.width, bottom=images.height - wide.height)
    with whole_folder(job.output) as temporary:
        listener.started(started)
        for n, frame in enumerate(_frames(images)):
            write_png(frame, temporary / names[n])
            listener.frame_done(n + 1)


def _png_names(source: Source, frames: int) -> list[str]:
    """The input's names with .png, or frame numbers.

    Raises:
        Vsj4rError: two images differ in their suffix alone.
    """
    if source.image_names is None:
        digits = max(6, len(str(frames - 1)))
        return [f"{n:0{digits}d}.png" for n in range(frames)]
    names = [Path(name).stem + ".png" for name in source.image_names]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise Vsj4rError(f"{source.path} has two images that would both become {doubled}")
    return names


def _frames(clip: vs.VideoNode) -> Iterator[vs.VideoFrame]:
    """All frames in order, each closed when the next one is asked for."""
    try:
        yield from clip.frames(prefetch=_FRAMES_ASKED_AHEAD, backlog=_FRAMES_WAITING, close=True)
    except vs.Error as error:
        raise Vsj4rError(first_line(error)) from error
