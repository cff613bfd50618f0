"""``vsj4r run`` as its users run it: a process of its own on real files, with a tiny model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from tests import media
from tests.cli import command, run, vsj4r
from tests.tiny_model import write_tiny_model
from vsj4r.encode.encoders import ENCODERS
from vsj4r.encode.images import read_image, write_rgb
from vsj4r.engine.weights import models


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.rich(tmp_path_factory.mktemp("rich"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.plain(tmp_path_factory.mktemp("plain") / "plain.mkv")


def test_everything_but_the_picture_is_kept(rich: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "clean.mkv"
    run(rich, output, "--model", model)
    assert media.seconds_of_frames(output) == media.seconds_of_frames(rich)
    assert len(media.seconds_of_frames(output)) == 41
    assert media.audio_packets(output) == media.audio_packets(rich)
    with av.open(str(rich)) as before, av.open(str(output)) as after:
        assert [s.type for s in after.streams] == ["video", "audio", "subtitle", "attachment"]
        assert after.metadata["title"] == "A title"
        assert after.chapters() == before.chapters()
        assert [s.metadata.get("language") for s in after.streams][:2] == ["deu", "fra"]
        attachment = after.streams.attachments[0]
        assert attachment.data == media.ATTACHMENT
        assert attachment.name == "font.ttf"
        old, new = before.streams.video[0].codec_context, after.streams.video[0].codec_context
        tags = ("color_primaries", "color_trc", "colorspace", "color_range", "pix_fmt", "sample_aspect_ratio")
        assert {tag: getattr(new, tag) for tag in tags} == {tag: getattr(old, tag) for tag in tags}
        assert new.color_trc == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["clean.mkv"]


def test_mp4_keeps_what_it_can_and_says_what_it_cannot(rich: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "clean.mp4"
    done = run(rich, output, "--model", model)
    assert done.stderr.splitlines()[0] == "vsj4r: .mp4 cannot hold attachment stream 3 (font.ttf): left out"
    assert media.seconds_of_frames(output) == media.seconds_of_frames(rich)
    assert [packet for _, packet in media.audio_packets(output)] == [p for _, p in media.audio_packets(rich)]
    back = tmp_path / "back.mkv"
    assert "left out" not in run(output, back, "--model", model).stderr
    with av.open(str(back)) as container:
        assert [s.type for s in container.streams] == ["video", "audio", "subtitle"]
        assert len(container.chapters()) == 2


def test_covers_stay_covers(rich: Path, model: Path, tmp_path: Path) -> None:
    picture, source = tmp_path / "picture.png", tmp_path / "cover.mp4"
    write_rgb(np.full((16, 16, 3), 99, np.uint8), picture)
    inputs = ["-i", f"file:{rich}", "-i", f"file:{picture}"]
    copied = ["-map", "0:v", "-map", "0:a", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic"]
    media.ffmpeg(*inputs, *copied, f"file:{source}")
    first, second = tmp_path / "clean.mkv", tmp_path / "clean again.mkv"
    run(source, tmp_path / "clean.mp4", "--model", model)
    run(source, first, "--model", model)
    run(first, second, "--model", model)
    for output in (tmp_path / "clean.mp4", first, second):
        with av.open(str(output)) as container:
            cover = container.streams.video[1]
            assert cover.disposition & Disposition.attached_pic
            packet = next(packet for packet in container.demux(cover) if packet.size)
            assert bytes(packet) == picture.read_bytes()


def test_two_covers_of_one_name_are_two(rich: Path, model: Path, tmp_path: Path) -> None:
    source, pictures = tmp_path / "covers.mp4", [tmp_path / "front.png", tmp_path / "back.png"]
    for level, picture in zip((20, 200), pictures, strict=True):
        write_rgb(np.full((16, 16, 3), level, np.uint8), picture)
    inputs = [argument for each in (rich, *pictures) for argument in ("-i", f"file:{each}")]
    attached = ["-disposition:v:1", "attached_pic", "-disposition:v:2", "attached_pic"]
    media.ffmpeg(*inputs, "-map", "0:v", "-map", "1", "-map", "2", "-c", "copy", *attached, f"file:{source}")
    run(source, tmp_path / "clean.mkv", "--model", model)
    with av.open(str(tmp_path / "clean.mkv")) as container:
        packets = [
            next(packet for packet in container.demux(cover) if packet.size)
            for cover in container.streams.video[1:]
        ]
        assert {bytes(packet) for packet in packets} == {picture.read_bytes() for picture in pictures}


def test_an_alpha_channel_is_left_out_aloud(model: Path, tmp_path: Path) -> None:
    said = "the alpha channel is left out: the output is opaque"
    video, images = tmp_path / "alpha.mov", tmp_path / "images"
    images.mkdir()
    media.ffmpeg(
        *media.picture(seconds=0.1), "-c:v", "prores_ks", "-pix_fmt", "yuva444p10le", f"file:{video}"
    )
    media.ffmpeg(*media.picture(seconds=0.1), "-pix_fmt", "rgba", f"{images}/%d.png")
    for source in (video, images):
        assert said in run(source, tmp_path / f"{source.stem} clean.mkv", "--model", model).stderr
    opaque = media.plain(tmp_path / "opaque.mkv", seconds=0.1)
    assert said not in run(opaque, tmp_path / "opaque clean.mkv", "--model", model).stderr


def test_a_late_picture_stays_late(rich: Path, model: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.mkv"
    inputs = ["-itsoffset", "0.5", "-i", f"file:{rich}", "-i", f"file:{rich}"]
    media.ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", "-c", "copy", f"file:{late}")
    output = tmp_path / "clean.mkv"
    run(late, output, "--model", model)
    assert media.seconds_of_frames(output) == media.seconds_of_frames(late)
    assert media.audio_packets(output) == media.audio_packets(late)


def test_a_transport_stream_starts_at_zero_in_step(rich: Path, model: Path, tmp_path: Path) -> None:
    stream = tmp_path / "stream.ts"
    media.ffmpeg(
        "-i", f"file:{rich}", "-map", "0:v", "-map", "0:a", "-c:v", "copy", "-c:a", "mp2", f"file:{stream}"
    )
    output = tmp_path / "clean.mkv"
    run(stream, output, "--model", model)

    def lag(path: Path) -> float:
        return float(media.seconds_of_frames(path)[0]) - media.audio_packets(path)[0][0]

    assert abs(lag(output) - lag(stream)) < 0.0015  # Matroska's milliseconds
    assert min(float(media.seconds_of_frames(output)[0]), media.audio_packets(output)[0][0]) == 0


def test_nothing_but_the_network_touches_the_samples(model: Path, tmp_path: Path) -> None:
    source = media.plain(tmp_path / "source.mkv")
    output = tmp_path / "same.mkv"
    run(source, output, "--model", model, "--strength", 0, "--encoder", "ffv1")
    for before, after in zip(media.planes(source), media.planes(output), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
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
    for before, after in zip(media.planes(source), media.planes(output), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("encoder", "pixels", "written", "said"),
    [
        ("x264", "yuv422p10le", "yuv422p10le", ""),
        ("x265", "yuv422p12le", "yuv422p12le", ""),
        ("ffv1", "yuv444p16le", "yuv444p16le", ""),
        ("prores", "yuv444p10le", "yuv444p12le", ""),  # what ProRes 4444 is read as
        ("prores", "yuv420p", "yuv422p10le", "YUV420P8 98x66 is converted to YUV422P8 98x66"),
        ("vp9", "yuv422p10le", "yuv422p10le", ""),
        ("svtav1", "yuv422p10le", "yuv420p10le", "YUV422P10 98x66 is converted to YUV420P10 98x66"),
        ("x264", "yuv440p", "yuv444p", "YUV440P8 98x66 is converted to YUV444P8 98x66"),
        ("x264", "gbrp", "yuv420p", "RGB24 98x66 is converted to YUV420P8 98x66"),
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
        for before, after in zip(media.planes(source), media.planes(output), strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


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


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_writes_every_frame(plain: Path, model: Path, tmp_path: Path, encoder: str) -> None:
    output = tmp_path / "clean.mkv"
    run(plain, output, "--model", model, "--encoder", encoder)
    assert media.seconds_of_frames(output) == media.seconds_of_frames(plain)


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
        write_rgb(smooth.astype(depth), folder / name)
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
        write_rgb(np.zeros((32, width, 3), np.uint8), folder / f"{n}.png")
    done = vsj4r("run", folder, tmp_path / "out.mkv", "--model", model)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("2.png must be 32x32 like the first, got 48x32")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["frames"]


def test_json_lines(plain: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "clean.mkv"
    done = run(plain, output, "--model", model, "--json")
    assert done.stderr == ""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events if event["event"] != "progress"] == ["start", "done"]
    start = events[0]
    assert (start["frames"], start["width"], start["height"]) == (24, 96, 64)
    assert start["fps"] == 24
    last = [event for event in events if event["event"] == "progress"][-1]
    assert (last["frame"], last["frames"], last["eta_seconds"]) == (24, 24, 0)
    assert events[-1]["output"] == str(output)
    refused = vsj4r("run", plain, output, "--model", model, "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["event"] == "error"
    assert "exists already" in json.loads(refused.stdout)["message"]


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


@pytest.mark.skipif(not models(), reason="no weights are shipped yet")
@pytest.mark.parametrize("name", models())
def test_shipped_models_derain(plain: Path, tmp_path: Path, name: str) -> None:
    output = tmp_path / "clean.mkv"
    run(plain, output, "--model", name)
    assert len(media.seconds_of_frames(output)) == 24
