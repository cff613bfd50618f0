"""Leaves in the wind: training/foliage.py."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from vsj4r.training.foliage import add_foliage

GREY = 100


def draw(seed: int, frames: int = 8, size: int = 128) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A grey clip with leaves over it."""
    clip = np.full((frames, size, size, 3), GREY, np.uint8)
    add_foliage(clip, np.random.default_rng(seed))
    return clip


def test_leaves_are_in_every_frame_and_leave_gaps() -> None:
    covered = np.array(
        [(np.abs(draw(seed).astype(int) - GREY).max(-1) > 4).mean((1, 2)) for seed in range(20)]
    )
    assert (covered > 0).mean() > 0.85, "they stay, as rain does not; few leave the frame or lie beside it"
    assert 0.05 < np.median(covered) < 0.8


def test_leaves_move() -> None:
    moved = []
    for seed in range(20):
        first, last = (np.abs(frame.astype(int) - GREY).max(-1) > 4 for frame in draw(seed)[[0, -1]])
        moved.append((first ^ last).sum() / max((first | last).sum(), 1))
    assert np.median(moved) > 0.15


def test_the_same_seed_gives_the_same_leaves() -> None:
    assert np.array_equal(draw(4), draw(4))
    assert not np.array_equal(draw(4), draw(5))
