"""Clips for tests, made in VapourSynth; importable from a .vpy as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import vapoursynth as vs

from vsj4r.engine.base import Plane


def noise_clip(*, width: int, height: int, length: int, vs_format: int = vs.YUV420P8) -> Any:
    """Another noise in every frame, the same in every run."""
    blank = vs.core.std.BlankClip(width=width, height=height, format=vs_format, length=length)

    def fill(n: int, f: Any) -> Any:
        filled = f.copy()
        rng = np.random.default_rng(n)
        for plane in filled:
            samples = np.asarray(plane)
            if samples.dtype.kind == "f":
                samples[...] = rng.uniform(-0.2, 1.2, samples.shape)
            else:
                samples[...] = rng.integers(0, 1 << filled.format.bits_per_sample, samples.shape)
        return filled

    return blank.std.ModifyFrame(blank, fill)


def scenes_clip(*, cuts: Sequence[int], length: int) -> Any:
    """38x22; noise over another shade of grey in each scene, four shades by turns."""
    blank = vs.core.std.BlankClip(width=38, height=22, format=vs.YUV420P8, length=length)

    def fill(n: int, f: Any) -> Any:
        filled = f.copy()
        shade = 20 + 60 * (sum(cut <= n for cut in cuts) % 4)
        for plane in filled:
            samples = np.asarray(plane)
            samples[...] = np.random.default_rng(n).integers(shade, shade + 15, samples.shape)
        return filled

    return blank.std.ModifyFrame(blank, fill)


def planes_of(frame: Any) -> list[Plane]:
    """Copies of the planes of a frame."""
    return [np.array(plane) for plane in frame]


def bytes_of(frame: Any) -> bytes:
    return b"".join(plane.tobytes() for plane in planes_of(frame))
