"""How far a batch is, on disk. SQLite: whole after a kill at any moment, and readable while it is written."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from vsj4r.batch.plan import IMAGES, Plan
from vsj4r.batch.work import Work, from_folder
from vsj4r.errors import DiskFullError, Vsj4rError
from vsj4r.lock import hold_lock
from vsj4r.media.encoders import KNOWN_ENCODERS
from vsj4r.media.whole import Stamps, size_and_time, stamp_of, writing_to
from vsj4r.plugin.signature import OUTPUT_NAMES
from vsj4r.run.settings import path_beside

RecordState = Literal["waiting", "done", "failed"]

_ANEW = "without this folder the batch begins anew"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    key TEXT PRIMARY KEY, input TEXT, output TEXT, state TEXT, plan TEXT, error TEXT, seconds REAL
) STRICT;
CREATE TABLE IF NOT EXISTS written (
    key TEXT, output TEXT, size INTEGER, mtime_ns INTEGER, PRIMARY KEY (key, output)
) STRICT;
CREATE TABLE IF NOT EXISTS chunks (key TEXT, number INTEGER, size INTEGER, PRIMARY KEY (key, number)) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one file. ``chunks``: number to bytes of each that is done; ``written``: the outputs,
    once they are whole, ``output`` and those beside it."""

    key: str
    output: Path
    state: RecordState
    plan: Plan | None
    error: str
    seconds: float
    chunks: dict[int, int]
    written: Stamps

    def outputs(self) -> list[Path]:
        """All that there may be: ``output``, and those beside it."""
        return [self.output, *(path_beside(self.output, name) for name in OUTPUT_NAMES)]

    def owned(self) -> set[Path]:
        """The outputs that are there as this batch has written them."""
        return {output for output, stamp in self.written.items() if stamp_of(output) == stamp}

    def owns_outputs(self) -> bool:
        """Whether all of them are."""
        return self.state == "done" and self.owned() == self.written.keys()

    def finished(self, work: Work) -> dict[int, int]:
        """Number and bytes of each chunk of ``work``, which this stands for, whose parts lie there whole.

        A part has its name only once it is whole: one that is not among ``chunks`` is of a process that was
        killed before it could tell.
        """
        if self.plan is None:
            return {}
        sizes = {}
        for number in range(len(self.plan.starts)):
            parts = work.parts(self.plan, number)
            if all(part.exists() for part in parts):
                size = sum(size_and_time(part)[0] for part in parts)
                if self.chunks.get(number, size) == size:
                    sizes[number] = size
        return sizes

    def frames_done(self, work: Work) -> int:
        """Frames of ``work``, which this stands for, that are done: all, where the output is there."""
        if self.plan is None:
            return 0
        if self.state == "done":
            return self.plan.frames if self.owns_outputs() else 0
        return self.plan.frames_in(self.finished(work))


def outputs_of_records(records: Iterable[Record]) -> set[Path]:
    """All outputs that ``records`` stand for, and those that lie beside them."""
    return {output for record in records for output in record.outputs()}


class Manifest:
    """The records of a batch. One process writes, any number read. Each method is one transaction.

    Files have names from ``folder`` on, in which the job file lies: it may be moved.
    """

    def __init__(self, database: sqlite3.Connection, folder: Path) -> None:
        self._database, self._folder = database, folder

    @classmethod
    @contextmanager
    def writing(cls, state: Path) -> Iterator[Self]:
        """The manifest in the folder ``state``, made where there is none.

        Raises:
            Vsj4rError: another process is at work on this batch, or the folder cannot be written.
            DiskFullError: it could be no longer.
        """
        with writing_to(state):
            state.mkdir(parents=True, exist_ok=True)
        try:
            with (
                hold_lock(state / "lock", f"another vsj4r batch is at work in {state}"),
                closing(sqlite3.connect(state / "manifest.sqlite")) as database,
            ):
                database.execute("PRAGMA synchronous = FULL")
                database.executescript(_SCHEMA)
                yield cls(database, state.parent)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise DiskFullError(f"{state} cannot be written: {error}") from error
            raise Vsj4rError(f"{state} cannot be used: {error}; {_ANEW}") from error

    @classmethod
    def records_in(cls, state: Path) -> list[Record]:
        """All records in the folder ``state``; none where no batch has run.

        Raises:
            Vsj4rError: the manifest cannot be read.
        """
        path = state / "manifest.sqlite"
        if not path.exists():
            return []
        try:  # for writing: after a kill SQLite takes back what was half done
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
                begun = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'files'").fetchone()
                return cls(database, state.parent).records() if begun else []
        except sqlite3.DatabaseError as error:
            raise Vsj4rError(f"{path} cannot be read: {error}; {_ANEW}") from error

    def records(self) -> list[Record]:
        chunks: dict[str, dict[int, int]] = {}
        for key, number, size in self._database.execute("SELECT key, number, size FROM chunks"):
            chunks.setdefault(key, {})[number] = size
        written: dict[str, list[tuple[str, int, int]]] = {}
        for key, *stamped in self._database.execute("SELECT key, output, size, mtime_ns FROM written"):
            written.setdefault(key, []).append(tuple(stamped))
        query = "SELECT key, output, state, plan, error, seconds FROM files"
        return [
            _record(row, chunks.get(row[0], {}), written.get(row[0], []), self._folder)
            for row in self._database.execute(query)
        ]

    def add(self, work: Work) -> None:
        """``work`` is to be done, and what is known of it is forgotten, but for outputs that it has had."""
        with self._database:
            self._database.execute("DELETE FROM chunks WHERE key = ?", (work.key,))
            self._database.execute(
                "REPLACE INTO files VALUES (?, ?, ?, 'waiting', '', '', 0)",
                (work.key, self._name(work.input), self._name(work.output)),
            )

    def forget(self, key: str) -> None:
        with self._database:
            self._forget(key)

    def _forget(self, key: str) -> None:
        for table in ("chunks", "written", "files"):
            self._database.execute(f"DELETE FROM {table} WHERE key = ?", (key,))

    def planned(self, key: str, plan: Plan, seconds: float) -> None:
        """``seconds``: that this took, here and below."""
        self._update(key, "plan = ?, seconds = seconds + ?", json.dumps(asdict(plan)), seconds)

    def chunk_done(self, key: str, number: int, size: int, seconds: float) -> None:
        with self._database:
            self._database.execute("REPLACE INTO chunks VALUES (?, ?, ?)", (key, number, size))
            self._database.execute("UPDATE files SET seconds = seconds + ? WHERE key = ?", (seconds, key))

    def chunk_lost(self, key: str, number: int) -> None:
        with self._database:
            self._database.execute("DELETE FROM chunks WHERE key = ? AND number = ?", (key, number))

    def done(self, key: str, written: Stamps, seconds: float) -> float:
        """The outputs are there; what had been there under the first one's name is forgotten. Gives all
        seconds."""
        with self._database:
            self._database.execute(
                "UPDATE files SET state = 'done', error = '', seconds = seconds + ? WHERE key = ?",
                (seconds, key),
            )
            self._database.executemany(
                "REPLACE INTO written VALUES (?, ?, ?, ?)",
                [(key, self._name(output), *stamp) for output, stamp in written.items()],
            )
            same = "SELECT output FROM files WHERE key = ?"
            others = f"SELECT key FROM files WHERE key != ? AND output = ({same})"
            for (other,) in self._database.execute(others, (key, key)).fetchall():
                self._forget(other)
            (total,) = self._database.execute("SELECT seconds FROM files WHERE key = ?", (key,)).fetchone()
        return float(total)

    def failed(self, key: str, error: str) -> None:
        self._update(key, "state = 'failed', error = ?", error)

    def retried(self, key: str) -> None:
        self._update(key, "state = 'waiting', error = ''")

    def _name(self, path: Path) -> str:
        return json.dumps(from_folder(path, self._folder))

    def _update(self, key: str, change: str, *values: object) -> None:
        with self._database:
            self._database.execute(f"UPDATE files SET {change} WHERE key = ?", (*values, key))


def _record(
    row: tuple[Any, ...], chunks: dict[int, int], stamped: list[tuple[str, int, int]], folder: Path
) -> Record:
    """Raises:
    sqlite3.DatabaseError: what stands there is nothing that a batch has written.
    """
    key, output, state, plan, error, seconds = row
    try:
        path, planned = json.loads(output), _plan_from(plan)
        written = {_path_from(folder, json.loads(name)): (size, mtime_ns) for name, size, mtime_ns in stamped}
        numbers = range(len(planned.starts)) if planned else range(0)
        if (
            not isinstance(path, str)
            or state not in get_args(RecordState)
            or not all(n in numbers for n in chunks)
        ):
            raise ValueError(f"{path!r}, {state!r}, {plan}, chunks {sorted(chunks)}")
    except (ValueError, TypeError, KeyError, RecursionError) as failure:
        raise sqlite3.DatabaseError(f"record {key} is damaged") from failure
    return Record(key, _path_from(folder, path), state, planned, error, seconds, chunks, written)


def _path_from(folder: Path, name: str) -> Path:
    return Path(os.path.normpath(folder / name))


def _plan_from(text: str) -> Plan | None:
    if not text:
        return None
    fields = json.loads(text)
    if fields["encoder"] not in (IMAGES, *KNOWN_ENCODERS):
        raise ValueError(f"encoder {fields['encoder']!r}")
    return Plan(**{**fields, "starts": tuple(fields["starts"]), "notes": tuple(fields["notes"])})
