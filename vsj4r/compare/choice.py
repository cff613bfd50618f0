"""The frames that are shown: those that a person would look for."""

from __future__ import annotations

from dataclasses import dataclass

from vsj4r.compare.measures import Measures

SHOWN = 6
_NEAR = 25  # nearer than 1/25 of the clip, two frames show the same


@dataclass(frozen=True, slots=True)
class Choice:
    frame: int
    reasons: list[str]


def choose_frames(measures: Measures, psnr: list[float] | None = None) -> list[Choice]:
    """At least ``SHOWN`` frames (all where there are no more), in order, none near another.

    ``psnr`` is that of the result, where there is a ground truth.
    """
    frames = len(measures.removed)
    wanted: list[tuple[str, int]] = []
    for reason, numbers in (
        ("most rain removed", measures.removed),
        ("most motion", measures.motion),
        ("brightest", measures.brightness),
        ("darkest", [-number for number in measures.brightness]),
        ("lowest PSNR", [-number for number in psnr or ()]),
    ):
        if numbers and max(numbers) > min(numbers):
            wanted.append((reason, numbers.index(max(numbers))))
    chosen: dict[int, list[str]] = {}
    near = frames // _NEAR
    for reason, frame in wanted:
        chosen.setdefault(_find_nearest(frame, chosen, near), []).append(reason)
    even = [(2 * k + 1) * frames // (2 * SHOWN) for k in range(SHOWN)]
    while len(chosen) < SHOWN:
        frame = max(even, key=lambda frame: min((abs(frame - other) for other in chosen), default=0))
        if frame in chosen:
            break  # there are no more
        chosen[frame] = []
    return [Choice(frame, chosen[frame]) for frame in sorted(chosen)]


def _find_nearest(frame: int, chosen: dict[int, list[str]], near: int) -> int:
    """The one of ``chosen`` that is at most ``near`` away, otherwise ``frame``."""
    found = min(chosen, key=lambda other: abs(other - frame), default=frame)
    return found if abs(found - frame) <= near else frame
