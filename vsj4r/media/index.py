"""What was found out by decoding a file from end to end, kept for the next time.

The source filter's index and our own survey lie in the user's cache folder, under names that follow from the
file's content and time: an index never outlives its file. What was not used for a month is removed, and the
oldest beyond 512 MiB.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vsj4r.media.identity import identify

_LARGEST_BYTES = 512 << 20
_LONGEST_SECONDS = 30 * 86400


@dataclass(frozen=True, slots=True)
class Index:
    """Where things found out about one file are kept; ``prefix`` is None where nothing can be kept."""

    prefix: Path | None = None

    def arguments(self, threads: int) -> dict[str, object]:
        """Those of ``bs.VideoSource``; frames decoded by one thread may differ from those of many."""
        if self.prefix is None:
            return {"cachemode": 0}
        return {"cachemode": 3, "cachepath": f"{self.prefix}-{threads}"}  # an absolute name, from 100 frames

    def read(self, name: str) -> bytes | None:
        """What was kept under ``name``."""
        if self.prefix is None:
            return None
        try:
            return Path(f"{self.prefix}-{name}").read_bytes()
        except OSError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Keep ``content``, as far as that can be done."""
        if self.prefix is None:
            return
        target = Path(f"{self.prefix}-{name}")
        part = target.with_name(f"{target.name}.{os.getpid()}")
        with suppress(OSError):
            part.write_bytes(content)
            part.replace(target)

    def forget(self) -> None:
        """Remove all that is kept of this file."""
        if self.prefix is not None:
            for kept in self.prefix.parent.glob(f"{self.prefix.name}-*"):
                kept.unlink(missing_ok=True)


def index_of(path: Path, folder: Path | None = None) -> Index:
    """The index of the file ``path``, in ``folder`` or the user's cache.

    Raises:
        OSError: the file cannot be read.
    """
    key = hashlib.sha256(identify(path).encode()).hexdigest()[:32]
    place = cache_folder() / "index" if folder is None else folder
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Index()
    if not os.access(place, os.W_OK | os.X_OK):
        return Index()
    prefix = place / key
    if folder is None:
        _mark_used(prefix)
        _remove_old(place)
    return Index(prefix)


def cache_folder() -> Path:
    """The user's folder for what can be made again; it need not exist, or be writable."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        return Path(base) / "vsj4r" / "cache"
    if sys.platform == "darwin":
        return Path(os.environ.get("HOME") or "/var/empty") / "Library" / "Caches" / "vsj4r"
    named = os.environ.get("XDG_CACHE_HOME", "")
    if Path(named).is_absolute():
        return Path(named) / "vsj4r"
    return Path(os.environ.get("HOME") or "/nonexistent") / ".cache" / "vsj4r"


def _mark_used(prefix: Path) -> None:
    for kept in prefix.parent.glob(f"{prefix.name}-*"):
        with suppress(OSError):
            os.utime(kept)


def _remove_old(place: Path) -> None:
    """Two processes may do it at once."""
    found: list[tuple[float, int, Path]] = []
    for kept in place.iterdir():
        with suppress(OSError):
            stat = kept.stat()
            found.append((stat.st_mtime, stat.st_size, kept))
    room, oldest = _LARGEST_BYTES, time.time() - _LONGEST_SECONDS
    for used, size, kept in sorted(found, reverse=True):
        room -= size
        if room < 0 or used < oldest:
            with suppress(OSError):
                kept.unlink()
