"""What a TIFF 6.0 or BigTIFF says of its picture."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO

from vsj4r.media.image_facts import CutShortError, ImageHead, UnsupportedImageError, aspect_of, make_head
from vsj4r.media.tiff_tags import read_tags

_PLACES = (273, 279), (324, 325)
"""Where strips lie and how many bytes they have; tiles."""
_SIGNED, _FLOAT = 2, 3
_ALPHAS = (1, 2)
"""Kinds of samples beside the colours: multiplied into them, and not; others are no alpha."""
_RGB = 2
_COLOURS = {0: 1, 1: 1, 3: 1, 5: 4}
"""How many samples, by the kind of picture; 3 in all others."""
_GREY, _LAB = (0, 1), frozenset({8, 9, 10})
_PREVIEW_OR_MASK = 1 | 4


def read_tiff(file: BinaryIO) -> ImageHead:
    size = file.seek(0, 2)

    def read_at(offset: int, count: int) -> bytes:
        file.seek(min(offset, size))
        return file.read(count)

    known = {256, 257, 258, 262, 274, 277, 282, 283, 338, 339, 34675}
    tags = read_tags(read_at, known.union(*_PLACES))
    if not _LAB.isdisjoint(tags.numbers(262)):
        raise UnsupportedImageError("a TIFF in Lab: save it as RGB")
    if _SIGNED in tags.numbers(339):
        raise UnsupportedImageError("a TIFF of signed numbers: save it with unsigned ones, or floats")
    for offsets, counts in _PLACES:
        parts = zip(tags.numbers(offsets), tags.numbers(counts), strict=False)
        if any(offset + count > size for offset, count in parts):
            raise CutShortError
    bits = 32 if _FLOAT in tags.numbers(339) else min(16, max(tags.numbers(258), default=1))
    samples, beside = (tags.numbers(277) or [1])[0], tags.numbers(338)
    has_alpha = any(kind in _ALPHAS for kind in beside) or (samples == 2 and not beside)
    kind = (tags.numbers(262) or [_RGB])[0]
    return make_head(
        (tags.numbers(256) or [0])[0],
        (tags.numbers(257) or [0])[0],
        max(8, bits),
        has_alpha=has_alpha,
        has_others=samples > _COLOURS.get(kind, 3) + has_alpha,
        is_grey=kind in _GREY,
        orientation=(tags.numbers(274) or [1])[0],
        profile=tags.content(34675),
        is_tiff=True,
        has_pages=_is_page(read_at, tags.later),
        aspect=aspect_of(tags.ratio(283), tags.ratio(282)),  # samples to a unit: down, across
    )


def _is_page(read_at: Callable[[int, int], bytes], place: int) -> bool:
    """Whether the directory at ``place`` is of one more picture: no preview of the first, and no mask."""
    if not place:
        return False
    try:
        tags = read_tags(read_at, frozenset({254, 256}), place)
    except (ValueError, struct.error):
        return False
    return bool(tags.numbers(256)) and not (tags.numbers(254) or [0])[0] & _PREVIEW_OR_MASK
