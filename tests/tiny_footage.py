"""Made-up footage in the layout of a data folder, and a recipe small enough for a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def picture(seed: int, height: int = 64, width: int = 80) -> Pixels:
    """Smooth random colours: (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 16 + 2, width // 16 + 2, 3))
    enlarged = coarse.astype(np.uint8).repeat(16, 0).repeat(16, 1)
    return enlarged[:height, :width]


def write_picture(path: Path, pixels: Pixels) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_frames(folder: Path, frames: int, height: int = 64, width: int = 80, seed: int = 0) -> Path:
    """A camera that pans by two pixels a frame, as PNG files."""
    wide = picture(seed, height, width + 2 * frames)
    for t in range(frames):
        write_picture(folder / f"{t:03d}.png", wide[:, 2 * t : 2 * t + width])
    return folder


def write_footage(folder: Path) -> Path:
    """train/video, train/stills and val/video, a few small clips and pictures."""
    for n in range(2):
        write_frames(folder / "train" / "video" / f"clip{n}", 6, seed=n)
        write_picture(folder / "train" / "stills" / f"{n}.png", picture(10 + n, 96, 112))
    write_frames(folder / "val" / "video" / "clip", 9, 192, 192, seed=20)
    return folder


def write_recipe(path: Path, *, steps: int = 6, batch: int = 2, extra: str = "", head: str = "") -> Path:
    """j4r on clips of 3 frames of 32 pixels, a checkpoint every step; ``head``: keys before the tables."""
    path.write_text(
        f'model = "j4r"\n{head}\n[clips]\nframes = 3\npatch_px = 32\nbatch = {batch}\n'
        f"[schedule]\nsteps = {steps}\nwarmup_steps = 3\nvalidate_every_steps = 4\n"
        "checkpoint_every_minutes = 0\n"
        f"{extra}\n"
    )
    return path
