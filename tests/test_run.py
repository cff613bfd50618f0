"""``vsj4r run`` as its users run it: a process of its own on real files, with a tiny model."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest
import vapoursynth as vs

from tests import media
from tests.cli import assert_refused, command, run, vsj4r
from vsj4r.engine.weights import models
from vsj4r.media.encoders import ENCODERS, KNOWN_ENCODERS, ffmpeg_executable
from vsj4r.media.images import write_png
from vsj4r.media.reading import read_image
from vsj4r.media.video import first_frame_under_way


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.plain(tmp_path_factory.mktemp("plain") / "plain.mkv")


def test_nothing_but_the_network_touches_the_samples(model: Path, tmp_path: Path) -> None:
    source = media.plain(tmp_path / "source.mkv")
    output = tmp_path / "same.mkv"
    run(source, output, "--model", model, "--strength", 0, "--encoder", "ffv1")
    media.assert_same_frames(source, output)
    changed = tmp_path / "changed.mkv"
    run(source, changed, "--model", model, "--encoder", "ffv1")
    assert not np.array_equal(media.planes(source)[5][0], media.planes(changed)[5][0])


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv420p12le", "yuv420p16le"])
def test_depth_is_kept(model: Path, tmp_path: Path, pixels: str) -> None:
    source = media.plain(tmp_path / "deep.mkv", "-pix_fmt", pixels)
    output = tmp_path / "clean.mkv"
    run(source, output, "--model", model, "--strength", 0, "--encoder", "ffv1")
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == pixels
    media.assert_same_frames(source, output)


@pytest.mark.parametrize(
    ("encoder", "pixels", "written", "said"),
    [
        ("x264", "yuv422p10le", "yuv422p10le", ""),
        ("x265", "yuv422p12le", "yuv422p12le", ""),
        ("ffv1", "yuv444p16le", "yuv444p16le", ""),
        ("prores", "yuv444p10le", "yuv444p12le", ""),  # what ProRes 4444 is read as
        ("prores", "yuv420p", "yuv422p10le", "YUV420P10 is converted to YUV422P10"),
        ("vp9", "yuv422p10le", "yuv422p10le", ""),
        ("svtav1", "yuv422p10le", "yuv420p10le", "YUV422P10 is converted to YUV420P10"),
        ("x264", "yuv440p", "yuv444p", "YUV440P8 is converted to YUV444P8"),
        ("x264", "gbrp", "yuv444p", "RGB24 is converted to YUV444P8"),
    ],
)
def test_chroma_is_kept_where_the_encoder_has_it(
    model: Path, tmp_path: Path, encoder: str, pixels: str, written: str, said: str
) -> None:
    source = media.plain(tmp_path / "source.mkv", "-pix_fmt", pixels, seconds=0.2, size="98x66")
    output = tmp_path / "clean.mkv"
    done = run(source, output, "--model", model, "--encoder", encoder, "--strength", 0)
    assert said in done.stderr.splitlines()[0]
    assert ("converted" in done.stderr) == bool(said)
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == written
    if encoder == "ffv1" and not said:
        media.assert_same_frames(source, output)


def test_odd_sizes_are_even_where_chroma_has_half_of_them(model: Path, tmp_path: Path) -> None:
    source = media.plain(tmp_path / "444.mkv", "-vf", "scale=97:65", "-pix_fmt", "yuv444p10le", seconds=0.2)
    assert "converted" not in run(source, tmp_path / "kept.mkv", "--model", model).stderr
    done = run(source, tmp_path / "420.mkv", "--model", model, "--encoder", "svtav1")
    assert done.stderr.splitlines()[0] == "vsj4r: YUV444P10 97x65 is converted to YUV420P10 98x66"
    sizes = [media.planes(tmp_path / name)[0][0].shape for name in ("kept.mkv", "420.mkv")]
    assert sizes == [(65, 97), (66, 98)]


def test_players_can_be_served(model: Path, tmp_path: Path) -> None:
    source = media.plain(tmp_path / "422.mkv", "-pix_fmt", "yuv422p10le", seconds=0.2)
    run(source, tmp_path / "out.mp4", "--model", model, "--ffmpeg", "-pix_fmt yuv420p")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_writes_every_frame(plain: Path, model: Path, tmp_path: Path, encoder: str) -> None:
    output = tmp_path / "clean.mkv"
    source = media.plain(tmp_path / "large.mkv", size="256x128") if encoder == "dnxhr" else plain
    run(source, output, "--model", model, "--encoder", encoder)
    assert media.seconds_of_frames(output) == media.seconds_of_frames(source)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("input_name", "output_name"),
    [
        ("-leading dash.mkv", "-out.mkv"),
        ("50% of 'it' \"quoted\": %03d.mkv", "a;b $HOME `x` %d.mkv"),
        ("pluie é 雨 [0] #1?.mkv", "sans 雨\\.mkv"),
        ("file:pipe:0.mkv", "concat:x|y.mkv"),
    ],
)
def test_names_of_any_kind(
    rich: Path, model: Path, tmp_path: Path, input_name: str, output_name: str
) -> None:
    (tmp_path / input_name).write_bytes(rich.read_bytes())
    run(input_name, output_name, "--model", model, cwd=tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([input_name, output_name])
    assert media.audio_packets(tmp_path / output_name) == media.audio_packets(rich)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_images_keep_their_names_and_their_depth(model: Path, tmp_path: Path, depth: type) -> None:
    folder, output = tmp_path / "in 100%", tmp_path / "out"
    folder.mkdir()
    names = ["b.png", "a 1.png", "c%03d.png"]
    rng = np.random.default_rng(0)
    top = np.iinfo(depth).max
    for name in names:
        smooth = np.broadcast_to(rng.integers(0, top, 3), (31, 45, 3))
        write_png(smooth.astype(depth), folder / name)
    (folder / "notes.txt").write_text("no image")
    run(folder, output, "--model", model, "--strength", 0)
    assert sorted(entry.name for entry in output.iterdir()) == sorted(names)
    for name in names:
        before, after = read_image(folder / name), read_image(output / name)
        assert (before.shape, before.dtype) == (after.shape, after.dtype)
        assert np.abs(before.astype(int) - after).max() <= 2  # RGB to YUV and back


def test_images_to_video_and_video_to_images(plain: Path, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    run(plain, folder, "--model", model)
    names = sorted(entry.name for entry in folder.iterdir())
    assert names == [f"{n:06d}.png" for n in range(24)]
    output = tmp_path / "clean.mp4"
    run(folder, output, "--model", model, "--crf", 30, "--ffmpeg", "-tune animation")
    assert [float(t) for t in media.seconds_of_frames(output)] == pytest.approx([n / 25 for n in range(24)])
    with av.open(str(output)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (1, 1)


def test_image_of_another_size_is_named(plain: Path, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for n, width in enumerate((32, 32, 48)):
        write_png(np.zeros((32, width, 3), np.uint8), folder / f"{n}.png")
    done = vsj4r("run", folder, tmp_path / "out.mkv", "--model", model)
    assert done.returncode == 1
    image = folder / "2.png"
    assert f"vsj4r: image {image} must be 32x32 like the first, got 48x32" in done.stderr.splitlines()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["frames"]


def test_json_lines(plain: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "clean.mkv"
    done = run(plain, output, "--model", model, "--json")
    assert done.stderr == ""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events if event["event"] != "progress"] == ["plan", "done"]
    start = events[0]
    assert (start["frames"], start["width"], start["height"]) == (24, 96, 64)
    assert start["fps"] == 24
    last = [event for event in events if event["event"] == "progress"][-1]
    assert (last["frame"], last["frames"], last["eta_seconds"]) == (24, 24, 0)
    assert events[-1]["output"] == str(output)
    refused = vsj4r("run", plain, output, "--model", model, "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["event"] == "failed"
    assert "exists already" in json.loads(refused.stdout)["message"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_flat(model: Path, tmp_path: Path) -> None:
    source = media.plain(tmp_path / "long.mkv", *media.QUICK, seconds=18, size="1280x720")
    options = ("--model", model, "--json", "--ffmpeg", "-preset ultrafast")
    process = subprocess.Popen(
        command("run", source, tmp_path / "out.mkv", *options), stdout=subprocess.PIPE, text=True
    )
    resident_kib: dict[int, int] = {}
    for line in process.stdout or ():
        event = json.loads(line)
        if event["event"] == "progress":
            status = Path(f"/proc/{process.pid}/status").read_text()
            resident_kib[event["frame"]] = int(status.partition("VmRSS:")[2].split()[0])
    assert process.wait() == 0
    early = max(kib for frame, kib in resident_kib.items() if frame < 250)
    late = max(kib for frame, kib in resident_kib.items() if frame > 300)
    assert late < 1.03 * early


@pytest.mark.slow
@pytest.mark.parametrize("name", models())
def test_shipped_models_derain(plain: Path, tmp_path: Path, name: str) -> None:
    output = tmp_path / "clean.mkv"
    run(plain, output, "--model", name)
    assert len(media.seconds_of_frames(output)) == 24


def test_a_log_has_the_exact_commands(model: Path, tmp_path: Path) -> None:
    source, log = media.rich(tmp_path, seconds=0.5), tmp_path / "logs.txt"
    run(source, tmp_path / "out.mp4", "--model", model, "--log", log)
    lines = log.read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in lines)
    told = [line[20:] for line in lines]
    assert f"--log {log} -- {source} {tmp_path}/out.mp4" in told[0]
    assert any("cannot hold" in line or "becomes" in line for line in told)  # what a person was told
    assert any(line.endswith(" a second") and " frames, 96x64 " in line for line in told)
    (command,) = [line for line in told if "-c:v:0 libx264" in line]
    assert shlex.split(command)[0] == ffmpeg_executable()
    assert told[-1].startswith("done in ")
    vsj4r("run", source, tmp_path / "out.mp4", "--model", model, "--log", log)
    assert log.read_text().splitlines()[: len(lines)] == lines
    assert "failed: output" in log.read_text().splitlines()[-1]
    done = vsj4r("run", source, tmp_path / "2.mp4", "--model", model, "--log", tmp_path)
    assert_refused(done, 1, f"{tmp_path} cannot be written", tmp_path)


def test_the_first_frame_is_made_while_the_encoder_is_tried() -> None:
    """A frame that fails, fails when it is asked for."""
    made = threading.Event()

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        made.set()
        raise ValueError("no rain today")

    blank = vs.core.std.BlankClip(width=16, height=16, format=vs.GRAY8, length=2)
    clip = blank.std.ModifyFrame(blank, fill)
    with first_frame_under_way(clip):
        assert made.wait(60)
    with pytest.raises(vs.Error, match="no rain today"):
        clip.get_frame(0)


@pytest.mark.parametrize(("name", "option"), [("x264", "crf"), ("h264_nvenc", "cq"), ("av1_amf", "qp_p")])
def test_an_encoders_own_options_override_its_quality(name: str, option: str) -> None:
    encoder = KNOWN_ENCODERS[name]
    assert encoder.crf is not None
    assert encoder.arguments(None, (), width=640)[option] == str(encoder.crf * encoder.quality_scale)
    assert encoder.arguments(20, [(option, "45")], width=640)[option] == "45"
