"""The three things that are done to a file, each in one call on one worker: plan, encode a chunk, join."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import vapoursynth as vs

from vsj4r.batch.bench import Bench
from vsj4r.batch.chunks import chunk_starts, cut_finder, written_starts
from vsj4r.batch.join import join_images, join_video
from vsj4r.batch.plan import IMAGES, Event, Plan
from vsj4r.batch.traces import came_from, count_try, note_joined
from vsj4r.batch.work import Work
from vsj4r.engine.weights import find_model
from vsj4r.errors import DiskFullError, InputError, UnsteadyError, Vsj4rError
from vsj4r.media.command import Encode
from vsj4r.media.containers import Container, container_for
from vsj4r.media.frame_errors import decode_error, frame_errors
from vsj4r.media.identity import identify
from vsj4r.media.image_sink import image_sink, namer
from vsj4r.media.images import check_replaced
from vsj4r.media.part import extras_of
from vsj4r.media.rotation import turn_output_upright
from vsj4r.media.sources import Source
from vsj4r.media.steady import Steady, repeating_sink, steady_for, with_told_rate
from vsj4r.media.tags import Tags
from vsj4r.media.trial import try_out
from vsj4r.media.video import ClipSink, video_sink, write_outputs
from vsj4r.media.whole import NO_ROOM, Stamps, size_and_time, write_error
from vsj4r.plugin.signature import output_of
from vsj4r.run.encodable import (
    chosen_encoder,
    encode_for,
    keep_plates,
    kind_of_images,
    make_encodable,
    make_images,
)
from vsj4r.run.filtering import Filtering
from vsj4r.run.memory import give_frames_back

_TELL_EVERY_SECONDS = 0.5

Result = Plan | int | Stamps


class StoppedError(Exception):
    """Nobody wants the result any more."""


@dataclass(frozen=True, slots=True)
class Task:
    """``number`` is the chunk's; ``plan`` is None where it is what is to be found out."""

    kind: Literal["plan", "encode", "join"]
    work: Work
    plan: Plan | None = None
    number: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.work.key}-{self.number}"

    def __str__(self) -> str:
        return {"plan": "planning it", "encode": f"chunk {self.number}", "join": "joining it"}[self.kind]


@dataclass(frozen=True, slots=True)
class Worker:
    """Where a task runs. ``threads``: of the engine, 0 is its own choice. ``bench``: what one task leaves for
    the next. ``tell``: the line to whoever has sent it. ``stopped``: whether to give up."""

    threads: int
    bench: Bench
    tell: Callable[[Event], None]
    stopped: Callable[[], bool]


def perform(task: Task, worker: Worker) -> Result:
    """Do ``task``: a plan gives a ``Plan``, a chunk its bytes, a join the outputs.

    Raises:
        Vsj4rError: what the user can mend.
        DiskFullError: no other task fares better.
        StoppedError: it was given up; nothing is left of it.
    """
    give_frames_back()
    work = task.work
    try:
        work.folder.mkdir(parents=True, exist_ok=True)
        for path, before in zip(work.inputs, work.identities, strict=True):
            if identify(path) != before:
                raise InputError(f"{path} has changed since the batch began: start it again")
        if find_model(work.settings.model).sha256 != work.model:
            raise InputError(f"model {work.settings.model} has changed since the batch began: start it again")
        count_try(work.folder, f"{task.kind}-{task.number}", str(task))
        try:
            return _do(task, worker)
        except UnsteadyError:
            worker.bench.read_with_one_thread(work)
            slower = f"{task} again with one thread, which is slower"
            text = f"{work.input} does not decode the same each time: {slower}"
            worker.tell({"kind": "note", "text": text})
            return _do(task, worker)
    except (Vsj4rError, OSError) as error:
        mendable = _explain(error, work)
        if mendable is error:
            raise
        raise mendable from error


def _explain(error: Vsj4rError | OSError, work: Work) -> Exception:
    """``error`` in words of the user's: whatever it was, that an input is gone is what matters."""
    gone = next((path for path in work.inputs if not path.exists()), None)
    if gone is not None and not isinstance(error, DiskFullError):
        return InputError(f"{gone} is not there any more: once it is, the same command goes on")
    if isinstance(error, UnsteadyError):
        return decode_error(work.input, error)
    if isinstance(error, Vsj4rError):
        return error
    if error.errno in NO_ROOM:
        return write_error(Path(error.filename or work.folder), error)
    return Vsj4rError(f"{error.filename or work.output}: {error.strerror or error}")


@frame_errors()
def _do(task: Task, worker: Worker) -> Result:
    match task.kind, task.plan:
        case "encode", Plan() as plan:
            return _encode(task.work, plan, task.number, worker)
        case "join", Plan() as plan:
            return _join(task.work, plan, worker)
    return _plan(task.work, worker)


def _plan(work: Work, worker: Worker) -> Plan:
    def looked(share: float) -> None:
        if worker.stopped():
            raise StoppedError
        worker.tell({"kind": "looked", "share": share})

    filtering = worker.bench.open(work, looked)
    worker.bench.derain(work, worker.threads)  # what the filter refuses is known now
    clip, source = filtering.before, filtering.part
    steady = None if work.to_folder else _steady(work, source)
    encoder, notes = _fit_images(work, filtering) if work.to_folder else _fit_video(work, filtering, steady)
    last_cut = cut_finder(
        turn_output_upright(filtering.whole, source=filtering.whole), filtering.given_cuts()
    )
    starts = chunk_starts(len(clip), work.settings.chunk, last_cut, first=filtering.first)
    if steady is not None:
        starts = written_starts(starts, steady.counts)
    kind = source.clip.format.name
    size = clip.width, clip.height
    return Plan(
        len(clip), tuple(starts), *size, kind, float(source.counted_rate), encoder, (*filtering.notes, *notes)
    )


def _fit_images(work: Work, filtering: Filtering) -> tuple[str, list[str]]:
    """``IMAGES``, and a line for each thing that the images lack, or have otherwise."""
    clip, source, whole = filtering.before, filtering.part, filtering.source
    kind = kind_of_images(source, work.settings)
    _, notes = make_images(clip, source, kind, work.settings.depth, is_matte=False)
    name_of = namer(source, kind)
    names = [name_of(n) for n in range(len(clip))]
    for output in work.outputs:
        check_replaced(output, names)
    return IMAGES, [*notes, *whole.notes(image=kind), *whole.left_out_of_images()]


def _fit_video(work: Work, filtering: Filtering, steady: Steady | None) -> tuple[str, list[str]]:
    """The encoder, once the first frame has gone all the way, and the lines that are to be said."""
    clip, source = filtering.before, filtering.part
    container = container_for(work.output)
    encoder, notes = chosen_encoder(source, container, work.settings)
    encoded, changed = _encodable(work, encoder, clip, source, steady)
    notes += changed
    extras = extras_of(source, work.output.suffix, steady)
    encode = _encode_of(work, encoder, source, container, steady)
    notes += try_out(encoded, replace(encode, source=source.probe, extras=extras), work.output.suffix)
    if steady is not None and steady.note is not None:
        notes.append(steady.note)
    return encoder, [*notes, *filtering.source.notes(), *extras.notes]


def _encode(work: Work, plan: Plan, number: int, worker: Worker) -> int:
    first, stop = plan.chunk(number)
    worker.tell({"kind": "begun", "chunk": number, "worker": f"{socket.gethostname()}:{os.getpid()}"})
    clips, source = worker.bench.derain(work, worker.threads), worker.bench.open(work).part
    _check_plan(work, plan, clips[0])
    parts = work.parts(plan, number)
    if work.to_folder:
        make = partial(_images_of_chunk, work)
    else:
        make = partial(_video_of_chunk, work, plan, worker, _steady(work, source))
    outputs: list[ClipSink] = [
        make(source, clip, range(first, stop), part, place)
        for place, (clip, part) in enumerate(zip(clips, parts, strict=True))
    ]
    write_outputs(outputs, on_frame=_progress(worker, "frames", number, stop - first))
    return sum(size_and_time(part)[0] for part in parts)


def _images_of_chunk(
    work: Work, source: Source, clip: vs.VideoNode, frames: range, part: Path, place: int
) -> ClipSink:
    kind, is_matte = kind_of_images(source, work.settings), output_of(work.settings.outputs[place]).is_matte
    depth = work.settings.depth
    keep_plates(source, kind)
    images, _ = make_images(clip[frames.start : frames.stop], source, kind, depth, is_matte=is_matte)
    return images, image_sink(part, source, kind, depth=depth, frames=frames, is_matte=is_matte)


def _video_of_chunk(
    work: Work,
    plan: Plan,
    worker: Worker,
    steady: Steady | None,
    source: Source,
    clip: vs.VideoNode,
    frames: range,
    part: Path,
    place: int,
) -> ClipSink:
    encode = _encode_of(work, plan.encoder, source, container_for(part), steady)
    stamps = steady.timestamps_of(frames) if steady else source.timestamps[frames.start : frames.stop]
    encode = replace(encode, timestamps=stamps, last_seconds=None)
    encoded, _ = _encodable(work, plan.encoder, clip[frames.start : frames.stop], source, steady, place)
    sink = video_sink(encoded, part, encode, on_command=partial(_tell_command, worker))
    if steady is not None:
        sink = repeating_sink(sink, steady.counts[frames.start : frames.stop])
    return encoded, sink


def _join(work: Work, plan: Plan, worker: Worker) -> Stamps:
    filtering = worker.bench.open(work)
    _check_plan(work, plan, filtering.before)
    work.output.parent.mkdir(parents=True, exist_ok=True)
    if work.to_folder:
        for place, output in reversed(list(enumerate(work.outputs))):
            join_images(
                [work.part(plan, number, place) for number in range(len(plan.starts))],
                output,
                frames=plan.frames,
                replaces=_replaces(work, output),
                on_whole=partial(note_joined, work.folder, output),
            )
    else:
        _join_videos(work, plan, filtering, worker)
    return {output: size_and_time(output) for output in work.outputs}


def _join_videos(work: Work, plan: Plan, filtering: Filtering, worker: Worker) -> None:
    clip, source = filtering.before, filtering.part
    steady = _steady(work, source)
    encoded, _ = _encodable(work, plan.encoder, clip, source, steady)
    with encoded.get_frame(0) as first:
        tags = Tags.of(first)
    container = container_for(work.output)
    encode = replace(_encode_of(work, plan.encoder, source, container, steady), source=source.probe)
    extras = extras_of(source, work.output.suffix, steady)
    for place, output in reversed(list(enumerate(work.outputs))):  # the first is last: it stands for all
        join_video(
            [work.part(plan, number, place) for number in range(len(plan.starts))],
            output,
            tags.of_map() if output_of(work.settings.outputs[place]).is_map else tags,
            replace(encode, extras=extras.of_picture() if place else extras),
            replaces=_replaces(work, output),
            on_packet=_progress(worker, "joined", 0, len(encode.timestamps)),
            on_command=partial(_tell_command, worker),
            on_whole=partial(note_joined, work.folder, output),
        )


def _replaces(work: Work, output: Path) -> bool:
    """Whether what is called ``output`` by now may go: what a process has left that died here may."""
    return output in work.replaces or came_from(work.folder, output)


def _tell_command(worker: Worker, command: list[str]) -> None:
    worker.tell({"kind": "command", "command": command})


def _check_plan(work: Work, plan: Plan, clip: vs.VideoNode) -> None:
    """A damaged file may give another number of frames each time, and a damaged manifest another plan."""
    if (plan.encoder == IMAGES) != work.to_folder:
        raise InputError(f"the plan of {work.output} is another file's: delete the batch's folder")
    if len(clip) != plan.frames:
        raise InputError(
            f"{work.input} has {len(clip)} frames now, {plan.frames} when it was planned: "
            "its chunks do not fit"
        )


def _encodable(
    work: Work, encoder: str, clip: vs.VideoNode, source: Source, steady: Steady | None, place: int = 0
) -> tuple[vs.VideoNode, list[str]]:
    """``clip``, the output at ``place``, as ``encoder`` takes it, and what that changed."""
    is_matte = output_of(work.settings.outputs[place]).is_matte
    encoded, notes = make_encodable(
        clip, source, work.output.suffix, encoder, work.settings, is_matte=is_matte
    )
    return with_told_rate(encoded, source, steady), notes


def _encode_of(
    work: Work, encoder: str, source: Source, container: Container, steady: Steady | None
) -> Encode:
    into = container_for(work.output)
    encode = encode_for(work.settings, source, encoder, container, steady, into=into)
    return replace(encode, folder=work.folder)


def _steady(work: Work, source: Source) -> Steady | None:
    return steady_for(source, work.output, work.settings.cfr)


def _progress(worker: Worker, kind: str, number: int, last: int) -> Callable[[int], None]:
    told = 0.0

    def tell(done: int) -> None:
        nonlocal told
        if worker.stopped():
            raise StoppedError
        now = time.monotonic()
        if done == 1 or done == last or now - told >= _TELL_EVERY_SECONDS:
            told = now
            worker.tell({"kind": kind, "chunk": number, "done": done})

    return tell
