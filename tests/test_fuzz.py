"""Damaged inputs, each in a process of its own: a right output, or one line that says why not."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzz.processes import Ran
from tests.fuzz.ways import Given, fault

ROOT = Path(__file__).parents[1]
REFUSED = Ran(
    code=1,
    signal=0,
    stdout="",
    stderr="vsj4r: no\n",
    trace="",
    cpu_seconds=0,
    peak_bytes=0,
    stuck=False,
    left=0,
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
@pytest.mark.parametrize(
    ("kinds", "number"), [("PNG,JPEG,TIFF,WEBP", 6), ("MP4,MOV,MKV", 6), ("JOB,QPFILE", 12)]
)
def test_damaged_inputs(kinds: str, number: int) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--kinds", kinds, "--number", str(number)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    tried = number * len(kinds.split(","))
    assert ran.stdout.splitlines()[-1].split()[:2] == ["all", str(tried)]


@pytest.mark.parametrize(
    ("ran", "said"),
    [
        (REFUSED, ""),
        (replace(REFUSED, signal=11), "ended by signal 11"),
        (replace(REFUSED, stuck=True), "took more than"),
        (replace(REFUSED, stderr="Traceback\nValueError: x\n"), "traceback"),
        (replace(REFUSED, stderr="a\nvsj4r: b\n"), "2 lines on stderr"),
        (replace(REFUSED, stderr=""), "0 lines on stderr"),
        (replace(REFUSED, peak_bytes=1 << 40), "MiB of memory"),
        (replace(REFUSED, left=1), "1 processes left"),
        (replace(REFUSED, code=0, stderr=""), "out.mkv is missing"),
    ],
)
def test_what_breaks_the_rule_is_a_fault(tmp_path: Path, ran: Ran, said: str) -> None:
    (tmp_path / "tmp").mkdir()
    found = fault(ran, Given(lambda: None, ["out.mkv"]), tmp_path, lambda path: 1)
    assert found.startswith(said) if not said or said[0].isdigit() else said in found
    assert bool(found) == bool(said)


def test_a_file_half_written_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / ".vsj4r-part").touch()
    assert "left behind" in fault(REFUSED, Given(lambda: None), tmp_path, lambda path: 1)
