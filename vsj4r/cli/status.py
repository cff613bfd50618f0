"""``vsj4r status``: how far a batch is, whether it runs or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsj4r.cli.outcome import UsageError, one_line
from vsj4r.errors import Vsj4rError
from vsj4r.words import count_of

if TYPE_CHECKING:
    from vsj4r.batch.manifest import Record
    from vsj4r.batch.work import Work


def status(
    job_file: Annotated[Path, typer.Argument(metavar="JOBS.TOML", help="The job file.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a file on stdout.")] = False,
) -> int:
    """Say of each file of JOBS.TOML how far it is: waiting, begun, done or failed, and frames.

    Frames count once their chunk is finished. A file whose input, model
    or settings have changed since is waiting again.
    The exit code is 0 when all is done, else 1.
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
        try:
            work = work_for(file, jobs.state)
        except Vsj4rError as error:
            state, done, frames, why = "waiting", 0, 0, str(error)
        else:
            record = records.get(work.key)
            state, done, frames = _state(record, work)
            why = record.error if record is not None else ""
        all_done = all_done and state == "done"
        if as_json:
            numbers = {"frame": done, "frames": frames}
            typer.echo(json.dumps({"output": str(file.output), "state": state, **numbers, "error": why}))
        else:
            how_far = f"{done} of {count_of(frames, 'frame')}" if frames else ""
            typer.echo("  ".join(filter(None, (f"{state:8}", one_line(file.output), how_far, one_line(why)))))
    return 0 if all_done else 1


def _state(record: Record | None, work: Work) -> tuple[str, int, int]:
    """The state of ``work`` in a word, frames done, frames (0 while that is not known)."""
    if record is None or record.plan is None:
        return ("waiting" if record is None else record.state), 0, 0
    frames, done = record.plan.frames, record.frames_done(work)
    if record.state == "done":
        return ("done" if done else "waiting"), done, frames
    return ("begun" if record.state == "waiting" else record.state), done, frames
