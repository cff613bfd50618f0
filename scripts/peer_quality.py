"""The quality of filters that people would try instead, on the clips of ours and by the same measures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import vapoursynth as vs

from scripts.contenders import PEERS, missing, peer
from scripts.evaluate import REAL_CLIPS, REAL_FRAMES
from vsj4r.arrays import Pixels
from vsj4r.evaluation.benchmark import INPUT_LEVELS, benchmark_clips
from vsj4r.evaluation.clips import real_clips
from vsj4r.evaluation.measurement import (
    Method,
    identity,
    means,
    measure_methods,
    measure_rain,
    medians,
)
from vsj4r.training.footage import clip_frames


def measure_peers(data: Path) -> list[dict[str, Any]]:
    """A row for each of ``PEERS``: mean luma PSNR on "light" and "complex", median score of real rain."""
    methods = {name: by_filter(name) for name in PEERS if missing(name) is None}
    found: dict[str, dict[str, Any]] = {name: {"contender": name} for name in methods}
    for benchmark in INPUT_LEVELS:
        measured = measure_methods(benchmark_clips(data / "val", benchmark), methods)
        for name, scores in means(measured).items():
            found[name][benchmark] = scores.psnr
    rained = []
    for name, path in real_clips([data / clip for clip in REAL_CLIPS]).items():
        frames = islice(clip_frames(path), REAL_FRAMES)
        rained += measure_rain(name, frames, {"input": identity, **methods})
    for name, of_real in medians(rained).items():
        if name in found:
            found[name]["score"] = of_real.score
    skipped = [{"contender": name, "skipped": f"{PEERS[name]} is not installed"} for name in PEERS]
    return [*found.values(), *(row for row in skipped if row["contender"] not in found)]


def by_filter(name: str) -> Method:
    """A peer as a method: RGB to 16 bit 4:4:4 and back, so that nothing is lost on the way."""

    def run(rainy: Iterable[Pixels]) -> Iterator[Pixels]:
        held = list(rainy)
        height, width = held[0].shape[:2]
        blank = vs.core.std.BlankClip(format=vs.RGB24, width=width, height=height, length=len(held))

        def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
            frame = f.copy()
            for channel in range(3):
                np.copyto(np.asarray(frame[channel]), held[n][..., channel])
            return frame

        clip = blank.std.ModifyFrame(blank, fill).resize.Bicubic(format=vs.YUV444P16, matrix_s="709")
        back = peer(name, clip).resize.Bicubic(format=vs.RGB24, matrix_in_s="709")
        for frame in back.frames(close=True):
            yield np.stack([np.asarray(frame[channel]) for channel in range(3)], -1)

    return run
