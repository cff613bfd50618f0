"""A folder of images as an output: it appears whole, or not at all."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import vapoursynth as vs

from vsj4r.errors import Vsj4rError
from vsj4r.media.alpha import ALPHA
from vsj4r.media.images import check_replaced, frame_array, write_png
from vsj4r.media.plates import EXR, PLATES, write_plate
from vsj4r.media.reading import Image, image_to_floats, to_16_bit
from vsj4r.media.sources import Source
from vsj4r.media.tags import sample_aspect
from vsj4r.media.video import Sink
from vsj4r.media.whole import whole_folder

KINDS = ("png", "tif", "exr", "dpx")
"""Suffixes of what is written."""

_DIGITS = 6


def kind_for(source: Source) -> str:
    """What the images of ``source`` become where nothing is said: EXR and DPX stay what they are, and TIFF of
    floats becomes EXR."""
    if source.images is not None and source.images.depth == 32:
        return EXR[1:]
    suffixes = {Path(name).suffix.lower() for name in source.image_names or ()}
    return suffixes.pop()[1:] if len(suffixes) == 1 and suffixes <= set(PLATES) else "png"


def takes_floats(kind: str) -> bool:
    """Whether images of ``kind`` are written from RGBS, and not from RGB24 or RGB48."""
    return f".{kind}" == EXR


def takes_grey(kind: str) -> bool:
    """Whether images of ``kind`` are written from GRAY8 and GRAY16, too."""
    return kind in ("png", "tif")


@contextmanager
def image_sink(
    folder: Path,
    source: Source,
    kind: str,
    *,
    depth: int | None,
    frames: range | None = None,
    is_matte: bool = False,
    replaces: bool = True,
) -> Iterator[Sink]:
    """Images of ``kind``, one for each frame of ``source``, or of those ``frames`` of it, with its names, its
    colours and its alpha; a matte has none of the last two. ``depth``: see ``RunSettings``; ``replaces``: see
    ``whole_file``.

    Raises:
        Vsj4rError: other images would stay among them, or two would have one name.
    """
    name_of = namer(source, kind)
    frames = range(0 if source.pipe else len(source.timestamps)) if frames is None else frames
    check_replaced(folder, [name_of(n) for n in frames])
    with whole_folder(folder, replaces=replaces) as temporary:
        bits = depth or min(16, source.clip.format.bits_per_sample)
        yield _ImageSink(temporary, name_of, source, is_matte, frames.start, bits)


class _ImageSink:
    def __init__(
        self,
        folder: Path,
        name_of: Callable[[int], str],
        source: Source,
        is_matte: bool,
        first: int,
        bits: int,
    ) -> None:
        self._folder, self._name_of, self._source, self._is_matte = folder, name_of, source, is_matte
        self._first, self._bits = first, bits

    def put(self, n: int, frame: vs.VideoFrame) -> None:
        n += self._first
        image, path = frame_array(frame), self._folder / self._name_of(n)
        source = None if self._is_matte else self._source.images
        like = None if source is None else source.folder / source.names[n]
        alpha, aspect = None if self._is_matte else alpha_array(frame), sample_aspect(frame)
        as_grey = frame.format.color_family == vs.GRAY
        colours = () if self._is_matte else self._source.colours(n, frame.props, as_grey=as_grey)
        if path.suffix != ".png":
            packed = next((content for name, content in colours if name == b"iCCP"), b"")
            profile = zlib.decompress(packed.partition(b"\0")[2][1:]) if packed else b""
            write_plate(
                image,
                path,
                like=like,
                kept=None if source is None else source.kept,
                alpha=alpha,
                profile=profile,
                bits=self._bits,
                is_light=not self._is_matte,
                aspect=aspect,
            )
            return
        write_png(image if alpha is None else np.dstack([image, alpha]), path, colours, aspect=aspect)

    def finish(self) -> None:
        """Each file was written as it came."""


def alpha_array(frame: vs.VideoFrame) -> Image | None:
    """The alpha (H, W) of an RGB24, RGB48 or RGBS frame, with samples such as its picture has (the upper bits
    of them in 8); None where it has no alpha."""
    carried: Any = frame.props.get(ALPHA)
    if carried is None:
        return None
    alpha, bits = np.asarray(carried[0]), carried.format.bits_per_sample
    if alpha.dtype == np.uint16 and bits < 16:
        alpha = np.rint(alpha * (65535 / ((1 << bits) - 1))).astype(np.uint16)
    if frame.format.id == vs.RGBS:
        return image_to_floats(alpha)
    deep = to_16_bit(alpha)
    return deep if frame.format.id == vs.RGB48 else (deep >> 8).astype(np.uint8)


def namer(source: Source, kind: str) -> Callable[[int], str]:
    """The name of each image: the input's with the suffix of ``kind``, or the number of the frame.

    Raises:
        Vsj4rError: two images differ in their suffix alone.
    """
    if source.image_names is None:
        first = 0 if source.part is None else source.part.start
        last = first + len(source.timestamps) - 1
        digits = _DIGITS if source.pipe else max(_DIGITS, len(str(last)))
        return lambda n: f"{first + n:0{digits}d}.{kind}"
    names = [f"{Path(name).stem}.{kind}" for name in source.image_names]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise Vsj4rError(f"{source.path} has two images that would both become {doubled[0]}")
    return names.__getitem__
