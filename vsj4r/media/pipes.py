"""Frames from a pipe and into one, as y4m: stdin and stdout (`-`), and named pipes.

A pipe cannot be read again, so the last frames are kept: as many as the filter goes back for, where its
memory begins anew. The end of a pipe is known only when it is there. Until then its clip has
``STREAM_FRAMES`` frames; those after the last repeat it, marked with ``PAST_END`` and as cuts: as at the end
of a file, the last frame has itself as its neighbour, and the way back begins there.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsj4r.engine.base import BLOCK_FRAMES
from vsj4r.errors import Vsj4rError
from vsj4r.frames import WARMUP_FRAMES
from vsj4r.frames.scenes import Cuts
from vsj4r.media.packets import Packets
from vsj4r.media.room import check_frame_fits
from vsj4r.media.video import PAST_END, Sink
from vsj4r.media.whole import whole_file, write_error
from vsj4r.media.y4m import FRAME, Head, head_for
from vsj4r.words import count_of

if sys.platform == "linux":
    import fcntl

STDIN, STDOUT = Path("/dev/stdin"), Path("/dev/stdout")
"""What `-` means; the name of a file called `-` is ./- ."""

STREAM_FRAMES = 1 << 24
"""Of a pipe whose end is not known: three days of 60 frames a second."""

_KEPT_FRAMES = WARMUP_FRAMES + 24  # what is read ahead of the frame that is asked for, on any device, too
_KEPT_BOTH_WAYS = 2 * (WARMUP_FRAMES + BLOCK_FRAMES)  # a block, the one after it, and what each begins with
_PIPE_BYTES = 1 << 20


def is_pipe(path: Path) -> bool:
    """Whether ``path`` is stdin, stdout, or something that has no beginning to go back to."""
    if path in (STDIN, STDOUT):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def display_path(path: Path) -> str:
    """``path`` as people call it."""
    return {STDIN: "stdin", STDOUT: "stdout"}.get(path, str(path))


def is_y4m(output: Path) -> bool:
    """Whether frames go into ``output`` as y4m: into a pipe, or a file of that name."""
    return is_pipe(output) or output.suffix.lower() == ".y4m"


class Pipe:
    """A y4m stream that is read: its ``name``, its ``head``, and its frames as ``clip``."""

    def __init__(self, path: Path) -> None:
        """Read the head and the first frame.

        Raises:
            InputError: it is no y4m, or holds no frame.
            Vsj4rError: it cannot be opened.
        """
        self.name = display_path(path)
        try:
            file = sys.stdin.fileno() if path == STDIN else os.open(path, os.O_RDONLY)
        except OSError as error:
            raise Vsj4rError(f"{self.name} cannot be read: {error.strerror}") from error
        _enlarge(file)
        self._packets = Packets(file, self.name)
        self.head = self._packets.head
        width, height = self.head.clip_size()
        check_frame_fits(path, width, height)
        self._packets.start()
        self._sizes = self.head.plane_sizes()
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, vs.VideoFrame] = OrderedDict()
        self._kept_frames = _KEPT_FRAMES
        self._read = 0  # frames
        rate = self.head.rate
        blank = vs.core.std.BlankClip(
            format=self.head.format,
            width=width,
            height=height,
            length=STREAM_FRAMES,
            fpsnum=rate.numerator if rate else 0,
            fpsden=rate.denominator if rate else 1,
            keep=True,
        ).std.SetFrameProps(**self.head.props)
        self.clip = blank.std.ModifyFrame(blank, self._frame)

    def has(self, n: int) -> bool | None:
        """Whether it has a frame ``n``; None as long as nobody knows."""
        return self._packets.has(n)

    @property
    def note(self) -> str | None:
        """One line, where there are more frames than the head says."""
        said, found = self.head.frames, self._packets.known
        if said is None or found <= said:
            return None
        return f"{self.name} has {count_of(found, 'frame')}, and its head says {said}"

    def keep_both_ways(self) -> None:
        """Keep as many frames as are gone through ``bidirectional``."""
        self._kept_frames = _KEPT_BOTH_WAYS

    def stop(self) -> None:
        """Whoever waits for a frame gives up."""
        self._packets.stop()

    def _frame(self, n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        with self._lock:
            while self._read <= n and self._read_next(f):
                pass
            if n in self._kept:
                return self._kept[n]
            last = next(reversed(self._kept))
            if n > last:
                repeated = self._kept[last].copy()
                repeated.props[PAST_END] = repeated.props["_SceneChangePrev"] = 1
                return repeated
            raise Vsj4rError(f"frame {n} of {self.name} has gone by: a pipe is read once")

    def _read_next(self, blank: vs.VideoFrame) -> bool:
        """Whether there is one more."""
        with self._packets.next_packet() as packet:
            if packet is None:
                return False
            frame = blank.copy()
            start, dtype = 0, np.asarray(frame[0]).dtype
            for plane, (height, width) in enumerate(self._sizes):
                count = height * width
                samples = np.frombuffer(packet, dtype, count, start).reshape(height, width)
                start += count * dtype.itemsize
                target = np.asarray(frame[plane])
                target[:height, :width] = samples
                target[:height, width:] = samples[:, -1:]
                target[height:] = target[height - 1]
        self._kept[self._read] = frame
        self._read += 1
        while len(self._kept) > self._kept_frames:
            self._kept.popitem(last=False)
        return True


def with_cuts(clip: vs.VideoNode, cuts: Cuts) -> vs.VideoNode:
    """``clip`` of a pipe, each frame marked with whether it is one of ``cuts``; the end stays one."""

    def mark(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        marked = f.copy()
        marked.props["_SceneChangePrev"] = int(PAST_END in f.props or cuts.last(n, since=n - 1) == n)
        return marked

    return clip.std.ModifyFrame(clip, mark)


@cache
def own_stdout() -> int:
    """The file of stdout, for frames alone: whatever else is printed from now on goes to stderr."""
    frames = os.dup(1)
    os.dup2(2, 1)
    return frames


@contextmanager
def y4m_sink(
    clip: vs.VideoNode,
    output: Path,
    *,
    rate: Fraction,
    head: Head | None,
    frames: int | None,
    size: tuple[int, int] | None = None,
    replaces: bool = True,
) -> Iterator[Sink]:
    """y4m of ``clip`` into a pipe, or into a file that appears whole (see ``whole_file``).

    ``head`` is the input's, where it is y4m of the same frames; otherwise ``rate`` and ``frames`` (None: not
    known) go into a new one, and ``size`` (width, height) where ``clip`` has had a column or row added.

    Raises:
        BrokenPipeError: whoever reads has had enough.
        Vsj4rError: it cannot be written.
    """
    with ExitStack() as stack:
        if output == STDOUT:
            file = os.dup(own_stdout())
        elif is_pipe(output):
            file = os.open(output, os.O_WRONLY)
        else:
            temporary = stack.enter_context(whole_file(output, replaces=replaces))
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        stack.callback(os.close, file)
        _enlarge(file)
        made = partial(head_for, clip, rate=rate, frames=frames, size=size or (clip.width, clip.height))
        head_of = made if head is None else lambda first: head
        yield _Y4mSink(file, head_of, output)


class _Y4mSink:
    def __init__(self, file: int, head_of: Callable[[vs.VideoFrame], Head], output: Path) -> None:
        self._file, self._head_of, self._output = file, head_of, output
        self._packet = bytearray()
        self._planes: list[NDArray[Any]] = []

    def put(self, n: int, frame: vs.VideoFrame) -> None:
        if n == 0:
            head = self._head_of(frame)
            self._make_room(head.plane_sizes(), np.asarray(frame[0]).dtype)
            self._write(head.line)
        for plane, room in enumerate(self._planes):
            height, width = room.shape
            np.copyto(room, np.asarray(frame[plane])[:height, :width])
        self._write(self._packet)

    def finish(self) -> None:
        """Each frame was written as it came."""

    def _make_room(self, sizes: list[tuple[int, int]], dtype: np.dtype[Any]) -> None:
        """One piece of memory for every frame: what is taken anew each time costs as much as it holds."""
        line = FRAME + b"\n"
        samples = sum(height * width for height, width in sizes)
        self._packet = bytearray(len(line) + samples * dtype.itemsize)
        self._packet[: len(line)] = line
        start = len(line)
        for height, width in sizes:
            count = height * width
            self._planes.append(np.frombuffer(self._packet, dtype, count, start).reshape(height, width))
            start += count * dtype.itemsize

    def _write(self, content: bytes | bytearray) -> None:
        left = memoryview(content)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise write_error(Path(display_path(self._output)), error) from error


def _enlarge(file: int) -> None:
    """A pipe that holds more takes fewer calls for a frame; one of another kind stays as it is."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            fcntl.fcntl(file, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
