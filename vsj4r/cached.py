"""The user's folder for what can be made again: indexes of videos, compiled networks.

Nothing here fails for want of room or rights: what cannot be kept is made again.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

_LONGEST_SECONDS = 30 * 86400


def cache_folder() -> Path:
    """The user's cache folder of vsj4r; it need not exist, or be writable."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        return Path(base) / "vsj4r" / "cache"
    if sys.platform == "darwin":
        return Path(os.environ.get("HOME") or "/var/empty") / "Library" / "Caches" / "vsj4r"
    named = os.environ.get("XDG_CACHE_HOME", "")
    if Path(named).is_absolute():
        return Path(named) / "vsj4r"
    return Path(os.environ.get("HOME") or "/nonexistent") / ".cache" / "vsj4r"


def writable_folder(folder: Path) -> Path | None:
    """``folder``, made if need be; None where nothing can be kept in it: OpenVINO and source filters need a
    name in UTF-8, too."""
    try:
        str(folder).encode()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, UnicodeEncodeError):
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def read_kept(file: Path) -> bytes | None:
    """What is kept in ``file``."""
    try:
        return file.read_bytes()
    except OSError:
        return None


def keep(file: Path, content: bytes) -> None:
    """Write ``file`` whole, as far as that can be done. Several processes may do so at once."""
    part = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        part.replace(file)
    except OSError:
        with suppress(OSError):
            part.unlink()


def mark_used(*files: Path) -> None:
    for file in files:
        with suppress(OSError):
            os.utime(file)


def remove_old(folder: Path, *, most_bytes: int) -> None:
    """Remove what was not used for a month, and the oldest beyond ``most_bytes``. Several processes may do so
    at once."""
    found: list[tuple[float, int, Path]] = []
    try:
        entries = list(folder.iterdir())
    except OSError:  # another has removed it, or it may not be read
        return
    for kept in entries:
        with suppress(OSError):
            stat = kept.stat()
            found.append((stat.st_mtime, stat.st_size, kept))
    room, oldest = most_bytes, time.time() - _LONGEST_SECONDS
    for used, size, kept in sorted(found, reverse=True):
        room -= size
        if room < 0 or used < oldest:
            with suppress(OSError):
                kept.unlink()
