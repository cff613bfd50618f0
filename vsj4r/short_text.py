"""Small text files that users write: what is far too long to be one is refused before it fills the memory."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_MOST_BYTES = 16 << 20


def read_short_text(path: Path) -> str:
    """What is in the file ``path``, UTF-8; a byte order mark is passed over.

    Raises:
        OSError: it cannot be read, or holds more than 16 MiB.
        ValueError: it is no UTF-8, or its name holds a zero byte.
    """
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content.decode("utf-8-sig")
