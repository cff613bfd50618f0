"""A run told as a batch of one file."""

from __future__ import annotations

from pathlib import Path

from vsj4r.batch.work import Plan
from vsj4r.cli.report import Item, Report
from vsj4r.media.pipes import display_path
from vsj4r.run.job import Job, Started, run_job


def derain_with_report(job: Job, report: Report) -> None:
    """Run ``job`` and tell ``report`` how it goes, to its end.

    Raises:
        Vsj4rError: as ``run_job``.
    """
    input_, output = (Path(display_path(path)) for path in (job.input, job.output))
    report.work([Item(input_, output, job.settings.model, job.settings.device)])
    report.file_done(0, run_job(job, _OneFile(report)))


class _OneFile:
    """The ``RunListener`` of a run."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def note(self, text: str) -> None:
        self._report.note(text, 0)

    def started(self, started: Started) -> None:
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
