"""Where tasks run: in this process, in processes of this machine, or on the machines of a Dask cluster.

Whatever happens to a task comes as a message in one queue, for one thread to read.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vsj4r import __version__
from vsj4r.batch.bench import Bench
from vsj4r.batch.checks import require_device
from vsj4r.batch.plan import Event
from vsj4r.batch.tasks import Result, StoppedError, Task, Worker, perform
from vsj4r.batch.traces import GivenUpError
from vsj4r.cores import usable_cores
from vsj4r.engine.weights import find_model
from vsj4r.errors import InputError, Vsj4rError
from vsj4r.media.frame_errors import first_line

if TYPE_CHECKING:  # it takes a while to import
    from distributed import Client, Future, LocalCluster

RESOURCE = "vsj4r"
"""The Dask resource of which each task takes one."""

_ASK_EVERY_SECONDS = 1.0

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Told:
    """A task has said something."""

    task: str
    event: Event


@dataclass(frozen=True, slots=True)
class Ended:
    """A task is over, with a result or an error."""

    task: str
    result: Result | None
    error: BaseException | None


Messages = queue.SimpleQueue[Told | Ended]


class Pool(Protocol):
    """``slots``: how many tasks can run now."""

    @property
    def slots(self) -> int: ...

    def submit(self, task: Task) -> None: ...

    def stop(self) -> None:
        """Give up what is running, as soon as it can be."""

    def close(self) -> None:
        """Nothing is running any more."""


class InProcess:
    """One task at a time, in a thread of this process."""

    slots = 1

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._bench = Bench()
        self._thread = threading.Thread(target=self._work, name="batch", daemon=True)
        self._thread.start()

    def submit(self, task: Task) -> None:
        self._tasks.put(task)

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None:
        self._tasks.put(None)
        self._thread.join()
        self._bench.close()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            name = task.name
            tell = partial(self._tell, name)
            result, failure = None, None
            try:
                worker = Worker(threads=0, bench=self._bench, tell=tell, stopped=self._stop.is_set)
                result = perform(task, worker)
            except BaseException as error:
                failure = error
            self._messages.put(Ended(name, result, failure))

    def _tell(self, name: str, event: Event) -> None:
        self._messages.put(Told(name, event))


class OnDask:
    """Tasks on the workers of a Dask cluster that have ``RESOURCE``; its scheduler is at ``address``."""

    def __init__(
        self, client: Client, address: str, messages: Messages, cluster: LocalCluster | None = None
    ) -> None:
        self._client = client
        self._address = address
        self._cluster = cluster
        self._messages = messages
        self._topic = f"vsj4r-{os.getpid()}-{os.urandom(4).hex()}"
        self._futures: dict[str, Future[Any]] = {}
        self._slots, self._asks_again = 0, 0.0
        client.subscribe_topic(self._topic, self._hear)

    @property
    def slots(self) -> int:
        """As of a second ago: the scheduler describes every worker in its answer, and each worker's messages
        make us ask."""
        now = time.monotonic()
        if now >= self._asks_again:
            self._slots = sum(int(worker["resources"].get(RESOURCE, 0)) for worker in self.workers().values())
            self._asks_again = now + _ASK_EVERY_SECONDS
        return self._slots

    def workers(self) -> dict[str, dict[str, Any]]:
        """Address to what the scheduler knows, of the workers that take our tasks.

        Raises:
            Vsj4rError: the scheduler is gone.
        """
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        except (KeyError, OSError, TimeoutError) as error:  # KeyError: what a client knows without one
            text = f"the Dask scheduler at {self._address} is gone; the same command goes on"
            raise Vsj4rError(text) from error
        return {name: each for name, each in workers.items() if each.get("resources", {}).get(RESOURCE)}

    def check(self, wanted: Wanted) -> list[str]:
        """What is wrong with the workers that are there, one line each."""
        workers = self.workers()
        try:
            found = self._client.run(problems_here, wanted, workers=list(workers))
        except OSError as error:
            return [f"a worker cannot be reached: {error}"]
        except Exception as error:  # of a plain kind: the scheduler passes on but the text of another's
            return [f"a worker cannot run vsj4r: {first_line(error)}"]
        problems = [f"worker {name}: {text}" for name, texts in found.items() for text in texts]
        for name, worker in workers.items():
            if (given := worker["resources"][RESOURCE]) != 1:
                rule = f"resource {RESOURCE} must be 1 (a task has all its cores), got {given:g}"
                problems.append(f"worker {name}: {rule}")
        return sorted(problems)

    def submit(self, task: Task) -> None:
        future = self._client.submit(
            _perform_on_dask,
            task,
            self._topic,
            __version__,
            key=f"{task.name}-{os.urandom(4).hex()}",
            pure=False,
            resources={RESOURCE: 1},
        )
        self._futures[task.name] = future
        future.add_done_callback(partial(self._end, task.name))

    def stop(self) -> None:
        self._client.cancel(list(self._futures.values()), force=True)

    def close(self) -> None:
        try:
            self._client.close()
        finally:
            if self._cluster is not None:
                self._cluster.close()

    def _end(self, name: str, future: Future[Any]) -> None:
        if self._futures.get(name) is not future:
            return
        del self._futures[name]
        if future.cancelled():
            self._messages.put(Ended(name, None, StoppedError()))
            return
        error = future.exception()
        if type(error).__name__ == "KilledWorker":
            error = GivenUpError("its worker died each time")
        self._messages.put(Ended(name, None if error else future.result(), error))

    def _hear(self, stamped: tuple[float, dict[str, Any]]) -> None:
        said = stamped[1]
        self._messages.put(Told(said["task"], said["event"]))


def on_this_machine(workers: int, messages: Messages, scratch: Path) -> OnDask:
    """``workers`` processes that share the cores. Nothing listens but on the loopback interface."""
    import dask.config
    from distributed import LocalCluster

    dask.config.set({"temporary-directory": str(scratch)})  # it keeps locks there, for good
    cluster = LocalCluster(
        n_workers=workers,
        processes=True,
        threads_per_worker=max(1, usable_cores() // workers),
        memory_limit=0,  # frames are large: how much is too much is for the kernel to say
        host=LOOPBACK,
        dashboard_address=f"{LOOPBACK}:0",  # any free port: another batch may run
        silence_logs=logging.CRITICAL,
        local_directory=str(scratch),
        resources={RESOURCE: 1},
        preload=["vsj4r.batch.worker_process"],
    )
    try:
        return OnDask(_client(cluster.scheduler_address), cluster.scheduler_address, messages, cluster)
    except BaseException:
        cluster.close()
        raise


def on_cluster(address: str, messages: Messages) -> OnDask:
    """The workers of the scheduler at ``address``.

    Raises:
        Vsj4rError: nobody answers there.
    """
    return OnDask(_client(address), address, messages)


def _client(address: str) -> Client:
    from distributed import Client

    for name in ("distributed", "distributed.client"):  # each has a level of its own; we say it ourselves
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return Client(address, timeout=20)
    except (OSError, ValueError, TypeError, TimeoutError) as error:  # TypeError: no settings for TLS
        raise Vsj4rError(f"no Dask scheduler answers at {address}: {error}") from error


def _perform_on_dask(task: Task, topic: str, version: str) -> Result:
    from distributed import get_worker

    worker = get_worker()
    if (mismatch := _mismatch(version)) is not None:  # it came when the others had been checked
        raise InputError(f"worker {worker.address}: {mismatch}")
    key = worker.get_current_task()

    def stopped() -> bool:
        state = worker.state.tasks.get(key)
        return state is None or state.state != "executing"

    def tell(event: Event) -> None:
        worker.log_event(topic, {"task": task.name, "event": event})

    bench: Bench = worker.extensions.setdefault("vsj4r", Bench())  # the worker closes it when it closes
    return perform(task, Worker(threads=worker.state.nthreads, bench=bench, tell=tell, stopped=stopped))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What every worker must have: the same vsj4r, the same models (name and sha256), the same files, the
    same devices.

    ``token`` is a file with a text that only this file system has.
    """

    version: str
    models: tuple[tuple[str, str], ...]
    token: tuple[Path, str]
    inputs: tuple[Path, ...]
    folders: tuple[Path, ...]
    devices: tuple[str, ...] = ()


def _mismatch(wanted: str) -> str | None:
    return None if wanted == __version__ else f"it has vsj4r {__version__}, here is {wanted}"


def problems_here(wanted: Wanted) -> list[str]:
    """Run on each worker: what is wrong with it."""
    if (mismatch := _mismatch(wanted.version)) is not None:
        return [mismatch]
    path, text = wanted.token
    try:
        if path.read_text() != text:
            return [f"{path.parent} is another folder there: workers share a file system"]
        other = [name for name, key in wanted.models if find_model(name).sha256 != key]
    except (OSError, Vsj4rError) as error:
        return [f"cannot see {path.parent}: {error}"]
    problems = [f"it has another model {name}" for name in other]
    problems += [f"cannot read {path}" for path in wanted.inputs if not os.access(path, os.R_OK)]
    problems += [f"cannot write into {each}" for each in wanted.folders if not os.access(each, os.W_OK)]
    for device in wanted.devices:
        try:
            require_device(device)
        except Vsj4rError as error:
            problems.append(str(error))
    return problems
