"""Pictures and videos as PyAV opens them: which files, which stream, how the camera was held."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from numpy.typing import NDArray

from vsj4r.errors import Vsj4rError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # a drive has one letter
_UNREADABLE = (av.error.FFmpegError, OSError, ValueError, StopIteration, IndexError)


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
        raise Vsj4rError(f"{folder} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    return names


def decoded[T](path: Path, read: Callable[[av.VideoFrame], T]) -> T:
    """What ``read`` makes of the picture in ``path``.

    Raises:
        Vsj4rError: it cannot be read as an image.
    """
    try:  # from memory: by its name, ffmpeg would take "%03d" for a pattern
        with av.open(io.BytesIO(path.read_bytes()), mode="r") as container:
            return read(next(container.decode(video=0)))
    except _UNREADABLE as error:
        raise Vsj4rError(f"image {path} cannot be read: {_reason(error)}") from error


def main_video(container: InputContainer) -> av.VideoStream | None:
    """The first video stream that is not a cover picture."""
    moving = (s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
    return next(moving, None)


def upright[T: np.generic](pixels: NDArray[T], frame: av.VideoFrame) -> NDArray[T]:
    """``pixels`` (H, W, C) of ``frame``, turned and mirrored as its display matrix says (a picture's is its
    EXIF orientation)."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()  # (x, y) is shown at (ax + cy, bx + dy)
    if abs(b) > abs(a):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return pixels[:: 1 if d > 0 else -1, :: 1 if a > 0 else -1]


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
