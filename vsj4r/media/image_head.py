"""What an image file says beside its pixels: size, depth, how the camera was held, what its colours mean.

Read from the file itself, without a decoder: a folder of thousands is looked at in seconds, and PyAV 19.0.2
ends the process where its `side_data` meets the ICC profile of a PNG. Formats by their first bytes: PNG (W3C
PNG 3rd edition), JPEG (ITU-T T.81, EXIF 2.32, ICC.1 annex B.4), TIFF 6.0, WebP (RFC 9649), BMP.

| Asked            | PNG                  | JPEG          | TIFF                | WebP          | BMP    |
|------------------|----------------------|---------------|---------------------|---------------|--------|
| size, depth      | IHDR                 | SOFn          | 256, 257, 258       | VP8, VP8L     | header |
| grey             | IHDR                 | SOFn          | 262                 | -             | -      |
| alpha            | IHDR, tRNS           | -             | 338, samples        | VP8X, VP8L    | -      |
| orientation      | eXIf                 | APP1 "Exif"   | 274                 | EXIF          | -      |
| shape of samples | pHYs                 | APP0 "JFIF"   | 282, 283            | -             | -      |
| ICC profile      | iCCP                 | APP2          | 34675               | ICCP          | -      |
| other colour     | cICP, sRGB, gAMA, cHRM, mDCV, cLLI                                                 |

A PNG's shape is read as ffmpeg reads and writes it, width to height. The standard has pixels to a unit, which
is the other way round.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from vsj4r.errors import InputError
from vsj4r.media.image_facts import (
    PROFILE_BYTES,
    CutShortError,
    ImageHead,
    UnsupportedImageError,
    aspect_of,
    make_head,
    read_exactly,
)
from vsj4r.media.png_head import PNG_START, read_png
from vsj4r.media.room import check_frame_fits
from vsj4r.media.tiff_head import read_tiff
from vsj4r.media.tiff_tags import TIFF_STARTS

_BLOCK_BYTES = 1 << 16
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


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
    except CutShortError as error:
        raise InputError(f"image {path} cannot be read: the file is cut short") from error
    except UnsupportedImageError as error:
        raise InputError(f"image {path} cannot be read: {error}") from error
    except (ValueError, struct.error, IndexError) as error:
        raise InputError(f"image {path} cannot be read: its header is damaged") from error
    if head is not None:
        check_frame_fits(path, head.width, head.height)
    return head


def _read(file: BinaryIO, start: bytes) -> ImageHead | None:
    if start.startswith(PNG_START):
        return read_png(file)
    if start.startswith(b"\xff\xd8\xff"):
        return _read_jpeg(file)
    if start[:4] in TIFF_STARTS:
        return read_tiff(file)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return _read_webp(file)
    if start.startswith(b"BM"):
        return _read_bmp(file)
    return None


def _read_jpeg(file: BinaryIO) -> ImageHead:
    file.seek(2)
    exif = b""
    parts: dict[int, bytes] = {}
    aspect = Fraction(1)
    width = height = depth = channels = 0
    while True:
        marker = _jpeg_marker(file)
        if marker in (0xDA, 0xD9):  # the scan begins, or the image ends
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            continue
        length = int.from_bytes(read_exactly(file, 2)) - 2
        content = read_exactly(file, max(0, length))
        if marker in _JPEG_FRAMES:
            depth, height, width, channels = struct.unpack(">BHHB", content[:6])
        elif marker == 0xE0 and content.startswith(b"JFIF\0") and content[7:8] == b"\0":  # no unit
            aspect = aspect_of(*struct.unpack(">HH", content[8:12]))
        elif marker == 0xE1 and content.startswith(b"Exif\0\0") and not exif:
            exif = content[6:]
        elif marker == 0xE2 and content.startswith(b"ICC_PROFILE\0"):
            parts[content[12]] = content[14:]
    profile = b"".join(parts[number] for number in sorted(parts))
    is_whole = _has_after(file, file.tell() - 2, b"\xff\xd9")
    return make_head(
        width,
        height,
        depth,
        exif=exif,
        profile=profile,
        is_cut_short=not is_whole,
        is_grey=channels == 1,
        aspect=aspect,
    )


def _has_after(file: BinaryIO, place: int, wanted: bytes) -> bool:
    """Whether ``wanted`` is in the file after ``place``; looked for from the end."""
    stop = file.seek(0, 2)
    while stop > place:
        start = max(place, stop - _BLOCK_BYTES)
        if wanted in read_at(file, start, stop - start + len(wanted) - 1):
            return True
        stop = start
    return False


def _jpeg_marker(file: BinaryIO) -> int:
    """The next marker; what lies before it is passed over, as decoders do."""
    byte = 0
    while not byte:  # 0xFF00 is a sample
        while byte != 0xFF:
            byte = read_exactly(file, 1)[0]
        while byte == 0xFF:
            byte = read_exactly(file, 1)[0]
    return byte


def _read_webp(file: BinaryIO) -> ImageHead:
    place, size = 12, file.seek(0, 2)
    end = min(size, 8 + int.from_bytes(read_at(file, 4, 4), "little"))
    width = height = 0
    has_alpha = is_animated = False
    exif = profile = b""
    while place + 8 <= end:
        kind, length = struct.unpack("<4sI", read_at(file, place, 8))
        if kind in (b"VP8X", b"VP8 ", b"VP8L", b"ANMF") and not width:
            start = read_at(file, place + 8, 16)
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
            profile = read_at(file, place + 8, min(length, PROFILE_BYTES))
        elif kind == b"EXIF":
            exif = read_at(file, place + 8, min(length, PROFILE_BYTES)).removeprefix(b"Exif\0\0")
        place += 8 + length + length % 2
    if place > size + 1:
        raise CutShortError
    return make_head(
        width, height, 8, has_alpha=has_alpha, exif=exif, profile=profile, is_animated=is_animated
    )


def _read_bmp(file: BinaryIO) -> ImageHead:
    start = read_exactly(file, 26)
    if int.from_bytes(start[14:18], "little") == 12:  # of OS/2
        width, height = struct.unpack("<HH", start[18:22])
    else:
        width, height = struct.unpack("<ii", start[18:26])
    return make_head(abs(width), abs(height), 8)


def read_at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)
