"""What was found out by decoding a file from end to end, kept for the next time.

The source filter's index and our own survey lie in the user's cache folder, under names that follow from the
file's content and time: an index never outlives its file. What was not used for a month is removed, and the
oldest beyond 512 MiB.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from vsj4r import cached
from vsj4r.media.identity import identify

_LARGEST_BYTES = 512 << 20


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
        return None if self.prefix is None else cached.read_kept(Path(f"{self.prefix}-{name}"))

    def write(self, name: str, content: bytes) -> None:
        """Keep ``content``, as far as that can be done."""
        if self.prefix is not None:
            cached.keep(Path(f"{self.prefix}-{name}"), content)

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
    place = cached.writable_folder(cached.cache_folder() / "index" if folder is None else folder)
    if place is None:
        return Index()
    prefix = place / key
    if folder is None:
        cached.mark_used(*place.glob(f"{key}-*"))
        cached.remove_old(place, most_bytes=_LARGEST_BYTES)
    return Index(prefix)
