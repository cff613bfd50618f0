"""Which clips are measured: pairs with a ground truth, and real ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from vsj4r.arrays import Pixels
from vsj4r.errors import Vsj4rError
from vsj4r.evaluation.metrics import SMALLEST_PX
from vsj4r.evaluation.real_rain import FEWEST_FRAMES, SMALLEST_REAL_PX
from vsj4r.media.reading import check_same_names, images_in
from vsj4r.training.footage import clip_frames, read_clip


def pair_paths(gt: Path, rain: Path) -> list[tuple[Path, Path]]:
    """One clip and its rainy one, or every clip of two folders under the same name.

    Raises:
        Vsj4rError: a folder without clips, or a rainy clip that does not exist.
    """
    names = None if is_clip(gt) else [path.name for path in _clips_in(gt)]
    pairs = [(gt, rain)] if names is None else [(gt / name, rain / name) for name in names]
    for _, rainy in pairs:
        if not rainy.exists():
            raise Vsj4rError(f"{rainy} does not exist")
    return pairs


def pairs(gt: Path, rain: Path, frames: int) -> Iterator[tuple[str, Pixels, Pixels]]:
    """(name, clean, rainy) of each of ``pair_paths``, the first ``frames`` frames.

    Raises:
        Vsj4rError: one cannot be read, is too small to measure, or the two differ in size or length, or in
            some of the names of their images.
    """
    for clean_path, rainy_path in pair_paths(gt, rain):
        check_same_names(clean_path, rainy_path)
        clean, rainy = read_clip(clean_path, frames), read_clip(rainy_path, frames)
        if clean.shape != rainy.shape:
            both = f"{clean_path} and {rainy_path}"
            raise Vsj4rError(f"{both} must have equal frames, got {_shape(clean)} and {_shape(rainy)}")
        if min(clean.shape[1:3]) < SMALLEST_PX:
            raise Vsj4rError(f"{clean_path} must be {SMALLEST_PX} px a side or more, got {_shape(clean)}")
        yield clean_path.name, clean, rainy


def real_clips(given: Iterable[Path]) -> dict[str, Path]:
    """Each clip given, and every clip of each folder of clips, by name; by path where names are the same.

    Raises:
        Vsj4rError: one cannot be read, is too short or too small to measure; or a folder holds no clips.
    """
    clips = [clip for path in given for clip in ([path] if is_clip(path) else _clips_in(path))]
    for path in clips:
        beginning = list(islice(clip_frames(path), FEWEST_FRAMES))
        if len(beginning) < FEWEST_FRAMES:
            raise Vsj4rError(f"{path} must have {FEWEST_FRAMES} frames or more, got {len(beginning)}")
        height, width = beginning[0].shape[:2]
        if min(height, width) < SMALLEST_REAL_PX:
            raise Vsj4rError(f"{path} must be {SMALLEST_REAL_PX} px a side or more, got {width}x{height}")
    names = Counter(path.name for path in clips)
    return {path.name if names[path.name] == 1 else str(path): path for path in clips}


def is_clip(path: Path) -> bool:
    """A file, or a folder of images; other folders hold clips."""
    return not path.is_dir() or bool(images_in(path))


def _clips_in(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if not found:
        raise Vsj4rError(f"{folder} holds no clips")
    return found


def _shape(clip: Pixels) -> str:
    return f"{clip.shape[0]} of {clip.shape[2]}x{clip.shape[1]}"
