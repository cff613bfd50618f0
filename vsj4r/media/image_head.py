"""What an image file says beside its pixels: size, depth, how the camera was held, what its colours mean.

Read from the file itself, without a decoder: a folder of thousands is looked at in seconds, and PyAV 19.0.2
ends the process where its `side_data` meets the ICC profile of a PNG. Formats by their first bytes: PNG (W3C
PNG 3rd edition), JPEG (ITU-T T.81, EXIF 2.32, ICC.1 annex B.4), TIFF 6.0, WebP (RFC 9649), BMP.

| Asked            | PNG                  | JPEG          | TIFF                | WebP          | BMP    |
|------------------|----------------------|---------------|---------------------|---------------|--------|
| size, depth      | IHDR                 | SOFn          | 256, 257, 258       | VP8, VP8L     | header |
| alpha            | IHDR, tRNS           | -             | 338, samples        | VP8X, VP8L    | -      |
| orientation      | eXIf                 | APP1 "Exif"   | 274                 | EXIF          | -      |
| ICC profile      | iCCP                 | APP2          | 34675               | ICCP          | -      |
| other colour     | cICP, sRGB, gAMA, cHRM, mDCV, cLLI                                                 |
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from vsj4r.errors import InputError
from vsj4r.media.room import check_frame_fits

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_COLOURS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI")
_PNG_CHUNKS = 1 << 20  # at most; IDATs of 8 KiB make 8 GiB
_PROFILE_BYTES = 16 << 20  # at most: profiles of printers have a megabyte or two
_PROFILE_SPACE = slice(16, 20)  # where an ICC profile says what its numbers are: "RGB ", "GRAY", "CMYK"
_BLOCK_BYTES = 1 << 16
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4}
_TIFF_PARTS = {273: 279, 324: 325}  # where strips and tiles lie, and how many bytes they have
_TIFF_UNSUPPORTED = {  # by tag and number; ffmpeg 9 gives a black picture for TIFF with JPEG inside
    259: dict.fromkeys((6, 7), "a TIFF with JPEG inside"),
    262: dict.fromkeys((8, 9, 10), "a TIFF in Lab"),
    339: {3: "a TIFF of floating-point samples"},
}
_TIFF_TAGS = 4096  # at most
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

Chunk = tuple[bytes, bytes]
"""Type and content of a PNG chunk."""
_ReadAt = Callable[[int, int], bytes]
"""Offset and size to at most so many bytes."""


@dataclass(frozen=True, slots=True)
class ImageHead:
    """``width`` and ``height`` as the image is shown, ``depth`` in bits of a sample.

    ``orientation`` is EXIF's, 1 (upright) to 8. ``colours``: the chunks that say, in a PNG of RGB, what
    its numbers mean. ``lost_profile`` is the kind of an ICC profile that RGB cannot have ("GRAY", "CMYK"),
    or "". ``is_cut_short``: a JPEG without its end, of which decoders make up the rest.
    ``is_animated``: a PNG or WebP of several frames, which is a video.
    """

    width: int
    height: int
    depth: int
    has_alpha: bool = False
    orientation: int = 1
    colours: tuple[Chunk, ...] = ()
    lost_profile: str = ""
    is_cut_short: bool = False
    is_animated: bool = False


class _CutShortError(ValueError):
    """The file ends before its image does."""


class _UnsupportedError(ValueError):
    """A kind of image that ffmpeg does not decode, or decodes wrongly without a word."""


def read_head(path: Path) -> ImageHead | None:
    """The head of the image ``path``; None where its format is none of these.

    Raises:
        InputError: it cannot be read, is cut short, damaged, or too large for this machine.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
            file.seek(0)
            head = _read(file, start)
    except OSError as error:
        raise InputError(f"image {path} cannot be read: {error.strerror or error}") from error
    except _CutShortError as error:
        raise InputError(f"image {path} cannot be read: the file is cut short") from error
    except _UnsupportedError as error:
        raise InputError(
            f"image {path} cannot be read: {error}: save it as 8 or 16 bit RGB, with LZW"
        ) from error
    except (ValueError, struct.error, IndexError) as error:
        raise InputError(f"image {path} cannot be read: its header is damaged") from error
    if head is not None:
        check_frame_fits(path, head.width, head.height)
    return head


def with_colours(png: bytes, colours: Iterable[Chunk]) -> bytes:
    """The file ``png`` with chunks that say what its colours mean, after its header, where they belong."""
    after = len(_PNG) + 12 + 13
    chunks = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in colours
    )
    return png[:after] + chunks + png[after:]


def _read(file: BinaryIO, start: bytes) -> ImageHead | None:
    if start.startswith(_PNG):
        return _read_png(file)
    if start.startswith(b"\xff\xd8\xff"):
        return _read_jpeg(file)
    if start[:4] in (b"II*\0", b"MM\0*"):
        return _read_tiff(file)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return _read_webp(file)
    if start.startswith(b"BM"):
        return _read_bmp(file)
    return None


def _make_head(
    width: int,
    height: int,
    depth: int,
    *,
    has_alpha: bool = False,
    exif: bytes = b"",
    orientation: int = 1,
    profile: bytes = b"",
    is_cut_short: bool = False,
    is_animated: bool = False,
) -> ImageHead:
    """A head whose size is that of the upright image; ``profile`` becomes a chunk where it is of RGB."""
    if exif:
        orientation = _exif_orientation(exif)
    if not 1 <= orientation <= 8:
        orientation = 1
    if orientation > 4:
        width, height = height, width
    if width < 1 or height < 1:
        raise ValueError("no pixels")
    colours: tuple[Chunk, ...] = ()
    space = profile[_PROFILE_SPACE].decode("ascii", "replace")
    if space == "RGB ":
        colours = ((b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)),)
    lost = space.strip() if profile and not colours else ""
    return ImageHead(
        width,
        height,
        depth,
        has_alpha=has_alpha,
        orientation=orientation,
        colours=colours,
        lost_profile=lost,
        is_cut_short=is_cut_short,
        is_animated=is_animated,
    )


def _read_png(file: BinaryIO) -> ImageHead:
    """Every chunk is gone past, so that a file that was cut short is known before the work begins."""
    file.seek(len(_PNG))
    head = exif = alphas = b""
    colours: list[Chunk] = []
    lost, is_animated = "", False
    size = file.seek(0, 2)
    place = len(_PNG)
    for _ in range(_PNG_CHUNKS):
        file.seek(place)
        length, kind = struct.unpack(">I4s", _exactly(file, 8))
        if place + 12 + length > size:
            raise _CutShortError
        if kind == b"IEND":
            break
        is_animated |= kind == b"acTL"
        if kind in (b"IHDR", b"eXIf", b"tRNS", *_PNG_COLOURS):
            content = _exactly(file, min(length, _PROFILE_BYTES))
            match kind:
                case b"IHDR":
                    head = content
                case b"eXIf":
                    exif = content
                case b"tRNS":
                    alphas = content
                case b"iCCP":
                    space = _png_profile_space(content)
                    if space == "RGB ":
                        colours.append((kind, content))
                    elif space:
                        lost = space.strip()
                case _:
                    colours.append((kind, content))
        place += 12 + length
    width, height, depth, colour_type = struct.unpack(">IIBB", head[:10])
    indexed = colour_type == 3
    translucent = any(alpha < 255 for alpha in alphas) if indexed else bool(alphas)
    translucent |= bool(colour_type & 4)
    head_of = _make_head(
        width, height, max(8, depth), has_alpha=translucent, exif=exif, is_animated=is_animated
    )
    return replace(head_of, colours=tuple(colours), lost_profile=lost)


def _png_profile_space(content: bytes) -> str:
    """What kind of numbers the profile of an iCCP chunk is for; "" where it cannot be unpacked."""
    packed = content[content.index(b"\0") + 2 :] if b"\0" in content else b""
    try:
        profile = zlib.decompressobj().decompress(packed, _PROFILE_SPACE.stop)
    except zlib.error:
        return ""
    return profile[_PROFILE_SPACE].decode("ascii", "replace")


def _read_jpeg(file: BinaryIO) -> ImageHead:
    file.seek(2)
    exif = b""
    parts: dict[int, bytes] = {}
    width = height = depth = 0
    while True:
        marker = _jpeg_marker(file)
        if marker in (0xDA, 0xD9):  # the scan begins, or the image ends
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            continue
        length = int.from_bytes(_exactly(file, 2)) - 2
        content = _exactly(file, max(0, length))
        if marker in _JPEG_FRAMES:
            depth, height, width = struct.unpack(">BHH", content[:5])
        elif marker == 0xE1 and content.startswith(b"Exif\0\0") and not exif:
            exif = content[6:]
        elif marker == 0xE2 and content.startswith(b"ICC_PROFILE\0"):
            parts[content[12]] = content[14:]
    profile = b"".join(parts[number] for number in sorted(parts))
    is_whole = _has_after(file, file.tell() - 2, b"\xff\xd9")
    return _make_head(width, height, depth, exif=exif, profile=profile, is_cut_short=not is_whole)


def _has_after(file: BinaryIO, place: int, wanted: bytes) -> bool:
    """Whether ``wanted`` is in the file after ``place``; looked for from the end."""
    stop = file.seek(0, 2)
    while stop > place:
        start = max(place, stop - _BLOCK_BYTES)
        if wanted in _at(file, start, stop - start + len(wanted) - 1):
            return True
        stop = start
    return False


def _jpeg_marker(file: BinaryIO) -> int:
    """The next marker; what lies before it is passed over, as decoders do."""
    byte = _exactly(file, 1)[0]
    while byte != 0xFF:
        byte = _exactly(file, 1)[0]
    while byte == 0xFF:
        byte = _exactly(file, 1)[0]
    return byte if byte else _jpeg_marker(file)


def _read_tiff(file: BinaryIO) -> ImageHead:
    size = file.seek(0, 2)

    def read_at(offset: int, count: int) -> bytes:
        file.seek(min(offset, size))
        return file.read(count)

    lengths = {*_TIFF_PARTS, *_TIFF_PARTS.values()}
    tags = _tiff_tags(read_at, lengths | {256, 257, 258, 259, 262, 274, 277, 338, 339, 34675})
    for tag, unreadable in _TIFF_UNSUPPORTED.items():
        for number in tags.numbers(tag)[:1]:
            if number in unreadable:
                raise _UnsupportedError(unreadable[number])
    for offsets, counts in _TIFF_PARTS.items():
        parts = zip(tags.numbers(offsets), tags.numbers(counts), strict=False)
        if any(offset + count > size for offset, count in parts):
            raise _CutShortError
    bits = tags.numbers(258) or [1]
    samples = (tags.numbers(277) or [1])[0]
    return _make_head(
        (tags.numbers(256) or [0])[0],
        (tags.numbers(257) or [0])[0],
        max(8, *bits),
        has_alpha=bool(tags.numbers(338)) or samples == 2,
        orientation=(tags.numbers(274) or [1])[0],
        profile=tags.content(34675),
    )


def _exif_orientation(exif: bytes) -> int:
    try:
        tags = _tiff_tags(lambda offset, count: exif[offset : offset + count], frozenset({274}))
    except (ValueError, struct.error):
        return 1  # a damaged note is no reason to refuse the picture
    return (tags.numbers(274) or [1])[0]


@dataclass(frozen=True, slots=True)
class _TiffTags:
    order: str
    entries: dict[int, tuple[int, bytes]]

    def content(self, tag: int) -> bytes:
        return self.entries.get(tag, (0, b""))[1]

    def numbers(self, tag: int) -> list[int]:
        kind, content = self.entries.get(tag, (0, b""))
        size = _TIFF_SIZES.get(kind, 0)
        if kind not in (1, 3, 4) or not content:
            return []
        letter = {1: "B", 3: "H", 4: "I"}[kind]
        count = len(content) // size
        return list(struct.unpack(f"{self.order}{count}{letter}", content[: count * size]))


def _tiff_tags(read_at: _ReadAt, wanted: Collection[int]) -> _TiffTags:
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
    for number in range(min(count, _TIFF_TAGS)):
        entry = read_at(first + 2 + 12 * number, 12)
        if len(entry) < 12:
            break
        tag, kind, items = struct.unpack(f"{order}HHI", entry[:8])
        if tag not in wanted or kind not in _TIFF_SIZES:
            continue
        size = _TIFF_SIZES[kind] * items
        (offset,) = struct.unpack(f"{order}I", entry[8:])
        entries[tag] = kind, entry[8 : 8 + size] if size <= 4 else read_at(offset, min(size, _PROFILE_BYTES))
    return _TiffTags(order, entries)


def _read_webp(file: BinaryIO) -> ImageHead:
    place, size = 12, file.seek(0, 2)
    end = min(size, 8 + int.from_bytes(_at(file, 4, 4), "little"))
    width = height = 0
    has_alpha = is_animated = False
    exif = profile = b""
    while place + 8 <= end:
        kind, length = struct.unpack("<4sI", _at(file, place, 8))
        if kind in (b"VP8X", b"VP8 ", b"VP8L", b"ANMF") and not width:
            start = _at(file, place + 8, 16)
            match kind:
                case b"VP8X":
                    has_alpha, is_animated = bool(start[0] & 0x10), bool(start[0] & 0x02)
                    width = 1 + int.from_bytes(start[4:7], "little")
                    height = 1 + int.from_bytes(start[7:10], "little")
                case b"VP8L":
                    packed = int.from_bytes(start[1:5], "little")
                    width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
                    has_alpha = bool(packed >> 28 & 1)
                case b"VP8 ":
                    width, height = (number & 0x3FFF for number in struct.unpack("<HH", start[6:10]))
        elif kind == b"ICCP":
            profile = _at(file, place + 8, min(length, _PROFILE_BYTES))
        elif kind == b"EXIF":
            exif = _at(file, place + 8, min(length, _PROFILE_BYTES)).removeprefix(b"Exif\0\0")
        place += 8 + length + length % 2
    if place > size + 1:
        raise _CutShortError
    return _make_head(
        width, height, 8, has_alpha=has_alpha, exif=exif, profile=profile, is_animated=is_animated
    )


def _read_bmp(file: BinaryIO) -> ImageHead:
    start = _exactly(file, 26)
    if int.from_bytes(start[14:18], "little") == 12:  # of OS/2
        width, height = struct.unpack("<HH", start[18:22])
    else:
        width, height = struct.unpack("<ii", start[18:26])
    return _make_head(abs(width), abs(height), 8)


def _at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _exactly(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise _CutShortError
    return content
