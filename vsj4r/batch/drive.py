"""The batch itself: which task is next, and what its end means. One thread, fed with messages."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vsj4r.batch.manifest import Manifest, Record
from vsj4r.batch.plan import BatchListener, Event, Plan
from vsj4r.batch.pool import Ended, Messages, Pool, Told
from vsj4r.batch.tasks import Result, StoppedError, Task
from vsj4r.batch.traces import TRIES, GivenUpError, forget_tries, joined_from, remove_parts
from vsj4r.batch.work import Work
from vsj4r.errors import DiskFullError, InputError, Vsj4rError
from vsj4r.media.whole import remove_leftovers, remove_leftovers_in

_LISTEN_SECONDS = 0.2

FileState = Literal["done", "failed", "stopped"]


@dataclass(slots=True)
class _File:
    index: int
    work: Work
    plan: Plan | None = None
    done: set[int] = field(default_factory=set)
    under_way: dict[int, int] = field(default_factory=dict)  # chunk: frames that are done of it
    failures: dict[str, int] = field(default_factory=dict)  # task: how often
    busy: set[str] = field(default_factory=set)
    ended: FileState | None = None

    @property
    def frames(self) -> int:
        """How many are done."""
        if self.plan is None:
            return 0
        return self.plan.frames_in(self.done) + sum(self.under_way.values())


class Batch:
    """``works`` driven to their end; ``parts`` is the folder of all their folders.

    ``drained`` tells that nothing new is to be begun, ``stopped`` that what runs is to be given up too.
    """

    def __init__(
        self,
        works: list[Work],
        parts: Path,
        manifest: Manifest,
        listener: BatchListener,
        *,
        drained: Callable[[], bool] = lambda: False,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._parts = parts
        self._manifest = manifest
        self._listener = listener
        self._drained = drained
        self._stopped = stopped
        self._files = [_File(index, work) for index, work in enumerate(works)]
        self._tasks: dict[str, tuple[_File, Task, float]] = {}
        self._full: DiskFullError | None = None

    def take_up(self) -> set[int]:
        """Go to where, says the manifest, an earlier run has stopped, and clear away what it has left.

        To be called first, and once. Gives the places of the files that are done.
        """
        for record in self._manifest.records():
            if record.state == "done":
                continue
            written = joined_from(self._parts / record.key, record.outputs())
            if record.output in written:  # the first is joined last
                self._manifest.done(record.key, written, seconds=0)
        records = {record.key: record for record in self._manifest.records()}
        wanted = {file.work.key for file in self._files}
        for key, record in records.items():
            if key not in wanted and not record.owned():
                remove_leftovers(record.output)
                self._manifest.forget(key)
        for folder in self._parts.glob("*"):
            if folder.name not in wanted:
                remove_parts(folder)
        for file in self._files:
            for output in file.work.outputs:
                remove_leftovers(output)
            found = records.get(file.work.key)
            if found is None or (found.state == "done" and not found.owns_outputs()):
                remove_parts(file.work.folder)
                self._manifest.add(file.work)
            elif found.state == "done":
                remove_parts(file.work.folder)
                file.plan, file.ended = found.plan, "done"
            else:
                self._continue(file, found)
        return {file.index for file in self._files if file.ended is not None}

    def run(self, pool: Pool, messages: Messages) -> dict[int, FileState]:
        """Each file's end, by its place; a file that is left as it is has none.

        Raises:
            DiskFullError: everything is left as it is, for another time.
        """
        given_up = False
        for file in self._files:
            if file.plan is not None and not file.ended:
                self._listener.planned(file.index, file.plan, file.frames)
        while True:
            drained = self._full is not None or self._drained()
            if not drained:
                self._fill(pool)
            if not self._tasks and (drained or all(file.ended for file in self._files)):
                break
            if (self._full is not None or self._stopped()) and not given_up:
                given_up = True
                pool.stop()
            try:
                message = messages.get(timeout=_LISTEN_SECONDS)
            except queue.Empty:
                continue
            self._hear(message)
        if self._full is not None:
            raise self._full
        return {file.index: file.ended for file in self._files if file.ended}

    def _continue(self, file: _File, record: Record) -> None:
        forget_tries(file.work.folder)
        self._manifest.retried(file.work.key)
        file.plan, finished = record.plan, record.finished(file.work)
        for number in record.chunks.keys() - finished:
            self._manifest.chunk_lost(file.work.key, number)
        for number in finished.keys() - record.chunks:
            self._manifest.chunk_done(file.work.key, number, finished[number], seconds=0)
        file.done = set(finished)
        remove_leftovers_in(file.work.folder)

    def _fill(self, pool: Pool) -> None:
        """As many tasks as there are slots, so that nobody waits and nobody is blamed for another's death."""
        slots = pool.slots
        for file, task in self._next():
            if len(self._tasks) >= slots:
                return
            file.busy.add(task.name)
            self._tasks[task.name] = file, task, time.monotonic()
            pool.submit(task)

    def _next(self) -> Iterator[tuple[_File, Task]]:
        """Tasks that can begin, the first file's first: so it is whole first, and frees its parts."""
        for file in self._files:
            if file.ended:
                continue
            plan = file.plan
            if plan is None:
                tasks = [Task("plan", file.work)]
            elif len(file.done) == len(plan.starts):
                tasks = [Task("join", file.work, plan)]
            else:
                left = (number for number in range(len(plan.starts)) if number not in file.done)
                tasks = [Task("encode", file.work, plan, number) for number in left]
            for task in tasks:
                if task.name not in file.busy:
                    yield file, task

    def _hear(self, message: Told | Ended) -> None:
        if message.task not in self._tasks:
            return
        file, task, began = self._tasks[message.task]
        if isinstance(message, Told):
            if not file.ended:
                self._pass_on(file, task, message.event)
            return
        del self._tasks[message.task]
        file.busy.discard(task.name)
        file.under_way.pop(task.number, None)
        if file.ended or isinstance(message.error, StoppedError):
            return
        if isinstance(message.error, DiskFullError):
            self._full = self._full or message.error
        elif message.error is not None:
            self._failed(file, task, message.error)
        else:
            self._succeeded(file, task, message.result, time.monotonic() - began)

    def _pass_on(self, file: _File, task: Task, event: Event) -> None:
        done = event.get("done")
        if event["kind"] == "frames" and isinstance(done, int):
            file.under_way[task.number] = done
            self._listener.frames_done(file.index, file.frames)
        else:
            self._listener.said(file.index, event)

    def _succeeded(self, file: _File, task: Task, result: Result | None, seconds: float) -> None:
        key = file.work.key
        match task.kind, result:
            case "plan", Plan() as plan:
                self._manifest.planned(key, plan, seconds)
                file.plan = plan
                self._listener.planned(file.index, plan, 0)
            case "encode", int(size):
                self._manifest.chunk_done(key, task.number, size, seconds)
                file.done.add(task.number)
                self._listener.frames_done(file.index, file.frames)
                self._listener.chunk_done(file.index, task.number)
            case "join", dict(written):
                total = self._manifest.done(key, written, seconds)
                remove_parts(file.work.folder)
                file.ended = "done"
                self._listener.file_done(file.index, total)

    def _failed(self, file: _File, task: Task, error: BaseException) -> None:
        times = file.failures[task.name] = file.failures.get(task.name, 0) + 1
        text = str(error) if isinstance(error, Vsj4rError) else f"{type(error).__name__}: {error}"
        text = text.encode(errors="backslashreplace").decode()
        final = isinstance(error, GivenUpError | InputError)
        if task.kind == "encode" and times < TRIES and not final:
            self._listener.said(
                file.index, {"kind": "note", "text": f"chunk {task.number} failed and is tried again: {text}"}
            )
            return
        self._manifest.failed(file.work.key, text)
        file.ended = "failed"
        self._listener.file_failed(file.index, text)
