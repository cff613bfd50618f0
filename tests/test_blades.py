"""Thin bright things that move: training/blades.py."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from vsj4r.training.blades import LIGHT_CODES, add_blades

GREY = 60


def drawn(seed: int, frames: int = 8, size: int = 128) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Where a grey clip has blades, (T, H, W)."""
    clip = np.full((frames, size, size, 3), GREY, np.uint8)
    add_blades(clip, np.random.default_rng(seed))
    return np.abs(clip.astype(int) - GREY).max(-1) > LIGHT_CODES[0] / 2


def test_they_are_in_every_frame_and_thin() -> None:
    shares = np.array([drawn(seed).mean((1, 2)) for seed in range(20)])
    assert (shares > 0).mean() > 0.85, "they stay, as rain does not; few leave the frame or lie beside it"
    assert np.median(shares) < 0.1


def test_they_move() -> None:
    moved = [
        (mask[0] ^ mask[-1]).sum() / max((mask[0] | mask[-1]).sum(), 1) for mask in map(drawn, range(20))
    ]
    assert np.median(moved) > 0.3


def test_the_same_seed_gives_the_same_clip() -> None:
    assert np.array_equal(drawn(4), drawn(4))
    assert not np.array_equal(drawn(4), drawn(5))
