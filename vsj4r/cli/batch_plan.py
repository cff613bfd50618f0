"""``vsj4r batch --dry-run``: files, chunks, frames, settings."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from vsj4r.batch.bench import Bench
from vsj4r.batch.manifest import Manifest
from vsj4r.batch.plan import IMAGES, Plan
from vsj4r.batch.tasks import Task, Worker, perform
from vsj4r.batch.work import Work
from vsj4r.cli.outcome import DONE, FAILED, one_line
from vsj4r.cli.report import Report
from vsj4r.errors import Vsj4rError
from vsj4r.media.trim import Moment
from vsj4r.words import count_of

_NOTHING = (None, (), (None, None), False)
_TOLD_STARTS = 10


def show_plan(works: list[Work], state: Path, report: Report, *, as_json: bool) -> int:
    """Open every file and say what would be done to it; gives the exit code."""
    records = {record.key: record for record in Manifest.records_in(state)}
    done = [records[work.key].frames_done(work) if work.key in records else 0 for work in works]
    are_done = (work.key in records and records[work.key].owns_outputs() for work in works)
    report.began([index for index, is_done in enumerate(are_done) if is_done], 0)
    with closing(Bench()) as bench:
        worker = Worker(threads=0, bench=bench, tell=lambda event: None, stopped=lambda: False)
        return _show(works, done, worker, report, as_json=as_json)


def _show(works: list[Work], done: list[int], worker: Worker, report: Report, *, as_json: bool) -> int:
    code, frames = DONE, 0
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
        frames += plan.frames
        if as_json:
            report.planned(index, plan, done[index])
        else:
            _print_plan(work, plan, done[index])
    if not as_json:
        all_of_them = f"{count_of(len(works), 'file')}, {count_of(frames, 'frame')}"
        typer.echo(f"{all_of_them}, {sum(done)} done; nothing is written")
    return code


def _print_plan(work: Work, plan: Plan, done: int) -> None:
    typer.echo(f"{one_line(work.input)} -> {one_line(work.output)}")
    size = f"{plan.width}x{plan.height} {plan.format}, {plan.fps:g} a second"
    typer.echo(f"  {count_of(plan.frames, 'frame')}, {size}; {'all' if done == plan.frames else done} done")
    typer.echo(f"  {_format_chunks(plan.starts)}")
    settings = work.settings.named() | {"encoder": None if plan.encoder == IMAGES else plan.encoder}
    told = [
        f"{name} {_format_setting(name, value)}" for name, value in settings.items() if value not in _NOTHING
    ]
    typer.echo(f"  {', '.join(told)}")
    for note in plan.notes:
        typer.echo(f"  {one_line(note)}")


def _format_chunks(starts: Sequence[int]) -> str:
    """How many, and the first frame of each, counted in the output; of many, of the first ones."""
    if len(starts) == 1:
        return "1 chunk"
    told = ", ".join(map(str, starts[:_TOLD_STARTS]))
    return f"{len(starts)} chunks, which begin at frames {told}{' ...' if len(starts) > _TOLD_STARTS else ''}"


def _format_setting(name: str, value: object) -> str:
    """A setting in words: encoder options as preset=slow, a trim as 10 to 2.5 s."""
    if not isinstance(value, tuple):
        return str(value)
    if name == "strength":
        return " and ".join(f"{share} from {frame}" for frame, share in value)
    if name == "trim":
        return " to ".join(_format_moment(each) for each in value).strip()
    return " ".join("=".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in value)


def _format_moment(moment: Moment) -> str:
    return "" if moment is None else f"{moment} s" if isinstance(moment, float) else str(moment)
