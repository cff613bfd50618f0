"""Light that changes from frame to frame: training/lighting.py."""

from __future__ import annotations

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.training.lighting import light

GREY, FRAMES, SIZE = 80, 20, 64


def lit(seed: int) -> Floats:
    """How bright a grey clip has become, as a share of what it was: (T, H, W)."""
    clip = np.full((FRAMES, SIZE, SIZE, 3), GREY, np.uint8)
    changed = light(clip, np.random.default_rng(seed))
    assert changed.dtype == np.uint8
    assert (clip == GREY).all(), "the footage itself stays"
    assert np.ptp(changed, -1).max() == 0, "grey stays grey"
    share: Floats = (changed[..., 0] / GREY).astype(np.float32)
    return share


def test_most_clips_change_and_some_by_much() -> None:
    spans = np.array([np.ptp(lit(seed).max((1, 2))) for seed in range(60)])
    assert (spans > 0.02).mean() > 0.9
    assert (spans > 0.5).any()


def test_some_change_in_one_part_alone() -> None:
    still = np.array([(np.ptp(lit(seed), 0) == 0).mean() for seed in range(60)])
    assert 0.2 < ((still > 0.05) & (still < 0.95)).mean() < 0.6


def test_flashes_leave_the_other_frames_as_they_are() -> None:
    means = [lit(seed).max((1, 2)) for seed in range(60)]
    flashes = [mean for mean in means if (mean == 1).sum() > FRAMES / 2 and mean.max() > 1.1]
    assert len(flashes) > 5
    assert all((mean >= 1).all() for mean in flashes)


def test_the_same_seed_gives_the_same_clip() -> None:
    assert np.array_equal(lit(4), lit(4))
    assert not np.array_equal(lit(4), lit(5))
