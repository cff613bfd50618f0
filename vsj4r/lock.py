"""One process at a time: a lock that a kill gives back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from vsj4r.errors import Vsj4rError


@contextmanager
def hold_lock(lock: Path, busy: str) -> Iterator[None]:
    """Hold the file ``lock``, made where there is none. SQLite's, for it works on every system.

    Raises:
        Vsj4rError: another process holds it, which is said by ``busy``, or it cannot be written.
    """
    with ExitStack() as held:
        try:
            database = held.enter_context(closing(sqlite3.connect(lock, isolation_level=None, timeout=0)))
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            taken = "locked" in str(error)
            raise Vsj4rError(busy if taken else f"{lock} cannot be used: {error}") from error
        yield
