"""When frames are shown, where the file says it in part, or not at all."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from vsj4r.errors import InputError, Vsj4rError
from vsj4r.media.times import frame_number_times, parse_rate, settle_times

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
    found = settle_times(PATH, MS, stamps, Fraction(24))
    base, counts = expected
    assert [round(stamp * found.time_base / base) for stamp in found.stamps] == counts


def test_times_that_cannot_be_made_up_are_refused() -> None:
    with pytest.raises(InputError, match="has neither timestamps nor a frame rate"):
        settle_times(PATH, MS, [0, UNKNOWN], None)
    assert settle_times(PATH, MS, [0, 40], None).stamps == [0, 40]


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0, 40, 80, 80, 160], [0, 40, 80, 120, 160]),
        ([0, 40, 80, 80, 80, 120], [0, 40, 80, Fraction(280, 3), Fraction(320, 3), 120]),
        ([0, 40, 120, 80, 160], [0, 40, 80, 120, 160]),  # the times of two frames were swapped
        ([0, 40, 80, 80], [0, 40, 80, 120]),
        ([0, 0, 0, 0], [0, 40, 80, 120]),
        ([9000, 9040, 9080, 0, 40, 80], [9000, 9040, 9080, 9120, 9160, 9200]),  # the clock was set back
        ([9000, 9080, 9040, 0, 80, 40], [9000, 9040, 9080, 9120, 9160, 9200]),
    ],
)
def test_times_that_do_not_rise_are_made_to(stamps: list[int], expected: list[int | Fraction]) -> None:
    found = settle_times(PATH, MS, stamps, Fraction(25))
    assert [float(stamp * found.time_base * 1000) for stamp in found.stamps] == pytest.approx(
        [float(each) for each in expected], abs=0.01
    )
    assert all(before < after for before, after in pairwise(found.stamps))
    assert len(found.notes) == 1


def in_ticks(rate: Fraction, frames: int, ticks: int = 1000, start: int = 0) -> list[int]:
    return [start + round(n * ticks / rate) for n in range(frames)]


@pytest.mark.parametrize(
    "rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001), 60, 30, 24]
)
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("frames", [40, 9_000])
def test_the_constant_rate_behind_coarse_ticks(rate: Fraction, told: bool, frames: int) -> None:
    rate = Fraction(rate)
    for start in (0, 42):
        found = settle_times(PATH, MS, in_ticks(rate, frames, start=start), rate if told else None)
        assert found.rate == rate
        (step,) = {after - before for before, after in pairwise(found.stamps)}
        assert step * found.time_base == 1 / rate
        assert abs(found.stamps[0] * found.time_base - Fraction(start, 1000)) < Fraction(1, 2000)
        assert not found.notes


def test_times_that_were_rounded_twice_or_cut() -> None:
    rate = Fraction(24000, 1001)
    twice = [round(round(n * 90000 / rate) / 90) for n in range(5000)]
    cut = [int(n * 1000 / rate) for n in range(5000)]
    assert settle_times(PATH, MS, twice, rate).rate == settle_times(PATH, MS, cut, rate).rate == rate


def test_a_wrong_rate_of_the_container_is_not_believed() -> None:
    found = settle_times(PATH, MS, in_ticks(Fraction(24000, 1001), 200), Fraction(24))
    assert found.rate == Fraction(24000, 1001)


@pytest.mark.parametrize(
    ("base", "said", "rate"),
    [
        (Fraction(1, 10_000_000), Fraction(400_000_000, 13_333_333), Fraction(30)),
        (MS, Fraction(19001, 317), Fraction(60000, 1001)),
    ],
)
def test_a_usual_rate_in_the_ticks_of_a_container_is_that_rate(
    base: Fraction, said: Fraction, rate: Fraction
) -> None:
    assert settle_times(PATH, base, in_ticks(rate, 60, ticks=int(1 / base)), said).rate == rate


def test_the_finest_ticks_are_cut_no_finer_than_a_stream_can_say() -> None:
    base = Fraction(1, 10_000_000)
    found = settle_times(PATH, base, [0, 400_000, 400_000, 800_000], Fraction(25))
    assert found.time_base.denominator < 1 << 31
    seconds = [float(stamp * found.time_base) for stamp in found.stamps]
    assert seconds == pytest.approx([0, 0.04, 0.06, 0.08])


@pytest.mark.parametrize(
    "stamps",
    [
        [0, 42, 83, 125, 167, 209, 252],  # the last is two ticks off
        [n * 42 - n % 2 * 3 for n in range(100)],
        in_ticks(Fraction(24), 50) + [n + 2250 for n in in_ticks(Fraction(24), 50)],  # a gap
        in_ticks(Fraction(24), 500) + [n + 20833 for n in in_ticks(Fraction(25), 500)],
        [0, 42, 83, 125, 167],  # too short to tell, and nobody says a rate
    ],
)
def test_a_variable_rate_stays_variable(stamps: list[int]) -> None:
    said = Fraction(24) if len(stamps) != 5 else None
    found = settle_times(PATH, MS, stamps, said)
    assert (found.time_base, found.stamps, found.rate) == (MS, stamps, None)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("25", 25),
        ("29.97", Fraction(30000, 1001)),
        ("23.976", Fraction(24000, 1001)),
        ("7/2", Fraction(7, 2)),
        ("12.5874125874", Fraction(1800, 143)),  # both numbers have to fit a container
    ],
)
def test_a_rate_as_people_write_it(text: str, rate: Fraction) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1/0", "nan", "fast", "1e9", "1e999999999", f"1/{10**26}", "9" * 5000]
)
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(Vsj4rError, match="fps must be a number such as 25 or 30000/1001"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("stamps", "rate", "expected"),
    [
        ([0, 33, 67], 30, (Fraction(1, 30), [0, 1, 2])),
        ([0, 33, 100], 30, (MS, [0, 33, 100])),
        ([0, 33], 0, (MS, [0, 33])),
    ],
)
def test_a_steady_rate_is_counted(stamps: list[int], rate: int, expected: tuple[Fraction, list[int]]) -> None:
    assert frame_number_times(MS, stamps, Fraction(rate)) == expected
