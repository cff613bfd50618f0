"""A log for each output of a batch: what was done when, with the exact commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from vsj4r.batch.plan import BatchListener, Event, Plan
from vsj4r.batch.work import Work
from vsj4r.logfile import append_line
from vsj4r.words import count_of

_NAME_CHARACTERS = 60


class Logs:
    """A ``BatchListener`` that writes down what it hears before it passes it on to ``after``."""

    def __init__(self, works: list[Work], folder: Path, after: BatchListener) -> None:
        self._works = works
        self._folder = folder
        self._after = after
        folder.mkdir(parents=True, exist_ok=True)

    def planned(self, index: int, plan: Plan, frames_done: int) -> None:
        size = f"{plan.width}x{plan.height} {plan.format}"
        frames, chunks = count_of(plan.frames, "frame"), count_of(len(plan.starts), "chunk")
        self._write(index, f"{frames} {size} in {chunks}, {frames_done} done")
        for note in plan.notes:
            self._write(index, note)
        self._after.planned(index, plan, frames_done)

    def said(self, index: int, event: Event) -> None:
        match event:
            case {"kind": "command", "command": [*command]}:
                self._write(index, shlex.join(map(str, command)))
            case {"kind": "begun", "chunk": number, "worker": worker}:
                self._write(index, f"chunk {number} begun on {worker}")
            case {"kind": "note", "text": str(text)}:
                self._write(index, text)
        self._after.said(index, event)

    def frames_done(self, index: int, frames: int) -> None:
        self._after.frames_done(index, frames)

    def chunk_done(self, index: int, number: int) -> None:
        self._write(index, f"chunk {number} done")
        self._after.chunk_done(index, number)

    def file_done(self, index: int, seconds: float) -> None:
        self._write(index, f"done in {seconds:.1f} s")
        self._after.file_done(index, seconds)

    def file_failed(self, index: int, error: str) -> None:
        self._write(index, f"failed: {error}")
        self._after.file_failed(index, error)

    def _write(self, index: int, text: str) -> None:
        append_line(log_of(self._works[index], self._folder), text)


def log_of(work: Work, folder: Path) -> Path:
    """A plain name for any output: its letters and digits, then the work's key."""
    plain = re.sub(r"[^\w.-]+", "_", work.output.stem).strip("._")[:_NAME_CHARACTERS]
    return folder / f"{plain}-{work.key[:8]}.log"
