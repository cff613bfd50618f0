"""Subtitles keep their times: over long gaps, without an end of their own, and where a part begins."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import pytest

from tests.cli import run
from tests.media import ffmpeg
from tests.tried import tried

pytestmark = [pytest.mark.usefixtures("index_cache"), pytest.mark.slow]


def lines(path: Path) -> list[tuple[float, float]]:
    """When the subtitles of ``path`` begin and for how long they last, but for MP4's empty ones."""
    with av.open(str(path)) as container:
        packets = list(container.demux(container.streams.subtitles[0]))
    return [
        (round(float(packet.pts * packet.time_base), 3), round(float(packet.duration * packet.time_base), 3))
        for packet in packets
        if packet.pts is not None and packet.duration is not None and packet.size > 2
    ]


def srt(path: Path, *times: str) -> Path:
    path.write_text("".join(f"{n}\n{time}\nline {n}\n\n" for n, time in enumerate(times, 1)))
    return path


def with_subtitles(path: Path, subtitles: Path, codec: str = "copy", *, seconds: float = 0.8) -> Path:
    frames = ("-f", "lavfi", "-i", f"testsrc2=s=96x64:r={20 / seconds}:d={seconds}")
    ffmpeg(*frames, "-i", str(subtitles), "-c:v", "ffv1", "-c:s", codec, f"file:{path}")
    return path


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
@tried("Streams and tags", "a line after a gap of an hour and a half, into MP4", "it is shown when it was")
def test_a_long_gap_stays(model: Path, tmp_path: Path, name: str) -> None:
    late = srt(tmp_path / "s.srt", "01:30:00,000 --> 01:30:02,000", "01:35:00,000 --> 01:35:02,000")
    source = with_subtitles(tmp_path / "film.mkv", late, seconds=6000)
    run(source, tmp_path / name, "--model", model)
    assert lines(tmp_path / name) == [(5400, 2), (5700, 2)]


@pytest.mark.parametrize("rate", [48_000, 192_000])
@pytest.mark.parametrize("name", ["out.mp4", "out.mov"])
@tried(
    "Streams and tags", "lines that overlap, into MP4", "each is shown when it was, the one before ends then"
)
def test_lines_that_overlap_begin_when_they_did(model: Path, tmp_path: Path, name: str, rate: int) -> None:
    times = "00:00:00,200 --> 00:00:00,900", "00:00:00,300 --> 00:00:00,400", "00:00:00,500 --> 00:00:00,600"
    frames = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1.2", "-f", "lavfi", "-i", f"sine=r={rate}:d=1.2")
    source = tmp_path / "film.mkv"
    codecs = ("-c:v", "ffv1", "-c:a", "pcm_s16le", "-c:s", "copy")
    ffmpeg(*frames, "-i", str(srt(tmp_path / "s.srt", *times)), *codecs, f"file:{source}")
    said = run(source, tmp_path / name, "--model", model).stderr
    assert "becomes mov_text, of one line at a time" in " ".join(said.split())
    assert [start for start, _ in lines(tmp_path / name)] == [0.2, 0.3, 0.5]


def test_pictures_without_an_end_stay_until_the_next(model: Path, tmp_path: Path) -> None:
    bitmaps = tmp_path / "s.sup"
    bitmaps.write_bytes(
        bitmap(0.1, 0) + bitmap(0.3, 1, shown=False) + bitmap(0.4, 2) + bitmap(0.6, 3, shown=False)
    )
    source = with_subtitles(tmp_path / "disc.mkv", bitmaps, "dvdsub")
    (begins, lasts), (later, _) = lines(source)[:2]
    assert lasts > 4e6  # ffmpeg's way to say that it does not know
    run(source, tmp_path / "out.mp4", "--model", model)
    written = lines(tmp_path / "out.mp4")
    assert [start for start, _ in written] == [begins, later]
    assert written[0][1] == pytest.approx(later - begins)


@pytest.mark.parametrize(("codec", "name"), [("copy", "out.mkv"), ("ass", "out.mkv"), ("copy", "out.mp4")])
@tried("Streams and tags", "a line that is on the screen where a part begins", "kept, from there on")
def test_a_part_begins_with_what_is_on_the_screen(model: Path, tmp_path: Path, codec: str, name: str) -> None:
    times = "00:00:00,040 --> 00:00:00,100", "00:00:00,100 --> 00:00:00,400", "00:00:00,440 --> 00:00:00,500"
    source = with_subtitles(tmp_path / "film.mkv", srt(tmp_path / "s.srt", *times), codec)
    said = run(source, tmp_path / name, "--model", model, "--trim", "6:16").stderr
    assert ("is encoded again: a line of it is on the screen where the part begins" in said) == (
        name == "out.mkv"
    )
    assert lines(tmp_path / name) == [(0, 0.16), (0.2, 0.06)]
    assert "encoded again" not in run(source, tmp_path / "b.mkv", "--model", model, "--trim", "10:").stderr


@tried(
    "Streams and tags", "several lines on the screen where a part begins, into MP4", "a line: it shows one"
)
def test_mp4_shows_one_line(model: Path, tmp_path: Path) -> None:
    times = "00:00:00,040 --> 00:00:00,500", "00:00:00,100 --> 00:00:00,400", "00:00:00,440 --> 00:00:00,500"
    source = with_subtitles(tmp_path / "film.mkv", srt(tmp_path / "s.srt", *times))
    said = run(source, tmp_path / "out.mp4", "--model", model, "--trim", "6:16").stderr
    assert "of 2 lines that are on the screen where the part begins .mp4 shows one" in said
    assert "on the screen" not in run(source, tmp_path / "b.mp4", "--model", model, "--trim", "0:9").stderr


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4"])
@tried("Streams and tags", "a line that lasts beyond the end of a part", "it ends with the part")
def test_a_part_ends_with_its_picture(model: Path, tmp_path: Path, name: str) -> None:
    times = "00:00:00,160 --> 00:00:00,240", "00:00:00,280 --> 00:10:00,000"
    source = with_subtitles(tmp_path / "film.mkv", srt(tmp_path / "s.srt", *times))
    run(source, tmp_path / name, "--model", model, "--trim", "2:12")
    assert lines(tmp_path / name) == [(0.08, 0.08), (0.2, 0.2)]


@tried("Streams and tags", "a line that has begun minutes before a part", "kept, from there on")
def test_a_sign_stays_for_as_long_as_it_did(model: Path, tmp_path: Path) -> None:
    times = "00:00:10,000 --> 00:02:20,000", "00:02:00,000 --> 00:02:05,000"
    source = with_subtitles(tmp_path / "film.mkv", srt(tmp_path / "s.srt", *times), seconds=150)
    run(source, tmp_path / "out.mkv", "--model", model, "--trim", "14:")
    assert lines(tmp_path / "out.mkv") == [(0, 35), (15, 5)]


@pytest.mark.parametrize("name", ["disc.mkv", "disc.m2ts"])
@tried("Streams and tags", "PGS that is on the screen where a part begins", "a line: it is left out")
def test_a_picture_that_is_on_the_screen_is_told(model: Path, tmp_path: Path, name: str) -> None:
    bitmaps, source = tmp_path / "s.sup", tmp_path / name
    bitmaps.write_bytes(bitmap(0.1, 0) + bitmap(0.4, 1, shown=False) + bitmap(0.6, 2))
    frames = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=0.8", "-i", str(bitmaps))
    ffmpeg(*frames, "-map", "0", "-map", "1", "-c:v", "libx264", "-c:s", "copy", f"file:{source}")
    is_told = {}
    for first in (6, 10, 16):
        out = tmp_path / f"{first}.mkv"
        said = run(source, out, "--model", model, "--trim", f"{first}:").stderr
        is_told[first] = "what is on the screen where the part begins of subtitle stream 1" in said
    assert is_told == {6: True, 10: False, 16: True}


@tried("Streams and tags", "PGS into NUT, which has no name for it", "a line: it is left out")
def test_pgs_does_not_go_into_nut(model: Path, tmp_path: Path) -> None:
    bitmaps = tmp_path / "s.sup"
    bitmaps.write_bytes(bitmap(0.1, 0))
    source = with_subtitles(tmp_path / "disc.mkv", bitmaps)
    said = run(source, tmp_path / "out.nut", "--model", model).stderr
    assert "hdmv_pgs_subtitle" in said
    with av.open(str(tmp_path / "out.nut")) as container:
        assert not container.streams.subtitles


def bitmap(seconds: float, number: int, *, shown: bool = True) -> bytes:
    """A picture of PGS, 20x8 pixels of one colour, or none from then on."""

    def segment(kind: int, content: bytes) -> bytes:
        return b"PG" + struct.pack(">IIBH", int(seconds * 90000), 0, kind, len(content)) + content

    screen = struct.pack(">HHBHBBBB", 96, 64, 0x10, number, 0x80 * shown, 0, 0, shown)
    window, end = segment(0x17, struct.pack(">BBHHHH", 1, 0, 10, 10, 20, 8)), segment(0x80, b"")
    if not shown:
        return segment(0x16, screen) + window + end
    runs = struct.pack(">HH", 20, 8) + 8 * bytes([0, 0x80 | 20, 1, 0, 0])
    return b"".join(
        (
            segment(0x16, screen + struct.pack(">HBBHH", 0, 0, 0, 10, 10)),
            window,
            segment(0x14, bytes([0, 0, 0, 16, 128, 128, 0, 1, 200, 128, 128, 255])),
            segment(0x15, struct.pack(">HBB", 0, 0, 0xC0) + len(runs).to_bytes(3) + runs),
            end,
        )
    )
