"""Nothing grows while frames are read and filters come and go: scripts/endurance.py, with few of both.

In a process of its own, counted in blocks of the allocator, so that one block a frame is seen.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from scripts.endurance import NO_THREAD_CACHES

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="counts by glibc's mallinfo2")
ROOT = Path(__file__).resolve().parent.parent

KEPT = {
    "nothing": "",
    "what a step was given": """
step = Host.step
def keep(self, *given):
    kept.append(given)
    return step(self, *given)
Host.step = keep
""",
    "an array of each step": """
step = Host.step
def keep(self, *given):
    kept.append(numpy.empty(100))
    return step(self, *given)
Host.step = keep
""",
    "each filter": """
init = Host.__init__
def keep(self, *given):
    kept.append(self)
    init(self, *given)
Host.__init__ = keep
""",
    "some frames": """
import scripts.endurance
read = scripts.endurance.read
def keep(out, first, stop):
    kept.append(out.get_frame(first))
    read(out, first, stop)
scripts.endurance.read = keep
""",
}


class Row(NamedTuple):
    """``in_use`` and ``frames`` (that live) in KB."""

    in_use: float
    frames: float
    blocks: float
    filters: float


def rows(model: str, frames: int, filters: int, kept: str) -> dict[str, list[Row]]:
    """What the script prints, from the middle of each group on, by what was counted."""
    script = f"import numpy\nfrom vsj4r.plugin.host import Host\nkept = []\n{KEPT[kept]}\n"
    script += "from scripts.endurance import main\nmain()"
    command = [sys.executable, "-c", script, "--frames", str(frames), "--cycles", str(filters)]
    done = subprocess.run(
        [*command, "--model", model, "--size", "64x48"],
        env=os.environ | {"GLIBC_TUNABLES": NO_THREAD_CACHES},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        cwd=ROOT,
    )
    groups: dict[str, list[Row]] = {}
    for line in done.stdout.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        number, _, name = cells[0].partition(" ")
        if number.isdecimal() and 2 * int(number) >= (frames if name == "frames" else filters):
            groups.setdefault(name, []).append(Row(*map(float, cells[2:])))
    return groups


def growth(counts: list[Row]) -> Row:
    return Row(*(last - first for first, last in zip(counts[0], counts[-1], strict=True)))


def assert_steady(groups: dict[str, list[Row]], filters: int) -> None:
    reading, own, one = groups["frames"], groups["filters"], groups["filters, one engine"]
    assert {row.filters for row in reading} == {1}
    assert {(row.filters, row.frames) for row in own + one} == {(0, 0)}
    assert len({row.frames for row in reading}) == 1
    assert growth(reading).in_use < 8
    assert growth(one).in_use < 3
    assert growth(own).in_use < 1.5 * filters / 2  # OpenVINO keeps half a KB of each engine
    assert max(growth(counts).blocks for counts in groups.values()) < 250


@pytest.mark.slow
def test_nothing_grows(tiny: str) -> None:
    assert_steady(rows(tiny, 600, 40, "nothing"), 40)


@pytest.mark.slow
@pytest.mark.parametrize("kept", list(KEPT)[1:])
def test_what_is_kept_is_seen(tiny: str, kept: str) -> None:
    with pytest.raises(AssertionError):
        assert_steady(rows(tiny, 300, 10, kept), 10)
