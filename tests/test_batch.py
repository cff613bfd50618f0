"""`vsj4r batch` as its users run it: whole files out, done once, and again when they must be."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests import media
from tests.cli import assert_refused, batch, command, parts, run, vsj4r
from tests.tiny_model import write_tiny_model
from vsj4r.batch.jobfile import read_jobs
from vsj4r.batch.manifest import Manifest
from vsj4r.batch.plan import Plan
from vsj4r.batch.work import work_for
from vsj4r.media.identity import identify
from vsj4r.media.images import write_rgb


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """370 frames at a variable rate, and every other kind of stream."""
    return media.rich(tmp_path_factory.mktemp("rich"), seconds=18)


def jobs(folder: Path, model: Path, *bodies: str, defaults: str = "chunk = 120") -> None:
    head = f"[defaults]\nmodel = {json.dumps(str(model))}\n{defaults}\n"
    (folder / "jobs.toml").write_text(head + "".join(f"[[job]]\n{body}\n" for body in bodies))


def body(source: Path, output: str, more: str = "") -> str:
    return f"input = {json.dumps(str(source))}\noutput = {json.dumps(output)}\n{more}"


@pytest.mark.slow
def test_chunks_joined_are_the_sequential_run(rich: Path, model: Path, tmp_path: Path) -> None:
    output, sequential = tmp_path / "out.mkv", tmp_path / "sequential.mkv"
    jobs(tmp_path, model, body(rich, "out.mkv", 'encoder = "ffv1"'))
    events = batch(tmp_path)
    assert next(e["chunks"] for e in events if e["event"] == "plan") >= 3
    run(rich, sequential, "--model", model, "--encoder", "ffv1")
    media.assert_same_frames(output, sequential)
    media.assert_all_kept(rich, output)
    assert not parts(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "suffix"),
    [("x264", ".mp4"), ("x265", ".mkv"), ("svtav1", ".webm"), ("vp9", ".webm"), ("prores", ".mkv")],
)
def test_every_encoder_is_joined_to_the_tick(
    rich: Path, model: Path, tmp_path: Path, encoder: str, suffix: str
) -> None:
    quick = {"x264": "veryfast", "x265": "ultrafast", "svtav1": "12"}.get(encoder)
    options = f"options = {{preset = '{quick}'}}" if quick else ""
    jobs(tmp_path, model, body(rich, f"out{suffix}", f"encoder = '{encoder}'\n{options}"))
    batch(tmp_path)
    output = tmp_path / f"out{suffix}"
    assert media.seconds_of_frames(output) == media.seconds_of_frames(rich)
    assert [packet for _, packet in media.audio_packets(output)] == [p for _, p in media.audio_packets(rich)]
    assert len(media.planes(output)) == 370  # every one decodes, across the joints
    with av.open(str(output)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "suffix"), [("archive", ".mkv"), ("archive", ".mp4"), ("mezzanine", ".mkv")]
)
def test_hdr10_survives_the_joints(model: Path, tmp_path: Path, preset: str, suffix: str) -> None:
    source = media.hdr10(tmp_path / "hdr.mkv", seconds=6)
    jobs(tmp_path, model, body(source, f"out{suffix}", f"preset = '{preset}'\noptions = {{}}"))
    batch(tmp_path)
    output = tmp_path / f"out{suffix}"
    assert media.hdr_props(source)["MasteringDisplayMinLuminance"] == 0.005
    assert media.hdr_props(output) == media.hdr_props(source)
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p10le"


def test_turned_footage_and_image_folders(model: Path, tmp_path: Path) -> None:
    lying, source = tmp_path / "lying.mkv", tmp_path / "phone.mp4"
    media.plain(lying, "-vf", "setsar=4/3", *media.QUICK)
    turn = ["-display_rotation", "90", "-i", f"file:{lying}", "-c", "copy", f"file:{source}"]
    media.ffmpeg(*turn)
    folder = tmp_path / "shots"
    folder.mkdir()
    for n in range(3):
        write_rgb(np.full((32, 48, 3), 40 * n, np.uint8), folder / f"{n}.png")
    jobs(tmp_path, model, body(source, "phone out.mp4"), body(folder, "shots.mkv"))
    batch(tmp_path)
    run(source, tmp_path / "sequential.mp4", "--model", model)
    with (
        av.open(str(tmp_path / "phone out.mp4")) as ours,
        av.open(str(tmp_path / "sequential.mp4")) as theirs,
    ):
        for container in (ours, theirs):
            assert next(container.decode(video=0)).rotation == 90
            assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    assert media.seconds_of_frames(tmp_path / "shots.mkv") == [Fraction(n, 25) for n in range(3)]


def test_a_late_picture_and_a_transport_stream(model: Path, tmp_path: Path) -> None:
    source, late = media.rich(tmp_path), tmp_path / "late.mkv"
    inputs = ["-itsoffset", "0.8", "-i", f"file:{source}", "-i", f"file:{source}"]
    media.ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", "-c", "copy", f"file:{late}")
    stream = ["-map", "0:v", "-map", "0:a", "-c:v", "copy", "-c:a", "mp2", f"file:{tmp_path / 'stream.ts'}"]
    media.ffmpeg("-i", f"file:{source}", *stream)
    jobs(tmp_path, model, body(late, "late out.mkv"), body(tmp_path / "stream.ts", "stream out.mkv"))
    batch(tmp_path)
    assert media.seconds_of_frames(tmp_path / "late out.mkv") == media.seconds_of_frames(late)
    assert media.audio_packets(tmp_path / "late out.mkv") == media.audio_packets(late)
    run(tmp_path / "stream.ts", tmp_path / "sequential.mkv", "--model", model)
    ours, theirs = tmp_path / "stream out.mkv", tmp_path / "sequential.mkv"
    assert media.seconds_of_frames(ours) == media.seconds_of_frames(theirs)
    assert media.audio_packets(ours) == media.audio_packets(theirs)


def test_trims_cut_all_streams(rich: Path, model: Path, tmp_path: Path) -> None:
    mezzanine = 'encoder = "ffv1"\ntrim = ["0:00.5", "0:01.5"]'
    jobs(tmp_path, model, body(rich, "cut.mkv", mezzanine), body(rich, "first.mkv", "trim = [0, 10]"))
    batch(tmp_path)
    stamps = media.seconds_of_frames(rich)
    begin = next(stamp for stamp in stamps if stamp >= Fraction(1, 2))
    wanted = [stamp - begin for stamp in stamps if Fraction(1, 2) <= stamp < Fraction(3, 2)]
    assert media.seconds_of_frames(tmp_path / "cut.mkv") == wanted
    kept = {packet for _, packet in media.audio_packets(rich)}
    sound = media.audio_packets(tmp_path / "cut.mkv")
    assert 48 <= len(sound) <= 51  # a second of packets of 20 ms
    assert all(packet in kept for _, packet in sound)
    with av.open(str(tmp_path / "cut.mkv")) as container:
        assert [round(float(c["end"] * c["time_base"]), 2) for c in container.chapters()] == [0.5, 1.0]
    assert media.seconds_of_frames(tmp_path / "first.mkv") == stamps[:10]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize("trim", ["[0, 10]", "[5, 17]", '["0:00.3", ""]'])
def test_trims_keep_every_frame_of_an_encoder_that_reorders(
    model: Path, tmp_path: Path, suffix: str, trim: str
) -> None:
    """The first packet of such a stream has to be decoded before the time 0."""
    tone = ["-f", "lavfi", "-i", "sine=d=1"]
    media.ffmpeg(
        *media.picture(seconds=1), *tone, "-c:v", "libx264", "-c:a", "aac", f"file:{tmp_path / 'a.mkv'}"
    )
    jobs(tmp_path, model, body(tmp_path / "a.mkv", f"out.{suffix}", f"trim = {trim}"))
    batch(tmp_path)
    stamps = media.seconds_of_frames(tmp_path / "a.mkv")
    wanted = {"[0, 10]": stamps[:10], "[5, 17]": stamps[5:17]}.get(trim, stamps[8:])
    found = media.seconds_of_frames(tmp_path / f"out.{suffix}")
    assert found == pytest.approx([stamp - wanted[0] for stamp in wanted], abs=0.002)
    with av.open(str(tmp_path / f"out.{suffix}")) as container:
        assert container.streams.video[0].codec_context.has_b_frames
        sound = [float((p.pts or 0) * p.time_base) for p in container.demux(audio=0) if p.size]
    assert -0.03 < sound[0] < 0.03
    assert len(wanted) - 1.2 < 24 * sound[-1] < len(wanted)


@pytest.mark.parametrize("encoder", ["x264", "prores"])
def test_a_picture_that_begins_after_the_sound(model: Path, tmp_path: Path, encoder: str) -> None:
    late = ["-itsoffset", "0.5", *media.picture(seconds=0.5), "-f", "lavfi", "-i", "sine=d=1"]
    media.ffmpeg(*late, "-map", "0", "-map", "1", "-c:v", "ffv1", "-c:a", "aac", f"file:{tmp_path / 'a.mkv'}")
    encoded = f'encoder = "{encoder}"'
    cut = body(tmp_path / "a.mkv", "cut.mov", f"{encoded}\ntrim = [3, 9]")
    jobs(tmp_path, model, body(tmp_path / "a.mkv", "whole.mov", encoded), cut)
    batch(tmp_path)
    stamps = media.seconds_of_frames(tmp_path / "a.mkv")
    assert stamps[0] == Fraction(1, 2)
    found = [media.seconds_of_frames(tmp_path / name) for name in ("whole.mov", "cut.mov")]
    assert found[0] == pytest.approx(stamps, abs=0.002)
    assert found[1] == pytest.approx([stamp - stamps[3] for stamp in stamps[3:9]], abs=0.002)


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


@pytest.mark.slow
def test_only_what_has_changed_is_done_again(model: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        media.plain(tmp_path / f"{name}.mkv", seconds=0.3)

    def done(*options: str) -> list[str]:
        return [Path(e["output"]).name for e in batch(tmp_path, *options) if e["event"] == "done"]

    both = [body(Path(f"{name}.mkv"), f"out/{name}.mkv") for name in ("a", "b")]
    jobs(tmp_path, model, *both)
    assert done() == ["a.mkv", "b.mkv"]
    assert done() == []
    assert done("--workers", "2") == []
    jobs(tmp_path, model, both[0] + "crf = 30\n", both[1])
    assert done() == ["a.mkv"]
    media.plain(tmp_path / "b.mkv", seconds=0.5)
    assert done() == ["b.mkv"]
    (tmp_path / "out" / "a.mkv").unlink()
    assert done() == ["a.mkv"]
    write_tiny_model(tmp_path, gain=0.4)
    jobs(tmp_path, tmp_path / "tiny.onnx", *both)
    assert done() == ["a.mkv", "b.mkv"]
    (tmp_path / "out" / "a.mkv").write_text("somebody else's")
    (problem,) = batch(tmp_path, code=2)
    assert "exists already" in problem["text"]
    assert (tmp_path / "out" / "a.mkv").read_text() == "somebody else's"


def test_of_a_folder_the_images_alone_count(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shot"
    folder.mkdir()
    write_rgb(np.zeros((32, 48, 3), np.uint8), folder / "0.png")
    jobs(tmp_path, model, body(folder, "shot/clean.mkv"))
    assert "done" in {event["event"] for event in batch(tmp_path)}
    (folder / ".DS_Store").touch()
    assert "done" not in {event["event"] for event in batch(tmp_path)}
    write_rgb(np.zeros((32, 48, 3), np.uint8), folder / "1.png")
    assert "done" in {event["event"] for event in batch(tmp_path)}


PLAN = {
    "frames": 8,
    "starts": [0],
    "width": 96,
    "height": 64,
    "format": "x",
    "fps": 24.0,
    "encoder": "x264",
    "notes": [],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"plan": "[1]"},
        {"plan": json.dumps({**PLAN, "starts": [1]})},
        {"plan": json.dumps({**PLAN, "frames": -5})},
        {"plan": json.dumps({**PLAN, "encoder": ""})},
        {"plan": json.dumps({**PLAN, "more": 1})},
        {"plan": "[" * 5000},
        {"output": "3"},
        {"state": "asleep"},
    ],
    ids=str,
)
def test_a_manifest_that_holds_anything_is_refused(
    model: Path, tmp_path: Path, change: dict[str, str]
) -> None:
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    jobs(tmp_path, model, body(Path("a.mkv"), "out.mkv"))
    state = tmp_path / "jobs.toml.vsj4r"
    with Manifest.writing(state) as manifest:
        row = {"key": "k", "input": '"i"', "output": '"o"', "state": "waiting", "plan": "", "error": ""}
        values = [*{**row, **change}.values(), 0.0, 0, 0]
        manifest._database.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        manifest._database.commit()
    for verb in ("status", "batch"):
        done = vsj4r(verb, "jobs.toml", cwd=tmp_path)
        assert_refused(done, 1, "record k is damaged; without this folder the batch begins anew", tmp_path)
    shutil.rmtree(state)
    assert "done" in {event["event"] for event in batch(tmp_path)}


def test_a_plan_of_another_length_fails_its_file(model: Path, tmp_path: Path) -> None:
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    jobs(tmp_path, model, body(Path("a.mkv"), "out.mkv"))
    (file,) = (read := read_jobs(tmp_path / "jobs.toml")).files
    work = work_for(file, read.state)
    with Manifest.writing(read.state) as manifest:
        manifest.add(work)
        manifest.planned(work.key, Plan(6, (0,), 96, 64, "YUV420P8", 24.0, "ffv1"), 0)
    (failed,) = (event for event in batch(tmp_path, code=1) if event["event"] == "failed")
    assert "has 8 frames now, 6 when it was planned: its chunks do not fit" in failed["message"]
    assert not (tmp_path / "out.mkv").exists()


def test_another_model_under_the_same_name_is_refused(tmp_path: Path) -> None:
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    (tmp_path / "other").mkdir()
    write_tiny_model(tmp_path / "other", gain=0.4)
    jobs(tmp_path, write_tiny_model(tmp_path), body(Path("a.mkv"), "out.mkv"))
    changes = (
        "import shutil; from vsj4r.batch.manifest import Manifest; from vsj4r.cli.app import main\n"
        "def planned(self, *rest, planned=Manifest.planned):\n"
        "    planned(self, *rest)\n"
        "    shutil.copytree('other', '.', dirs_exist_ok=True)\n"
        "Manifest.planned = planned; main()"
    )
    command = [sys.executable, "-c", changes, "batch", "jobs.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "tiny.onnx has changed since the batch began: start it again" in done.stderr
    assert not (tmp_path / "out.mkv").exists()


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
    write_rgb(np.zeros((48, 64, 3), np.uint8), tmp_path / "a.png")
    jobs(tmp_path, model, body(tmp_path / "a.png", "out.mp4", "fps = 50"))
    batch(tmp_path)
    with av.open(str(tmp_path / "out.mp4")) as container:
        video = container.streams.video[0]
        assert (video.duration or 0) * video.time_base == Fraction(1, 50)


def test_a_folder_has_its_whole_name_for_a_stem(model: Path, tmp_path: Path) -> None:
    for version in ("v001", "v002"):
        shot = tmp_path / f"shot_010.{version}"
        shot.mkdir()
        write_rgb(np.zeros((48, 64, 3), np.uint8), shot / "a.png")
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


def test_a_name_that_stdout_cannot_spell(model: Path, tmp_path: Path) -> None:
    source = media.plain(tmp_path / "雨.mkv", seconds=0.2)
    jobs(tmp_path, model, body(source, "{stem}.clean.mkv"))
    spelled = os.environ | {"PYTHONIOENCODING": "latin1"}
    done = subprocess.run(
        command("status", "jobs.toml"), cwd=tmp_path, env=spelled, capture_output=True, check=False
    )
    assert b"\\u96e8" in done.stdout
    assert not done.stderr
