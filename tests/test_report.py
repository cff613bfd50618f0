"""What a command tells of its progress."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import vapoursynth as vs

from tests import media
from vsj4r.batch.plan import Plan
from vsj4r.cli.report import BarReport, Item, JsonReport
from vsj4r.media import bestsource, files, survey


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


def test_what_comes_before_the_first_frame_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shares of a file that is looked through rise, and the plan ends their bar."""
    monkeypatch.setattr(survey, "_TELL_EVERY_SECONDS", 0)
    shares: list[float] = []
    video = media.plain(tmp_path / "in.mkv", "-c:v", "ffv1")
    files.open_source(video, index=tmp_path / "index", on_look=shares.append)
    assert len(shares) > 12
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.1
    assert 0.4 < shares[-1] < 1  # from the half on by the source filter, once a second
    again: list[float] = []
    files.open_source(video, index=tmp_path / "index", on_look=again.append)
    assert again == []
    item = Item(video, tmp_path / "out.mkv", "j4r", "auto")
    with BarReport() as bars:
        bars.work([item])
        bars.said(0, {"kind": "looked", "share": shares[-1]})
        assert [task.description for task in bars._bars.tasks] == ["looking through in.mkv"]
        bars.planned(0, Plan(24, (0,), 96, 64, "YUV420P8", 24), 0)
        assert bars._bars.tasks == []
    told = JsonReport()
    told.work([item])
    told.said(0, {"kind": "looked", "share": shares[-1]})
    event = json.loads(capsys.readouterr().out.splitlines()[0])
    assert event == {"event": "looked", "output": str(tmp_path / "out.mkv"), "share": round(shares[-1], 3)}


class _EnoughError(Exception):
    pass


def test_a_look_that_is_not_wanted_any_more_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []

    def stop(share: float) -> None:
        shares.append(share)
        raise _EnoughError

    monkeypatch.setattr(survey, "_TELL_EVERY_SECONDS", 0)
    video = media.plain(tmp_path / "in.mkv", "-c:v", "ffv1")
    with pytest.raises(_EnoughError):
        files.open_source(video, index=tmp_path / "index", on_look=stop)
    assert len(shares) == 1


def test_an_index_that_is_not_wanted_any_more_is_an_error_at_its_end() -> None:
    """The source filter says in VapourSynth's log how far it is, and no error can pass through that."""
    shares: list[float] = []

    def stop(share: float) -> None:
        shares.append(share)
        raise _EnoughError

    def index() -> None:
        with bestsource.hearing_bestsource(stop):
            for done in (0, 30, 40):
                text = f"VideoSource track #0 index progress {done}%"
                vs.core.log_message(vs.MESSAGE_TYPE_INFORMATION, text)
            shares.append(1)

    with pytest.raises(_EnoughError):
        index()
    assert shares == [0.3, 1]


def test_totals_are_of_what_this_run_works_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither what an earlier run has done nor what has failed is waited for."""
    told, plan = JsonReport(), Plan(100, (0,), 96, 64, "YUV420P8", 24)
    told.work([Item(Path("in.mkv"), Path(f"{n}.mkv"), "j4r", "auto", 100) for n in range(4)])
    told.began([2], 1)
    for index in (0, 1):
        told.planned(index, plan, 0)
    told.frames_done(0, 30)
    told.file_failed(0, "no")
    told.frames_done(1, 100)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert next(line for line in lines if line["event"] == "batch")["done"] == 1
    event = [line for line in lines if line["event"] == "progress"][-1]
    assert (event["total_frame"], event["total_frames"]) == (100, 200)
