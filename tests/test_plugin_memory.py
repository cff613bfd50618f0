"""The stated cap of frames, counted in bytes of all frames that live; VapourSynth's own caches are off."""

from __future__ import annotations

import gc
import random
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import pytest
import vapoursynth as vs

from tests.filtering import derain
from vsj4r.plugin import host

pytestmark = pytest.mark.usefixtures("restored_threads")
core = vs.core.core
LENGTH = 200
KEPT = 40
"""Finished frames, at most; 12 more than there are threads at least."""
HELD = 17
"""Source frames that a request holds, at most."""
ORDERS: dict[str, list[int]] = {
    "sequential": list(range(LENGTH)),
    "reversed": list(reversed(range(60, LENGTH))),
    "random": random.Random(1).sample(range(LENGTH), 80),
    "every 7th": list(range(0, LENGTH, 7)),
    "a seek, and back by tens": [150, *range(140, 60, -10), *range(60, 90)],
}


def blank(width: int, height: int) -> Any:
    clip = core.std.BlankClip(width=width, height=height, format=vs.GRAYS, length=LENGTH, keep=False)
    clip.std.SetVideoCache(mode=0)
    return clip


class Alive:
    """Bytes of the frames that live, without those that lived before."""

    def __init__(self) -> None:
        gc.collect()
        core.clear_cache()
        self._before = core.used_cache_size
        self.peak = 0

    @property
    def now(self) -> int:
        return int(core.used_cache_size - self._before)

    def look(self) -> None:
        self.peak = max(self.peak, self.now)

    def settled(self, expected: int) -> int:
        """When it has come to what is expected, or after a while: the last reference may go a little late."""
        end = time.monotonic() + 10
        while self.now != expected and time.monotonic() < end:
            time.sleep(0.01)
        return self.now


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Alive:
    """Looked at in every step of every filter."""
    alive = Alive()
    step = host.Host.step

    def watched(self: host.Host, *given: Any) -> Any:
        alive.look()
        return step(self, *given)

    monkeypatch.setattr(host.Host, "step", watched)
    return alive


def read(out: Any, order: Iterable[int], at_once: int) -> None:
    under_way: deque[Any] = deque()
    for n in order:
        if len(under_way) == at_once:
            under_way.popleft().result().close()
        under_way.append(out.get_frame_async(n))
    for future in under_way:
        future.result().close()


@pytest.mark.parametrize("threads", [1, 4, 32])
@pytest.mark.parametrize("order", ORDERS)
def test_frames_stay_under_the_cap_in_every_order(tiny: str, alive: Alive, order: str, threads: int) -> None:
    core.num_threads = threads
    source = blank(64, 48)
    with source.get_frame(0):
        frame_bytes = alive.now
    out = derain(source, tiny, segment=60, warmup=4)
    out.std.SetVideoCache(mode=0)
    read(out, ORDERS[order], threads)
    kept = max(KEPT, threads + 12)
    assert alive.settled(kept * frame_bytes) == kept * frame_bytes
    assert alive.peak <= (kept + threads * (HELD + 1)) * frame_bytes  # and the frame that comes out
    del out
    assert alive.settled(0) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height", "kept"), [(1920, 1080, 32), (2560, 1440, 18), (3840, 2160, 13)])
def test_large_frames_are_kept_up_to_256_mib_but_13_at_least(
    tiny: str, alive: Alive, width: int, height: int, kept: int
) -> None:
    core.num_threads = 1
    out = derain(blank(width, height), tiny, segment=0)
    out.std.SetVideoCache(mode=0)
    read(out, range(kept + 3), 1)
    frame_bytes = alive.now // kept
    assert frame_bytes == pytest.approx(width * height * 4, rel=0.01)
    assert alive.settled(kept * frame_bytes) == kept * frame_bytes
