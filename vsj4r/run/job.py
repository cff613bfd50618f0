"""One run: an input derained into an output, frame by frame, whole or not at all."""

from __future__ import annotations

import time
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from vsj4r.engine.weights import find_model
from vsj4r.errors import InputError, UnsteadyError, Vsj4rError
from vsj4r.media.command import stray_argument
from vsj4r.media.containers import CONTAINERS, container_for
from vsj4r.media.encoders import AUTO, encoder_for, find_encoder
from vsj4r.media.frame_errors import decode_error, frame_errors
from vsj4r.media.opening import open_input
from vsj4r.media.pipes import STDOUT, display_path, is_pipe, is_y4m, own_stdout
from vsj4r.media.sources import Source
from vsj4r.media.trial import require_hardware
from vsj4r.media.video import first_frame_under_way, write_outputs
from vsj4r.media.whole import Read, check_output, remove_leftovers, size_and_time
from vsj4r.plugin.signature import output_of
from vsj4r.run.ahead import EngineAhead
from vsj4r.run.encodable import keep_plates, kind_of_images, working_depth
from vsj4r.run.filtering import Filtering
from vsj4r.run.memory import give_frames_back
from vsj4r.run.preview import find_busiest, write_before_and_after
from vsj4r.run.settings import RunSettings
from vsj4r.run.writing import Writing

_DROPPING_ARGUMENTS = ("-an", "-sn", "-dn", "-vn")
_ENDING_ARGUMENTS = ("-t", "-to", "-ss", "-sseof", "-frames:v", "-vframes", "-frames")
_FIXED_ARGUMENTS = {
    "-f": "the kind of file goes by the output's name",
    "-i": "INPUT is what is read",
}


def is_picture_name(output: Path) -> bool:
    """Whether a preview into ``output`` is one picture, before and after."""
    return output.suffix.lower() == ".png"


@dataclass(frozen=True, slots=True)
class Job:
    """What to derain, and how.

    ``to_folder``: ``output`` is a folder, for images. Stdin and stdout are ``pipes.STDIN`` and ``STDOUT``.
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
        return self.preview and is_picture_name(self.output) and not self.to_folder


@dataclass(frozen=True, slots=True)
class Started:
    """What is known before the first frame; ``format`` is VapourSynth's name of what is derained. ``frames``
    None: they come from a pipe."""

    frames: int | None
    width: int
    height: int
    format: str
    fps: float


class RunListener(Protocol):
    """Told how a run goes, in the thread that runs it."""

    def note(self, text: str) -> None: ...

    def looked(self, share: float) -> None:
        """A long video that was not seen before is decoded before its first frame is derained; so much of
        that is done, 0 to 1."""

    def started(self, started: Started) -> None: ...

    def command(self, command: list[str]) -> None:
        """What is run for an output."""

    def frame_done(self, frame: int) -> None: ...


def check_job(job: Job) -> None:
    """What can be refused from the job alone, without reading the input.

    Raises:
        Vsj4rError: an unknown model or type of output, an encoder that this ffmpeg lacks, arguments of ffmpeg
            that would cut the output.
    """
    find_model(job.settings.model)
    if job.settings.encoder != AUTO:
        container = CONTAINERS.get(job.output.suffix.lower(), CONTAINERS[".mkv"])
        name, _ = encoder_for(job.settings.encoder, None, container, job.settings.depth)
        find_encoder(name)
        require_hardware(name)
    if job.preview and is_pipe(job.input):
        raise Vsj4rError("a preview is of a file: a pipe cannot be looked through first")
    if (is_pipe(job.output) or job.is_picture) and len(job.settings.outputs) > 1:
        what = "a picture of before and after" if job.is_picture else "a pipe"
        raise Vsj4rError(
            f"{what} takes one output: give --output once, got {', '.join(job.settings.outputs)}"
        )
    if is_y4m(job.output):
        if job.ffmpeg:
            raise Vsj4rError(
                f"--ffmpeg has no use: y4m goes into {display_path(job.output)}, and no ffmpeg runs"
            )
    elif not job.to_folder and not job.is_picture:
        container_for(job.output)
    for argument in job.ffmpeg:
        if argument in _ENDING_ARGUMENTS:
            raise Vsj4rError(
                f"--ffmpeg {argument} would cut the picture, and not what goes with it: "
                "--trim START:END does that"
            )
        if argument in _DROPPING_ARGUMENTS:
            raise Vsj4rError(
                f"--ffmpeg {argument} would leave out streams that are counted already: "
                "ffmpeg -i OUTPUT -map 0 -map -0:a -c copy NEW leaves out the sound afterwards"
            )
        if argument in _FIXED_ARGUMENTS:
            raise Vsj4rError(f"--ffmpeg {argument} has no use: {_FIXED_ARGUMENTS[argument]}")
        if argument.partition(":")[0] == "-map":
            raise Vsj4rError(
                "--ffmpeg -map would write streams a second time: all that the output can hold goes along"
            )
    if (stray := stray_argument(job.ffmpeg)) is not None:
        raise Vsj4rError(f"--ffmpeg: {stray!r} belongs to no option, and would be one more file to write")


def run_job(job: Job, listener: RunListener) -> float:
    """Run ``job``, which ``check_job`` has let pass; gives the seconds it took.

    On any exception nothing unfinished is left behind.

    Raises:
        Vsj4rError: everything that the user can mend, in one line.
    """
    began = time.monotonic()
    give_frames_back()
    settings = job.settings
    if job.output == STDOUT:
        own_stdout()  # now, for a script may print
    read = Read([job.input, *settings.files()])
    for output in settings.paths(job.output):
        if not is_pipe(output):
            check_output(output, read=read, folder=job.to_folder, overwrite=settings.overwrite)
            remove_leftovers(output, of_this_machine=True)
    found = _stamp_of(job.input)
    with closing(EngineAhead(settings)) as ahead:
        source = open_input(job.input, settings.reading(), ahead.begin, listener.looked)
        try:
            _derain_steadily(job, source, listener, ahead, found)
        except BrokenPipeError:
            if not is_pipe(job.output):
                raise
            listener.note(f"the reader of {display_path(job.output)} has closed it: ended")
    return time.monotonic() - began


def _derain_steadily(
    job: Job, source: Source, listener: RunListener, ahead: EngineAhead, found: tuple[int, int] | None
) -> None:
    """Once more with one thread, where the file, ``found`` with that size and time, is not always decoded
    alike. What has gone into a pipe cannot be taken back."""
    try:
        _derain_source(job, source, listener, ahead)
    except UnsteadyError as error:
        if _stamp_of(job.input) != found:
            raise InputError(f"{job.input} has changed while it was read: run it again") from error
        source.use_one_thread()
        said = f"{job.input} does not decode the same each time"
        if is_pipe(job.output):
            raise InputError(f"{said}: run it again, and one thread reads it, which is slower") from error
        listener.note(f"{said}: begun again with one thread, which is slower")
    else:
        return
    try:
        again = open_input(
            job.input, replace(job.settings.reading(), one_thread=True), on_look=listener.looked
        )
        _derain_source(job, again, listener, ahead)
    except UnsteadyError as error:
        raise decode_error(job.input, error) from error


def _stamp_of(path: Path) -> tuple[int, int] | None:
    """Size and time of a file; None of what has none."""
    return size_and_time(path) if path.is_file() else None


@frame_errors()
def _derain_source(job: Job, source: Source, listener: RunListener, ahead: EngineAhead) -> None:
    settings = job.settings
    image = kind_of_images(source, settings) if job.to_folder else "png" if job.is_picture else None
    if image is not None:
        keep_plates(source, image)
    for note in source.notes(image=image) + (source.left_out_of_images() if job.to_folder else []):
        listener.note(note)
    if job.preview:
        settings = replace(settings, trim=find_busiest(source, settings.trim, one=job.is_picture))
    depth = working_depth(source, job.output, settings, to_folder=image is not None)
    filtering = Filtering(source, settings, depth=depth, into_rgb=image is not None)
    for note in filtering.notes:
        listener.note(note)
    with ahead.lending():
        derained = filtering.after()
    writing = Writing(filtering, settings, job.ffmpeg, listener.command)
    if job.is_picture:
        listener.started(_describe_start(filtering))
        write_before_and_after(filtering, derained[0], job.output, replaces=settings.overwrite)
        listener.frame_done(1)
        return
    with nullcontext() if source.pipe else first_frame_under_way(derained[0]):  # encoders are tried meanwhile
        outputs = [
            writing.output(clip, path, to_folder=job.to_folder, is_matte=output_of(name).is_matte)
            for clip, path, name in zip(derained, settings.paths(job.output), settings.outputs, strict=True)
        ]
    for note in dict.fromkeys(writing.notes):
        listener.note(note)
    listener.started(_describe_start(filtering))
    pipe, begins = source.pipe, filtering.first - filtering.run_in
    write_outputs(
        outputs,
        run_in=filtering.run_in,
        on_frame=listener.frame_done,
        on_end=pipe.stop if pipe else lambda: None,
        has_frame=lambda n: True if pipe is None else pipe.has(begins + n),
    )
    if pipe is not None and pipe.note is not None:
        listener.note(pipe.note)


def _describe_start(filtering: Filtering) -> Started:
    clip, rate = filtering.before, filtering.part.counted_rate
    return Started(filtering.frames, clip.width, clip.height, clip.format.name, float(rate))
