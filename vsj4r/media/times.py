"""When each frame is shown, where the source says it badly or the output badly takes it.

| What the source says                            | What is taken                                          |
|-------------------------------------------------|--------------------------------------------------------|
| no times, a rate                                | frames counted at the rate                             |
| no times, no rate (raw streams, images)         | 25 frames a second, or `--fps`, with a line            |
| no time for some frames                         | made up from the rate, from the nearest known time     |
| a time that is not after the one before         | set between its neighbours, with a line                |
| times that go back far, or a wrap of the clock  | go on one frame after the last, with a line            |
| times in ticks too coarse for a constant rate   | the constant rate, where no frame is off by a tick     |
| anything else                                   | taken as it is: a variable rate stays variable         |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate, pairwise
from math import floor
from pathlib import Path

from vsj4r.errors import InputError, Vsj4rError
from vsj4r.media.joints import BACK_SECONDS, GAP_SECONDS, was_set

NO_TIME = -(1 << 63)
"""AV_NOPTS_VALUE: a frame does not say when it is shown."""
_RATE = re.compile(r"\d{1,9}|\d{0,9}\.\d{1,18}|\d{1,9}/\d{1,9}")
_FINEST_RATE = 1_000_000  # both numbers of a rate are 32 bits wide in containers
FASTEST_RATE = 1000
"""Frames a second. Source filters that know no rate give their clock's ticks, such as 1,200,000."""

_NEAR_FRAMES = 16  # what is out of order by no more was reordered badly; by more, the clock was set back
_FINER = 1000  # a tick is cut into so many where it has no room between two frames
_TICKS = 12_000  # a second, at least
_LONGEST_BASE = (1 << 31) - 1  # ticks a second of a stream in NUT
_RATES_DIFFER = Fraction(1, 1000)  # frames a second: what people and containers' ticks leave off a usual rate
_SURE_FRAMES = 24  # fewer fit any rate

_NTSC = tuple(Fraction(whole * 1000, 1001) for whole in (24, 30, 48, 60, 120, 15))
_WHOLE = tuple(map(Fraction, (24, 25, 30, 48, 50, 60, 100, 120, 15, 12, 10, 8, 6, 5)))
_USUAL_RATES = (*_WHOLE, *_NTSC, Fraction(25, 2))


@dataclass(frozen=True, slots=True)
class Times:
    """``stamps`` has one entry per frame, in units of ``time_base`` seconds, strictly rising; ``rate`` is
    the constant one, None where there is none. ``notes``: a line for what was changed. ``joints``: by how
    many seconds more everything was moved on, each time that the clock was set."""

    time_base: Fraction
    stamps: list[int]
    rate: Fraction | None = None
    notes: list[str] = field(default_factory=list)
    joints: tuple[Fraction, ...] = ()


def parse_rate(text: str, *, name: str = "fps") -> Fraction:
    """Frames a second, written as 25, 29.97 or 30000/1001; what is a usual rate in short is that rate.
    ``name``: of what it is told for.

    Raises:
        Vsj4rError: it is no number above 0.
    """
    try:
        rate = Fraction(text if _RATE.fullmatch(text.strip()) else 0).limit_denominator(_FINEST_RATE)
    except ZeroDivisionError:
        rate = Fraction(0)
    if not 0 < rate <= FASTEST_RATE:
        raise Vsj4rError(
            f"{name} must be a number such as 25 or 30000/1001, at most {FASTEST_RATE}, got {text!r}"
        )
    return _usual_if_near(rate)


def _usual_if_near(rate: Fraction) -> Fraction:
    """The usual rate that ``rate`` stands for, or itself."""
    near = min(_USUAL_RATES, key=lambda usual: abs(usual - rate))
    return near if abs(near - rate) <= _RATES_DIFFER else rate


def times_at_rate(rate: Fraction, frames: int) -> Times:
    """Frames that have no times of their own."""
    return Times(1 / rate, list(range(frames)), rate)


def settle_times(
    path: Path,
    time_base: Fraction,
    stamps: list[int],
    rate: Fraction | None,
    *,
    closes_gaps: bool = False,
) -> Times:
    """What is to be taken for ``stamps`` (some may be AV_NOPTS_VALUE) of a video whose rate is said to be
    ``rate``. ``closes_gaps``: a jump forward of more than ``GAP_SECONDS`` is a clock that was set.

    Raises:
        InputError: there is no rate to make up what is missing.
    """
    if not rate and NO_TIME in stamps:
        raise InputError(
            f"{path} has neither timestamps nor a frame rate: "
            "give the rate, such as --fps 25 (fps in a job file)"
        )
    if rate and all(stamp == NO_TIME for stamp in stamps):
        return times_at_rate(rate, len(stamps))
    frame = 1 / (rate * time_base) if rate else usual_step(stamps)
    known = _fill(stamps, frame)
    notes, step = [], 0
    joints: tuple[Fraction, ...] = ()
    wrong, gap = _count_wrong(known), Fraction(GAP_SECONDS) / time_base if closes_gaps else None
    moves = _moves(known, frame, BACK_SECONDS / time_base, gap)
    if wrong or moves:
        joints = tuple(
            by * time_base
            for n, by in moves.items()
            if was_set(known[n - 1] * time_base, known[n] * time_base)
        )
        time_base, known = _make_rising(time_base, known, moves, frame)
        step = _only_step(known)
        if wrong:
            notes.append(f"{wrong} of {len(known)} timestamps are not later than the one before: moved on")
        notes += [
            f"its clock jumps forward by {float(-by):.0f} s: the gap is closed" for by in joints if by < 0
        ]
    steady = constant_rate(time_base, known, rate)
    if steady is None:
        return Times(time_base, known, 1 / (step * time_base) if step else None, notes, joints)
    start = _start(known, 1 / (steady * time_base)) * time_base
    return Times(*steady_times(start, steady, len(known)), steady, notes, joints)


def steady_times(start_seconds: Fraction, rate: Fraction, frames: int) -> tuple[Fraction, list[int]]:
    """Time base and timestamps of ``frames`` frames at the constant ``rate``."""
    parts = max(1, _TICKS // rate.numerator)  # of a frame's numerator, so that the start is exact enough
    base, step = Fraction(1, rate.numerator * parts), rate.denominator * parts
    start = round(start_seconds / base)
    return base, [start + n * step for n in range(frames)]


def rate_of_frames(time_base: Fraction, stamps: Sequence[int]) -> Fraction | None:
    """The rate at which ``stamps`` rise by the same step; None where they do not, and of one frame."""
    step = stamps.step if isinstance(stamps, range) else _only_step(stamps)
    return 1 / (step * time_base) if step else None


def usual_step(stamps: Sequence[int]) -> Fraction:
    """The median of what lies between two frames, in ticks; for that long the last one is shown."""
    if isinstance(stamps, range):
        return Fraction(stamps.step)
    steps = sorted(after - before for before, after in pairwise(stamps) if after > before)
    return Fraction(steps[len(steps) // 2]) if steps else Fraction(1)


def rate_of_most(time_base: Fraction, stamps: Sequence[int]) -> Fraction:
    """By how long most of the frames are shown: the mean of what is near the median, for ticks may be
    coarse. In numbers of 31 bits, for whoever says it."""
    step = usual_step(stamps)
    if not isinstance(stamps, range):
        median = int(step)  # of whole ticks: fractions would take seconds for a film
        steps = (after - before for before, after in pairwise(stamps))
        near = [each for each in steps if 4 * abs(each - median) < median]
        step = Fraction(sum(near), len(near)) if near else step
    return (1 / (step * time_base)).limit_denominator(_FINEST_RATE)


def usual_rate_near(time_base: Fraction, stamps: Sequence[int]) -> Fraction:
    """The usual rate that is nearest to ``rate_of_most``. Where some frames are shown for longer, as repeated
    fields do it, the one at which each is shown once, if there is one."""
    most = rate_of_most(time_base, stamps)
    found = min(_USUAL_RATES, key=lambda usual: abs(usual - most))
    if len(stamps) > 1:
        mean = (len(stamps) - 1) / ((stamps[-1] - stamps[0]) * time_base)
        others = [usual for usual in _USUAL_RATES if 20 * abs(usual - mean) < mean]
        others.sort(key=lambda usual: (usual.denominator != found.denominator, abs(usual - mean)))
        for rate in [found, *others]:
            if _are_numbered(stamps, 1 / (rate * time_base)):
                return rate
    return found


def _are_numbered(stamps: Sequence[int], frame: Fraction) -> bool:
    """Whether each is shown in a frame of its own, one after the other: of ``frame`` ticks, rounded."""
    first = stamps[0]
    return all(round((stamp - first) / frame) == n for n, stamp in enumerate(stamps))


def constant_rate(time_base: Fraction, stamps: list[int], said: Fraction | None) -> Fraction | None:
    """The rate of which ``stamps`` are what their coarse ticks leave; None where no rate fits all of them,
    or they are constant as they are."""
    if len(stamps) < 2 or _only_step(stamps):
        return None
    usual = _USUAL_RATES if len(stamps) >= _SURE_FRAMES else ()
    mean = (len(stamps) - 1) / ((stamps[-1] - stamps[0]) * time_base)
    near = sorted(usual, key=lambda rate: abs(rate - mean))
    for rate in [_usual_if_near(said), *near] if said else near:
        if _fits(stamps, 1 / (rate * time_base)):
            return rate
    return None


def frame_number_times(
    time_base: Fraction, timestamps: Sequence[int], fps: Fraction
) -> tuple[Fraction, Sequence[int]]:
    """Time base and timestamps as numbers of frames, where each is shown for as long; else as they are."""
    if not fps:
        return time_base, timestamps
    frame = 1 / (time_base * fps)
    if not _are_numbered(timestamps, frame):
        return time_base, timestamps
    first = floor(timestamps[0] / frame + Fraction(1, 2))
    return 1 / fps, list(range(first, first + len(timestamps)))


def _only_step(stamps: Sequence[int]) -> int:
    """What lies between any two frames, 0 where that differs."""
    steps = {after - before for before, after in pairwise(stamps)}
    return steps.pop() if len(steps) == 1 else 0


def _fits(stamps: list[int], frame: Fraction) -> bool:
    """Whether all frames are within a tick of lasting ``frame`` ticks each, which is not a whole number.

    Rounded or cut, a time is off by less than a tick, and every time by the same rule; an eighth more is
    for times that were rounded twice, to 1/90000 s before.
    """
    if frame.denominator == 1:
        return False
    numerator, denominator = frame.numerator, frame.denominator
    off = [stamp * denominator - n * numerator for n, stamp in enumerate(stamps)]
    return 8 * (max(off) - min(off)) < 9 * denominator


def _start(stamps: list[int], frame: Fraction) -> Fraction:
    """When the first frame is shown, in ticks, before times were rounded: near what it says, and never below
    0 for that."""
    off = [stamp - n * frame for n, stamp in enumerate(stamps)]
    lowest, highest = max(off) - Fraction(1, 2), min(off) + Fraction(1, 2)
    if lowest <= stamps[0] <= highest or lowest > highest:  # the latter: they were cut, or rounded twice
        return Fraction(stamps[0])
    start = (lowest + highest) / 2
    return max(start, Fraction(0)) if stamps[0] >= 0 else start


def _fill(stamps: list[int], frame: Fraction) -> list[int]:
    """``stamps`` with what is missing made up from the nearest known time before, or the first one."""
    known = list(stamps)
    first = next(n for n, stamp in enumerate(stamps) if stamp != NO_TIME)
    for n in range(first):
        known[n] = known[first] - round((first - n) * frame)
    last = first
    for n in range(first, len(known)):
        if known[n] == NO_TIME:
            known[n] = known[last] + round((n - last) * frame)
        else:
            last = n
    return known


def _count_wrong(stamps: Iterable[int]) -> int:
    return sum(after <= before for before, after in pairwise(stamps))


def _moves(stamps: list[int], frame: Fraction, back: Fraction, gap: Fraction | None) -> dict[int, int]:
    """The frames at which the clock was set back, by more than ``back`` ticks, or forward by more than
    ``gap``, and by how many ticks more all is to be moved on there."""
    moves, highest, shift = {}, stamps[0], 0
    for n, (before, after) in enumerate(pairwise(stamps), 1):
        was_set_back = before - after > back and (
            before - after > _NEAR_FRAMES * frame or _is_shown_twice(stamps, n, frame)
        )
        if was_set_back or (gap and after - before > max(gap, _NEAR_FRAMES * frame)):
            moves[n] = highest + max(1, round(frame)) - after - shift
            shift += moves[n]
        highest = max(highest, after + shift)
    return moves


def _is_shown_twice(stamps: list[int], n: int, frame: Fraction) -> bool:
    """Whether what lies between frame ``n`` and the one before, later by a few, has frames of both sides; it
    has those of one where frames were reordered."""
    early, late = stamps[n], stamps[n - 1]
    near = stamps[max(0, n - 2 * _NEAR_FRAMES) : n + 2 * _NEAR_FRAMES]
    between = sum(early <= stamp <= late for stamp in near)
    return 2 * between > 3 * ((late - early) / frame + 1)


def _make_rising(
    time_base: Fraction, stamps: list[int], moves: dict[int, int], frame: Fraction
) -> tuple[Fraction, list[int]]:
    """Moved on by ``moves``, sorted where they are badly reordered, and spread where several frames have one
    time."""
    shifts = accumulate(moves.get(n, 0) for n in range(len(stamps)))
    joined = sorted(stamp + shift for stamp, shift in zip(stamps, shifts, strict=True))
    finer = max(1, min(_FINER, _LONGEST_BASE // time_base.denominator))
    spread = [stamp * finer for stamp in joined]
    start = 0
    while start < len(spread):
        end = start
        while end + 1 < len(spread) and spread[end + 1] <= spread[start]:
            end += 1
        if end > start:
            step = max(1, round(frame * finer))
            if end + 1 < len(spread):
                step = min(step, (spread[end + 1] - spread[start]) // (end + 1 - start))
            for n in range(start + 1, end + 1):
                spread[n] = spread[start] + (n - start) * max(1, step)
        start = end + 1
    if all(stamp % finer == 0 for stamp in spread):
        return time_base, [stamp // finer for stamp in spread]
    return time_base / finer, spread
