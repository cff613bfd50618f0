"""What a command tells of its progress."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vsj4r.batch.plan import Plan
from vsj4r.cli.report import Item, JsonReport


def test_the_pace_outlives_the_planning_of_another_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One frame a second, of which an earlier run's 60 say nothing."""
    seconds = iter(range(1000))
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    plan = Plan(100, (0,), 96, 64, "YUV420P8", 24)
    told = JsonReport()
    told.work([Item(Path("in.mkv"), Path(name), "j4r", "auto") for name in ("a.mkv", "b.mkv")])
    told.planned(0, plan, 60)
    told.frames_done(0, 61)
    told.frames_done(0, 62)
    told.planned(1, plan, 0)
    capsys.readouterr()
    told.frames_done(0, 63)
    event = json.loads(capsys.readouterr().out)
    assert event["fps"] > 0.4
    assert event["eta_seconds"] == pytest.approx((200 - 63) / event["fps"], rel=0.01)


def test_totals_count_all_files_from_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the one that is not planned what its input says, until it is."""
    seconds = iter(range(1000))
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    told = JsonReport()
    told.work([Item(Path("in.mkv"), Path(name), "j4r", "auto", 50) for name in ("a.mkv", "b.mkv")])
    told.planned(0, Plan(60, (0,), 96, 64, "YUV420P8", 24), 0)
    told.frames_done(0, 60)
    told.planned(1, Plan(40, (0,), 96, 64, "YUV420P8", 24), 0)
    told.frames_done(1, 40)
    totals = [
        json.loads(line)["total_frames"] for line in capsys.readouterr().out.splitlines() if "total" in line
    ]
    assert totals == [110, 100]
