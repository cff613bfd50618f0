"""Which file this is: a text that changes when its content does."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vsj4r.media.reading import image_names

_SAMPLE_BYTES = 1 << 16
_SAMPLES = 16


def identify(path: Path) -> str:
    """A text that changes when a file does: its size, its time, and samples of 64 KiB, spread evenly from its
    first byte to its last; for a folder the names, sizes and times of the images that it holds.

    Raises:
        OSError: it cannot be read.
        Vsj4rError: a folder holds no images.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        for name in image_names(path):
            stat = (path / name).stat()
            digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode(errors="surrogateescape"))
        return digest.hexdigest()
    with path.open("rb") as file:
        size = file.seek(0, 2)
        for sample in range(_SAMPLES):
            file.seek(max(0, size - _SAMPLE_BYTES) * sample // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return f"{size} {path.stat().st_mtime_ns} {digest.hexdigest()}"
