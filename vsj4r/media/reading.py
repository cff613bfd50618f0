"""Images as they are read: which files, their pixels as they are shown."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vsj4r.errors import InputError, Vsj4rError
from vsj4r.media.image_head import read_head
from vsj4r.media.probe import READ_ERRORS, reason_of

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # a drive has one letter

Image = NDArray[Any]  # (H, W, 3) RGB, uint8 or uint16


def absent(name: Path | str) -> Vsj4rError:
    """What is to be said of an input that is not there."""
    if _ADDRESS.match(str(name)):
        return Vsj4rError(f"{name} is an address: fetch it first (ffmpeg -i ADDRESS -c copy file.mkv)")
    return Vsj4rError(f"no such file or folder: {name}")


def is_image(path: Path) -> bool:
    """By its name; hidden files are a system's own."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def images_in(folder: Path) -> list[str]:
    """Names of the images in ``folder``, sorted."""
    return sorted(entry.name for entry in folder.iterdir() if is_image(entry) and entry.is_file())


def image_names(folder: Path) -> list[str]:
    """``images_in`` a folder that must hold some.

    Raises:
        Vsj4rError: there are none.
    """
    names = images_in(folder)
    if not names:
        kinds = ", ".join(IMAGE_SUFFIXES)
        raise Vsj4rError(
            f'{folder} holds no images ({kinds}): name videos one by one, or as "{folder}/*" in a job file'
        )
    return names


def is_still(path: Path) -> bool:
    """Whether the file ``path`` is one image; an animated one is a video.

    Raises:
        Vsj4rError: it is damaged.
    """
    if not is_image(path):
        return False
    head = read_head(path)
    return head is not None and not head.is_animated


def read_image(path: Path) -> Image:
    """(H, W, 3) RGB as it is shown (EXIF may turn it): uint8, or uint16 over its full range where the file
    has more than 8 bits.

    Raises:
        Vsj4rError: the file cannot be read as an image.
    """
    head = read_head(path)
    return upright(decode_image(path, _rgb), 1 if head is None else head.orientation)


def to_8_bit(image: Image) -> NDArray[np.uint8]:
    """``image`` with the upper 8 bits of its samples."""
    return image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)


def _rgb(frame: av.VideoFrame) -> Image:
    deep = max(component.bits for component in frame.format.components) > 8
    return frame.to_ndarray(format="rgb48le" if deep else "rgb24")


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
        raise InputError(f"image {path} cannot be read: {reason_of(error)}") from error


def upright[T: np.generic](pixels: NDArray[T], orientation: int) -> NDArray[T]:
    """``pixels`` (H, W, C) turned and mirrored by an orientation of EXIF, 1 to 8."""
    if orientation > 4:
        pixels = pixels.swapaxes(0, 1)
    flipped, mirrored = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return pixels[:: -1 if flipped else 1, :: -1 if mirrored else 1]
