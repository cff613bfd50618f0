"""A run in this process: as `vsj4r run`, without a second to start it."""

from __future__ import annotations

from pathlib import Path

from vsj4r.run.job import Job, Started, run_job
from vsj4r.run.settings import RunSettings


class Notes:
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def looked(self, share: float) -> None:
        pass

    def started(self, started: Started) -> None:
        pass

    def command(self, command: list[str]) -> None:
        pass

    def frame_done(self, frame: int) -> None:
        pass


def derain_quickly(source: Path, output: Path, model: Path, *, encoder: str = "x264") -> list[str]:
    """Derain ``source`` into ``output``; gives the lines that it said."""
    listener = Notes()
    settings = RunSettings(model=str(model), strength=0.0, encoder=encoder, overwrite=True)
    run_job(Job(source, output, to_folder=False, settings=settings), listener)
    return listener.notes
