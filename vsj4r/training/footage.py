"""Clean pictures to train on, held in memory as uint8 RGB."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np

from vsj4r.arrays import Pixels
from vsj4r.errors import Vsj4rError
from vsj4r.frames.matrix import UNSPECIFIED, usual_matrix
from vsj4r.media.demuxing import READ_ERRORS, open_container, read_error, video_at
from vsj4r.media.probe import probe
from vsj4r.media.reading import image_names, read_image, to_8_bit, turn_image

LONGEST_FRAMES = 150
CODED_SIDE = 360
"""Coded videos are shrunk until their shorter side is about this long, which takes most of their compression
artefacts away."""

LOG = logging.getLogger(__name__)


def read_still(path: Path) -> Pixels:
    """(H, W, 3) uint8 RGB, turned as it is shown.

    Raises:
        Vsj4rError: it can't be read.
    """
    return to_8_bit(read_image(path))


def read_frames(folder: Path, frames: int = LONGEST_FRAMES) -> Pixels:
    """A folder of frames, sorted by name: (T, H, W, 3) uint8 RGB.

    Raises:
        Vsj4rError: no pictures, one that can't be read, or one of another size.
    """
    return _stack(islice(_image_frames(folder), frames), folder)


def read_video(path: Path, frames: int = LONGEST_FRAMES, *, shorter_px: int | None = None) -> Pixels:
    """A video file, (T, H, W, 3) uint8 RGB, shrunk to a shorter side of ``shorter_px`` where it is longer.

    Raises:
        Vsj4rError: it can't be read, or holds no frames.
    """
    return _stack(islice(_video_frames(path, shorter_px=shorter_px), frames), path)


def read_clip(path: Path, frames: int = LONGEST_FRAMES) -> Pixels:
    """A video file or a folder of frames: (T, H, W, 3) uint8 RGB, T at most ``frames``.

    Raises:
        Vsj4rError: it does not exist, or holds no pictures that can be read.
    """
    if not path.exists():
        raise Vsj4rError(f"{path} does not exist")
    return read_frames(path, frames) if path.is_dir() else read_video(path, frames)


def clip_frames(path: Path, *, shorter_px: int | None = None) -> Iterator[Pixels]:
    """``read_clip``, frame after frame: of a clip of any length only one is held. Those of a video file are
    shrunk as by ``read_video``.

    Raises:
        Vsj4rError: as ``read_clip``, when that frame is reached.
    """
    if not path.exists():
        raise Vsj4rError(f"{path} does not exist")
    frames = _image_frames(path) if path.is_dir() else _video_frames(path, shorter_px=shorter_px)
    yield from _of_one_size(frames)


def load_stills(folder: Path, patch_px: int) -> list[Pixels]:
    """Every picture of a folder, each (H, W, 3) uint8 RGB.

    What can't be used is named in the log and skipped.

    Raises:
        Vsj4rError: no folder, or nothing in it that can be used.
    """
    wanted = f"pictures of {patch_px} px a side or more"
    clips = _usable(folder, lambda path: read_still(path)[None], 1, patch_px, wanted)
    return [clip[0] for clip in clips]


def load_videos(folder: Path, frames: int, patch_px: int) -> list[Pixels]:
    """Every video file and folder of frames, each (T, H, W, 3) uint8 RGB, T at most ``LONGEST_FRAMES``;
    video files shrunk to a shorter side of ``CODED_SIDE``.

    What can't be used is named in the log and skipped.

    Raises:
        Vsj4rError: no folder, or nothing in it that can be used.
    """

    def read(path: Path) -> Pixels:
        return read_frames(path) if path.is_dir() else read_video(path, shorter_px=CODED_SIDE)

    wanted = f"videos, or folders of frames, of {frames} frames and {patch_px} px a side or more"
    return _usable(folder, read, frames, patch_px, wanted)


def _usable(
    folder: Path, read: Callable[[Path], Pixels], frames: int, patch_px: int, wanted: str
) -> list[Pixels]:
    if not folder.is_dir():
        raise Vsj4rError(
            f'footage folder {folder} does not exist: make it, or name another ("": none) in [footage]'
        )
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    found = []
    for path in entries:
        try:
            clip = read(path)
        except Vsj4rError as error:
            LOG.warning("skipped: %s", error)
            continue
        length, height, width, _ = clip.shape
        if min(height, width) < patch_px:
            LOG.warning("skipped: %s is %dx%d, smaller than %d px a side", path, width, height, patch_px)
        elif length < frames:
            LOG.warning("skipped: %s has %d frames, a clip needs %d", path, length, frames)
        else:
            found.append(clip)
    if not found:
        held = f"{len(entries)} that can't be used" if entries else "nothing"
        raise Vsj4rError(
            f"footage folder {folder} must hold {wanted}, got {held}; "
            'the recipe says "" for a kind that is not there'
        )
    return found


def _rgb(frame: av.VideoFrame) -> Pixels:
    return frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def _image_frames(folder: Path) -> Iterator[tuple[Path, Pixels]]:
    for name in image_names(folder):
        yield folder / name, read_still(folder / name)


def _video_frames(path: Path, *, shorter_px: int | None = None) -> Iterator[tuple[Path, Pixels]]:
    """Turned as they are shown: a phone may have been held upright, and rain must not fall sideways."""
    described, flagged = probe(path), False
    if described.missing:
        LOG.warning("%s is cut short: %s is missing", path, described.missing)
    found = described.video
    with open_container(path) as container:
        frames = container.decode(video_at(container, found.index))
        while (frame := _next_of(frames, path)) is not None:
            if frame.interlaced_frame and not flagged:
                flagged = True
                LOG.warning("%s is interlaced: deinterlace it first, unless only its flags say so", path)
            if frame.colorspace == UNSPECIFIED:
                frame.colorspace = usual_matrix(frame.height, frame.color_primaries)
            shorter, shown = min(frame.width, frame.height), frame
            if shorter_px is not None and shorter > shorter_px:
                width, height = (
                    round(side * shorter_px / shorter / 2) * 2 for side in (frame.width, frame.height)
                )
                shown = frame.reformat(width=width, height=height, interpolation="AREA")
            yield path, turn_image(_rgb(shown), found.orientation)


def _next_of(frames: Iterator[av.VideoFrame], path: Path) -> av.VideoFrame | None:
    try:
        return next(frames, None)
    except READ_ERRORS as error:
        raise read_error(path, error) from error


def _of_one_size(frames: Iterable[tuple[Path, Pixels]]) -> Iterator[Pixels]:
    first: tuple[int, ...] | None = None
    for path, frame in frames:
        first = first or frame.shape
        if frame.shape != first:
            (height, width), (first_height, first_width) = frame.shape[:2], first[:2]
            raise Vsj4rError(
                f"{path}: a frame of {width}x{height} follows frames of {first_width}x{first_height}"
            )
        yield frame


def _stack(frames: Iterable[tuple[Path, Pixels]], source: Path) -> Pixels:
    clip = list(_of_one_size(frames))
    if not clip:
        raise Vsj4rError(f"{source} holds no frames")
    return np.stack(clip)
