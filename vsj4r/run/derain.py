"""One run: an input derained into an output, frame by frame, whole or not at all."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import vapoursynth as vs

from vsj4r.engine.weights import find_model
from vsj4r.errors import UnsteadyError, Vsj4rError
from vsj4r.media.colours import with_known_matrix
from vsj4r.media.command import Encode
from vsj4r.media.containers import CONTAINERS, container_for
from vsj4r.media.encoders import Encoder, find_encoder, lost_depth
from vsj4r.media.images import check_replaced, write_png
from vsj4r.media.muxing import Extras, find_extras
from vsj4r.media.pixels import chroma_for, chroma_of, to_yuv
from vsj4r.media.reading import absent
from vsj4r.media.rotation import done_upright, is_turned, upright
from vsj4r.media.sources import (
    Reading,
    Source,
    first_line,
    open_source,
    to_rgb,
)
from vsj4r.media.tags import Tags
from vsj4r.media.trial import try_out
from vsj4r.media.video import frames_in_order, write_video
from vsj4r.media.whole import check_output, whole_folder
from vsj4r.run.memory import give_frames_back

FRAMES_IN_FLIGHT = 2
"""On a CUDA device: whoever encodes reads in order, so that the next frame may always be begun."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to derain, and how. ``to_folder``: ``output`` is a folder, for PNG. ``crf`` None is the encoder's
    default; ``ffmpeg`` are extra output arguments; ``reading``: how to read the input."""

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
    reading: Reading = field(default_factory=Reading)


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
    """Run ``job``, which ``check_job`` has let pass; gives the seconds it took.

    On any exception nothing is left behind.

    Raises:
        Vsj4rError: everything that the user can mend, in one line.
    """
    began = time.monotonic()
    give_frames_back()
    if not job.input.exists():
        raise absent(job.input)
    check_output(job.output, source=job.input, folder=job.to_folder, overwrite=job.overwrite)
    source = open_source(job.input, job.reading)
    try:
        _derain_source(job, source, listener)
    except UnsteadyError:
        source.use_one_thread()
        listener.note(f"{job.input} does not always decode alike: begun again, with one thread")
        _derain_source(job, open_source(job.input, replace(job.reading, one_thread=True)), listener)
    return time.monotonic() - began


def _derain_source(job: Job, source: Source, listener: Listener) -> None:
    for note in source.notes(into_images=job.to_folder):
        listener.note(note)
    clip = source.clip
    if job.to_folder or chroma_of(clip) is None:
        clip = with_known_matrix(clip)  # before, for it reads a frame
    derained = derained_clip(clip, model=job.model, strength=job.strength, device=job.device)
    started = Started(
        frames=len(clip), width=clip.width, height=clip.height, format=clip.format.name, fps=float(clip.fps)
    )
    if job.to_folder:
        _write_images(job, source, upright(to_rgb(derained), source=clip), listener, started)
    else:
        _write_video(job, source, clip, derained, listener, started)


def derained_clip(
    clip: vs.VideoNode,
    *,
    model: str,
    strength: float,
    device: str,
    precision: str = "auto",
    threads: int = 0,
) -> vs.VideoNode:
    """``core.j4r.Derain``, for footage that a player turns too, with its errors as ours."""
    if not hasattr(vs.core, "j4r"):
        raise Vsj4rError("the filter core.j4r is not installed: reinstall vsj4r with pip")
    options = {"model": model, "strength": strength, "device": device, "num_streams": FRAMES_IN_FLIGHT}
    try:
        return done_upright(
            clip,
            lambda shown: vs.core.j4r.Derain(shown, **options, precision=precision, threads=threads),
        )
    except vs.Error as error:
        raise Vsj4rError(first_line(error)) from error


def encodable(
    clip: vs.VideoNode, source: Source, suffix: str, encoder: Encoder, chroma: str | None = None
) -> tuple[vs.VideoNode, list[str]]:
    """``clip``, lying as ``source`` does, as ``encoder`` and an output with ``suffix`` take it; and what that
    changed. ``chroma`` None is as much as there is, where the encoder takes it."""
    notes = []
    if not CONTAINERS[suffix.lower()].turns and is_turned(source.clip):
        notes.append(f"{suffix} cannot say how to turn the picture: it is written upright")
        clip = upright(clip, source=source.clip)
    if not encoder.full_range and _is_full_range(source.clip):
        notes.append(f"{encoder.codec} has no full range: the output has limited range")
    encoded, conversion = to_yuv(clip, chroma or chroma_for(clip, encoder.chroma))
    return encoded, notes if conversion is None else [*notes, conversion]


def _is_full_range(clip: vs.VideoNode) -> bool:
    with clip.get_frame(0) as first:
        return clip.format.color_family != vs.RGB and Tags.of(first).full_range


def _write_video(
    job: Job,
    source: Source,
    clip: vs.VideoNode,
    derained: vs.VideoNode,
    listener: Listener,
    started: Started,
) -> None:
    encoder = find_encoder(job.encoder)
    encoded, notes = encodable(derained, source, job.output.suffix, encoder)
    muxer = container_for(job.output).muxer
    extras = Extras() if source.probe is None else find_extras(source.probe, job.output.suffix)
    notes += [*lost_depth(job.encoder, encoded.format.bits_per_sample), *extras.notes]
    for note in notes:
        listener.note(note)
    time_base, timestamps = source.times(muxer)
    encode = Encode(
        muxer=muxer,
        encoder=encoder,
        time_base=time_base,
        timestamps=timestamps,
        crf=job.crf,
        source=source.probe,
        extras=extras,
        arguments=job.ffmpeg,
    )
    trial, _ = encodable(clip, source, job.output.suffix, encoder)
    try_out(trial, encode, job.output.suffix)
    listener.started(started)
    write_video(encoded, job.output, encode, on_frame=listener.frame_done)


def _write_images(
    job: Job, source: Source, images: vs.VideoNode, listener: Listener, started: Started
) -> None:
    names = _png_names(source, len(images))
    check_replaced(job.output, names)
    listener.started(started)
    with whole_folder(job.output) as temporary, closing(frames_in_order(images)) as frames:
        for n, frame in enumerate(frames):
            write_png(frame, temporary / names[n], source.colours(n))
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
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise Vsj4rError(f"{source.path} has two images that would both become {doubled[0]}")
    return names
