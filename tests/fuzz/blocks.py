"""Where the blocks of a file are that say their own length: chunks, atoms, elements, segments, packets."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal


@dataclass(frozen=True, slots=True)
class Block:
    """``content[start:end]``. Its length stands in ``size_bytes`` bytes at ``size_at`` (0: nowhere).

    The length counts what comes after ``counted_from``.
    """

    start: int
    end: int
    body: int
    size_at: int = 0
    size_bytes: int = 0
    big_endian: bool = True
    counted_from: int = 0


def png_chunks(content: bytes) -> Iterator[Block]:
    at = 8
    while at + 12 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4])
        if end > len(content):
            return
        yield Block(at, end, at + 8, at, 4, counted_from=at + 12)
        at = end


def with_png_sums(content: bytes) -> bytes:
    """The same with the checksum that each chunk should have: else decoders look no further."""
    mended = bytearray(content)
    for chunk in png_chunks(content):
        mended[chunk.end - 4 : chunk.end] = zlib.crc32(content[chunk.start + 4 : chunk.end - 4]).to_bytes(4)
    return bytes(mended)


def jpeg_segments(content: bytes) -> Iterator[Block]:
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4])
        if end > len(content):
            return
        yield Block(at, end, at + 4, at + 2, 2, counted_from=at + 2)
        if content[at + 1] == 0xDA:
            return
        at = end


def exr_attributes(content: bytes) -> Iterator[Block]:
    """Name, type, length and value of each attribute of the header."""
    at = 8
    while (named := content.find(b"\0", at)) > at and (typed := content.find(b"\0", named + 1)) > 0:
        body = typed + 5
        end = body + int.from_bytes(content[typed + 1 : body], "little")
        if end > len(content):
            return
        yield Block(at, end, body, typed + 1, 4, big_endian=False, counted_from=body)
        at = end


def dpx_parts(content: bytes) -> Iterator[Block]:
    """The five headers of fixed lengths, and the picture."""
    bounds = [*(min(at, len(content)) for at in (0, 768, 1408, 1664, 1920, 2048)), len(content)]
    yield from (Block(start, end, start) for start, end in pairwise(bounds) if start < end)


def tiff_entries(content: bytes) -> Iterator[Block]:
    """The entries of the first directories."""
    order: bool = content[:2] == b"MM"
    word: Literal["big", "little"] = "big" if order else "little"
    at = int.from_bytes(content[4:8], word)
    for _ in range(4):
        if not 8 <= at <= len(content) - 2:
            return
        count = int.from_bytes(content[at : at + 2], word)
        for number in range(min(count, 64)):
            start = at + 2 + 12 * number
            if start + 12 > len(content):
                return
            yield Block(start, start + 12, start, start + 4, 4, order)
        after = at + 2 + 12 * count
        at = int.from_bytes(content[after : after + 4], word)


_RIFF_LISTS = (b"RIFF", b"LIST")


def riff_chunks(content: bytes) -> Iterator[Block]:
    """WebP and AVI."""

    def within(at: int, end: int) -> Iterator[Block]:
        while at + 8 <= end:
            size = int.from_bytes(content[at + 4 : at + 8], "little")
            stop = min(at + 8 + size + (size & 1), end)
            inside = content[at : at + 4] in _RIFF_LISTS
            yield Block(at, stop, at + (12 if inside else 8), at + 4, 4, False, at + 8)
            if inside:
                yield from within(at + 12, stop)
            at = stop

    return within(0, len(content))


_ATOMS_IN = frozenset(b"moov trak mdia minf stbl dinf edts udta moof traf mvex ilst gmhd tref".split())


def atoms(content: bytes) -> Iterator[Block]:
    """MP4 and MOV."""

    def within(at: int, end: int) -> Iterator[Block]:
        while at + 8 <= end:
            size = int.from_bytes(content[at : at + 4])
            if size < 8 or at + size > end:
                return
            yield Block(at, at + size, at + 8, at, 4, counted_from=at)
            kind = content[at + 4 : at + 8]
            if kind in _ATOMS_IN:
                yield from within(at + 8, at + size)
            elif kind == b"meta":
                yield from within(at + (12 if content[at + 12 : at + 16] == b"hdlr" else 8) + 0, at + size)
            elif kind == b"stsd":
                yield from within(at + 16, at + size)
            at += size

    return within(0, len(content))


_ELEMENTS_IN = frozenset(
    {
        0x18538067,  # Segment
        0x1549A966,  # Info
        0x1654AE6B,  # Tracks
        0xAE,  # TrackEntry
        0xE0,  # Video
        0xE1,  # Audio
        0x55B0,  # Colour
        0x55D0,  # MasteringMetadata
        0x1F43B675,  # Cluster
        0xA0,  # BlockGroup
        0x1C53BB6B,  # Cues
        0xBB,  # CuePoint
        0x1043A770,  # Chapters
        0x45B9,  # EditionEntry
        0x1941A469,  # Attachments
        0x61A7,  # AttachedFile
        0x1254C367,  # Tags
        0x7373,  # Tag
        0x114D9B74,  # SeekHead
    }
)


def elements(content: bytes) -> Iterator[Block]:
    """Matroska and WebM. A length is a number whose first bits say how many bytes it takes."""

    def number(at: int) -> int:
        """How many bytes, 0 where it is none."""
        return 9 - content[at].bit_length() if at < len(content) and content[at] else 0

    def within(at: int, end: int) -> Iterator[Block]:
        while at < end:
            id_bytes = number(at)
            size_bytes = number(at + id_bytes)
            if not id_bytes or not size_bytes or id_bytes > 4:
                return
            body = at + id_bytes + size_bytes
            size = int.from_bytes(content[at + id_bytes : body]) & ((1 << 7 * size_bytes) - 1)
            unknown = size == (1 << 7 * size_bytes) - 1
            stop = end if unknown else body + size
            if stop > end:
                return
            yield Block(at, stop, body, at + id_bytes, size_bytes, counted_from=body)
            if int.from_bytes(content[at : at + id_bytes]) in _ELEMENTS_IN:
                yield from within(body, stop)
            at = stop

    return within(0, len(content))


def ts_packets(content: bytes) -> Iterator[Block]:
    size = 192 if content[4:5] == b"\x47" and content[:1] != b"\x47" else 188
    for at in range(0, len(content) - size + 1, size):
        yield Block(at, at + size, at + size - 184)


def protobuf_fields(content: bytes) -> Iterator[Block]:
    """ONNX: fields of the message, and of the messages in it."""

    def varint(at: int, end: int) -> tuple[int, int] | None:
        value = 0
        for place in range(10):
            if at + place >= end:
                return None
            value |= (content[at + place] & 0x7F) << 7 * place
            if not content[at + place] & 0x80:
                return value, at + place + 1
        return None

    def fields(at: int, end: int, depth: int) -> list[Block] | None:
        found: list[Block] = []
        while at < end:
            key = varint(at, end)
            if key is None or not key[0] >> 3:
                return None
            kind, body = key[0] & 7, key[1]
            if kind == 0:
                value = varint(body, end)
                if value is None:
                    return None
                found.append(Block(at, value[1], body))
                at = value[1]
            elif kind in (1, 5):
                at, start = body + (8 if kind == 1 else 4), at
                if at > end:
                    return None
                found.append(Block(start, at, body))
            elif kind == 2:
                size = varint(body, end)
                if size is None or size[1] + size[0] > end:
                    return None
                stop = size[1] + size[0]
                found.append(Block(at, stop, size[1], body, size[1] - body, False, size[1]))
                if depth:
                    found += fields(size[1], stop, depth - 1) or []
                at = stop
            else:
                return None
        return found

    yield from fields(0, len(content), 5) or []


def no_blocks(content: bytes) -> Iterator[Block]:
    return iter(())


Finder = Callable[[bytes], Iterator[Block]]
