"""A part of a source: which frames it is, and what the time code is there."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from math import ceil

from vsj4r.errors import Vsj4rError
from vsj4r.media.times import usual_step

Moment = int | float | None
"""A frame number, seconds from the first frame, or None: the beginning or the end."""

Trim = tuple[Moment, Moment]
"""Where a part begins, and where it has ended."""

WHOLE_CLIP: Trim = (None, None)

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")
_TIMECODE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.,])(\d\d+)")
_SOON_SECONDS = Fraction(1, 1_000_000)  # a time written in decimals means the frame that is shown then


def check_trim(value: object) -> Trim:
    """``[first, end]`` of a table: whole numbers are frames, texts are times, "" is the beginning or the end.

    Raises:
        Vsj4rError: it is neither, or nothing lies between.
    """
    if not isinstance(value, list) or len(value) != 2:
        raise Vsj4rError(f'trim must be [first, end], such as [0, 240] or ["0:10", "1:30.5"], got {value!r}')
    first, end = (_moment(each) for each in value)
    if first is not None and end is not None and type(first) is type(end) and first >= end:
        raise Vsj4rError(f"trim must end after it begins, got {value!r}")
    return first, end


def frames_between(trim: Trim, stamps: Sequence[int], time_base: Fraction) -> range:
    """The frames that ``trim`` means of those shown at ``stamps``, in units of ``time_base`` seconds; an
    empty range where there are none. A part begins with the first frame that is shown from its time on, or
    with one that is held then: for longer than a frame usually is."""
    if not stamps:
        return range(0)
    first, end = (_frame_at(moment, stamps, time_base) for moment in trim)
    begin = first or 0
    if isinstance(trim[0], float) and 0 < begin < len(stamps):
        held = stamps[begin] - _tick_of(trim[0], stamps, time_base)
        begin -= held > usual_step(stamps)
    return range(begin, len(stamps) if end is None else min(end, len(stamps)))


def times_between(
    trim: Trim, frames: range, stamps: Sequence[int], time_base: Fraction
) -> tuple[Sequence[int], Fraction]:
    """When each of ``frames``, those that ``trim`` means, is shown, and when the last of them has been. Where
    a time falls on a frame that is held, that is shown from then on, or until then."""
    step = usual_step(stamps)
    first, end = (
        None if moment is None or isinstance(moment, int) else _tick_of(moment, stamps, time_base)
        for moment in trim
    )
    shown = stamps[frames.start : frames.stop]
    ends = Fraction(stamps[frames.stop]) if frames.stop < len(stamps) else stamps[-1] + step
    if first is not None and first > shown[0]:
        shown = [ceil(first), *shown[1:]]
    if end is not None and ends - end > step:
        ends = Fraction(ceil(end))
    return shown, ends


def later_timecode(code: str, frames: int, rate: Fraction, *, into: Fraction | None = None) -> str:
    """``code`` (SMPTE, "01:00:00:00"; with ";" it drops numbers) of a frame, ``frames`` frames later, of a
    video at ``rate``. Where that gets another rate, ``into``, the second is the same and the number is one of
    that rate. As it is where it is no such code."""
    found = _TIMECODE.fullmatch(code)
    counted = round(rate)  # numbers in a second
    if found is None or counted < 1:
        return code
    hours, minutes, seconds, separator, number = found.groups()
    dropped = _dropped(counted, separator)
    minute = int(hours) * 60 + int(minutes)
    count = (minute * 60 + int(seconds)) * counted + int(number) - dropped * (minute - minute // 10)
    day = 24 * 60 * 60 * counted - dropped * (24 * 60 - 24 * 6)
    count = (count + frames) % day
    if dropped:  # in ten minutes, the first minute has all its numbers
        tens, rest = divmod(count, 600 * counted - 9 * dropped)
        minutes_on = max(0, (rest - dropped) // (60 * counted - dropped))
        count += dropped * (9 * tens + minutes_on)
    seconds_on, number_on = divmod(count, counted)
    if into is not None and round(into) > 0:
        number_on = number_on * round(into) // counted
        separator = ":" if dropped and not _dropped(round(into), separator) else separator
    hours_on, rest_seconds = divmod(seconds_on, 3600)
    return f"{hours_on:02d}:{rest_seconds // 60:02d}:{rest_seconds % 60:02d}{separator}{number_on:02d}"


def _dropped(counted: int, separator: str) -> int:
    """How many numbers are left out at a minute's start."""
    return counted // 15 if separator in ";," and counted % 30 == 0 else 0


def _moment(value: object) -> Moment:
    if value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Vsj4rError(f'trim must hold frame numbers or times such as "1:02:03.5", got {value!r}')
    hours, minutes, seconds = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def _frame_at(moment: Moment, stamps: Sequence[int], time_base: Fraction) -> int | None:
    if moment is None or isinstance(moment, int):
        return moment
    return bisect_left(stamps, _tick_of(moment, stamps, time_base))


def _tick_of(moment: float, stamps: Sequence[int], time_base: Fraction) -> Fraction:
    return stamps[0] + (Fraction(moment) - _SOON_SECONDS) / time_base
