"""``vsj4r status``: how far a batch is, whether it runs or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsj4r.cli.outcome import UsageError, one_line
from vsj4r.errors import Vsj4rError

if TYPE_CHECKING:
    from vsj4r.batch.manifest import Record


def status(
    job_file: Annotated[Path, typer.Argument(metavar="JOBS.TOML", help="The job file.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a file on stdout.")] = False,
) -> int:
    """Say of each file of JOBS.TOML what is done: waiting, frames, done, failed and why.

    A file whose input, model or settings have changed since is waiting again. 0 when all is done, else 1.
    """
    from vsj4r.batch.jobfile import JobFile, read_jobs
    from vsj4r.batch.manifest import Manifest, outputs_of_records
    from vsj4r.batch.work import work_for

    records = {record.key: record for record in Manifest.records_in(JobFile(job_file.absolute()).state)}
    try:
        jobs = read_jobs(job_file, written=outputs_of_records(records.values()))
    except Vsj4rError as error:
        raise UsageError(str(error)) from error
    if jobs.problems:
        raise UsageError("; ".join(f"{job_file}:{each.line}: {each.text}" for each in jobs.problems))
    all_done = True
    for file in jobs.files:
        record = records.get(work_for(file, jobs.state).key)
        state, done, frames = _state(record)
        all_done = all_done and state == "done"
        why = record.error if record is not None else ""
        if as_json:
            numbers = {"frame": done, "frames": frames}
            typer.echo(json.dumps({"output": str(file.output), "state": state, **numbers, "error": why}))
        else:
            how_far = f"{done} of {frames} frames" if frames else ""
            typer.echo("  ".join(filter(None, (f"{state:8}", one_line(file.output), how_far, one_line(why)))))
    return 0 if all_done else 1


def _state(record: Record | None) -> tuple[str, int, int]:
    """The state in a word, frames done, frames (0 while that is not known)."""
    if record is None or record.plan is None:
        return ("waiting" if record is None else record.state), 0, 0
    plan = record.plan
    if record.state == "done":
        return ("done", plan.frames, plan.frames) if record.owns_output() else ("waiting", 0, plan.frames)
    bounds = [plan.chunk(number) for number in record.chunks]
    done = sum(stop - first for first, stop in bounds)
    return ("begun" if record.state == "waiting" and done else record.state), done, plan.frames
