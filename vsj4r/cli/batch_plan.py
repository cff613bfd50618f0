"""``vsj4r batch --dry-run``: files, chunks, frames, settings."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from vsj4r.batch.bench import Bench
from vsj4r.batch.manifest import Manifest
from vsj4r.batch.plan import Plan
from vsj4r.batch.tasks import Task, Worker, perform
from vsj4r.batch.work import Work
from vsj4r.cli.outcome import DONE, FAILED, one_line
from vsj4r.cli.report import Report
from vsj4r.errors import Vsj4rError
from vsj4r.words import count_of

_NOTHING = (None, (), (None, None), False)


def show_plan(works: list[Work], state: Path, report: Report, *, as_json: bool) -> int:
    """Open every file and say what would be done to it; gives the exit code."""
    ready = {record.key for record in Manifest.records_in(state) if record.owns_output()}
    report.began(sum(work.key in ready for work in works), 0)
    with closing(Bench()) as bench:
        worker = Worker(threads=0, bench=bench, tell=lambda event: None, stopped=lambda: False)
        return _show(works, ready, worker, report, as_json=as_json)


def _show(works: list[Work], ready: set[str], worker: Worker, report: Report, *, as_json: bool) -> int:
    code = DONE
    for index, work in enumerate(works):
        with TemporaryDirectory(prefix="vsj4r-") as folder:
            try:
                plan = perform(Task("plan", replace(work, folder=Path(folder))), worker)
            except Vsj4rError as error:
                code = FAILED
                report.file_failed(index, str(error))
                continue
        if not isinstance(plan, Plan):
            continue
        if as_json:
            report.planned(index, plan, plan.frames if work.key in ready else 0)
        else:
            _print_plan(work, plan, done=work.key in ready)
    return code


def _print_plan(work: Work, plan: Plan, *, done: bool) -> None:
    settings = work.settings.named().items()
    size = f"{plan.width}x{plan.height} {plan.format}, {plan.fps:.3f} fps"
    typer.echo(f"{one_line(work.input)} -> {one_line(work.output)}{' (done)' if done else ''}")
    typer.echo(f"  {count_of(plan.frames, 'frame')}, {size}")
    typer.echo(f"  chunks from {' '.join(map(str, plan.starts))}")
    typer.echo(
        "  "
        + ", ".join(
            f"{name} {_format_setting(name, value)}" for name, value in settings if value not in _NOTHING
        )
    )
    for note in plan.notes:
        typer.echo(f"  {one_line(note)}")


def _format_setting(name: str, value: object) -> str:
    """A setting as a job file has it: encoder options as preset=slow, a trim as 10 to 20."""
    if not isinstance(value, tuple):
        return str(value)
    if name == "trim":
        return " to ".join("" if each is None else str(each) for each in value).strip()
    return " ".join("=".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in value)
