"""Outputs that appear whole or not at all: written under a temporary name, renamed when complete."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vsj4r.errors import DiskFullError, Vsj4rError

Stamps = dict[Path, tuple[int, int]]
"""``size_and_time`` of files and folders."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_REMEDIES = {
    errno.EPERM: "its file system or its rights do not allow that: name another folder",
    errno.EACCES: "you may not write there: name another folder",
    errno.EROFS: "that disk can only be read: name another folder",
    errno.EBUSY: "something else holds it: close that, or name another file",
    errno.ENAMETOOLONG: "the name is too long: shorten it",
    errno.ELOOP: "its links lead in a circle",
}
_LEFT = ".vsj4r-"
"""How the names begin of what is being written."""
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EPERM})
"""What a file system without fsync says; what was written is as good as it keeps anything."""


def write_error(path: Path, error: OSError) -> Vsj4rError:
    """``error`` as the one of ``path``, which could not be written."""
    kind = DiskFullError if error.errno in NO_ROOM else Vsj4rError
    return kind(f"{path} cannot be written: {_REMEDIES.get(error.errno or 0) or error.strerror or error}")


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Around what writes to ``path``.

    Raises:
        Vsj4rError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


class Read:
    """What a run reads, and no output of it may replace.

    Files and folders that are there, under all of their names.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._places: dict[tuple[int, int], Path] = {}
        for path in paths:
            if path.exists():
                self._places[_identity(path)] = path
                if path.is_file():  # a folder of images is written into
                    self._places.setdefault(_identity(path.absolute().parent), path)

    def at(self, output: Path) -> Path | None:
        """What ``output`` would replace: it is that, or the folder that it lies in."""
        return self._places.get(_identity(output)) if output.exists() else None


def output_trouble(output: Path, *, read: Read, folder: bool, replaces: bool, how: str) -> str | None:
    """Why what is called ``output`` by now cannot give way to an output, one that is a ``folder`` or a file;
    ``how`` says what to do where it might. None: nothing is in the way, or it ``replaces`` that."""
    if output.exists() and output.is_dir() != folder:
        return f"output {output} is {'a file' if folder else 'a folder'} already"
    if output.exists() and not (output.is_file() or output.is_dir()):
        return f"output {output} is a device or a pipe, which nothing replaces: name a file"
    if (spoilt := read.at(output)) is not None:
        return f"output {output} would overwrite {spoilt}, which is read"
    if is_occupied(output) and not replaces:
        return f"output {output} exists already: {how} replaces it"
    return None


def check_output(output: Path, *, read: Read, folder: bool, overwrite: bool) -> None:
    """Refuse an output that cannot or must not be written, before any work is done.

    Raises:
        Vsj4rError: it would replace what is ``read``, it exists (and not ``overwrite``), it is a folder where
            a file is needed or the other way round, or its folder does not exist or cannot be written.
    """
    trouble = output_trouble(output, read=read, folder=folder, replaces=overwrite, how="--overwrite")
    if trouble is not None:
        raise Vsj4rError(trouble)
    place = _place_of(output)
    if not place.is_dir():
        raise Vsj4rError(f"no folder {place} to write {_target(output).name} into: make it first")
    if not os.access(place, os.W_OK | os.X_OK):
        raise Vsj4rError(f"folder {place} cannot be written")
    if not is_text(place):
        raise Vsj4rError(f"folder {place} has a name that is no UTF-8: rename it")


@contextmanager
def whole_file(output: Path, *, replaces: bool = True) -> Iterator[Path]:
    """Gives a name beside ``output`` to write to; it is renamed at the end, and removed on any exception.

    Where ``output`` is a symbolic link, the file that it leads to is written, and the link stays. Unless it
    ``replaces``, what is called ``output`` by then is kept.

    Raises:
        Vsj4rError: it cannot be written, or has appeared meanwhile.
    """
    temporary = _temporary_name(output, output.suffix)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            _sync(file.fileno())  # a name never stands for less than the whole, power cuts included
        if replaces:
            temporary.replace(_target(output))
        else:
            _rename_to_new(temporary, output)
    except OSError as error:
        if _names_another(error, temporary):
            raise
        raise write_error(output, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _rename_to_new(temporary: Path, output: Path) -> None:
    """Give ``temporary`` the name of ``output``, too, unless something has it.

    Raises:
        Vsj4rError: something has.
        OSError: it cannot be written.
    """
    target = _target(output)
    try:
        target.hardlink_to(temporary)
    except FileExistsError as error:
        raise _appeared_error(output) from error
    except OSError:  # a file system without hard links
        if target.exists():
            raise _appeared_error(output) from None
        temporary.replace(target)


def _appeared_error(output: Path) -> Vsj4rError:
    return Vsj4rError(
        f"output {output} has appeared meanwhile: it is kept, and what was made is not "
        "(overwriting would replace it)"
    )


def _names_another(error: OSError, temporary: Path) -> bool:
    """Whether ``error`` is of a file that is neither ``temporary`` nor inside it: the body's, not the
    output's."""
    return error.filename is not None and not Path(os.fsdecode(error.filename)).is_relative_to(temporary)


@contextmanager
def whole_folder(output: Path, *, replaces: bool = True) -> Iterator[Path]:
    """Like ``whole_file`` for a folder; in one that exists already, the files are written in a folder of it,
    for it may be a disk of its own, and moved at the end, one by one: a process that dies then leaves new
    ones among the old."""
    temporary = _temporary_name(output, "")
    try:
        temporary.mkdir()
        yield temporary
        for part in temporary.rglob("*"):
            if part.is_file():
                with part.open("rb+") as file:
                    _sync(file.fileno())
        if not replaces and is_occupied(output):
            raise _appeared_error(output)
        if output.is_dir():
            _move_into(output, sorted(temporary.iterdir()))
        else:
            temporary.replace(_target(output))
    except OSError as error:
        if _names_another(error, temporary):
            raise
        if error.errno == errno.ENOTEMPTY:
            raise _appeared_error(output) from error
        raise write_error(output, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move_into(folder: Path, parts: Sequence[Path]) -> None:
    for part in parts:
        if (taken := folder / part.name).is_dir():
            raise Vsj4rError(f"{taken} is a folder, where an image is to be: remove it, or name a new output")
    for part in parts:
        part.replace(folder / part.name)


def is_text(path: Path) -> bool:
    """Whether the name is Unicode: one of another encoding comes as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in str(path))


def is_occupied(output: Path) -> bool:
    """Whether something would be replaced: a folder that is empty, or holds nothing but what a killed process
    has left, is nothing."""
    if output.is_dir():
        return any(not entry.name.startswith(_LEFT) for entry in output.iterdir())
    return output.exists()


def size_and_time(path: Path) -> tuple[int, int]:
    """Bytes of the file ``path``, and when it changed last, in ns; of a folder those of all its files, and
    the latest, but for what file managers leave there.

    Raises:
        OSError: it is not there.
    """
    files = [path]
    if path.is_dir():
        files = [entry for entry in path.iterdir() if entry.is_file() and not is_clutter(entry.name)]
    found = [file.stat() for file in files]
    return sum(each.st_size for each in found), max((each.st_mtime_ns for each in found), default=0)


def is_clutter(name: str) -> bool:
    """Whether a file of that name is the system's own, or a file manager's: a hidden one, too."""
    return name.startswith(".") or name.lower() in ("thumbs.db", "desktop.ini")


def stamp_of(path: Path) -> tuple[int, int] | None:
    """Its ``size_and_time``; None where it is not there."""
    try:
        return size_and_time(path)
    except OSError:
        return None


def remove_leftovers(output: Path, *, of_this_machine: bool = False) -> None:
    """Remove what killed processes have left of ``output``. Another process of this machine that is writing
    it is let be; one of another machine is not known: unless nothing else can be writing it, say
    ``of_this_machine``, and what others have left stays."""
    target = _target(output)
    written_here = f"{_prefix(target)}{_machine() if of_this_machine else ''}*"
    for place in (target.parent, *([target] if target.is_dir() else [])):
        _remove(left for left in place.glob(written_here) if not _is_being_written(left))


def remove_leftovers_in(folder: Path) -> None:
    """Remove what processes have left of all that was written into ``folder``; only when none is at work
    there any more."""
    _remove(folder.glob(f"{_LEFT}*"))


def _is_being_written(temporary: Path) -> bool:
    """Whether another process that was there when ``temporary`` last changed is there still."""
    _, _, *writer = temporary.stem.split("-")
    if len(writer) != 2 or not writer[0].startswith(_machine()):
        return False
    import psutil

    number = int(writer[0].removeprefix(_machine()), 16)
    if number == os.getpid():
        return False
    try:
        began: float = psutil.Process(number).create_time()
        return began <= temporary.stat().st_mtime
    except (psutil.Error, OSError):
        return False


def _remove(leftovers: Iterable[Path]) -> None:
    for left in leftovers:
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _temporary_name(output: Path, suffix: str) -> Path:
    """It says who writes it. Short, so that a name of the greatest length still has one."""
    target, writer = _target(output), f"{_machine()}{os.getpid():x}"
    return _place_of(output) / f"{_prefix(target)}{writer}-{secrets.token_hex(4)}{suffix}"


def _place_of(output: Path) -> Path:
    """Where what becomes ``output`` is written: a name there can be changed into its own."""
    target = _target(output)
    return target if target.is_dir() else target.parent


def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:4]


def _target(output: Path) -> Path:
    """What ``output`` leads to, if it is a link; a link among its folders stays in the name.

    Raises:
        Vsj4rError: links lead in a circle.
    """
    if not output.is_symlink():
        return output.absolute()
    try:
        return output.resolve()
    except (OSError, RuntimeError) as error:
        raise Vsj4rError(f"{output} cannot be written: {_REMEDIES[errno.ELOOP]}") from error


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _sync(file: int) -> None:
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def _prefix(output: Path) -> str:
    return f"{_LEFT}{hashlib.sha256(os.fsencode(output.name)).hexdigest()[:8]}-"
