"""Streak layers from an image database, such as those rendered by Garg and Nayar (SIGGRAPH 2006)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats
from vsj4r.errors import Vsj4rError
from vsj4r.media.reading import decode_image, is_image


class StreakDatabase:
    """Grey images, ``groups`` one list per folder that holds any (one folder, one direction), by name.

    Raises:
        Vsj4rError: there is no folder, or no image in it that can be read.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise Vsj4rError(f"streak database must be a folder of grey images, got {folder}")
        groups: dict[Path, list[NDArray[np.uint8]]] = {}
        for path in sorted(folder.rglob("*")):
            if is_image(path) and (image := _read_grey(path)) is not None:
                groups.setdefault(path.parent, []).append(image)
        if not groups:
            raise Vsj4rError(f"streak database {folder} must hold grey images, got none that can be read")
        self.groups = list(groups.values())

    def add(self, s_t: Floats, folder: float, mirror: bool, gain: float, rng: np.random.Generator) -> None:
        """Add a window of one image, times about ``gain``, to ``s_t`` (H, W), in place.

        ``folder`` in [0, 1) picks the group, ``mirror`` turns right to left.
        """
        group = self.groups[int(folder * len(self.groups))]
        out = s_t[:, ::-1] if mirror else s_t
        image = group[int(rng.integers(len(group)))]
        out += window(image, s_t.shape, rng) * np.float32(gain * rng.uniform(0.7, 1.2) / 255)


def window(layer: NDArray[np.uint8], shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random window of a layer, which is repeated where it is smaller."""
    height, width = shape
    below, beside = max(height - layer.shape[0], 0), max(width - layer.shape[1], 0)
    if below or beside:
        layer = np.pad(layer, ((0, below), (0, beside)), mode="wrap")
    y = int(rng.integers(layer.shape[0] - height + 1))
    x = int(rng.integers(layer.shape[1] - width + 1))
    return layer[y : y + height, x : x + width]


def _read_grey(path: Path) -> NDArray[np.uint8] | None:
    try:
        return decode_image(path, lambda frame: frame.to_ndarray(format="gray").astype(np.uint8, copy=False))
    except Vsj4rError:
        return None
