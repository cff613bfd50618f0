"""The command line as a process of its own, and what must be true of it when it is refused or stopped."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

Done = subprocess.CompletedProcess[str]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "vsj4r.cli", *map(str, arguments)]


def vsj4r(*arguments: object, cwd: Path | None = None) -> Done:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, cwd=cwd, timeout=120
    )


def run(source: object, output: object, *options: object, cwd: Path | None = None) -> Done:
    done = vsj4r("run", *options, "--", source, output, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done


def assert_refused(done: Done, code: int, text: str, folder: Path) -> None:
    """One line on stderr, the exit code, nothing left behind."""
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("vsj4r: ")
    assert text in lines[0]
    assert not leftovers(folder)


def leftovers(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if entry.name.startswith(".vsj4r-")]


def children_of(pid: int) -> list[int]:
    """Child processes, zombies too (Linux)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def alive(pid: int) -> bool:
    for _ in range(20):
        if not Path(f"/proc/{pid}").exists():
            return False
        time.sleep(0.05)
    return True


def running(pid: int) -> bool:
    """Whether a process still does anything (Linux): one that only waits to be reaped does not."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state in "ZX":
            return False
        time.sleep(0.05)
    return True


def batch(folder: Path, *options: object, code: int = 0) -> list[dict[str, Any]]:
    """The events of `vsj4r batch jobs.toml` in ``folder``."""
    done = vsj4r("batch", "jobs.toml", "--json", *options, cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def parts(folder: Path) -> list[str]:
    """What a batch in ``folder`` has not cleared away, beside its manifest and its logs."""
    state = folder / "jobs.toml.vsj4r"
    left = [str(path.relative_to(folder)) for path in state.rglob("*")]
    kept = ("manifest.sqlite", "lock", "logs", "parts")
    return leftovers(folder) + [name for name in left if not name.endswith((*kept, ".log"))]
