"""`vsj4r batch` as its users run it: any names, failures that cost themselves alone, single frames."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests import media
from tests.batch_jobs import body, jobs
from tests.cli import assert_refused, batch, command, parts, run, vsj4r
from vsj4r.media.identity import identify
from vsj4r.media.images import write_png


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """370 frames at a variable rate, and every other kind of stream."""
    return media.rich(tmp_path_factory.mktemp("rich"), seconds=18)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "-leading dash",
        "50% of 'it' \"quoted\" %03d",
        "a;b $HOME `x`|y",
        "pluie é 雨 [0] #1? {stem}",
        "two\nlines\t",
        "c:o",
    ],
)
def test_names_of_any_kind(model: Path, tmp_path: Path, name: str) -> None:
    source = media.plain(tmp_path / "plain.mkv", seconds=0.3)
    odd = tmp_path / f"{name}.mkv"
    source.rename(odd)
    jobs(tmp_path, model, body(Path(odd.name), "out {job}/{stem} clean.mkv", f"name = {json.dumps(name)}"))
    done = vsj4r("batch", "jobs.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 2
    output = tmp_path / f"out {name}" / f"{name} clean.mkv"
    assert len(media.seconds_of_frames(output)) == 8
    (log,) = (tmp_path / "jobs.toml.vsj4r" / "logs").iterdir()
    commands = [shlex.split(entry) for entry in log.read_text().split("\n20") if "-loglevel" in entry]
    assert [command[2:][0].rpartition("/")[2][:6] for command in commands] == ["ffmpeg", "ffmpeg"]
    assert f"file:{odd}" in commands[1]
    states = [
        json.loads(line) for line in vsj4r("status", "jobs.toml", "--json", cwd=tmp_path).stdout.splitlines()
    ]
    assert [(each["output"], each["state"]) for each in states] == [(str(output), "done")]


def test_a_failed_file_lets_the_others_be(model: Path, tmp_path: Path) -> None:
    media.plain(tmp_path / "good.mkv", seconds=0.3)
    interlaced = ["-vf", "setfield=tff", "-c:v", "libx264", "-flags", "+ildct+ilme"]
    media.plain(tmp_path / "bad.mkv", *interlaced, seconds=0.3)
    jobs(tmp_path, model, 'input = ["bad.mkv", "good.mkv"]\noutput = "out/{stem}.mkv"')
    events = batch(tmp_path, code=1)
    failed = [e["message"] for e in events if e["event"] == "failed"]
    assert len(failed) == 1
    assert "is interlaced" in failed[0]
    assert events[-1] | {"seconds": 0} == {"event": "end", "done": 1, "failed": 1, "left": 0, "seconds": 0}
    told = vsj4r("status", "jobs.toml", cwd=tmp_path)
    assert told.returncode == 1
    assert [line.split()[0] for line in told.stdout.splitlines()] == ["failed", "done"]
    assert not [left for left in parts(tmp_path) if left.endswith(".nut")]


def test_what_is_no_video_or_cut_short_costs_itself_alone(model: Path, tmp_path: Path) -> None:
    media.plain(tmp_path / "good.mkv", seconds=0.3)
    media.plain(tmp_path / "short.mp4", "-c:v", "libx264", seconds=0.3)  # its index comes last
    (tmp_path / "short.mp4").write_bytes((tmp_path / "short.mp4").read_bytes()[:-2000])
    (tmp_path / "words.mkv").write_text("no video")
    jobs(tmp_path, model, 'input = ["short.mp4", "words.mkv", "good.mkv"]\noutput = "out/{stem}.mkv"')
    events = batch(tmp_path, code=1)
    failed = [event["message"] for event in events if event["event"] == "failed"]
    assert ["cannot be read as a video" in message for message in failed] == [True, True]
    assert events[-1] | {"seconds": 0} == {"event": "end", "done": 1, "failed": 2, "left": 0, "seconds": 0}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.mkv"]


def test_what_the_container_cannot_hold_is_said_before_the_work(model: Path, tmp_path: Path) -> None:
    rich = media.rich(tmp_path, seconds=1)
    jobs(tmp_path, model, body(rich, "out.mov"))
    events = batch(tmp_path)
    lines = [json.dumps(event) for event in events]
    said = "audio stream 1 (opus) becomes pcm_f32le, without loss: .mov cannot hold opus"
    told = next(n for n, line in enumerate(lines) if said in line)
    assert told < next(n for n, event in enumerate(events) if event["event"] in ("progress", "done"))
    with av.open(str(tmp_path / "out.mov")) as container:
        assert container.streams.audio[0].codec_context.name == "pcm_f32le"
        assert next(container.decode(container.streams.audio[0])).samples > 0


def test_a_dry_run_writes_nothing(rich: Path, model: Path, tmp_path: Path) -> None:
    shots = 'encoder = "auto"\nstrength = [[0, 0.5], [60, 1.0]]\ntrim = ["0.2", 300]'
    jobs(tmp_path, model, body(rich, "out.mkv", 'preset = "archive"'), body(rich, "part.mkv", shots))
    done = vsj4r("batch", "jobs.toml", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0
    plan = "370 frames, 96x64", "4 chunks, which begin at frames 0, 120, 240, 360"
    part = (
        "strength 0.5 from 0 and 1.0 from 60",
        "trim 0.2 s to 300",
        "encoder x264",
        "0 done; nothing is written",
    )
    for said in (*plan, "encoder x265", "crf 18", "depth 10", "options preset=slow", *part):
        assert said in done.stdout
    assert [entry.name for entry in tmp_path.iterdir()] == ["jobs.toml"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "playlist"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile '{url}'\n"),
    ],
)
def test_a_playlist_reaches_no_network(model: Path, tmp_path: Path, name: str, playlist: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        (tmp_path / name).write_text(playlist.format(url=f"http://127.0.0.1:{server.getsockname()[1]}/x.ts"))
        jobs(tmp_path, model, body(Path(name), "out.mkv"))
        (failed,) = (event for event in batch(tmp_path, code=1) if event["event"] == "failed")
        assert "cannot be read as a video" in failed["message"]
        done = vsj4r("run", name, "out.mkv", cwd=tmp_path)
        assert (done.returncode, "cannot be read as a video" in done.stderr) == (1, True)
        with pytest.raises(BlockingIOError):
            server.accept()  # nobody has called


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_one_frame_is_a_video(model: Path, tmp_path: Path, suffix: str) -> None:
    source = media.plain(tmp_path / "one.mkv", seconds=0.04)
    jobs(tmp_path, model, body(source, f"out{suffix}"))
    batch(tmp_path)
    assert len(media.planes(tmp_path / f"out{suffix}")) == 1
    run(source, tmp_path / "look.png", "--model", model, "--preview")


@pytest.mark.slow
def test_one_image_lasts_a_frame_of_its_rate(model: Path, tmp_path: Path) -> None:
    write_png(np.zeros((48, 64, 3), np.uint8), tmp_path / "a.png")
    jobs(tmp_path, model, body(tmp_path / "a.png", "out.mp4", "fps = 50"))
    batch(tmp_path)
    with av.open(str(tmp_path / "out.mp4")) as container:
        video = container.streams.video[0]
        assert (video.duration or 0) * video.time_base == Fraction(1, 50)


def test_a_folder_has_its_whole_name_for_a_stem(model: Path, tmp_path: Path) -> None:
    for version in ("v001", "v002"):
        shot = tmp_path / f"shot_010.{version}"
        shot.mkdir()
        write_png(np.zeros((48, 64, 3), np.uint8), shot / "a.png")
    jobs(tmp_path, model, 'input = "shot*"\noutput = "clean/{stem}/"')
    batch(tmp_path)
    assert sorted(each.name for each in (tmp_path / "clean").iterdir()) == ["shot_010.v001", "shot_010.v002"]


def test_an_input_that_cannot_be_read_has_its_line(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As root reads all, the file system is made to say so."""
    from vsj4r.cli.app import app

    good, bad = (media.plain(tmp_path / f"{name}.mkv", seconds=0.2) for name in ("good", "bad"))
    jobs(tmp_path, model, body(good, "out/good.mkv"), body(bad, "out/bad.mkv"))

    def refuse_bad(path: Path) -> str:
        if path == bad:
            raise PermissionError(13, "Permission denied", str(path))
        return identify(path)

    monkeypatch.setattr("vsj4r.batch.work.identify", refuse_bad)
    file = str(tmp_path / "jobs.toml")
    assert app(["batch", file], standalone_mode=False) == 2
    assert f"{file}:8: {bad} cannot be read: Permission denied" in capsys.readouterr().err
    assert not (tmp_path / "out" / "good.mkv").exists()
    app(["status", file], standalone_mode=False)
    told = capsys.readouterr().out.splitlines()
    assert (len(told), "cannot be read" in told[1]) == (2, True)


def test_a_package_that_is_missing_is_a_line(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "distributed.py").write_text("raise ModuleNotFoundError(name='distributed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    jobs(tmp_path, model, body(Path("a.mkv"), "out.mkv"))
    done = vsj4r("batch", "jobs.toml", "--workers", 1, cwd=tmp_path)
    assert_refused(done, 1, "the package distributed is missing: vsj4r doctor says what to type", tmp_path)


@pytest.mark.parametrize(
    "given",
    [
        ("batch", "jobs.toml", "--workers", 257),
        ("train", "r.toml", "--data", ".", "--run", "r", "--workers", 257),
        ("train", "r.toml", "--data", ".", "--run", "r", "--threads", 1025),
        ("adapt", "in.mkv", "--out", "o.onnx", "--threads", 1025),
    ],
    ids=lambda given: given[0] + given[-2],
)
def test_more_than_a_machine_bears_is_refused(tmp_path: Path, given: tuple[str | int, ...]) -> None:
    done = vsj4r(*given, cwd=tmp_path)
    assert_refused(done, 2, f"Invalid value for '{given[-2]}'", tmp_path)


def test_a_name_that_stdout_cannot_spell(model: Path, tmp_path: Path) -> None:
    source = media.plain(tmp_path / "雨.mkv", seconds=0.2)
    jobs(tmp_path, model, body(source, "{stem}.clean.mkv"))
    spelled = os.environ | {"PYTHONIOENCODING": "latin1"}
    done = subprocess.run(
        command("status", "jobs.toml"), cwd=tmp_path, env=spelled, capture_output=True, check=False
    )
    assert b"\\u96e8" in done.stdout
    assert not done.stderr
