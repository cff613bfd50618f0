"""When each frame is shown, where the source says it badly or the output badly takes it."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from vsj4r.errors import Vsj4rError

_NO_TIME = -(1 << 63)  # AV_NOPTS_VALUE


def all_known(
    path: Path, time_base: Fraction, stamps: list[int], fps: Fraction
) -> tuple[Fraction, list[int]]:
    """Time base and timestamps: a stream without a container has none, old ones have none for some frames.

    Raises:
        Vsj4rError: there is no frame rate to make them up from, or a frame is not after the one before it.
    """
    first = next((n for n, stamp in enumerate(stamps) if stamp != _NO_TIME), None)
    if fps == 0 and _NO_TIME in stamps:
        raise Vsj4rError(f"{path} says neither when its frames are shown nor how many a second: remux it")
    if first is None:
        return 1 / fps, list(range(len(stamps)))
    known, frame = list(stamps), 1 / (fps * time_base) if fps else Fraction(0)
    for n in reversed(range(first)):
        known[n] = known[first] - round((first - n) * frame)
    last = first  # the last frame before n that says its time
    for n in range(first, len(known)):
        if known[n] == _NO_TIME:
            known[n] = known[last] + round((n - last) * frame)
        else:
            last = n
    for n, (before, after) in enumerate(pairwise(known), 1):
        if after <= before:
            raise Vsj4rError(f"{path}: frame {n} is to be shown no later than the one before it: remux it")
    return time_base, known


def counted(time_base: Fraction, timestamps: list[int], fps: Fraction) -> tuple[Fraction, list[int]]:
    """Time base and timestamps as numbers of frames, where each is shown for as long; else as they are."""
    if not fps:
        return time_base, timestamps
    numbers = [round(stamp * time_base * fps) for stamp in timestamps]
    steady = all(after - before == 1 for before, after in pairwise(numbers))
    return (1 / fps, numbers) if steady else (time_base, timestamps)
