"""`vsj4r run` on files that say little, or say it oddly: without times, before zero, of full range."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import vapoursynth as vs
from PIL import Image

from tests import media
from tests.cli import assert_refused, batch, run, vsj4r
from tests.tried import tried
from vsj4r.media.probe import main_video

CUT = "format=yuv444p,crop=95:63,format=yuv420p"
SOUND = ("-f", "lavfi", "-i", "sine=d=1")


@pytest.fixture(scope="module")
def sounding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second at 25 frames a second, with B-frames and AAC."""
    path = tmp_path_factory.mktemp("sounding") / "sounding.mp4"
    media.ffmpeg(*media.picture(seconds=1, rate=25), *SOUND, "-c:v", "libx264", "-c:a", "aac", f"file:{path}")
    return path


def batched(source: Path, output: Path, model: Path, encoder: str) -> None:
    job = f"input = {json.dumps(str(source))}\noutput = {json.dumps(output.name)}\nencoder = '{encoder}'\n"
    more = f"model = {json.dumps(str(model))}\nstrength = 0\noverwrite = true\n"
    (output.parent / "jobs.toml").write_text(f"[[job]]\n{job}{more}")
    batch(output.parent)


@pytest.mark.slow
@tried("Picture and colour", "full range", "stays full where the encoder has it")
def test_full_range_stays_what_it_is(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "full.mp4"
    full = "scale=out_range=pc,setparams=range=pc:colorspace=bt709"
    media.ffmpeg(
        *media.picture(seconds=0.2), "-vf", full, "-pix_fmt", "yuv420p", *media.QUICK, f"file:{source}"
    )
    by_run, by_batch, prores = (tmp_path / name for name in ("run.mkv", "batch.mkv", "prores.mkv"))
    run(source, by_run, "--model", model, "--encoder", "ffv1", "--strength", 0)
    batched(source, by_batch, model, "ffv1")
    for output in (by_run, by_batch):
        assert range_of(output) == vs.RANGE_FULL
        media.assert_same_frames(source, output)
    batched(source, prores, model, "prores")  # has no full range
    assert range_of(prores) == vs.RANGE_LIMITED
    assert media.planes(prores)[0][0].min() >= 40  # black of full range would be 12


def range_of(path: Path) -> int:
    return int(vs.core.bs.VideoSource(str(path), cachemode=0).get_frame(0).props["_Range"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "encoder", "first"),
    [("raw.h264", "libx264", 0), ("raw.m2v", "mpeg2video", None), ("old.avi", "mpeg4", None)],
)
@tried("Times", "frames without a time", "shown at the rate")
def test_frames_without_a_time_are_shown_at_the_rate(
    model: Path, tmp_path: Path, name: str, encoder: str, first: int | None
) -> None:
    source, output = tmp_path / name, tmp_path / "out.mkv"
    media.ffmpeg(*media.picture(rate=25, seconds=1), "-c:v", encoder, "-bf", "2", f"file:{source}")
    run(source, output, "--model", model)
    stamps = media.seconds_of_frames(output)
    assert [stamp - stamps[0] for stamp in stamps] == [Fraction(n, 25) for n in range(25)]
    assert first is None or stamps[0] == first


@tried("Times", "frames before time 0", "in step with the sound")
def test_times_before_zero_stay_in_step_with_the_sound(model: Path, tmp_path: Path) -> None:
    """A recording that begins in the last second before the clock of transport streams wraps."""
    source = tmp_path / "wrap.ts"
    inputs = [*media.picture(rate=25, seconds=2), "-f", "lavfi", "-i", "sine=d=2"]
    codecs = [*media.QUICK, "-c:a", "mp2", "-output_ts_offset", "95441.5"]
    media.ffmpeg(*inputs, *codecs, f"file:{source}")
    assert media.seconds_of_frames(source)[0] < 0

    def lag(path: Path) -> float:
        return float(media.seconds_of_frames(path)[0]) - media.audio_packets(path)[0][0]

    by_run, by_batch = tmp_path / "run.mkv", tmp_path / "batch.mkv"
    run(source, by_run, "--model", model)
    batched(source, by_batch, model, "x264")
    for output in (by_run, by_batch):
        assert abs(lag(output) - lag(source)) < 0.0015  # Matroska's milliseconds


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
@tried("Streams and tags", "time codes and dispositions", "kept")
def test_a_time_code_and_what_a_stream_is_for_are_kept(model: Path, tmp_path: Path, suffix: str) -> None:
    source, output = tmp_path / "source.mov", tmp_path / f"out{suffix}"
    two = [*media.picture(seconds=0.2), *SOUND, *SOUND, "-map", "0", "-map", "1", "-map", "2"]
    media.ffmpeg(
        *two,
        "-timecode",
        "01:02:03:04",
        "-disposition:a:1",
        "default",
        "-disposition:a:0",
        "0",
        f"file:{source}",
    )
    run(source, output, "--model", model)
    with av.open(str(source)) as before, av.open(str(output)) as after:
        video = main_video(after)
        assert video is not None
        assert {key.lower(): value for key, value in video.metadata.items()}["timecode"] == "01:02:03:04"
        for kind in ("video", "audio"):
            old, new = (
                [stream.disposition for stream in container.streams if stream.type == kind]
                for container in (before, after)
            )
            assert old == new


@tried("Picture and colour", "closed captions, from any frame on", "left out, with a line")
def test_closed_captions_are_left_out_aloud(model: Path, tmp_path: Path) -> None:
    plain, source = tmp_path / "plain.h264", tmp_path / "captions.h264"
    media.ffmpeg(*media.picture(seconds=0.2), *media.QUICK, "-threads", "1", f"file:{plain}")
    words = (
        bytes([0xB5, 0x00, 0x31]) + b"GA94" + bytes([3, 0xC2, 0xFF, 0xFC, 0x94, 0x20, 0xFD, 0x80, 0x80, 0xFF])
    )
    message = b"\x00\x00\x01\x06" + bytes([4, len(words)]) + words + b"\x80"
    units = plain.read_bytes().split(b"\x00\x00\x01")
    pictures, units_of_pictures = 0, (1, 5)
    captioned = units[:1]
    for unit in units[1:]:
        begins = unit[0] & 31 in units_of_pictures and unit[1] & 0x80
        pictures += bool(begins)
        captioned.append((message if begins and pictures > 2 else b"") + b"\x00\x00\x01" + unit)
    source.write_bytes(b"".join(captioned))
    assert "closed captions are left out" in run(source, tmp_path / "out.mkv", "--model", model).stderr
    assert "left out" not in run(plain, tmp_path / "plain.mkv", "--model", model).stderr


@tried("Picture and colour", "odd sizes in 4:2:0 and 4:1:0", "cut by up to 3 pixels, with a line")
@pytest.mark.parametrize(("pixels", "cut"), [("yuv420p", "94x62"), ("yuv410p", "92x60")])
def test_an_odd_size_is_cut_aloud(model: Path, tmp_path: Path, pixels: str, cut: str) -> None:
    source = media.plain(tmp_path / "odd.mkv", "-vf", CUT, "-c:v", "ffv1", "-pix_fmt", pixels, seconds=0.1)
    said = run(source, tmp_path / "out.mkv", "--model", model).stderr
    assert f"95x63 does not divide into whole chroma samples: the picture is cut to {cut}" in said


def test_sound_that_would_not_be_found_again_is_left_out_aloud(model: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "flac.mkv", tmp_path / "out.ts"
    media.ffmpeg(*media.picture(seconds=0.5), *SOUND, *media.QUICK, "-c:a", "flac", f"file:{source}")
    said = run(source, output, "--model", model).stderr
    assert ".ts cannot hold audio stream 1 (flac): left out" in said
    with av.open(str(output)) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_a_subtitle_that_nothing_decodes_is_left_out_aloud(
    sounding: Path, model: Path, tmp_path: Path
) -> None:
    words, source = tmp_path / "words.srt", tmp_path / "ttml.mp4"
    words.write_text("1\n00:00:00,100 --> 00:00:00,900\nhello\n")
    along = ["-i", f"file:{words}", "-map", "0:v", "-map", "1", "-c:v", "copy", "-c:s", "ttml"]
    media.ffmpeg("-i", f"file:{sounding}", *along, f"file:{source}")
    said = run(source, tmp_path / "out.mkv", "--model", model).stderr
    assert "subtitle stream 1 (unknown) is left out: ffmpeg does not know its codec" in said


@tried("AVI, raw streams and others", "into AVI", "its rate is the input's")
def test_avi_has_the_rate_of_the_source(sounding: Path, model: Path, tmp_path: Path) -> None:
    by_run, by_batch = tmp_path / "run.avi", tmp_path / "batch.avi"
    run(sounding, by_run, "--model", model)
    batched(sounding, by_batch, model, "x264")
    for output in (by_run, by_batch):
        with av.open(str(output)) as container:
            video = container.streams.video[0]
            assert video.average_rate == 25
            assert sum(1 for packet in container.demux(video) if packet.size) == 25
        assert len(media.audio_packets(output)) == len(media.audio_packets(sounding))


@tried("MP4 and MOV", "HEVC into MP4", "tagged hvc1")
def test_hevc_in_mp4_is_what_apple_plays(sounding: Path, model: Path, tmp_path: Path) -> None:
    by_run, by_batch = tmp_path / "run.mp4", tmp_path / "batch.mov"
    run(sounding, by_run, "--model", model, "--encoder", "x265")
    batched(sounding, by_batch, model, "x265")
    for output in (by_run, by_batch):
        with av.open(str(output)) as container:
            assert container.streams.video[0].codec_context.codec_tag == "hvc1"
            assert sum(1 for _ in container.decode(video=0)) == 25


@pytest.mark.parametrize(
    ("encoder", "suffix", "reason"),
    [
        ("svtav1", ".mov", "av1 only supported in MP4"),
        ("svtav1", ".ts", "0 of 1 frames"),
        ("x265", ".avi", "it cannot be decoded; try another encoder, or .mkv"),
    ],
)
def test_what_does_not_fit_together_is_known_before_the_first_frame(
    sounding: Path, model: Path, tmp_path: Path, encoder: str, suffix: str, reason: str
) -> None:
    output = tmp_path / f"out{suffix}"
    done = vsj4r("run", sounding, output, "--model", model, "--encoder", encoder, "--json")
    assert_refused(done, 1, reason, tmp_path)
    assert '"plan"' not in done.stdout
    assert not output.exists()


def test_a_filter_of_ones_own_keeps_the_tags(model: Path, tmp_path: Path) -> None:
    source, output = media.rich(tmp_path, seconds=1), tmp_path / "out.mkv"
    run(source, output, "--model", model, "--ffmpeg", "-vf scale=48:32")
    with av.open(str(output)) as container:
        video = container.streams.video[0]
        assert (video.codec_context.width, video.codec_context.height) == (48, 32)
        assert video.sample_aspect_ratio == Fraction(4, 3)
        assert video.codec_context.colorspace == 1


@tried("Images", "EXIF orientation", "derained as it is shown")
def test_images_are_read_as_they_are_shown(model: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "shots", tmp_path / "clean"
    folder.mkdir()
    lying = np.zeros((32, 64, 3), np.uint8)
    lying[:, :32] = 255  # what is left is shown on top
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(lying).save(folder / "0.jpg", exif=exif)
    (folder / "._0.jpg").write_bytes(b"the Finder's own")
    (folder / "1.png").mkdir()
    run(folder, output, "--model", model, "--strength", 0)
    assert [entry.name for entry in output.iterdir()] == ["0.png"]
    shown = np.asarray(Image.open(output / "0.png"))
    assert shown.shape == (64, 32, 3)
    assert shown[:28].min() > 240
    assert shown[36:].max() < 15


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".avi", ".ts"])
@tried(
    "Matroska and WebM",
    "frames before their cluster, before time 0",
    "every frame is there, in every container",
)
def test_a_picture_that_begins_before_zero_is_whole_everywhere(
    model: Path, tmp_path: Path, suffix: str
) -> None:
    """Matroska has no time before 0, but blocks that are earlier than their cluster: ten frames have none."""
    source, output = tmp_path / "source.mkv", tmp_path / f"out{suffix}"
    picture = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1.2", "-f", "lavfi", "-i", "sine=d=1.2"]
    early = ["-output_ts_offset", "-0.4", "-avoid_negative_ts", "disabled"]
    media.ffmpeg(*picture, "-c:v", "libx264", "-bf", "0", "-c:a", "aac", *early, f"file:{source}")
    run(source, output, "--model", model)
    with av.open(str(output)) as container:
        shown = sorted(float(frame.time) for frame in container.decode(video=0))
    with av.open(str(output)) as container:
        heard = next(float(frame.time) for frame in container.decode(audio=0) if frame.time is not None)
    assert len(shown) == 30
    held = 0.04 if suffix == ".avi" else 0  # of H.264 there, libavformat expects a frame to be held back
    assert abs(heard + held - shown[0]) < 0.06


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le"])
@tried(
    "Faults of libraries, worked round",
    "x265 of imageio-ffmpeg 0.8.1 ends on frames of 48 columns",
    "no assembly (`asm=0`) below 64 columns",
)
def test_narrow_frames_do_not_end_x265(model: Path, tmp_path: Path, pixels: str) -> None:
    source, output = tmp_path / "a.mkv", tmp_path / "b.mkv"
    media.ffmpeg(
        *media.picture(seconds=0.3, size="48x32"), "-c:v", "ffv1", "-pix_fmt", pixels, f"file:{source}"
    )
    run(source, output, "--model", model, "--encoder", "x265")
    assert len(media.seconds_of_frames(output)) == len(media.seconds_of_frames(source))
