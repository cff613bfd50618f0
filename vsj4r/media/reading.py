"""Images as they are read: which files, their pixels as they are shown."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vsj4r.errors import InputError, Vsj4rError
from vsj4r.media.demuxing import READ_ERRORS, reason_of
from vsj4r.media.image_head import read_head
from vsj4r.media.plates import PLATES, KeptPlates, is_plate, read_plate, read_tiff_samples
from vsj4r.media.whole import is_clutter
from vsj4r.words import count_of

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", *PLATES)
_LAST_NUMBER = re.compile(r"(.*?)([0-9]+)([^0-9]*)")
_TOLD_GAPS = 5
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # a drive has one letter

Image = NDArray[Any]  # (H, W, 3) RGB, uint8, uint16 or float32


def missing_error(name: Path | str) -> Vsj4rError:
    """What is to be said of an input that is not there."""
    if _ADDRESS.match(str(name)):
        kind, _, rest = str(name).partition(":")  # of two slashes a path keeps one
        address = f"{kind}://{rest.lstrip('/')}"
        return Vsj4rError(f"{address} is an address: fetch it first (ffmpeg -i ADDRESS -c copy file.mkv)")
    return Vsj4rError(f"no such file or folder: {name}")


def is_image(path: Path) -> bool:
    """By its name; hidden files are a system's own."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not is_clutter(path.name)


def images_in(folder: Path) -> list[str]:
    """Names of the images in ``folder``, in their natural order: f2 before f10."""
    names = [entry.name for entry in folder.iterdir() if is_image(entry) and entry.is_file()]
    return sorted(names, key=_natural)


def _natural(name: str) -> tuple[list[tuple[int, int | str]], str]:
    """Numbers in ``name`` count as numbers; what is equal then goes by its letters."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(part)) if part[0] in "0123456789" else (1, part) for part in parts], name


def gaps_in(names: Sequence[str]) -> list[str]:
    """A line for each gap in ``names`` in their order: numbers that are missing or there twice where all else
    is alike; and for several sequences that become one."""
    gaps = []
    matches = [_LAST_NUMBER.fullmatch(name) for name in names]
    kinds = Counter(f"{match[1]}#{match[3]}" for match in matches if match)
    if len(several := [kind for kind, count in kinds.items() if count > 1]) > 1:
        shown = " and ".join(several[:2])
        gaps.append(f"{len(several)} sequences become one ({shown}): give each a folder of its own")
    for one, other in pairwise(matches):
        if one is None or other is None or (one[1], one[3]) != (other[1], other[3]):
            continue
        follow = f"{one[0]} is followed by {other[0]}"
        first, last = int(one[2]) + 1, int(other[2]) - 1
        if int(one[2]) == int(other[2]):
            gaps.append(f"number {one[2]} twice: {follow}")
        elif first <= last:
            missing = f"number {first}" if first == last else f"numbers {first} to {last}"
            gaps.append(f"{missing} missing: {follow}")
    if len(gaps) > _TOLD_GAPS:
        gaps[_TOLD_GAPS:] = [f"{count_of(len(gaps) - _TOLD_GAPS, 'more gap')}"]
    return gaps


def check_same_names(one: Path, other: Path) -> None:
    """Refuse two folders of images that stand for the same frames, by their names, but not one by one. Names
    that have nothing in common say nothing; that one has more at its end is for others to tell.

    Raises:
        Vsj4rError: the first two names that differ.
    """
    if not (one.is_dir() and other.is_dir()):
        return
    names = [[Path(name).stem for name in images_in(folder)] for folder in (one, other)]
    if set(names[0]).isdisjoint(names[1]):
        return
    for left, right in zip(*names, strict=False):
        if left != right:
            raise Vsj4rError(f"{one} and {other} must hold the same frames, got {left} beside {right}")


def image_names(folder: Path) -> list[str]:
    """``images_in`` a folder that must hold some.

    Raises:
        Vsj4rError: there are none.
    """
    names = images_in(folder)
    for entry in folder.iterdir():
        if is_image(entry) and entry.is_symlink() and not entry.exists():
            raise Vsj4rError(f"image {entry} is a link that leads nowhere: remove it, or bring back its file")
    if not names:
        kinds = ", ".join(IMAGE_SUFFIXES)
        raise Vsj4rError(
            f"{folder} holds no images ({kinds}): videos are named one by one, "
            f'or in a job file as "{folder}/*"'
        )
    return names


def _is_still(path: Path) -> bool:
    """Whether the file ``path`` is one image; an animated one is a video.

    Raises:
        Vsj4rError: it is damaged.
    """
    if not is_image(path):
        return False
    if is_plate(path):
        return True
    head = read_head(path)
    return head is not None and not head.is_animated


def find_images(path: Path) -> tuple[Path, list[str]] | None:
    """The folder and the names of the images that ``path`` is, one or a folder of them; None: it is a video.

    Raises:
        Vsj4rError: the folder holds none, or the image is damaged.
    """
    if path.is_dir():
        return path, image_names(path)
    return (path.parent, [path.name]) if _is_still(path) else None


def read_image(path: Path) -> Image:
    """(H, W, 3) RGB as it is shown (EXIF may turn it): uint8, or uint16 over its full range where the file
    has more than 8 bits; of EXR and TIFF of floats float32, see ``plates``.

    Raises:
        Vsj4rError: the file cannot be read as an image.
    """
    return read_translucent(path)[0]


def read_translucent(path: Path, kept: KeptPlates | None = None) -> tuple[Image, NDArray[Any] | None]:
    """What ``read_image`` gives, and the alpha channel (H, W) of the same kind, None where there is none.
    ``kept``: see ``plates``.

    Raises:
        Vsj4rError: the file cannot be read as an image.
    """
    if is_plate(path):
        return read_plate(path, kept)
    head = read_head(path)
    if head is None:
        return decode_image(path, _rgb), None
    if head.is_tiff:
        colour, alpha = read_tiff_samples(path)
        alpha = alpha if head.has_alpha else None
    elif head.has_alpha:
        image = decode_image(path, _rgba)
        colour, alpha = image[..., :3], image[..., 3]
    else:
        colour, alpha = decode_image(path, _rgb), None
    turned = turn_image(colour, head.orientation)
    return turned, None if alpha is None else turn_image(alpha, head.orientation)


def to_8_bit(image: Image) -> NDArray[np.uint8]:
    """``image`` with the upper 8 bits of its samples."""
    image = to_16_bit(image) if image.dtype == np.float32 else image
    return image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)


def to_16_bit(image: Image) -> Image:
    """``image`` over the full range of 16 bits; floats are clipped to [0, 1]."""
    if image.dtype == np.float32:
        return np.rint(np.clip(np.nan_to_num(image), 0, 1) * np.float32(65535)).astype(np.uint16)
    return image if image.dtype == np.uint16 else image.astype(np.uint16) * np.uint16(257)


def image_to_floats(image: Image) -> Image:
    """``image`` as float32, white being 1."""
    return image if image.dtype == np.float32 else image.astype(np.float32) / np.iinfo(image.dtype).max


def _rgb(frame: av.VideoFrame) -> Image:
    deep = max(component.bits for component in frame.format.components) > 8
    return frame.to_ndarray(format="rgb48le" if deep else "rgb24")


def _rgba(frame: av.VideoFrame) -> Image:
    deep = max(component.bits for component in frame.format.components) > 8
    return frame.to_ndarray(format="rgba64le" if deep else "rgba")


def decode_image[T](path: Path, read: Callable[[av.VideoFrame], T]) -> T:
    """What ``read`` makes of the picture in ``path``, as it is stored.

    ``read`` must not touch ``frame.side_data``: PyAV 19.0.2 ends the process there where a PNG has an ICC
    profile. What it would say is in ``image_head``.

    Raises:
        InputError: it cannot be read as an image.
    """
    try:  # from memory: by its name, ffmpeg would take "%03d" for a pattern
        with av.open(io.BytesIO(path.read_bytes()), mode="r") as container:
            return read(next(container.decode(video=0)))
    except (*READ_ERRORS, StopIteration) as error:
        reason = "it is empty" if path.exists() and not path.stat().st_size else reason_of(error)
        raise InputError(f"image {path} cannot be read: {reason}") from error


def turn_image[T: np.generic](pixels: NDArray[T], orientation: int) -> NDArray[T]:
    """``pixels`` (H, W, ...) turned and mirrored by an orientation of EXIF, 1 to 8."""
    if orientation > 4:
        pixels = pixels.swapaxes(0, 1)
    flipped, mirrored = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return pixels[:: -1 if flipped else 1, :: -1 if mirrored else 1]
