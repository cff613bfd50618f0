"""Compression of training clips: the same pictures, worse with crf, places and colours kept."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.tiny_footage import picture
from vsj4r.rain.colour import Yuv, rgb_to_yuv420
from vsj4r.training.compression import CRF, X264_PRESETS, compress, draw_compression

FRAMES = rgb_to_yuv420(np.stack([picture(3, 64, 80)[:48, 2 * t : 2 * t + 56] for t in range(5)]))


def error(coded: Yuv) -> list[float]:
    return [float(np.sqrt(np.mean((a - b) ** 2))) for a, b in zip(coded, FRAMES, strict=True)]


@pytest.mark.parametrize("preset", X264_PRESETS)
def test_errors_grow_with_crf(preset: str) -> None:
    fine, coarse = (compress(FRAMES, {"crf": str(crf), "preset": preset}) for crf in (1, 45))
    for planes in (fine, coarse):
        assert [p.shape for p in planes] == [p.shape for p in FRAMES]
        assert {p.dtype for p in planes} == {np.dtype(np.float32)}
    assert max(error(fine)) < 0.02, "frames in order, no shift, no other range"
    assert all(a < b for a, b in zip(error(fine), error(coarse), strict=True))


def test_draws_stay_in_range_and_repeat() -> None:
    drawn = [draw_compression(np.random.default_rng(n)) for n in range(200)]
    assert drawn == [draw_compression(np.random.default_rng(n)) for n in range(200)]
    assert {int(d["crf"]) for d in drawn} == set(range(CRF[0], CRF[1] + 1))
    assert {d["preset"] for d in drawn} == set(X264_PRESETS)
    options = drawn[0]
    for a, b in zip(compress(FRAMES, options), compress(FRAMES, options), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("preset", X264_PRESETS)
def test_the_same_frames_give_the_same_bits_whatever_memory_held_before(preset: str) -> None:
    """x264's mbtree does not: the bits of one thread depend on what lay in its memory."""
    options = next(
        drawn for n in range(99) if (drawn := draw_compression(np.random.default_rng(n)))["preset"] == preset
    )
    rng, seen = np.random.default_rng(0), set()
    moving = np.stack([picture(3, 156, 156)[3 * t : 3 * t + 96, 2 * t : 2 * t + 96] for t in range(7)])
    frames = rgb_to_yuv420((moving + rng.normal(0, 25, moving.shape)).clip(0, 255).astype(np.uint8))
    for _ in range(50):
        litter = [rng.integers(0, 256, int(rng.integers(10, 400_000)), np.uint8) for _ in range(12)]
        del litter[1::2]  # holes of every size, full of noise
        seen.add(b"".join(plane.tobytes() for plane in compress(frames, options)))
    assert len(seen) == 1
