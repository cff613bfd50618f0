"""What tasks leave in the folder of a file's work beside the parts: how often each was begun, and which
outputs were joined from it. A process may die at any moment; this stays."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from vsj4r.errors import Vsj4rError
from vsj4r.media.whole import Stamps, size_and_time, stamp_of

TRIES = 3
"""How often a task is begun. The last is said of a chunk that kills its worker each time."""

_JOINED = "joined"


class GivenUpError(Vsj4rError):
    """No further try."""


def count_try(folder: Path, name: str, told: str) -> None:
    """One byte for each beginning, kept where a killed worker cannot take it along. ``told``: the
    task as people are told of it.

    Raises:
        GivenUpError: it was begun ``TRIES`` times.
    """
    with (folder / f"{name}.tries").open("ab") as file:
        if file.tell() >= TRIES:
            raise GivenUpError(f"{told} has failed, or ended its worker, {TRIES} times: given up")
        file.write(b".")
        file.flush()
        os.fsync(file.fileno())


def forget_tries(folder: Path) -> None:
    """A new run of the batch may try again."""
    for tries in folder.glob("*.tries"):
        tries.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def note_joined(folder: Path, output: Path, whole: Path) -> None:
    """Which file is about to get the name ``output``; a process may die before it can tell."""
    size, mtime_ns = size_and_time(whole)
    with (folder / _JOINED).open("a") as file:
        file.write(f"{json.dumps(output.name)} {size} {mtime_ns}\n")
        file.flush()
        os.fsync(file.fileno())  # on the disk before the name is


def joined_from(folder: Path, outputs: Iterable[Path]) -> Stamps:
    """Those of ``outputs`` that are what was joined from the parts in ``folder``."""
    stamps = {output: stamp for output in outputs if (stamp := stamp_of(output)) is not None}
    noted = set(_noted_joins(folder))
    return {
        output: (size, mtime_ns)
        for output, (size, mtime_ns) in stamps.items()
        if f"{json.dumps(output.name)} {size} {mtime_ns}" in noted
    }


def came_from(folder: Path, output: Path) -> bool:
    """Whether ``output`` was joined from the parts in ``folder``; or is a folder that was getting its files
    from them: one that was there before gets them one by one, and is this batch's own however far that
    went."""
    if joined_from(folder, [output]):
        return True
    return output.is_dir() and any(
        line.startswith(f"{json.dumps(output.name)} ") for line in _noted_joins(folder)
    )


def _noted_joins(folder: Path) -> list[str]:
    """What ``note_joined`` has written; nothing where that cannot be read."""
    try:
        return (folder / _JOINED).read_text().splitlines()
    except (OSError, ValueError):
        return []
