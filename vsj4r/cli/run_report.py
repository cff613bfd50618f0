"""A run told as a batch of one file, and written down in a log."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from vsj4r import __version__
from vsj4r.batch.plan import Plan
from vsj4r.cli.report import Item, Report
from vsj4r.logfile import append_line
from vsj4r.media.pipes import display_path
from vsj4r.media.whole import writing_to
from vsj4r.run.job import Job, Started, run_job
from vsj4r.words import count_of


def derain_with_report(job: Job, report: Report, log: Path | None = None) -> None:
    """Run ``job`` and tell ``report`` how it goes, to its end. ``log``: a file that gets a line for what was
    asked, noted, run and done.

    Raises:
        Vsj4rError: as ``run_job``; the log cannot be written.
    """
    input_, output = (Path(display_path(path)) for path in (job.input, job.output))
    report.work([Item(input_, output, job.settings.model, job.settings.device)])
    told = _OneFile(report, log)
    told.log(f"vsj4r {__version__}: {shlex.join(['vsj4r', *sys.argv[1:]])}")
    try:
        seconds = run_job(job, told)
    except BaseException as error:
        told.log(f"failed: {error or type(error).__name__}")
        raise
    told.log(f"done in {seconds:.1f} s")
    report.file_done(0, seconds)


class _OneFile:
    """The ``RunListener`` of a run."""

    def __init__(self, report: Report, log: Path | None) -> None:
        self._report, self._log = report, log

    def log(self, text: str) -> None:
        if self._log is not None:
            with writing_to(self._log):
                append_line(self._log, text)

    def note(self, text: str) -> None:
        self.log(text)
        self._report.note(text, 0)

    def looked(self, share: float) -> None:
        self._report.said(0, {"kind": "looked", "share": share})

    def command(self, command: list[str]) -> None:
        self.log(shlex.join(command))

    def started(self, started: Started) -> None:
        frames = "frames from a pipe" if started.frames is None else count_of(started.frames, "frame")
        self.log(f"{frames}, {started.width}x{started.height} {started.format}, {started.fps:g} a second")
        plan = Plan(
            started.frames or 1,
            (0,),
            started.width,
            started.height,
            started.format,
            started.fps,
            open_ended=started.frames is None,
        )
        self._report.planned(0, plan, 0)

    def frame_done(self, frame: int) -> None:
        self._report.frames_done(0, frame)
