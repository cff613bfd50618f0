"""Streak layers from an image database, such as those rendered by Garg and Nayar (SIGGRAPH 2006)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsj4r.errors import Vsj4rError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def load_database(folder: Path) -> list[list[NDArray[np.uint8]]]:
    """Grey images, one list per folder that holds any (one folder, one direction), in the order of names.

    Raises:
        Vsj4rError: the folder holds no image that can be read.
    """
    from PIL import Image, UnidentifiedImageError

    groups: dict[Path, list[NDArray[np.uint8]]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES:
            continue
        try:
            with Image.open(path) as image:
                groups.setdefault(path.parent, []).append(np.asarray(image.convert("L")))
        except (UnidentifiedImageError, OSError):
            continue
    if not groups:
        raise Vsj4rError(f"streak database {folder} must hold grey images, got none that can be read")
    return list(groups.values())
