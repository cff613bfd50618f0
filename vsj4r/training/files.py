"""Files of a run, whole or not there at all: written beside, then renamed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vsj4r.errors import Vsj4rError


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Around what writes to ``path``.

    Raises:
        Vsj4rError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise Vsj4rError(f"{path} cannot be written: {error.strerror or error}") from error


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Gives a name beside ``path`` to write to; it is renamed at the end, and removed on any exception.

    Raises:
        Vsj4rError: it cannot be written.
    """
    part = path.with_suffix(".part")
    try:
        with written(path):
            yield part
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
