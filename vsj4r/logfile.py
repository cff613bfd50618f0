"""Logs for people: a line for each thing that was done, with the time."""

from __future__ import annotations

import time
from pathlib import Path


def append_line(log: Path, text: str) -> None:
    """Add a line to the file ``log``, which is made where there is none.

    Raises:
        OSError: it cannot be written.
    """
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    with log.open("a", encoding="utf-8", errors="replace") as file:
        file.write(f"{stamp} {text}\n")
