"""A command in a process of its own, forked from one that has imported everything: a few milliseconds each.

Linux. The forking process has one thread and has made no VapourSynth core; what the forked one does is what
``vsj4r`` does, from ``main`` to the end of the interpreter.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CPU_SECONDS, SECONDS = 60, 180
"""What one input may take, of a core and on the clock: small files, so whatever takes longer hangs."""

PEAK_BYTES = 1 << 30
"""What the process of one input, or one that it starts, may take of memory beyond what it begins with."""

ADDRESS_BYTES = 8 << 30
"""The same of its address space, so that a fault does not take the machine's memory."""

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Ran:
    """How a process ended. ``signal`` 0: by itself, with ``code``. ``trace``: where it was when it crashed.
    ``stuck``: it was killed for taking too long. ``left``: processes that were still there after it."""

    code: int
    signal: int
    stdout: str
    stderr: str
    trace: str
    cpu_seconds: float
    peak_bytes: int
    stuck: bool
    left: int


class ForkedError(BaseException):
    """Raised in the forked process alone, to leave the frames of the forking one."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work


def adopt_orphans() -> None:
    """What a forked process leaves running becomes a child of this one."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def forked(work: Callable[[], object], folder: Path) -> Ran:
    """Do ``work`` in a process of its own, in ``folder``; its temporary files go to ``folder``/tmp.

    Raises:
        ForkedError: in the new process; whoever started must do its ``work`` and end as it ends.
    """
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("a process with threads must not be forked")
    for name in ("tmp", "home"):
        (folder / name).mkdir()
    sys.stdout.flush()
    sys.stderr.flush()
    reports = {name: folder.with_suffix(f".{name}") for name in ("stdout", "stderr", "trace")}
    started_with = _pages()[1] * resource.getpagesize()
    pid = os.fork()
    if not pid:
        _settle(folder, reports)
        raise ForkedError(work)
    stuck = not _wait(pid, SECONDS)
    if stuck:
        os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    left = _reap_orphans()
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    said = {
        name: path.read_text("utf-8", "replace") if path.exists() else "" for name, path in reports.items()
    }
    for path in reports.values():
        path.unlink(missing_ok=True)
    return Ran(
        code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else -number,
        signal=number,
        stdout=said["stdout"],
        stderr=said["stderr"],
        trace=said["trace"],
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=max(0, usage.ru_maxrss * 1024 - started_with),
        stuck=stuck or number == signal.SIGXCPU,
        left=left,
    )


def _settle(folder: Path, reports: dict[str, Path]) -> None:
    """Make the forked process look like one that was started in ``folder``."""
    os.setsid()
    os.chdir(folder)
    tempfile.tempdir = None
    os.environ |= {"TMPDIR": str(folder / "tmp"), "HOME": str(folder / "home")}
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        os.environ.pop(name, None)
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(reports[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    faulthandler.enable(reports["trace"].open("w"))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
    most = _pages()[0] * resource.getpagesize() + ADDRESS_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


def _wait(pid: int, seconds: float) -> bool:
    """Whether ``pid`` has ended within ``seconds``."""
    process = os.pidfd_open(pid)
    try:
        return bool(select.select([process], [], [], seconds)[0])
    finally:
        os.close(process)


def _reap_orphans() -> int:
    """End what is left; how many still ran a moment later."""
    until = time.monotonic() + 2
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
        if pid:
            continue
        if time.monotonic() > until:
            break
        time.sleep(0.01)
    killed = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            killed += 1
            os.kill(int(stat.parent.name), signal.SIGKILL)
            os.waitpid(int(stat.parent.name), 0)
    return killed


def _pages() -> tuple[int, int]:
    """Of this process: of its address space, and resident."""
    size, resident, *_ = Path("/proc/self/statm").read_text().split()
    return int(size), int(resident)
