"""One ffmpeg process that is fed frames: it never outlives us, and what it says never blocks it."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from vsj4r.errors import DiskFullError, Vsj4rError
from vsj4r.media.whole import NO_ROOM

LOG_LEVEL = "level+warning"
"""Of ffmpeg, each line with its level: one that its encoder does not know is a mere warning to it."""
_WARNING = re.compile(r"(\[[^]]*\] )*\[warning\] ")
_NOT_TAKEN = re.compile(r"\[lib\w+ @ [^]]*\] \[warning\] (Error parsing option|Unknown option|Invalid value)")
_HARMLESS = ("codec frame size is not set", "Consider increasing the value")
_NO_ROOM = tuple(os.strerror(code) for code in NO_ROOM)
_WAITING_WRITES = 2  # frames between the one that makes them and the one that writes them

# A killed parent takes ffmpeg with it. Between fork and exec of a process with threads no Python may run
# (preexec_fn), so a small process of its own asks the kernel for that and then becomes ffmpeg.
_DIES_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
if os.getppid() != int(sys.argv[1]):
    sys.exit("its parent is gone")
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"{sys.argv[2]} does not start: {error.strerror}")
"""


class FFmpeg:
    """``with FFmpeg(command) as process: ... process.put(job) ... process.finish()``; it runs in ``folder``
    and writes what will be ``output``.

    Jobs are called with ffmpeg's stdin, in order, in a thread of their own: Ctrl-C then never
    arrives inside libav. Leaving the block early kills ffmpeg; either way it is waited for.

    Raises:
        Vsj4rError: ffmpeg cannot be started or fails; the text is what it said first.
        DiskFullError: that it has no room was among it.
    """

    def __init__(self, command: list[str], *, folder: Path | None = None, output: Path | None = None) -> None:
        self._command = _bind_to_us(command)
        self._folder, self._output = folder, output
        self._first_words = ""  # the first line that is not harmless
        self._not_taken = ""  # the first line that says so of an encoder's own option
        self._no_room = ""  # the system's words for a full disk, where they were among the lines
        self._jobs: queue.Queue[Callable[[IO[bytes]], None] | None] = queue.Queue(maxsize=_WAITING_WRITES)
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        try:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # the terminal's Ctrl-C is for us alone
            )
        except OSError as error:
            raise Vsj4rError(f"ffmpeg does not start: {error}") from error
        self._listener = threading.Thread(target=self._listen, name="ffmpeg-stderr", daemon=True)
        self._writer = threading.Thread(target=self._write, name="ffmpeg-stdin", daemon=True)
        self._listener.start()
        self._writer.start()
        return self

    def put(self, job: Callable[[IO[bytes]], None]) -> None:
        """Queue ``job``; waits while ffmpeg is behind, so memory stays flat."""
        while True:
            if self._failure is not None:
                raise self._error()
            try:
                return self._jobs.put(job, timeout=0.2)
            except queue.Full:
                continue

    def finish(self) -> None:
        """Write what is queued, end the input, wait for a good end."""
        while self._writer.is_alive():
            try:
                self._jobs.put(None, timeout=0.2)
                break
            except queue.Full:
                continue
        while self._writer.is_alive():
            self._writer.join(timeout=0.2)
        if self._failure is not None or self._process.wait() != 0:
            raise self._error()
        self._listener.join()
        if self._not_taken:
            raise Vsj4rError(f"ffmpeg: {without_origin(self._not_taken)}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            _kill_group(self._process)
        self._process.wait()
        self._failure = self._failure or error or EOFError()
        self._writer.join(timeout=5)
        self._listener.join(timeout=5)

    def _write(self) -> None:
        stdin = cast("IO[bytes]", self._process.stdin)
        try:
            while self._failure is None:
                try:
                    job = self._jobs.get(timeout=0.2)
                except queue.Empty:
                    continue
                if job is None:
                    break
                job(stdin)
        except BaseException as failure:  # carried to the thread that puts
            self._failure = failure
        finally:
            try:
                stdin.close()
            except OSError as failure:
                self._failure = self._failure or failure

    def _listen(self) -> None:
        with cast("IO[bytes]", self._process.stderr) as stderr:
            for raw in stderr:
                line = raw.decode("utf-8", "replace").rstrip()
                if not line or any(known in line for known in _HARMLESS):
                    continue
                if is_not_taken(line):
                    self._not_taken = self._not_taken or line
                if is_warning(line):
                    continue
                self._first_words = self._first_words or line
                self._no_room = self._no_room or next((each for each in _NO_ROOM if line.endswith(each)), "")

    def _error(self) -> Exception:
        if self._failure is not None and not isinstance(self._failure, OSError):
            return self._failure if isinstance(self._failure, Exception) else Vsj4rError(repr(self._failure))
        # its input broke because it ended: what it said comes a moment later
        try:
            code: int | None = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = None
        self._listener.join(timeout=5)
        if self._no_room:
            said = "ffmpeg" if self._output is None else f"{self._output} cannot be written"
            return DiskFullError(f"{said}: {self._no_room}")
        said = without_origin(self._first_words)
        return Vsj4rError(f"ffmpeg: {said or _reason_of(code)}")


def is_warning(line: str) -> bool:
    """Whether ffmpeg goes on in spite of what it says in ``line``."""
    return _WARNING.match(line) is not None


def is_not_taken(line: str) -> bool:
    """Whether ffmpeg says in ``line`` that its encoder does not take an option, which it goes on without."""
    return _NOT_TAKEN.match(line) is not None


def without_origin(line: str) -> str:
    """What ffmpeg says in ``line``, without the part of it that says so."""
    return re.sub(r"^(\[[^]]*\] )+", "", line)


def _reason_of(code: int | None) -> str:
    """Why a process with this exit code has ended, which said nothing itself."""
    if not code:
        return "it ended before the last frame"
    return f"signal {-code} ended it" if code < 0 else f"it gives no reason; its exit code is {code}"


def environment() -> dict[str, str]:
    """Of an ffmpeg process: without the greeting of SVT-AV1, which would come before what is wrong."""
    return {**os.environ, "SVT_LOG": "1"}


def _bind_to_us(command: list[str]) -> list[str]:
    """Linux; elsewhere ffmpeg ends when its input does."""
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", _DIES_WITH_PARENT, str(os.getpid()), *command]


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
