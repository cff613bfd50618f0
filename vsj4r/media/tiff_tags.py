"""The tags of a TIFF 6.0 directory, which EXIF 2.32 is too."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4}
_MOST_TAGS = 4096
_CONTENT_BYTES = 16 << 20  # at most

_ReadAt = Callable[[int, int], bytes]
"""Offset and size to at most so many bytes."""


@dataclass(frozen=True, slots=True)
class TiffTags:
    order: str
    entries: dict[int, tuple[int, bytes]]

    def content(self, tag: int) -> bytes:
        return self.entries.get(tag, (0, b""))[1]

    def numbers(self, tag: int) -> list[int]:
        kind, content = self.entries.get(tag, (0, b""))
        size = _SIZES.get(kind, 0)
        if kind not in (1, 3, 4) or not content:
            return []
        letter = {1: "B", 3: "H", 4: "I"}[kind]
        count = len(content) // size
        return list(struct.unpack(f"{self.order}{count}{letter}", content[: count * size]))


def read_tags(read_at: _ReadAt, wanted: Collection[int]) -> TiffTags:
    """The ``wanted`` tags of the first directory.

    Raises:
        ValueError, struct.error: there is none.
    """
    head = read_at(0, 8)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None:
        raise ValueError("no TIFF")
    (first,) = struct.unpack(f"{order}I", head[4:8])
    (count,) = struct.unpack(f"{order}H", read_at(first, 2))
    entries: dict[int, tuple[int, bytes]] = {}
    for number in range(min(count, _MOST_TAGS)):
        entry = read_at(first + 2 + 12 * number, 12)
        if len(entry) < 12:
            break
        tag, kind, items = struct.unpack(f"{order}HHI", entry[:8])
        if tag not in wanted or kind not in _SIZES:
            continue
        size = _SIZES[kind] * items
        (offset,) = struct.unpack(f"{order}I", entry[8:])
        entries[tag] = kind, entry[8 : 8 + size] if size <= 4 else read_at(offset, min(size, _CONTENT_BYTES))
    return TiffTags(order, entries)


def exif_orientation(exif: bytes) -> int:
    try:
        tags = read_tags(lambda offset, count: exif[offset : offset + count], frozenset({274}))
    except (ValueError, struct.error):
        return 1  # a damaged note is no reason to refuse the picture
    return (tags.numbers(274) or [1])[0]
