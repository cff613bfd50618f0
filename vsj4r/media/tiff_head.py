"""What a TIFF 6.0 says of its picture, and which kinds of TIFF cannot be read."""

from __future__ import annotations

from typing import BinaryIO

from vsj4r.media.image_facts import CutShortError, ImageHead, UnsupportedImageError, make_head
from vsj4r.media.tiff_tags import read_tags

_STRIPS, _STRIP_BYTES = 273, 279
"""Where strips lie, and how many bytes they have."""
_TILE_WIDTH, _SEPARATED = 322, 5
_UNSUPPORTED = {  # by tag and number; ffmpeg 9 gives a black picture for TIFF with JPEG inside
    259: dict.fromkeys((6, 7), "a TIFF with JPEG inside"),
    262: dict.fromkeys((8, 9, 10), "a TIFF in Lab"),
    339: {3: "a TIFF of floating-point samples"},
}


def read_tiff(file: BinaryIO) -> ImageHead:
    size = file.seek(0, 2)

    def read_at(offset: int, count: int) -> bytes:
        file.seek(min(offset, size))
        return file.read(count)

    known = {256, 257, 258, 259, 262, 274, 277, 338, 339, 34675}
    tags = read_tags(read_at, known | {_STRIPS, _STRIP_BYTES, _TILE_WIDTH})
    for tag, unreadable in _UNSUPPORTED.items():
        for number in tags.numbers(tag)[:1]:
            if number in unreadable:
                raise UnsupportedImageError(unreadable[number])
    bits = tags.numbers(258) or [1]
    if tags.numbers(_TILE_WIDTH):
        raise UnsupportedImageError("a TIFF in tiles")
    if max(bits) > 16:
        raise UnsupportedImageError(f"a TIFF of {max(bits)} bit integers")
    if max(bits) > 8 and _SEPARATED in tags.numbers(262):
        raise UnsupportedImageError("a TIFF in CMYK of more than 8 bits")
    strips = zip(tags.numbers(_STRIPS), tags.numbers(_STRIP_BYTES), strict=False)
    if any(offset + count > size for offset, count in strips):
        raise CutShortError
    samples = (tags.numbers(277) or [1])[0]
    return make_head(
        (tags.numbers(256) or [0])[0],
        (tags.numbers(257) or [0])[0],
        max(8, *bits),
        has_alpha=bool(tags.numbers(338)) or samples == 2,
        orientation=(tags.numbers(274) or [1])[0],
        profile=tags.content(34675),
    )
