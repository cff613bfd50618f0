"""The tags of a directory of TIFF 6.0, which EXIF 2.32 is too, or of BigTIFF."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fractions import Fraction

TIFF_STARTS = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"
"""First bytes: of TIFF, then of BigTIFF, whose offsets and counts have 64 bits."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 16: 8}
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_RATIONAL = 5
_MOST_TAGS = 4096
_CONTENT_BYTES = 16 << 20  # at most

_ReadAt = Callable[[int, int], bytes]
"""Offset and size to at most so many bytes."""


@dataclass(frozen=True, slots=True)
class TiffTags:
    """``later``: where the next directory is, 0 where there is none."""

    order: str
    entries: dict[int, tuple[int, bytes]]
    later: int

    def content(self, tag: int) -> bytes:
        return self.entries.get(tag, (0, b""))[1]

    def numbers(self, tag: int) -> list[int]:
        kind, content = self.entries.get(tag, (0, b""))
        size = _SIZES.get(kind, 0)
        if kind not in _NUMBERS or not content:
            return []
        count = len(content) // size
        return list(struct.unpack(f"{self.order}{count}{_NUMBERS[kind]}", content[: count * size]))

    def ratio(self, tag: int) -> Fraction:
        """0 where there is none."""
        kind, content = self.entries.get(tag, (0, b""))
        if kind != _RATIONAL or len(content) < _SIZES[kind]:
            return Fraction(0)
        above, below = struct.unpack(f"{self.order}II", content[: _SIZES[kind]])
        return Fraction(above, below) if below else Fraction(0)


def read_tags(read_at: _ReadAt, wanted: Collection[int], at: int = 0) -> TiffTags:
    """The ``wanted`` tags of the directory ``at`` that offset, 0 for the first.

    Raises:
        ValueError, struct.error: there is none.
    """
    head = read_at(0, 16)
    if head[:4] not in TIFF_STARTS:
        raise ValueError("no TIFF")
    order = "<" if head.startswith(b"I") else ">"
    is_big = head[:4] in TIFF_STARTS[2:]
    offset_of, count_of_tags = (f"{order}Q", f"{order}Q") if is_big else (f"{order}I", f"{order}H")
    room = struct.calcsize(offset_of)
    first = at or struct.unpack(offset_of, head[room : 2 * room])[0]
    (count,) = struct.unpack(count_of_tags, read_at(first, struct.calcsize(count_of_tags)))
    first += struct.calcsize(count_of_tags)
    length = 4 + 2 * room  # tag and kind, how many, the content or where it is
    entries: dict[int, tuple[int, bytes]] = {}
    for number in range(min(count, _MOST_TAGS)):
        entry = read_at(first + length * number, length)
        if len(entry) < length:
            break
        tag, kind = struct.unpack(f"{order}HH", entry[:4])
        (items,) = struct.unpack(offset_of, entry[4 : 4 + room])
        if tag not in wanted or kind not in _SIZES:
            continue
        size, content = _SIZES[kind] * items, entry[4 + room :]
        (offset,) = struct.unpack(offset_of, content)
        entries[tag] = kind, content[:size] if size <= room else read_at(offset, min(size, _CONTENT_BYTES))
    end = read_at(first + length * count, room)
    return TiffTags(order, entries, struct.unpack(offset_of, end)[0] if len(end) == room else 0)


def exif_orientation(exif: bytes) -> int:
    try:
        tags = read_tags(lambda offset, count: exif[offset : offset + count], frozenset({274}))
    except (ValueError, struct.error):
        return 1  # a damaged note is no reason to refuse the picture
    return (tags.numbers(274) or [1])[0]
