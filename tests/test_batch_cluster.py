"""`vsj4r batch --cluster`: a scheduler and workers that were there before."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest

from tests import media
from tests.cli import assert_refused, batch, command, parts, vsj4r
from tests.tiny_model import write_tiny_model
from vsj4r import __version__
from vsj4r.batch.drive import Batch
from vsj4r.batch.job_settings import Settings
from vsj4r.batch.manifest import Manifest
from vsj4r.batch.pool import Ended, Messages, OnDask, Told, Wanted, on_cluster, on_this_machine, problems_here
from vsj4r.batch.tasks import Task
from vsj4r.batch.work import Work
from vsj4r.cli.report import Item, JsonReport
from vsj4r.engine.weights import find_model
from vsj4r.errors import Vsj4rError

if TYPE_CHECKING:
    from distributed import Client


class Cluster(NamedTuple):
    address: str
    scheduler: subprocess.Popen[bytes]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler with one worker that takes our tasks and one that does not."""
    scheduler_file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = [*dask, "worker", "--no-nanny", "--no-dashboard", "--nthreads", "1"]
    there = ["--scheduler-file", str(scheduler_file)]
    processes = [
        subprocess.Popen([*scheduler, *there], **quiet),  # type: ignore[call-overload]
        subprocess.Popen([*worker, *there, "--resources", "vsj4r=1"], **quiet),  # type: ignore[call-overload]
        subprocess.Popen([*worker, *there], **quiet),  # type: ignore[call-overload]
    ]
    try:
        yield Cluster(address_in(scheduler_file, processes[0]), processes[0])
    finally:
        for process in processes:
            process.kill()
            process.wait()


def address_in(file: Path, scheduler: subprocess.Popen[bytes]) -> str:
    """Where ``scheduler`` listens, once it has said so."""
    while True:
        with suppress(OSError, ValueError):  # not there yet, or half of it
            return str(json.loads(file.read_text())["address"])
        assert scheduler.poll() is None
        time.sleep(0.05)


class CountingClient:
    """A Dask client with 64 workers, which counts how often it is asked for them."""

    def __init__(self) -> None:
        self.asked = 0

    def scheduler_info(self, n_workers: int) -> dict[str, dict[str, Any]]:
        self.asked += 1
        return {"workers": {f"tcp://w{n}": {"resources": {"vsj4r": 1}} for n in range(64)}}

    def subscribe_topic(self, topic: str, handler: object) -> None: ...

    def submit(self, *task: object, **how: object) -> CountingClient:
        return self

    def add_done_callback(self, callback: object) -> None: ...


def test_the_scheduler_is_not_asked_for_all_workers_at_every_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Or its work grows with the square of the workers: each tells of its frames twice a second."""
    works = [
        Work(f"k{n}", Path("in.mkv"), tmp_path / f"{n}.mkv", Settings(), tmp_path / f"k{n}", ("",), "")
        for n in range(64)
    ]
    messages, client = Messages(), CountingClient()
    tasks = [Task("plan", work).name for work in works]
    for _ in range(50):
        for task in tasks:
            messages.put(Told(task, {"kind": "note", "text": "a frame"}))
    for task in tasks:
        messages.put(Ended(task, None, Vsj4rError("that is all")))
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    with Manifest.writing(tmp_path / "state") as manifest:
        report = JsonReport()
        report.work([Item(work.input, work.output, "j4r", "cpu") for work in works])
        driven = Batch(works, tmp_path / "parts", manifest, report)
        endings = driven.run(OnDask(cast("Client", client), "tcp://here", messages), messages)
    assert list(endings.values()) == ["failed"] * 64
    assert client.asked == 1


@pytest.mark.slow
def test_two_batches_on_one_machine_are_in_nobodys_way(tmp_path: Path) -> None:
    with ExitStack() as opened, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        for folder in ("first", "second"):
            opened.enter_context(closing(on_this_machine(1, Messages(), tmp_path / folder)))
    assert not [each for each in said if "already in use" in str(each.message)]


@pytest.mark.slow
def test_a_cluster_that_is_there_already(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    write_tiny_model(folder)
    media.plain(folder / "a.mkv", seconds=6)
    (folder / "jobs.toml").write_text(
        '[[job]]\ninput = "a.mkv"\nmodel = "tiny.onnx"\noutput = "out/{stem}.mkv"\nchunk = 120\n'
    )
    events = batch(folder, "--cluster", cluster.address)
    assert [event["workers"] for event in events if event["event"] == "batch"] == [1]
    assert len({event["worker"] for event in events if event["event"] == "begun"}) == 1
    assert media.seconds_of_frames(folder / "out" / "a.mkv") == media.seconds_of_frames(folder / "a.mkv")
    assert not parts(folder)
    (folder / "out" / "a.mkv").unlink()
    done = vsj4r("batch", "jobs.toml", "--cluster", "tcp://127.0.0.1:1", cwd=folder)
    assert_refused(done, 1, "no Dask scheduler answers at tcp://127.0.0.1:1", folder)


def test_a_worker_does_one_task_at_a_time(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    wanted = Wanted(__version__, (), (tmp_path / "token", "x"), (), ())
    greedy = [sys.executable, "-m", "dask", "worker", "--no-nanny", "--no-dashboard", "--nthreads", "2"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    pool = on_cluster(cluster.address, queue.SimpleQueue())
    worker = subprocess.Popen([*greedy, cluster.address, "--resources", "vsj4r=2"], **quiet)  # type: ignore[call-overload]
    try:
        while len(pool.workers()) < 2:
            assert worker.poll() is None
            time.sleep(0.05)
        (problem,) = pool.check(wanted)
    finally:
        pool.close()
        worker.kill()
        worker.wait()
    assert problem.endswith(": resource vsj4r must be 1 (a task has all its cores), got 2")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Exception("ModuleNotFoundError(\"No module named 'vsj4r'\")"), "cannot run vsj4r: ModuleNotFound"),
        (OSError("gone"), "cannot be reached: gone"),
    ],
)
def test_a_worker_that_cannot_answer(error: Exception, text: str) -> None:
    """The scheduler passes on the text of a worker's error alone."""

    class Silent:
        def subscribe_topic(self, *arguments: object) -> None: ...

        def scheduler_info(self, n_workers: int) -> dict[str, Any]:
            return {"workers": {"a": {"resources": {"vsj4r": 1}}}}

        def run(self, *arguments: object, **options: object) -> None:
            raise error

    pool = OnDask(cast("Client", Silent()), "tcp://here", queue.SimpleQueue())
    (problem,) = pool.check(Wanted(__version__, (), (Path("token"), "x"), (), ()))
    assert problem.startswith(f"a worker {text}")


def test_a_cluster_over_tls_without_settings(tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text('[[job]]\ninput = "a.mkv"\noutput = "b.mkv"\n')
    media.plain(tmp_path / "a.mkv", seconds=0.2)
    done = vsj4r("batch", "jobs.toml", "--cluster", "tls://127.0.0.1:1", cwd=tmp_path)
    assert_refused(done, 1, "no Dask scheduler answers at tls://127.0.0.1:1: ", tmp_path)


def test_a_worker_of_another_version_does_nothing(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that came when the others had been checked."""
    messages: Messages = queue.SimpleQueue()
    monkeypatch.setattr("vsj4r.batch.pool.__version__", "0")
    with closing(on_cluster(cluster.address, messages)) as pool:
        pool.submit(Task("plan", cast("Work", SimpleNamespace(key="any"))))
        ended = messages.get(timeout=60)
    assert isinstance(ended, Ended)
    assert str(ended.error).endswith(f"it has vsj4r {__version__}, here is 0")


@pytest.mark.slow
def test_a_scheduler_that_dies_is_named(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    write_tiny_model(folder)
    media.plain(folder / "a.mkv", *media.QUICK, seconds=40, size="320x192")
    (folder / "jobs.toml").write_text(
        '[[job]]\ninput = "a.mkv"\nmodel = "tiny.onnx"\noutput = "a out.mkv"\nchunk = 120\n'
    )
    run = subprocess.Popen(
        command("batch", "jobs.toml", "--json", "--cluster", cluster.address),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    next(line for line in run.stdout or () if '"begun"' in line)
    cluster.scheduler.kill()
    _, said = run.communicate(timeout=120)
    assert run.returncode == 1
    assert said.splitlines() == [
        f"vsj4r: the Dask scheduler at {cluster.address} is gone; the same command goes on"
    ]


def test_what_a_worker_lacks_is_named(tmp_path: Path) -> None:
    model = str(write_tiny_model(tmp_path))
    token = tmp_path / "token"
    token.write_text("x")
    good = Wanted(__version__, ((model, find_model(model).sha256),), (token, "x"), (token,), (tmp_path,))
    assert problems_here(good) == []
    absent = tmp_path / "absent"
    for wrong, text in (
        (replace(good, version="0"), f"it has vsj4r {__version__}, here is 0"),
        (replace(good, models=((model, "0"),)), "it has another model"),
        (Wanted(__version__, (), (token, "y"), (), ()), "workers share a file system"),
        (Wanted(__version__, (), (absent, "x"), (), ()), "cannot see"),
        (Wanted(__version__, (), (token, "x"), (absent,), ()), f"cannot read {absent}"),
        (Wanted(__version__, (), (token, "x"), (), (absent,)), f"cannot write into {absent}"),
    ):
        (problem,) = problems_here(wrong)
        assert text in problem
