"""What of a source goes along with the picture of ``vsj4r run``, and what is said of the rest."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from tests import media
from tests.cli import run
from tests.tried import tried
from vsj4r.media.images import write_png
from vsj4r.media.muxing import find_extras
from vsj4r.media.probe import probe


@tried("Streams and tags", "sound, subtitles, chapters, attachments, tags", "copied to the byte in Matroska")
def test_everything_but_the_picture_is_kept(rich: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "clean.mkv"
    run(rich, output, "--model", model)
    media.assert_all_kept(rich, output)
    assert len(media.seconds_of_frames(output)) == 41
    with av.open(str(output)) as after:
        assert after.streams.video[0].codec_context.color_trc == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["clean.mkv"]


@tried(
    "MP4 and MOV",
    "Matroska with sound, subtitles, chapters, attachments and tags, into MP4",
    "what MP4 holds; a line for each thing that it does not",
)
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


@pytest.mark.slow
@tried("Streams and tags", "cover pictures", "stay covers")
def test_covers_stay_covers(rich: Path, model: Path, tmp_path: Path) -> None:
    picture, source = tmp_path / "picture.png", tmp_path / "cover.mp4"
    write_png(np.full((16, 16, 3), 99, np.uint8), picture)
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


@pytest.mark.parametrize("name", ["..", "x" * 300 + ".png"])
@tried("Streams and tags", "covers whose names are no names of files", "stay covers")
def test_a_cover_of_any_name(rich: Path, model: Path, tmp_path: Path, name: str) -> None:
    picture, source, output = tmp_path / "picture.png", tmp_path / "in.mkv", tmp_path / "out.mkv"
    media.ffmpeg("-f", "lavfi", "-i", "testsrc=s=32x32", "-frames:v", "1", str(picture))
    attached = ("-attach", str(picture), "-metadata:s:t", "mimetype=image/png", "-metadata:s:t")
    media.ffmpeg("-i", str(rich), "-map", "0:v:0", "-c", "copy", *attached, f"filename={name}", str(source))
    run(source, output, "--model", model)
    with av.open(str(output)) as container:
        assert container.streams.video[1].metadata["filename"] == name


@tried("Streams and tags", "two covers of one name", "two")
def test_two_covers_of_one_name_are_two(rich: Path, model: Path, tmp_path: Path) -> None:
    source, pictures = tmp_path / "covers.mp4", [tmp_path / "front.png", tmp_path / "back.png"]
    for level, picture in zip((20, 200), pictures, strict=True):
        write_png(np.full((16, 16, 3), level, np.uint8), picture)
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


@pytest.mark.slow
def test_an_alpha_channel_is_left_out_aloud(model: Path, tmp_path: Path) -> None:
    said = "the alpha channel is left out: the output is opaque"
    video, coded_beside = tmp_path / "alpha.mov", tmp_path / "beside.webm"
    images, palettes = tmp_path / "images", tmp_path / "palettes"
    images.mkdir()
    palettes.mkdir()
    media.ffmpeg(
        *media.picture(seconds=0.1), "-c:v", "prores_ks", "-pix_fmt", "yuva444p10le", f"file:{video}"
    )
    media.ffmpeg(*media.picture(seconds=0.1), "-pix_fmt", "rgba", f"{images}/%d.png")
    media.ffmpeg(
        *media.picture(seconds=0.1), "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", f"file:{coded_beside}"
    )
    half = Image.new("RGBA", (64, 48), (200, 100, 50, 128))
    half.quantize(4).save(palettes / "0.png")
    for source in (video, coded_beside, images, palettes):
        assert said in run(source, tmp_path / f"{source.stem} clean.mkv", "--model", model).stderr
    opaque = media.plain(tmp_path / "opaque.mkv", seconds=0.1)
    half.convert("RGB").quantize(4).save(palettes / "0.png")
    for source in (opaque, palettes):
        assert said not in run(source, tmp_path / f"{source.stem} opaque.mkv", "--model", model).stderr


@tried(
    "Times",
    "a picture that begins after the sound",
    "as late as it was",
    after="[HandBrake#465](https://github.com/HandBrake/HandBrake/issues/465)",
)
def test_a_late_picture_stays_late(rich: Path, model: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.mkv"
    inputs = ["-itsoffset", "0.5", "-i", f"file:{rich}", "-i", f"file:{rich}"]
    media.ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", "-c", "copy", f"file:{late}")
    output = tmp_path / "clean.mkv"
    run(late, output, "--model", model)
    assert media.seconds_of_frames(output) == media.seconds_of_frames(late)
    assert media.audio_packets(output) == media.audio_packets(late)


@tried("Transport streams", "streams that start anywhere", "from 0, in step")
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


def test_a_photograph_as_cover_and_a_title(tmp_path: Path) -> None:
    picture, source = tmp_path / "picture.jpg", tmp_path / "cover.mp4"
    Image.new("RGB", (16, 16), (99, 20, 20)).save(picture)
    media.ffmpeg(
        *media.picture(seconds=0.2), "-i", f"file:{picture}", "-map", "0:v", "-map", "1", "-c:v:0", "libx264",
        "-c:v:1", "copy", "-disposition:v:1", "attached_pic", f"file:{source}",
    )  # fmt: skip
    (cover,) = find_extras(probe(source), ".mkv").covers
    assert (cover.filename, cover.mimetype) == ("cover.jpg", "image/jpeg")
    assert cover.content == picture.read_bytes()
    titled = media.plain(tmp_path / "titled.mkv", "-metadata:s:v:0", "title=main angle", seconds=0.2)
    assert find_extras(probe(titled), ".mkv").video_tags["title"] == "main angle"


@pytest.mark.parametrize(
    ("coded", "suffix", "codec"),
    [
        ("srt", ".mkv", "copy"),
        ("srt", ".mov", "mov_text"),
        ("srt", ".webm", "webvtt"),
        ("webvtt", ".webm", "copy"),
        ("ass", ".nut", "copy"),
        ("srt", ".nut", ""),
        ("srt", ".avi", ""),
        ("srt", ".ts", ""),
    ],
)
def test_subtitles_become_what_a_container_has(tmp_path: Path, coded: str, suffix: str, codec: str) -> None:
    source, words = tmp_path / "a.mkv", tmp_path / "a.srt"
    words.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    streams = [*media.picture(seconds=0.2), "-i", f"file:{words}", "-map", "0", "-map", "1"]
    media.ffmpeg(*streams, *media.QUICK, "-c:s", coded, f"file:{source}")
    extras = find_extras(probe(source), suffix)
    assert [(along.index, along.codec) for along in extras.streams] == ([(1, codec)] if codec else [])
    assert any("cannot hold subtitle stream 1 " in note for note in extras.notes) == (not codec)


@tried("Transport streams", "MPEG program streams", "from 0, in step")
def test_a_program_stream_starts_anywhere(tmp_path: Path) -> None:
    source, tone = tmp_path / "a.mpg", ["-f", "lavfi", "-i", "sine=d=0.5"]
    coded = ["-c:v", "mpeg2video", "-c:a", "mp2", "-f", "vob"]
    media.ffmpeg(*media.picture(seconds=0.5, rate=25), *tone, *coded, f"file:{source}")
    assert find_extras(probe(source), ".mkv").start_seconds > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["flac", "aac"])
@tried("Streams and tags", "FLAC and AAC beside H.264 into AVI", "no hole, for there are no B-frames")
def test_sound_in_avi_has_no_hole_after_its_first_packet(model: Path, tmp_path: Path, codec: str) -> None:
    """AVI has the times of decoding alone; with B-frames those begin before the first picture."""
    sound = ("-f", "lavfi", "-i", "sine=r=48000:d=1", "-map", "0", "-map", "1", "-c:a", codec)
    source = media.plain(tmp_path / "in.mkv", *sound, "-c:v", "libx264")
    run(source, tmp_path / "out.avi", "--model", model)
    before, after = (
        [seconds for seconds, _ in media.audio_packets(tmp_path / name)] for name in ("in.mkv", "out.avi")
    )
    steps = [[b - a for a, b in pairwise(times)] for times in (before, after)]
    assert steps[1][:20] == pytest.approx(steps[0][:20], abs=0.003)
