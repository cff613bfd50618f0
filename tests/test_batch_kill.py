"""`vsj4r batch` killed and stopped: nothing is lost, nothing is left, nothing goes on in the dark."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import media
from tests.cli import batch, children_of, command, parts, run, running, vsj4r
from tests.tiny_model import write_tiny_model
from vsj4r.batch.manifest import Manifest
from vsj4r.media.encoders import ffmpeg_executable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

Events = Iterator[dict[str, Any]]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """960 frames, eight chunks, and what `vsj4r run` makes of them."""
    folder = tmp_path_factory.mktemp("shelf")
    model = write_tiny_model(folder)
    media.plain(folder / "long.mkv", *media.QUICK, seconds=40, size="320x192")
    run(folder / "long.mkv", folder / "sequential.mkv", "--model", model, "--encoder", "ffv1")
    return folder


def write_job(folder: Path, shelf: Path, more: str = "") -> None:
    source, model = json.dumps(str(shelf / "long.mkv")), json.dumps(str(shelf / "tiny.onnx"))
    text = f'[[job]]\ninput = {source}\nmodel = {model}\noutput = "out.mkv"\nencoder = "ffv1"\nchunk = 120\n'
    (folder / "jobs.toml").write_text(text + more)


def started(folder: Path, *options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("batch", "jobs.toml", "--json", *options),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def events_of(process: subprocess.Popen[str]) -> Events:
    return map(json.loads, process.stdout or ())


def until(events: Events, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    seen = []
    for event in events:
        seen.append(event)
        if wanted(event):
            return seen
    raise AssertionError(f"never came: {seen[-3:]}")


def descendants(pid: int) -> list[int]:
    children = children_of(pid)
    return [*children, *(below for child in children for below in descendants(child))]


def frames_hash(path: Path) -> str:
    digest = hashlib.sha256()
    for frame in media.planes(path):
        for plane in frame:
            digest.update(plane.tobytes())
    return digest.hexdigest()


@pytest.mark.slow
def test_killed_worker_killed_scheduler_same_frames(shelf: Path, tmp_path: Path) -> None:
    write_job(tmp_path, shelf)
    process = started(tmp_path, "--workers", 2)
    events = events_of(process)
    seen = until(events, lambda event: event["event"] == "progress")  # a first frame: the rest is to come
    begun = [event for event in seen if event["event"] == "begun"]
    victim = int(begun[0]["worker"].split(":")[1])
    mine = {event["chunk"] for event in begun if event["worker"] == begun[0]["worker"]}
    orphans = children_of(victim)
    os.kill(victim, signal.SIGKILL)
    seen = until(events, lambda event: event["event"] == "begun" and event["chunk"] in mine)
    assert not [event for event in seen if event["event"] == "chunk" and event["chunk"] in mine]
    seen += until(events, lambda event: event["event"] == "chunk")
    family = descendants(process.pid)
    process.kill()
    process.wait()
    seen += events  # what it has said before it died
    assert not [pid for pid in {*orphans, *family} if running(pid)]
    finished = {event["chunk"] for event in seen if event["event"] == "chunk"}
    (record,) = Manifest.records_in(tmp_path / "jobs.toml.vsj4r")
    assert finished <= set(record.chunks)
    whole = {int(Path(name).stem) for name in parts(tmp_path) if re.fullmatch(r"\d+\.nut", Path(name).name)}
    kept = set(record.chunks) | whole  # it may have been killed between finishing a chunk and recording it
    assert 0 < len(kept) < 8

    after = batch(tmp_path, "--workers", 2)
    again = {event["chunk"] for event in after if event["event"] == "begun"}
    assert again == set(range(8)) - kept
    assert frames_hash(tmp_path / "out.mkv") == frames_hash(shelf / "sequential.mkv")
    assert media.seconds_of_frames(tmp_path / "out.mkv") == media.seconds_of_frames(shelf / "sequential.mkv")
    (log,) = (tmp_path / "jobs.toml.vsj4r" / "logs").iterdir()
    assert log.read_text().count("-loglevel") > 8, (
        "the exact commands: one for each chunk, one for the output"
    )
    assert not parts(tmp_path)
    assert [event["event"] for event in batch(tmp_path, "--workers", 2)] == ["batch", "end"]


@pytest.mark.slow
def test_the_only_process_killed_at_any_moment(shelf: Path, tmp_path: Path) -> None:
    write_job(tmp_path, shelf)
    output = tmp_path / "out.mkv"
    for moment in ("plan", "progress", "chunk"):
        process = started(tmp_path)
        until(events_of(process), lambda event, moment=moment: event["event"] == moment)  # type: ignore[misc]
        family = descendants(process.pid)
        process.kill()
        process.wait()
        assert not [pid for pid in family if running(pid)]
        assert not output.exists()
    process = started(tmp_path)
    seen = until(events_of(process), lambda event: event["event"] == "chunk" and event["chunk"] == 7)
    process.kill()  # about to join
    process.wait()
    assert sum(event["event"] == "begun" for event in seen) < 8
    batch(tmp_path)
    assert frames_hash(output) == frames_hash(shelf / "sequential.mkv")
    assert not parts(tmp_path)


@pytest.mark.slow
def test_killed_between_the_output_and_its_record(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").symlink_to(shelf / "tiny.onnx")
    (tmp_path / "tiny.json").symlink_to(shelf / "tiny.json")
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    (tmp_path / "jobs.toml").write_text(
        '[[job]]\ninput = "a.mkv"\nmodel = "tiny.onnx"\noutput = "out.mkv"\nencoder = "ffv1"\n'
    )
    die_at(tmp_path, "done")
    written = (tmp_path / "out.mkv").stat()
    events = batch(tmp_path)
    assert events[-1] | {"seconds": 0} == {"event": "end", "done": 1, "failed": 0, "left": 0, "seconds": 0}
    assert (tmp_path / "out.mkv").stat() == written
    assert not parts(tmp_path)


@pytest.mark.slow
def test_killed_there_and_again_after_the_job_has_changed(shelf: Path, tmp_path: Path) -> None:
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    model = json.dumps(str(shelf / "tiny.onnx"))
    job = f'[[job]]\ninput = "a.mkv"\nmodel = {model}\noutput = "out.mkv"\nencoder = "ffv1"\n'
    (tmp_path / "jobs.toml").write_text(job)
    die_at(tmp_path, "done")
    written = (tmp_path / "out.mkv").stat()
    (tmp_path / "jobs.toml").write_text(job + "strength = 0.5\n")
    die_at(tmp_path, "planned")
    events = batch(tmp_path)
    assert events[-1] | {"seconds": 0} == {"event": "end", "done": 1, "failed": 0, "left": 0, "seconds": 0}
    assert (tmp_path / "out.mkv").stat() != written


def die_at(folder: Path, record: str, *, times: int = 1) -> None:
    """A batch that is killed when it is about to note ``record``, at the first or at a later of ``times``."""
    dies = (
        "import os; from vsj4r.batch.manifest import Manifest; from vsj4r.cli.app import main\n"
        f"left, real = [None] * {times}, Manifest.{record}\n"
        "def noted(*given, **more):\n"
        "    left.pop()\n"
        "    return real(*given, **more) if left else os._exit(9)\n"
        f"Manifest.{record} = noted; main()"
    )
    died = subprocess.run([sys.executable, "-c", dies, "batch", "jobs.toml"], cwd=folder, check=False)
    assert died.returncode == 9


def test_a_chunk_that_is_whole_but_not_recorded_counts(model: Path, tmp_path: Path) -> None:
    media.plain(tmp_path / "long.mkv", *media.QUICK, seconds=6)
    (tmp_path / "jobs.toml").write_text(
        f'[[job]]\ninput = "long.mkv"\nmodel = {json.dumps(str(model))}\n'
        'output = "out.mkv"\nencoder = "ffv1"\nchunk = 120\n'
    )
    die_at(tmp_path, "chunk_done")
    told = json.loads(vsj4r("status", "jobs.toml", "--json", cwd=tmp_path).stdout)
    assert (told["state"], told["frame"], told["frames"]) == ("begun", 120, 144)
    assert "144 frames, 96x64 YUV420P8, 24 a second; 120 done" in dry_run(tmp_path)
    again = [event["chunk"] for event in batch(tmp_path) if event["event"] == "begun"]
    assert again == [1]
    run(tmp_path / "long.mkv", tmp_path / "whole.mkv", "--model", model, "--encoder", "ffv1")
    assert frames_hash(tmp_path / "out.mkv") == frames_hash(tmp_path / "whole.mkv")
    assert "; all done" in dry_run(tmp_path)


def test_a_chunk_that_has_changed_on_the_disk_is_done_again(model: Path, tmp_path: Path) -> None:
    media.plain(tmp_path / "long.mkv", *media.QUICK, seconds=6)
    (tmp_path / "jobs.toml").write_text(
        f'[[job]]\ninput = "long.mkv"\nmodel = {json.dumps(str(model))}\n'
        'output = "out.mkv"\nencoder = "ffv1"\nchunk = 120\n'
    )
    die_at(tmp_path, "chunk_done", times=2)
    (part,) = (tmp_path / "jobs.toml.vsj4r").rglob("*00000*.nut")
    part.write_bytes(part.read_bytes()[:-1000])
    again = [event["chunk"] for event in batch(tmp_path) if event["event"] == "begun"]
    assert again == [0]
    assert (tmp_path / "out.mkv").exists()


def dry_run(folder: Path) -> str:
    return vsj4r("batch", "jobs.toml", "--dry-run", cwd=folder).stdout


@pytest.mark.slow
def test_a_chunk_that_kills_its_worker_is_given_up(shelf: Path, tmp_path: Path) -> None:
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text(
        '#!/bin/sh\ncase "$*" in *pipe:0*slices?12*.nut) kill -9 $PPID; sleep 60;; esac\n'
        f"exec '{ffmpeg_executable()}' \"$@\"\n"
    )
    ffmpeg.chmod(0o755)
    for name in ("bad", "good"):
        media.plain(tmp_path / f"{name}.mkv", seconds=0.3)
    model = json.dumps(str(shelf / "tiny.onnx"))
    (tmp_path / "jobs.toml").write_text(
        f'[defaults]\nmodel = {model}\noutput = "out/{{stem}}.mkv"\n'
        '[[job]]\ninput = "bad.mkv"\nencoder = "ffv1"\noptions = {slices = 12}\n'
        '[[job]]\ninput = "good.mkv"\n'
    )
    done = subprocess.run(
        command("batch", "jobs.toml", "--json", "--workers", 2),
        cwd=tmp_path,
        env={**os.environ, "IMAGEIO_FFMPEG_EXE": str(ffmpeg)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1, done.stderr
    assert [Path(e["output"]).name for e in events if e["event"] == "done"] == ["good.mkv"]
    failed = [e["message"] for e in events if e["event"] == "failed"]
    assert failed == ["chunk 0 has failed, or ended its worker, 3 times: given up"]
    assert not (tmp_path / "out" / "bad.mkv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_ctrl_c_drains_and_twice_stops(
    shelf: Path, tmp_path: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    write_job(tmp_path, shelf)
    process = started(tmp_path, *options)
    events = events_of(process)
    until(events, lambda event: event["event"] == "begun")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of them hear it
    seen = list(events)
    assert process.wait() == 130
    begun, ended = ({e["chunk"] for e in seen if e["event"] == kind} for kind in ("begun", "chunk"))
    assert begun <= ended
    assert 1 <= len(ended) <= 2
    assert seen[-1]["left"] == 1
    assert not list((tmp_path / "temporary").iterdir())

    process = started(tmp_path, *options)
    events = events_of(process)
    until(events, lambda event: event["event"] == "progress")
    family = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    until(events, lambda event: event["event"] == "note")
    os.killpg(process.pid, signal.SIGINT)
    list(events)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert not [pid for pid in family if running(pid)]
    told = vsj4r("status", "jobs.toml", "--json", cwd=tmp_path)
    assert json.loads(told.stdout)["state"] == "begun"
    assert 120 <= json.loads(told.stdout)["frame"] < 960
    assert not [name for name in parts(tmp_path) if "/.vsj4r-" in name]


def test_two_at_once_are_refused(shelf: Path, tmp_path: Path) -> None:
    write_job(tmp_path, shelf)
    process = started(tmp_path)
    until(events_of(process), lambda event: event["event"] == "begun")
    os.killpg(process.pid, signal.SIGSTOP)  # or it may have ended before the second one has begun
    second = vsj4r("batch", "jobs.toml", cwd=tmp_path)
    assert (second.returncode, "is at work in" in second.stderr) == (1, True)
    process.terminate()
    os.killpg(process.pid, signal.SIGCONT)
    assert process.wait(timeout=60) == 143
