"""What is read of an image file beside its pixels, whatever its format, and how readers give it."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from vsj4r.media.tiff_tags import exif_orientation

PROFILE_BYTES = 16 << 20
"""At most: profiles of printers have a megabyte or two."""
_SPACE = slice(16, 20)
"""Where an ICC profile says what its numbers are."""
_FINEST = 10_000
_WIDEST = 100
"""Width of a sample by its height, or the other way round: beyond that a file is wrong."""
_ROUNDED = Fraction(1, 100)

Chunk = tuple[bytes, bytes]
"""Type and content of a PNG chunk."""


@dataclass(frozen=True, slots=True)
class Profile:
    """An ICC profile as the ``chunk`` of a PNG, and the ``space`` of its numbers: "RGB", "GRAY", "CMYK"."""

    space: str
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class ImageHead:
    """``width`` and ``height`` as the image is shown, ``depth`` in bits of a sample.

    ``orientation`` is EXIF's, 1 (upright) to 8. ``colours``: the chunks beside its ICC ``profile`` that say,
    in a PNG, what its numbers mean. ``is_cut_short``: a JPEG without its end, of which decoders make up the
    rest. ``bits``: that are stored of a sample, where they are fewer.
    ``is_animated``: a PNG or WebP of several frames, which is a video. ``is_tiff`` says who decodes it,
    ``has_pages`` that it has more pictures than the first. ``aspect``: width of a sample by its height.
    ``place``: column and line of the display window at which it begins (EXR, DPX); ``is_window``: that it is
    another part of that window than the whole. ``has_whole_numbers``: that a channel has 32 bits of those.
    ``has_others``: channels that are neither colour nor alpha (TIFF). ``is_lossy``: that its compression
    gives other samples than it gets, each time (EXR). ``is_grey``: that it has one channel of light.
    """

    width: int
    height: int
    depth: int
    has_alpha: bool = False
    orientation: int = 1
    colours: tuple[Chunk, ...] = ()
    profile: Profile | None = None
    is_cut_short: bool = False
    is_animated: bool = False
    is_tiff: bool = False
    has_pages: bool = False
    aspect: Fraction = Fraction(1)
    bits: int | None = None
    place: tuple[int, int] = (0, 0)
    is_window: bool = False
    has_whole_numbers: bool = False
    has_others: bool = False
    is_lossy: bool = False
    is_grey: bool = False

    def fits(self, *, as_grey: bool) -> bool:
        """Whether it has a profile that a PNG of grey, or of RGB, can have."""
        return self.profile is not None and self.profile.space == ("GRAY" if as_grey else "RGB")

    def chunks(self, *, as_grey: bool) -> tuple[Chunk, ...]:
        """What such a PNG says of its colours."""
        if self.profile is None or not self.fits(as_grey=as_grey):
            return self.colours
        return (self.profile.chunk, *self.colours)


class CutShortError(ValueError):
    """The file ends before its image does."""


class UnsupportedImageError(ValueError):
    """A kind of image that no decoder here gives as RGB, and what to do."""


def likely_aspect(aspect: Fraction) -> Fraction:
    """``aspect`` of a sample, 1 where it can be none."""
    return aspect if 1 < _WIDEST * aspect < _WIDEST**2 else Fraction(1)


def aspect_of(width: float | Fraction, height: float | Fraction = 1) -> Fraction:
    """``width`` by ``height`` of a sample, in small numbers; 1 where a file gives what can be none, or a
    density that was rounded."""
    if not (0 < width < math.inf and 0 < height < math.inf):
        return Fraction(1)
    aspect = (Fraction(width) / Fraction(height)).limit_denominator(_FINEST)
    return likely_aspect(aspect) if abs(aspect - 1) > _ROUNDED else Fraction(1)


def make_head(
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
    is_tiff: bool = False,
    has_pages: bool = False,
    has_others: bool = False,
    is_grey: bool = False,
    aspect: Fraction = Fraction(1),
) -> ImageHead:
    """A head whose size is that of the upright image. ``aspect`` is of a sample as it is stored."""
    if exif:
        orientation = exif_orientation(exif)
    if not 1 <= orientation <= 8:
        orientation = 1
    if orientation > 4:
        width, height, aspect = height, width, 1 / aspect
    if width < 1 or height < 1:
        raise ValueError("no pixels")
    return ImageHead(
        width,
        height,
        depth,
        has_alpha=has_alpha,
        orientation=orientation,
        profile=_pack(profile) if profile else None,
        is_cut_short=is_cut_short,
        is_animated=is_animated,
        is_tiff=is_tiff,
        has_pages=has_pages,
        has_others=has_others,
        is_grey=is_grey,
        aspect=aspect,
    )


def profile_of(chunk: Chunk) -> Profile | None:
    """The profile in an iCCP ``chunk``; None where it cannot be unpacked."""
    packed = chunk[1].partition(b"\0")[2][1:]
    try:
        start = zlib.decompressobj().decompress(packed, _SPACE.stop)
    except zlib.error:
        return None
    return _profile_from(start, chunk) if start else None


def _profile_from(start: bytes, chunk: Chunk) -> Profile:
    return Profile(start[_SPACE].decode("ascii", "replace").strip(), chunk)


def _pack(profile: bytes) -> Profile:
    return _profile_from(profile, (b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))


def read_exactly(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise CutShortError
    return content
