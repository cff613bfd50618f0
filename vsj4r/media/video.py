"""A clip written as a video file through ffmpeg, with timestamps of its own and another file's streams."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import av
import vapoursynth as vs

from vsj4r.errors import InputError, Vsj4rError
from vsj4r.media.alpha import ALPHA
from vsj4r.media.command import Encode, encode_command
from vsj4r.media.extras import Extras
from vsj4r.media.frame_errors import frame_errors
from vsj4r.media.nut import NutWriter
from vsj4r.media.pixels import chroma_of
from vsj4r.media.probe import video_times
from vsj4r.media.process import FFmpeg
from vsj4r.media.tags import Tags
from vsj4r.media.whole import whole_file

PAST_END = "_J4RPastEnd"
"""The property of frames that are behind the last one: where a clip ends is not always known before."""

_CONTAINER_TICK_SECONDS = Fraction(1, 500)
FRAMES_ASKED_FOR = 3
"""At a time. The network works on one frame at a time: more would only take memory."""


class Sink(Protocol):
    """Where the frames of one output go. It appears under its name when its context ends without an error."""

    def put(self, n: int, frame: vs.VideoFrame) -> None:
        """Frame ``n`` of the output, in order from 0; its samples are copied now."""

    def finish(self) -> None:
        """That was the last one.

        Raises:
            Vsj4rError: not all of them are there.
        """


ClipSink = tuple[vs.VideoNode, AbstractContextManager[Sink]]
"""What is written, and where."""


def write_outputs(
    outputs: Sequence[ClipSink],
    *,
    run_in: int = 0,
    on_frame: Callable[[int], None] = lambda done: None,
    on_end: Callable[[], None] = lambda: None,
    has_frame: Callable[[int], bool | None] = lambda n: True,
) -> None:
    """Write the clips of ``outputs``, all of the same length, frame by frame side by side, but for the first
    ``run_in`` frames. Each appears whole or not at all, and the first one last: where it is, all are.

    ``on_frame`` is told how many frames are done. ``has_frame`` and ``on_end``: see ``frames_in_order``; of
    several outputs each tells that it ends.

    Raises:
        InputError: there is no frame.
        Vsj4rError: a frame or an output fails.
    """
    with ExitStack() as stack:
        sinks = [stack.enter_context(sink) for _, sink in outputs]
        clips = [
            stack.enter_context(closing(frames_in_order(clip, has_frame, on_end=on_end)))
            for clip, _ in outputs
        ]
        done = 0
        for n, frames in enumerate(zip(*clips, strict=True), -run_in):
            if n < 0:
                continue
            for sink, frame in zip(sinks, frames, strict=True):
                sink.put(n, frame)
            done = n + 1
            on_frame(done)
        if not done:
            raise InputError("there is no frame to write: the input ends before the part begins")
        for sink in sinks:
            sink.finish()


def write_video(
    clip: vs.VideoNode,
    output: Path,
    encode: Encode,
    *,
    replaces: bool = True,
    on_frame: Callable[[int], None] = lambda done: None,
    on_command: Callable[[list[str]], None] = lambda command: None,
) -> None:
    """Write ``clip`` (such as ``pixels.clip_to_yuv`` gives), whole or not at all (see ``whole_file``); tagged
    as its first frame is, with the alpha that its frames have.

    ``on_frame`` is told how many frames are done, ``on_command`` what is run.

    Raises:
        Vsj4rError: a frame or ffmpeg fails, or not every frame arrived in the file.
    """
    sink = video_sink(clip, output, encode, replaces=replaces, on_command=on_command)
    write_outputs([(clip, sink)], on_frame=on_frame)


@contextmanager
def video_sink(
    clip: vs.VideoNode,
    output: Path,
    encode: Encode,
    *,
    replaces: bool = True,
    on_command: Callable[[list[str]], None] = lambda command: None,
) -> Iterator[Sink]:
    """The video file ``output`` of frames such as ``clip`` has; see ``write_video`` and ``whole_file``."""
    with (
        whole_file(output, replaces=replaces) as temporary,
        cover_files(encode.extras) as covers,
        ExitStack() as stack,
    ):
        yield _VideoSink(clip, output, temporary, encode, covers, on_command, stack)


class _VideoSink:
    """``temporary`` becomes ``output``; ffmpeg runs in ``stack``, from the first frame on, which says how all
    are tagged."""

    def __init__(
        self,
        clip: vs.VideoNode,
        output: Path,
        temporary: Path,
        encode: Encode,
        covers: Path,
        on_command: Callable[[list[str]], None],
        stack: ExitStack,
    ) -> None:
        self._clip = clip
        self._output, self._temporary, self._encode, self._covers = output, temporary, encode, covers
        self._on_command, self._stack = on_command, stack
        self._writer: NutWriter | None = None
        self._process: FFmpeg | None = None
        self._frames = 0

    def put(self, n: int, frame: vs.VideoFrame) -> None:
        encode = self._encode
        if self._process is None or self._writer is None:
            alpha = ALPHA in frame.props
            self._writer = NutWriter(self._clip, time_base=encode.time_base, rate=encode.rate, alpha=alpha)
            self._process = self._start(frame, alpha=alpha)
        self._process.put(self._writer.frame(frame, encode.timestamps[n] + encode.ahead))
        self._frames = n + 1

    def finish(self) -> None:
        if self._process is None or self._writer is None:
            raise Vsj4rError(f"there is no frame for {self._output}")
        self._process.put(self._writer.end)
        self._process.finish()
        written = replace(self._encode, timestamps=self._encode.timestamps[: self._frames])
        check_video(self._temporary, written, self._output)

    def _start(self, first: vs.VideoFrame, *, alpha: bool) -> FFmpeg:
        command = encode_command(
            self._temporary,
            Tags.of(first),
            self._encode,
            bits=self._clip.format.bits_per_sample,
            chroma=str(chroma_of(self._clip)),
            alpha=alpha,
            width=first.width,
            covers=self._covers,
        )
        self._on_command(command)
        return self._stack.enter_context(FFmpeg(command, folder=self._encode.folder, output=self._output))


def check_video(written: Path, encode: Encode, output: Path) -> None:
    """See whether all frames of ``encode`` are in ``written``, which is to become ``output``.

    Raises:
        Vsj4rError: another number of frames, or they last longer or shorter.
    """
    try:
        stamps = video_times(written)
    except av.FFmpegError as error:
        if not written.exists():
            raise Vsj4rError(f"{output} has been moved or removed while it was written") from error
        stamps = []
    frames = len(encode.timestamps)
    if len(stamps) != frames:
        raise Vsj4rError(f"{len(stamps)} of {frames} frames arrived in {output}: it is not kept")
    if encode.container.muxer == "avi":
        return  # it says when frames are decoded, not when they are shown
    lasts = stamps[-1] - stamps[0]
    wanted = (encode.timestamps[-1] - encode.timestamps[0]) * encode.time_base
    if abs(lasts - wanted) > max(wanted / frames, _CONTAINER_TICK_SECONDS):
        raise Vsj4rError(f"{output} lasts {float(lasts):.3f} s, not {float(wanted):.3f} s: it is not kept")


@contextmanager
def cover_files(extras: Extras) -> Iterator[Path]:
    """A folder that holds the cover pictures, under their numbers: the names that a file gives them may be no
    names of files. None is made where there are none."""
    if not extras.covers:
        yield Path()
        return
    with TemporaryDirectory(prefix="vsj4r-") as folder:
        for number, cover in enumerate(extras.covers):
            (Path(folder) / str(number)).write_bytes(cover.content)
        yield Path(folder)


@contextmanager
def first_frame_under_way(clip: vs.VideoNode) -> Iterator[None]:
    """Inside, the first frame of ``clip`` is being made; at the end it is waited for. The filter keeps it for
    whoever asks next; if it has failed, it fails again."""
    begun = clip.get_frame_async(0)
    try:
        yield
    finally:
        if begun.exception() is None:
            begun.result().close()


def frames_in_order(
    clip: vs.VideoNode,
    has_frame: Callable[[int], bool | None] = lambda n: True,
    *,
    on_end: Callable[[], None] = lambda: None,
) -> Generator[vs.VideoFrame]:
    """All frames as far as the clip goes, each closed when the next one is asked for.

    ``has_frame`` says whether there is a frame of that number, None where that is not known yet: it is then
    asked for only when nothing else is under way, for what is behind the end costs as much as a frame.
    However it ends, no frame is under way afterwards: a process may end then, threads and all. ``on_end`` is
    told before those under way are waited for, which may never come by themselves.

    Raises:
        Vsj4rError: the filter's or the source's own words.
    """
    waiting: deque[Future[vs.VideoFrame]] = deque()
    asked = 0

    def ask() -> None:
        nonlocal asked
        while asked < len(clip) and len(waiting) < FRAMES_ASKED_FOR:
            there = has_frame(asked)
            if there is False or (there is None and waiting):
                return
            waiting.append(clip.get_frame_async(asked))
            asked += 1

    try:
        ask()
        while waiting:
            with frame_errors():
                frame = waiting[0].result()
            with frame:
                waiting.popleft()
                if PAST_END in frame.props:
                    return
                ask()  # before this one is written
                yield frame
    finally:
        on_end()
        for future in waiting:
            if future.exception() is None:
                future.result().close()
