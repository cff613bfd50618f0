"""What every frame is measured by, without knowing what it ought to look like."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import vapoursynth as vs

from vsj4r.compare.sides import Side, match_formats
from vsj4r.media.video import frames_in_order

_MOTION_SCALE = 8  # what is left of rain and noise hardly shows there


@dataclass(frozen=True, slots=True)
class Measures:
    """One number a frame. ``removed``: mean luma before less that after, in percent of white: rain adds
    light, and what coding loses is as often brighter as darker; ``brightness``: mean luma of the frame
    before, in percent; ``motion``: how much the frame after differs from both its neighbours at 1/8 of the
    size, in percent: an isolated cut is no motion."""

    removed: list[float]
    brightness: list[float]
    motion: list[float]


def measure_sides(before: Side, after: Side, on_frame: Callable[[int], None]) -> Measures:
    """Read both clips once; ``on_frame`` is told how many frames are done.

    Raises:
        Vsj4rError: a frame cannot be read.
    """
    luma_before, luma_after = (
        clip.resize.Bicubic(format=vs.GRAYS) for clip in match_formats([before, after])
    )
    stats = luma_before.std.PlaneStats(prop="Before")
    stats = stats.std.CopyFrameProps(luma_after.std.PlaneStats(prop="After"), props=["AfterAverage"])
    small = luma_after.resize.Bilinear(
        width=max(luma_after.width // _MOTION_SCALE, 1), height=max(luma_after.height // _MOTION_SCALE, 1)
    )
    earlier = small[:1] + small[:-1] if len(small) > 1 else small
    step = small.std.PlaneStats(earlier, prop="Step")
    stats = stats.std.CopyFrameProps(step, props=["StepDiff"])
    removed, brightness, steps = [], [], []
    with closing(frames_in_order(stats)) as frames:
        for n, frame in enumerate(frames):
            before_mean, after_mean = (
                100 * float(frame.props[f"{when}Average"]) for when in ("Before", "After")
            )
            removed.append(before_mean - after_mean)
            brightness.append(before_mean)
            steps.append(100 * float(frame.props["StepDiff"]))
            on_frame(n + 1)
    following = [*steps[1:], 0.0]
    return Measures(removed, brightness, [min(pair) for pair in zip(steps, following, strict=True)])
