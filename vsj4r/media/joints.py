"""Where a recording was put together from several, each with a clock that begins anew: parts of a dashcam
or a DVR one after the other, HLS segments with a discontinuity, VOBs.

The picture's times are moved on there (``times.settle_times``). The other streams have to move by as much,
and which of their packets come after a joint is known by number alone: times come twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction
from pathlib import Path

from vsj4r.media.stream_packets import packets_of

GAP_SECONDS = 10
"""A time that lies further ahead was set forward, where clocks wander; ffmpeg's ``dts_delta_threshold``."""
BACK_SECONDS = Fraction(1, 5)
"""A time that lies further back than that may have been set back; by less, packets were reordered."""
WRAP_SECONDS = (1 << 32) / Fraction(90_000)
"""Half of what MPEG's clock counts: what lies further back is the clock's own end, which ffmpeg mends."""


def find_joints(path: Path, streams: Collection[int]) -> dict[int, list[int]]:
    """Of each of ``streams`` in the file ``path`` the packets, counted from 0, at which its clock was set.
    The file is read to its end.

    Raises:
        InputError: it cannot be opened.
    """
    found: dict[int, list[int]] = {index: [] for index in streams}
    numbers, before = dict.fromkeys(found, 0), dict.fromkeys(found, Fraction(0))
    for packet, base in packets_of(path, streams):
        index = packet.stream_index
        if packet.dts is not None:
            now = packet.dts * base
            if numbers[index] and was_set(before[index], now):
                found[index].append(numbers[index])
            before[index] = now
        numbers[index] += 1
    return found


def was_set(before: Fraction, now: Fraction) -> bool:
    """Whether a clock that said ``before`` and then ``now``, seconds, was set between."""
    return BACK_SECONDS < before - now < WRAP_SECONDS or GAP_SECONDS < now - before < WRAP_SECONDS


def filter_moving(packets: Sequence[int], seconds: Sequence[Fraction]) -> str:
    """ffmpeg's bitstream filter that moves a stream by so many ``seconds`` more from each of ``packets``
    on."""
    steps = "+".join(
        f"gte(N,{number})*{float(step):.9f}" for number, step in zip(packets, seconds, strict=True)
    )
    return f"setts=pts='PTS+round(({steps})/TB)':dts='DTS+round(({steps})/TB)'"
