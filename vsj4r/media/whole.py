"""Outputs that appear whole or not at all: written under a temporary name, renamed when complete."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vsj4r.errors import DiskFullError, Vsj4rError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def unwritten(path: Path, error: OSError) -> Vsj4rError:
    """``error`` as the one of ``path``, which could not be written."""
    kind = DiskFullError if error.errno in NO_ROOM else Vsj4rError
    return kind(f"{path} cannot be written: {error.strerror or error}")


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Around what writes to ``path``.

    Raises:
        Vsj4rError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise unwritten(path, error) from error


def check_output(output: Path, *, source: Path, folder: bool, overwrite: bool) -> None:
    """Refuse an output that cannot or must not be written, before any work is done.

    Raises:
        Vsj4rError: it is the input, it exists (and not ``overwrite``), it is a folder where a file is
            needed or the other way round, or its folder does not exist or cannot be written.
    """
    if output.exists() and source.exists() and output.samefile(source):
        raise Vsj4rError(f"output {output} is the input itself")
    if output.exists() and output.is_dir() != folder:
        kind = "a file" if folder else "a folder"
        raise Vsj4rError(f"output {output} is {kind} already")
    occupied = output.exists() and (not folder or any(output.iterdir()))
    if occupied and not overwrite:
        raise Vsj4rError(f"output {output} exists already: --overwrite replaces it")
    parent = output.absolute().parent
    if not parent.is_dir():
        raise Vsj4rError(f"no folder {parent} to write {output.name} into")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise Vsj4rError(f"folder {parent} cannot be written")


@contextmanager
def whole_file(output: Path) -> Iterator[Path]:
    """Gives a name beside ``output`` to write to; it is renamed at the end, and removed on any exception."""
    temporary = _temporary_name(output, output.suffix)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # a name never stands for less than the whole, power cuts included
        temporary.replace(output)
    except OSError as error:
        raise unwritten(output, error) from error
    except DiskFullError as error:
        raise DiskFullError(f"{output} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(output: Path) -> Iterator[Path]:
    """Like ``whole_file`` for a folder; into one that exists already, the files are moved at the end."""
    temporary = _temporary_name(output, "")
    try:
        temporary.mkdir()
        yield temporary
        if output.is_dir():
            for part in sorted(temporary.iterdir()):
                part.replace(output / part.name)
        else:
            temporary.replace(output)
    except OSError as error:
        raise unwritten(output, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(output: Path) -> None:
    """Remove what killed processes have left of ``output``; only when none is at work on it any more."""
    _remove(output.absolute().parent.glob(f"{_prefix(output)}*"))


def remove_leftovers_in(folder: Path) -> None:
    """The same of all that was written into ``folder``."""
    _remove(folder.glob(".vsj4r-*"))


def _remove(leftovers: Iterable[Path]) -> None:
    for left in leftovers:
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _temporary_name(output: Path, suffix: str) -> Path:
    """Short, so that a name of the greatest length still has one."""
    return output.absolute().parent / f"{_prefix(output)}{secrets.token_hex(4)}{suffix}"


def _prefix(output: Path) -> str:
    return f".vsj4r-{hashlib.sha256(os.fsencode(output.name)).hexdigest()[:8]}-"
