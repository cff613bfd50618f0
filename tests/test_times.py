"""When frames are shown, where the file says it in part, or not at all."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from vsj4r.errors import Vsj4rError
from vsj4r.media.times import all_known, counted

UNKNOWN = -(1 << 63)
MS = Fraction(1, 1000)
PATH = Path("x.mkv")


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0, 40, 81], (MS, [0, 40, 81])),
        ([UNKNOWN] * 3, (Fraction(1, 24), [0, 1, 2])),
        (
            [UNKNOWN, UNKNOWN, 1000, UNKNOWN, UNKNOWN, UNKNOWN, 1167],
            (MS, [917, 958, 1000, 1042, 1083, 1125, 1167]),
        ),
    ],
)
def test_gaps_are_filled_without_a_drift(stamps: list[int], expected: tuple[Fraction, list[int]]) -> None:
    assert all_known(PATH, MS, stamps, Fraction(24)) == expected


def test_times_that_make_no_sense_are_refused() -> None:
    with pytest.raises(Vsj4rError, match="frame 2 is to be shown no later than the one before it"):
        all_known(PATH, MS, [0, 40, 40], Fraction(24))
    with pytest.raises(Vsj4rError, match="says neither when its frames are shown"):
        all_known(PATH, MS, [0, UNKNOWN], Fraction(0))
    assert all_known(PATH, MS, [0, 40], Fraction(0)) == (MS, [0, 40])


@pytest.mark.parametrize(
    ("stamps", "rate", "expected"),
    [
        ([0, 33, 67], 30, (Fraction(1, 30), [0, 1, 2])),
        ([0, 33, 100], 30, (MS, [0, 33, 100])),
        ([0, 33], 0, (MS, [0, 33])),
    ],
)
def test_a_steady_rate_is_counted(stamps: list[int], rate: int, expected: tuple[Fraction, list[int]]) -> None:
    assert counted(MS, stamps, Fraction(rate)) == expected
