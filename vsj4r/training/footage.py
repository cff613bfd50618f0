"""Clean pictures to train on, held in memory as uint8 RGB."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from vsj4r.errors import Vsj4rError

Pixels = NDArray[np.uint8]
IMAGES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
LONGEST_FRAMES = 150
CODED_HEIGHT = 360
"""Coded videos are shrunk to about this height, which takes most of their compression artefacts away."""

log = logging.getLogger(__name__)


def _decode(path: Path, height: int | None = None, frames: int = LONGEST_FRAMES) -> Iterator[Pixels]:
    with av.open(str(path)) as container:
        for count, frame in enumerate(container.decode(video=0)):
            if count == frames:
                return
            if height is not None and frame.height > height:
                width = round(frame.width * height / frame.height / 2) * 2
                frame = frame.reformat(width=width, height=height, interpolation="AREA")
            yield frame.to_ndarray(format="rgb24")


def read_image(path: Path) -> Pixels:
    """(H, W, 3) uint8 RGB."""
    return next(_decode(path))


def read_frames(folder: Path, frames: int = LONGEST_FRAMES) -> Pixels:
    """A folder of frames, sorted by name: (T, H, W, 3) uint8 RGB."""
    names = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGES)
    return np.stack([read_image(p) for p in names[:frames]])


def read_clip(path: Path, frames: int = LONGEST_FRAMES) -> Pixels:
    """A video file or a folder of frames: (T, H, W, 3) uint8 RGB, T at most ``frames``.

    Raises:
        Vsj4rError: it does not exist, or holds no pictures that can be read.
    """
    if not path.exists():
        raise Vsj4rError(f"{path} does not exist")
    try:
        return read_frames(path, frames) if path.is_dir() else np.stack(list(_decode(path, frames=frames)))
    except (av.error.FFmpegError, OSError, ValueError, StopIteration, IndexError) as e:
        raise Vsj4rError(f"{path} can't be read as a clip: {e}") from e


def _readable(folder: Path, entries: list[Path], read: str, smallest: tuple[int, int]) -> list[Pixels]:
    """Every entry that can be read and is large enough; the others are named in the log and skipped."""
    found = []
    for path in entries:
        try:
            if read == "still":
                pixels = read_image(path)[None]
            elif path.is_dir():
                pixels = read_frames(path)
            else:
                pixels = np.stack(list(_decode(path, CODED_HEIGHT)))
        except (av.error.FFmpegError, OSError, ValueError, StopIteration, IndexError) as e:
            log.warning("skipped %s: can't be read (%s)", path, e)
            continue
        frames, patch = smallest
        if min(pixels.shape[1:3]) < patch:
            log.warning("skipped %s: %dx%d is smaller than the patch of %d px", path, *pixels.shape[2:0:-1], patch)
        elif pixels.shape[0] < frames:
            log.warning("skipped %s: %d frames are fewer than the %d of a clip", path, pixels.shape[0], frames)
        else:
            found.append(pixels)
    if not found:
        raise Vsj4rError(f"no usable {read} in {folder}: pictures or videos of at least {patch} px were expected")
    return found


def load_stills(folder: Path, patch_px: int) -> list[Pixels]:
    """Every picture of a folder, each (H, W, 3) uint8 RGB.

    Raises:
        Vsj4rError: no folder, or nothing in it that can be used.
    """
    return [pixels[0] for pixels in _readable(folder, _entries(folder), "still", (1, patch_px))]


def load_videos(folder: Path, frames: int, patch_px: int) -> list[Pixels]:
    """Every video file and folder of frames, each (T, H, W, 3) uint8 RGB, T at most ``LONGEST_FRAMES``.

    Raises:
        Vsj4rError: no folder, or nothing in it that can be used.
    """
    return _readable(folder, _entries(folder), "video", (frames, patch_px))


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise Vsj4rError(f"footage folder {folder} does not exist")
    return sorted(p for p in folder.iterdir() if not p.name.startswith("."))
