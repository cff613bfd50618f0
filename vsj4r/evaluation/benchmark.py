"""The two calibrated benchmarks, "light" and "complex": rain of a stated level on clips with ground truth.

The presets themselves lie in ``rain.presets``; ``INPUT_LEVELS`` says what they are calibrated to.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Pixels
from vsj4r.errors import Vsj4rError
from vsj4r.evaluation.metrics import SMALLEST_PX
from vsj4r.media.reading import is_image
from vsj4r.rain.presets import draw_style
from vsj4r.rain.synthesis import Renderer, rain_by, rain_on
from vsj4r.training.footage import read_clip, read_still
from vsj4r.training.motion import CameraPath, simulate_motion

Benchmark = Literal["light", "complex"]
FRAMES = 25
STILLS = 8
STILL_SIZE = (240, 352)
SEED = 2018
LONG_FRAMES = 1000


class Level(NamedTuple):
    """Mean luma PSNR (dB) and SSIM of the rainy input against the clean clip, and how far off they may be."""

    psnr: float
    ssim: float
    psnr_tolerance: float
    ssim_tolerance: float


INPUT_LEVELS: dict[Benchmark, Level] = {  # Table 1 of Liu et al., CVPR 2018: RainSynLight25, RainSynComplex25
    "light": Level(23.69, 0.8058, 0.7, 0.03),
    "complex": Level(14.67, 0.4563, 0.8, 0.03),
}
"""Measured, seed 2018, every frame of twelve clips: light 23.58 dB / 0.8104, complex 14.73 dB / 0.4495."""


def benchmark_clips(folder: Path, preset: Benchmark) -> Iterator[tuple[str, Pixels, Pixels]]:
    """(name, clean, rainy), both (T, H, W, 3) uint8 RGB: every clip of ``clean_clips`` in the preset's rain.

    A clip's rain is a pure function of its place in the list.
    """
    for index, (name, clean) in enumerate(clean_clips(folder)):
        rng = np.random.default_rng([SEED, list(INPUT_LEVELS).index(preset), index])
        yield name, clean, rain_by(clean, preset, rng).rainy


def dry_clips(folder: Path) -> Iterator[tuple[str, Pixels, Pixels]]:
    """(name, clean, clean): the same clips without rain, to see the damage that a method does where it has
    nothing to do."""
    for name, clean in clean_clips(folder):
        yield name, clean, clean


def long_clip(folder: Path) -> tuple[Pixels, Pixels]:
    """(clean (H, W, 3), rainy (1000, H, W, 3)), uint8 RGB: ``still_scene`` in complex rain, to see whether a
    memory drifts.

    Raises:
        Vsj4rError: there is no such picture.
    """
    clean = still_scene(folder)
    rng = np.random.default_rng([SEED, LONG_FRAMES])
    style, source = draw_style(rng, "complex", min(STILL_SIZE)), Renderer()
    rainy = np.empty((LONG_FRAMES, *clean.shape), np.uint8)
    for t in range(LONG_FRAMES):
        rainy[t] = rain_on(clean, style, t, rng, source)[0]
    return clean, rainy


def still_scene(folder: Path) -> Pixels:
    """(H, W, 3) uint8 RGB: the middle of the first wide picture of ``folder``/stills.

    Raises:
        Vsj4rError: there is no such picture.
    """
    for path in _stills(folder):
        image = read_still(path)
        top, left = (np.array(image.shape[:2]) - STILL_SIZE) // 2
        if min(top, left) >= 0:
            return image[top : top + STILL_SIZE[0], left : left + STILL_SIZE[1]]
    wanted = f"a picture of {STILL_SIZE[1]}x{STILL_SIZE[0]} px or more in stills/"
    raise Vsj4rError(f"benchmark folder {folder} must hold {wanted}")


def check_clips(folder: Path) -> None:
    """Read the beginning of each clip of ``clean_clips``, before hours are spent on the first ones.

    Raises:
        Vsj4rError: there is neither a clip in video/ nor a picture wider than high in stills/, or one of
            them cannot be read or is too small to measure.
    """
    videos, stills = _list_files(folder / "video"), list(_wide_stills(folder))
    for path in videos:
        height, width = read_clip(path, 1).shape[1:3]
        if min(height, width) <= SMALLEST_PX:
            raise Vsj4rError(f"{path} must be over {SMALLEST_PX} px a side, got {width}x{height}")
    if not videos and not stills:
        wanted = "clips in video/ or pictures wider than high in stills/"
        raise Vsj4rError(f"benchmark folder {folder} must hold {wanted}, got neither")


def clean_clips(folder: Path) -> Iterator[tuple[str, Pixels]]:
    """(name, (T, H, W, 3) uint8 RGB): the first 25 frames of every clip in ``folder``/video, cut to even
    sides, then eight pictures of ``folder``/stills, each under a camera motion of its own kind.

    Raises:
        Vsj4rError: a clip or a picture cannot be read.
    """
    for path in _list_files(folder / "video"):
        clip = read_clip(path, FRAMES)
        yield path.name, clip[:, : clip.shape[1] // 2 * 2, : clip.shape[2] // 2 * 2]
    for name, camera, image in _wide_stills(folder):
        yield name, simulate_motion(image, camera, STILL_SIZE, FRAMES)


def _wide_stills(folder: Path) -> Iterator[tuple[str, CameraPath, Pixels]]:
    """(name of the clip, camera, picture) for each picture that ``clean_clips`` takes."""
    stills = _stills(folder)
    stride = max(len(stills) // STILLS, 1)
    for slot, (kind, camera) in enumerate(_cameras().items()):
        for path in stills[slot * stride : (slot + 1) * stride]:
            image = read_still(path)
            if image.shape[1] > image.shape[0]:  # the cameras move sideways: a tall picture has no room
                yield f"{path.stem}_{kind}", camera, image
                break


def _stills(folder: Path) -> list[Path]:
    return [path for path in _list_files(folder / "stills") if is_image(path)]


def _list_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _cameras() -> dict[str, CameraPath]:
    """Eight kinds of camera motion over 25 frames, in output pixels."""
    t = np.arange(FRAMES, dtype=np.float64)
    still = np.zeros(FRAMES)
    shake = np.random.default_rng(SEED).normal(0, 1, (2, FRAMES))
    swing = 60 * (1 - np.cos(2 * np.pi * t / 16))  # up to 23 px a frame

    def camera(
        y: NDArray[np.float64] = still,
        x: NDArray[np.float64] = still,
        zoom: NDArray[np.float64] | float = 0.85,
        turn: NDArray[np.float64] = still,
    ) -> CameraPath:
        return CameraPath(y, x, np.broadcast_to(zoom, (FRAMES,)), turn)

    return {
        "static": camera(zoom=1.0),
        "pan": camera(x=4.0 * t),
        "swing": camera(x=swing, y=0.2 * swing),
        "zoom_in": camera(zoom=1.0 - 0.012 * t),
        "zoom_out": camera(zoom=0.65 * np.exp(0.014 * t), x=1.0 * t),
        "shake": camera(y=shake[0] + 0.3 * t, x=shake[1] + 1.1 * t),
        "rotation": camera(turn=0.5 * t - 6, x=0.8 * t, zoom=0.75),
        "accelerate": camera(y=0.03 * t * t, x=0.22 * t * t, zoom=0.8),
    }
