"""One run: an input derained into an output, frame by frame, whole or not at all."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import vapoursynth as vs

from vsj4r.engine.weights import find_model
from vsj4r.errors import UnsteadyError, Vsj4rError
from vsj4r.media.command import Encode
from vsj4r.media.containers import container_for
from vsj4r.media.encoders import find_encoder, lost_depth
from vsj4r.media.image_sink import image_sink
from vsj4r.media.opening import open_input
from vsj4r.media.part import extras_of
from vsj4r.media.pipes import STDOUT, is_pipe, is_y4m, own_stdout, spoken, y4m_sink
from vsj4r.media.probe import GUESSED_RATE
from vsj4r.media.rotation import upright
from vsj4r.media.sources import Source, to_rgb
from vsj4r.media.trial import try_out
from vsj4r.media.video import Output, video_sink, write_outputs
from vsj4r.media.whole import check_output
from vsj4r.run.encodable import encodable, nameable
from vsj4r.run.filtering import Filtering
from vsj4r.run.memory import give_frames_back
from vsj4r.run.preview import busiest_seconds, write_before_and_after
from vsj4r.run.settings import RunSettings

_ENDING_ARGUMENTS = ("-t", "-to", "-ss", "-sseof", "-frames:v", "-vframes", "-frames")


@dataclass(frozen=True, slots=True)
class Job:
    """What to derain, and how.

    ``to_folder``: ``output`` is a folder, for PNG. Stdin and stdout are ``pipes.STDIN`` and ``STDOUT``.
    ``ffmpeg`` are extra output arguments. ``preview``: only where it rains most, five seconds, or one frame
    before and after in a PNG.
    """

    input: Path
    output: Path
    to_folder: bool
    settings: RunSettings = field(default_factory=RunSettings)
    ffmpeg: tuple[str, ...] = ()
    preview: bool = False

    @property
    def is_picture(self) -> bool:
        """Whether the output is one picture, before and after."""
        return self.preview and self.output.suffix.lower() == ".png" and not self.to_folder


@dataclass(frozen=True, slots=True)
class Started:
    """What is known before the first frame; ``format`` is VapourSynth's name of what is derained. ``frames``
    None: they come from a pipe."""

    frames: int | None
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
        Vsj4rError: an unknown model or type of output, an encoder that this ffmpeg lacks, arguments of ffmpeg
            that would cut the output.
    """
    find_model(job.settings.model)
    find_encoder(job.settings.encoder)
    if job.preview and is_pipe(job.input):
        raise Vsj4rError("a preview is of a file: a pipe cannot be looked through first")
    if is_y4m(job.output):
        if job.ffmpeg:
            raise Vsj4rError(f"--ffmpeg has no use: y4m goes into {spoken(job.output)}, and no ffmpeg runs")
    elif not job.to_folder and not job.is_picture:
        container_for(job.output)
    for argument in job.ffmpeg:
        if argument in _ENDING_ARGUMENTS:
            raise Vsj4rError(
                f"--ffmpeg {argument} would cut the picture, and not what goes with it: "
                "--trim START:END does that"
            )


def derain(job: Job, listener: Listener) -> float:
    """Run ``job``, which ``check_job`` has let pass; gives the seconds it took.

    On any exception nothing is left behind.

    Raises:
        Vsj4rError: everything that the user can mend, in one line.
    """
    began = time.monotonic()
    give_frames_back()
    settings = job.settings
    if not is_pipe(job.output):
        check_output(job.output, source=job.input, folder=job.to_folder, overwrite=settings.overwrite)
    elif job.output == STDOUT:
        own_stdout()  # now, for a script may print
    source = open_input(job.input, settings.reading())
    try:
        _derain_source(job, source, listener)
    except UnsteadyError:
        source.use_one_thread()
        listener.note(f"{job.input} does not always decode alike: begun again, with one thread")
        _derain_source(job, open_input(job.input, replace(settings.reading(), one_thread=True)), listener)
    except BrokenPipeError:
        if not is_pipe(job.output):
            raise
        listener.note(f"whoever reads {spoken(job.output)} wants no more frames: ended")
    return time.monotonic() - began


def _derain_source(job: Job, source: Source, listener: Listener) -> None:
    for note in source.notes(into_images=job.to_folder):
        listener.note(note)
    settings = job.settings
    if job.preview:
        settings = replace(settings, trim=busiest_seconds(source, settings.trim, one=job.is_picture))
    filtering = Filtering(source, settings, into_rgb=job.to_folder or job.is_picture)
    derained = filtering.after()
    started = _started(filtering)
    if job.is_picture:
        listener.started(started)
        write_before_and_after(filtering, derained, job.output)
        listener.frame_done(1)
        return
    if job.to_folder:
        images = upright(to_rgb(derained), source=source.clip)
        output: Output = images, image_sink(job.output, filtering.part)
    elif is_y4m(job.output):
        output = _y4m_output(job, filtering, derained, started, listener)
    else:
        output = _video_output(job, filtering, derained, listener)
    listener.started(started)
    write_outputs(
        [output],
        run_in=filtering.run_in,
        on_frame=listener.frame_done,
        on_end=source.pipe.stop if source.pipe else lambda: None,
    )


def _started(filtering: Filtering) -> Started:
    clip, source = filtering.before, filtering.part
    frames: int | None = len(source.timestamps)
    if source.pipe is not None:
        known, end = source.pipe.head.frames, filtering.first + len(source.timestamps)
        frames = None if known is None else max(0, min(known, end) - filtering.first)
    return Started(frames, clip.width, clip.height, clip.format.name, float(clip.fps))


def _y4m_output(
    job: Job, filtering: Filtering, derained: vs.VideoNode, started: Started, listener: Listener
) -> Output:
    source = filtering.part
    written, notes = nameable(derained, source, job.settings.chroma)
    rate = Fraction(source.clip.fps) or (source.probe and source.probe.rate) or GUESSED_RATE
    if not source.clip.fps:
        notes.append(f"y4m has one rate for all frames: taken as {float(rate):g} a second")
    for note in notes:
        listener.note(note)
    as_read = source.pipe is not None and source.part is None and written.format.id == source.clip.format.id
    head = source.pipe.head if source.pipe and as_read else None
    return written, y4m_sink(written, job.output, rate=rate, head=head, frames=started.frames)


def _video_output(job: Job, filtering: Filtering, derained: vs.VideoNode, listener: Listener) -> Output:
    """The video file, once the first frame has been tried out."""
    settings, source = job.settings, filtering.part
    suffix, encoder = job.output.suffix, find_encoder(job.settings.encoder)
    encoded, notes = encodable(derained, source, suffix, encoder, settings.chroma)
    if settings.depth is None:
        notes += lost_depth(settings.encoder, encoded.format.bits_per_sample)
    extras = extras_of(source, suffix)
    for note in (*notes, *extras.notes):
        listener.note(note)
    muxer = container_for(job.output).muxer
    time_base, timestamps = source.times(muxer)
    encode = Encode(
        muxer=muxer,
        encoder=encoder,
        time_base=time_base,
        timestamps=timestamps,
        crf=settings.crf,
        depth=settings.depth,
        source=source.probe,
        extras=extras,
        options=settings.options,
        arguments=job.ffmpeg,
    )
    trial, _ = encodable(filtering.before, source, suffix, encoder, settings.chroma)
    try_out(trial, encode, suffix)
    return encoded, video_sink(encoded, job.output, encode)
