"""A part of a source: which frames it is, and what the time code is there."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from vsj4r.errors import Vsj4rError
from vsj4r.media.times import usual_step

Moment = int | float | None
"""A frame number, seconds from the first frame, or None: the beginning or the end."""

Trim = tuple[Moment, Moment]
"""Where a part begins, and where it has ended."""

WHOLE_CLIP: Trim = (None, None)

_TIME = re.compile(r"(?:(?:(\d{1,9}):)?(\d{1,9}):)?(\d{1,9}(?:\.\d+)?)")
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


@dataclass(frozen=True, slots=True)
class Part:
    """``frames`` of a video, none where it is empty. ``stamps``: when each is shown; ``ends``: when the last
    one has been; both in the video's units."""

    frames: range
    stamps: Sequence[int]
    ends: Fraction


def find_part(
    trim: Trim, stamps: Sequence[int], time_base: Fraction, *, ends: Fraction | None = None
) -> Part:
    """What ``trim`` means of the frames that are shown at ``stamps``, the last one until ``ends`` (None: as
    long as most), in units of ``time_base`` seconds.

    A part begins with the first frame that is shown from its time on. Where a time falls on a frame that is
    held, for longer than a frame usually is, that one is shown from then on, or until then.
    """
    if not stamps:
        return Part(range(0), stamps, Fraction(0))
    first, end = (
        _tick_of(moment, stamps, time_base) if isinstance(moment, float) else None for moment in trim
    )
    begin = int(trim[0] or 0) if first is None else bisect_left(stamps, first)
    stop = len(stamps) if trim[1] is None else int(trim[1]) if end is None else bisect_left(stamps, end)
    step = usual_step(stamps)
    last_ends = stamps[-1] + step if ends is None else ends

    def shown_from(frame: int) -> Fraction:
        return Fraction(stamps[frame]) if frame < len(stamps) else last_ends

    if first is not None and 0 < begin <= len(stamps):
        begin -= shown_from(begin) - first > step
    frames = range(begin, min(stop, len(stamps)))
    if not frames:
        return Part(range(0), (), Fraction(0))
    shown = stamps[frames.start : frames.stop]
    shown_until = shown_from(frames.stop)
    if first is not None and first > shown[0]:
        shown = [ceil(first), *shown[1:]]
    if end is not None and shown_until - end > step:
        shown_until = Fraction(ceil(end))
    return Part(frames, shown, shown_until)


def later_timecode(code: str, frames: int, rate: Fraction, *, into: Fraction | None = None) -> str:
    """``code`` (SMPTE, "01:00:00:00"; with ";" it drops numbers) of a frame, ``frames`` frames later, of a
    video at ``rate``. Where that gets another rate, ``into``, the second is the same and the number is one of
    that rate. As it is where it is no such code."""
    found = _TIMECODE.fullmatch(code)
    counted = round(rate)  # numbers in a second
    if found is None or counted < 1:
        return code
    hours, minutes, seconds, separator, number = found.groups()
    dropped = _drops(counted, separator)
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
        separator = ":" if dropped and not _drops(round(into), separator) else separator
    hours_on, rest_seconds = divmod(seconds_on, 3600)
    return f"{hours_on:02d}:{rest_seconds // 60:02d}:{rest_seconds % 60:02d}{separator}{number_on:02d}"


def _drops(counted: int, separator: str) -> int:
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


def _tick_of(moment: float, stamps: Sequence[int], time_base: Fraction) -> Fraction:
    return stamps[0] + (Fraction(moment) - _SOON_SECONDS) / time_base
