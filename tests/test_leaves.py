"""Dead-leaves pictures, and few large pictures cut into many pieces."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vsj4r.training.leaves import draw_leaves

pillow = pytest.importorskip("PIL.Image")


def test_leaves_have_edges_of_every_direction_and_many_colours() -> None:
    picture = draw_leaves(np.random.default_rng(1), 90, 120)
    assert picture.shape == (90, 120, 3)
    assert picture.dtype == np.uint8
    luma = picture.mean(-1)
    assert luma.std() > 20
    down, across = (np.abs(np.diff(luma, axis=axis)).mean() for axis in (0, 1))
    assert 0.7 < down / across < 1.4
    assert len({tuple(pixel // 32) for pixel in picture.reshape(-1, 3)}) > 20


def test_leaves_are_a_function_of_the_seed() -> None:
    first, second, other = (draw_leaves(np.random.default_rng(seed), 40, 56) for seed in (2, 2, 3))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_pieces(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, size in (("large", (2000, 1400)), ("small", (500, 330))):
        pillow.new("RGB", size, (90, 120, 30)).save(tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    command = [sys.executable, "-m", "scripts.pieces", str(tmp_path / "in"), str(tmp_path / "out")]
    command += ["--leaves", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("13 pictures, ")
    sizes = {path.stem: pillow.open(path).size for path in (tmp_path / "out").iterdir()}
    assert sizes["large_0"] == (640, 448)
    assert sizes["large_1"] == (640, 448)
    assert sizes["large_5"] == (600, 450)
    assert sizes["small_0"] == (500, 330)
    assert sizes["small_4"] == (250, 165)
    assert sizes["leaves_000"] == (480, 352)
