"""Logs for people: a line for each thing that was done, with the time."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from vsj4r.errors import Vsj4rError

_STAMP = "%Y-%m-%d %H:%M:%S"
_FIRST = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")


def check_log(log: Path, others: Iterable[Path]) -> None:
    """Refuse a ``log`` that would be written into something else.

    Raises:
        Vsj4rError: it is one of ``others``, or a file that is there and is no log.
        OSError: it cannot be read.
    """
    if os.path.realpath(log) in map(os.path.realpath, others):
        raise Vsj4rError(f"the log {log} is an output as well: give it another name")
    if log.is_file():
        with log.open("rb") as file:
            first = file.read(len(b"2026-01-01 00:00:00 "))
        if first and not _FIRST.fullmatch(first):
            raise Vsj4rError(f"{log} is no log, and would be spoiled: name another file")


def append_line(log: Path, text: str) -> None:
    """Add a line to the file ``log``, which is made where there is none.

    Raises:
        OSError: it cannot be written.
    """
    stamp = time.strftime(_STAMP)
    with log.open("a", encoding="utf-8", errors="replace") as file:
        file.write(f"{stamp} {text}\n")
