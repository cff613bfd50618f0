"""The chunks of a PNG (W3C PNG 3rd edition) that say what its pixels are and mean."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import BinaryIO

from vsj4r.media.image_facts import (
    PROFILE_BYTES,
    Chunk,
    CutShortError,
    ImageHead,
    aspect_of,
    make_head,
    profile_of,
    read_exactly,
)

PNG_START = b"\x89PNG\r\n\x1a\n"
_COLOURS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI")
_MOST_CHUNKS = 1 << 20  # IDATs of 8 KiB make 8 GiB


def with_colours(png: bytes, colours: Iterable[Chunk]) -> bytes:
    """The file ``png`` with chunks that say what its colours mean, after its header, where they belong."""
    after = len(PNG_START) + 12 + 13
    chunks = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in colours
    )
    return png[:after] + chunks + png[after:]


def read_png(file: BinaryIO) -> ImageHead:
    """Every chunk is gone past, so that a file that was cut short is known before the work begins."""
    file.seek(len(PNG_START))
    head = exif = alphas = density = b""
    colours: list[Chunk] = []
    profile, is_animated = None, False
    size = file.seek(0, 2)
    place = len(PNG_START)
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        length, kind = struct.unpack(">I4s", read_exactly(file, 8))
        if place + 12 + length > size:
            raise CutShortError
        if kind == b"IEND":
            break
        is_animated |= kind == b"acTL"
        if kind in (b"IHDR", b"eXIf", b"tRNS", b"pHYs", *_COLOURS):
            content = read_exactly(file, min(length, PROFILE_BYTES))
            match kind:
                case b"IHDR":
                    head = content
                case b"eXIf":
                    exif = content
                case b"tRNS":
                    alphas = content
                case b"pHYs":
                    density = content
                case b"iCCP":
                    profile = profile_of((kind, content))
                case _:
                    colours.append((kind, content))
        place += 12 + length
    width, height, depth, colour_type = struct.unpack(">IIBB", head[:10])
    indexed = colour_type == 3
    translucent = any(alpha < 255 for alpha in alphas) if indexed else bool(alphas)
    translucent |= bool(colour_type & 4)
    head_of = make_head(
        width,
        height,
        max(8, depth),
        has_alpha=translucent,
        exif=exif,
        is_animated=is_animated,
        is_grey=not colour_type & 2,
        aspect=aspect_of(*struct.unpack(">II", density[:8])) if len(density) >= 8 else Fraction(1),
    )
    return replace(head_of, colours=tuple(colours), profile=profile)
