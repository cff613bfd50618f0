"""A constant rate made of a variable one, as editors want it: each frame as often as the rate asks for it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import vapoursynth as vs

from vsj4r.errors import Vsj4rError
from vsj4r.media.containers import CONTAINERS
from vsj4r.media.sources import Source
from vsj4r.media.times import rate_of_frames, steady_times, usual_rate_near
from vsj4r.media.video import Sink
from vsj4r.words import count_of

NEAREST = "auto"
"""In place of a rate: the usual one that is nearest."""


@dataclass(frozen=True, slots=True)
class Steady:
    """``counts``: how often each frame is written at the constant ``rate``. ``time_base`` and ``timestamps``
    of what is written."""

    rate: Fraction
    counts: Sequence[int]
    time_base: Fraction
    timestamps: Sequence[int]

    @property
    def note(self) -> str | None:
        """One line, where frames are not written once each."""
        more = sum(count - 1 for count in self.counts if count > 1)
        none = sum(count == 0 for count in self.counts)
        if not more and not none:
            return None
        told = f"{count_of(more, 'frame')} repeated, {none} left out"
        return f"the output has a constant rate of {float(self.rate):g} frames a second: {told}"

    def timestamps_of(self, frames: range) -> Sequence[int]:
        """The timestamps of what is written of ``frames``."""
        first = sum(self.counts[: frames.start])
        return self.timestamps[first : first + sum(self.counts[frames.start : frames.stop])]


def steady_for(source: Source, output: Path, rate: str | None) -> Steady | None:
    """How ``source`` goes into ``output`` at the constant ``rate``; None where none is asked for.

    Raises:
        Vsj4rError: a pipe has one rate; the output needs a rate that is not there.
    """
    if rate is not None and source.pipe is not None:
        raise Vsj4rError(f"{source.pipe.name} has one rate for all frames: --cfr is for files")
    stamps, base = source.timestamps, source.time_base
    steady = None if rate is None else make_steady(base, stamps, rate, ends=source.ends_at)
    container = CONTAINERS.get(output.suffix.lower())
    if container is None or not container.rates:
        return steady
    has = _own_rate(source) if steady is None else steady.rate
    if has not in container.rates:
        told = "a variable rate" if has is None else f"{float(has):g} frames a second"
        rates = ", ".join(f"{float(each):g}" for each in sorted(container.rates))
        raise Vsj4rError(
            f"{output.suffix} cannot hold {told}: --cfr RATE (cfr in a job file) makes it one of {rates}"
        )
    return steady


def _own_rate(source: Source) -> Fraction | None:
    """The constant one of its frames; None where there is none."""
    if len(source.timestamps) == 1:
        return Fraction(source.clip.fps) or None
    return rate_of_frames(source.time_base, source.timestamps)


def make_steady(time_base: Fraction, stamps: Sequence[int], rate: str, *, ends: Fraction) -> Steady:
    """Frames that are shown at ``stamps``, the last one until ``ends``, at the constant ``rate``
    (``NEAREST``, or frames a second): what is shown in the middle of each step of it."""
    wanted = usual_rate_near(time_base, stamps) if rate == NEAREST else Fraction(rate)
    steps = max(1, round((ends - stamps[0]) * time_base * wanted))
    counts = [0] * len(stamps)
    half = 1 / (2 * wanted * time_base)  # of a step, in ticks
    for step in range(steps):
        middle = stamps[0] + (2 * step + 1) * half.numerator // half.denominator  # whole, as all stamps are
        counts[bisect_right(stamps, middle) - 1] += 1
    return Steady(wanted, counts, *steady_times(stamps[0] * time_base, wanted, steps))


def with_told_rate(clip: vs.VideoNode, source: Source, steady: Steady | None) -> vs.VideoNode:
    """``clip``, made of ``source``, said to be of the rate that encoders are told: that of ``steady``, or
    where that is None the one at which time codes count."""
    rate = source.counted_rate if steady is None else steady.rate
    return clip.std.AssumeFPS(fpsnum=rate.numerator, fpsden=rate.denominator) if rate else clip


@contextmanager
def repeating_sink(sink: AbstractContextManager[Sink], counts: Sequence[int]) -> Iterator[Sink]:
    """``sink``, each frame as often as ``counts`` says."""
    with sink as inner:
        yield _RepeatingSink(inner, counts)


class _RepeatingSink:
    def __init__(self, inner: Sink, counts: Sequence[int]) -> None:
        self._inner, self._counts = inner, counts
        self._written = 0

    def put(self, n: int, frame: vs.VideoFrame) -> None:
        for _ in range(self._counts[n]):
            self._inner.put(self._written, frame)
            self._written += 1

    def finish(self) -> None:
        self._inner.finish()
