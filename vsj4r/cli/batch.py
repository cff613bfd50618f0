"""``vsj4r batch``: a shelf of files, unattended."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsj4r import __version__
from vsj4r.cli.outcome import BAD_USAGE, DONE, FAILED, UsageError
from vsj4r.cli.stops import Stops, listening_for_stops
from vsj4r.cores import WORKERS_MAX
from vsj4r.errors import DiskFullError, InputError, Vsj4rError

if TYPE_CHECKING:
    from vsj4r.batch.jobfile import JobFile
    from vsj4r.batch.pool import Messages, OnDask, Pool
    from vsj4r.batch.work import Work
    from vsj4r.cli.report import Report


def batch(
    job_file: Annotated[Path, typer.Argument(metavar="JOBS.TOML", help="The job file.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and print the plan; write nothing.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=WORKERS_MAX,
            help="Worker processes on this machine.",
            show_default="none: this process works",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Dask scheduler, tcp://HOST:8786 or tls://HOST:8786."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON lines on stdout.")] = False,
) -> int:
    """Derain all files that JOBS.TOML names, in chunks; the same command goes on where it was stopped.

    The first Ctrl-C finishes the chunks under way, the second stops at once.
    """
    from vsj4r.cli.batch_plan import show_plan
    from vsj4r.cli.report import BarReport, Item, JsonReport

    if workers is not None and cluster is not None:
        raise UsageError("give --workers or --cluster, not both")
    report: Report = JsonReport() if as_json else BarReport()
    with report:
        read = _read(job_file, report, on_cluster=cluster is not None)
        if read is None:
            return BAD_USAGE
        jobs, todo, frames = read
        report.work(
            [
                Item(
                    work.input,
                    work.output,
                    work.settings.model,
                    work.settings.device,
                    frames.get(work.output) or None,
                )
                for work in todo
            ]
        )
        if dry_run:
            return show_plan(todo, jobs.state, report, as_json=as_json)
        return _run(jobs, todo, report, workers=workers, cluster=cluster)


def _read(
    job_file: Path, report: Report, *, on_cluster: bool
) -> tuple[JobFile, list[Work], dict[Path, int]] | None:
    """The work of ``job_file``, and how many frames each output will have, roughly; None after all that is
    wrong with it has been said."""
    from vsj4r.batch.checks import check_batch
    from vsj4r.batch.jobfile import JobFile, read_jobs
    from vsj4r.batch.manifest import Manifest, outputs_of_records
    from vsj4r.batch.traces import came_from
    from vsj4r.batch.work import work_for

    records = Manifest.records_in(JobFile(job_file.absolute()).state)
    try:
        jobs = read_jobs(job_file, written=outputs_of_records(records))
    except Vsj4rError as error:
        raise UsageError(str(error)) from error
    parts = jobs.state / "parts"
    owned = {output for each in records for output in each.owned()}
    wanted = {output for file in jobs.files for output in file.settings.paths(file.output)}
    owned |= {
        output
        for each in records
        for output in wanted.intersection(each.outputs())
        if came_from(parts / each.key, output)
    }
    frames = check_batch(jobs, owned=owned, devices=not on_cluster)
    for problem in sorted(jobs.problems, key=lambda each: each.line):
        report.problem(job_file, problem.line, problem.text)
    if jobs.problems:
        return None
    works = []
    for file in jobs.files:
        try:
            works.append(work_for(file, jobs.state))
        except InputError as error:
            report.problem(job_file, file.line, str(error))
    return (jobs, works, frames) if len(works) == len(jobs.files) else None


def _run(
    jobs: JobFile, works: list[Work], report: Report, *, workers: int | None, cluster: str | None
) -> int:
    from vsj4r.batch.drive import Batch
    from vsj4r.batch.logs import Logs
    from vsj4r.batch.manifest import Manifest
    from vsj4r.batch.pool import Messages

    began = time.monotonic()
    with (
        _going_on_later(),
        Manifest.writing(jobs.state) as manifest,
        listening_for_stops(report.note) as stops,
    ):
        driven = Batch(
            works,
            jobs.state / "parts",
            manifest,
            Logs(works, jobs.state / "logs", report),
            drained=stops.drained,
            stopped=stops.stopped,
        )
        ready = driven.take_up()
        endings: dict[int, str] = {}
        messages = Messages()
        if len(ready) == len(works):
            report.began(ready, 0)
        else:
            for work in works:
                work.output.parent.mkdir(parents=True, exist_ok=True)
            with _pool(jobs, works, messages, report, stops, workers, cluster) as pool:
                report.began(ready, pool.slots)
                endings = dict(driven.run(pool, messages))
    failed = list(endings.values()).count("failed")
    done = len(ready) if not endings else list(endings.values()).count("done")
    left = len(works) - done - failed
    report.ended(done, failed, left, time.monotonic() - began)
    if left:
        return stops.code
    return FAILED if failed else DONE


@contextmanager
def _going_on_later() -> Iterator[None]:
    """What to do about a full disk."""
    try:
        yield
    except DiskFullError as error:
        raise DiskFullError(f"{error}; make room, and the same command goes on") from error


@contextmanager
def _pool(
    jobs: JobFile,
    works: list[Work],
    messages: Messages,
    report: Report,
    stops: Stops,
    workers: int | None,
    cluster: str | None,
) -> Iterator[Pool]:
    from vsj4r.batch.pool import InProcess, on_cluster, on_this_machine

    scratch = jobs.state / "dask"
    shutil.rmtree(scratch, ignore_errors=True)
    if cluster is not None:
        with closing(on_cluster(cluster, messages)) as remote:
            _await_workers(remote, cluster, report, stops)
            _check_workers(remote, jobs, works)
            yield remote
    elif workers is not None:
        try:
            with closing(on_this_machine(workers, messages, scratch)) as local:
                yield local
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    else:
        with closing(InProcess(messages)) as pool:
            try:
                yield pool
            except BaseException:
                pool.stop()  # nobody is left to take what comes of it
                raise


def _await_workers(pool: OnDask, address: str, report: Report, stops: Stops) -> None:
    from vsj4r.batch.pool import RESOURCE

    if not pool.slots:
        report.note(f"waiting for a worker of {address} that was started with --resources {RESOURCE}=1")
    while not pool.slots and not stops.drained():
        time.sleep(0.2)


def _check_workers(pool: OnDask, jobs: JobFile, works: list[Work]) -> None:
    """Raises:
    UsageError: a worker lacks something, or sees other files than we do.
    """
    from vsj4r.batch.pool import Wanted

    token = jobs.state / "token"
    text = secrets.token_hex(16)
    token.write_text(text)
    wanted = Wanted(
        version=__version__,
        models=tuple(sorted({(work.settings.model, work.model) for work in works})),
        token=(token, text),
        inputs=tuple(path for work in works for path in work.inputs),
        folders=tuple(sorted({jobs.state, *(work.output.parent for work in works)})),
        devices=tuple(sorted({work.settings.device for work in works})),
    )
    try:
        problems = pool.check(wanted)
    finally:
        token.unlink()
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UsageError(problems[0] + more)
