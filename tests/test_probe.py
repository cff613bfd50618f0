"""A video file opened once into a value, and the stream that counts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests.media import ffmpeg, picture
from tests.tried import tried
from vsj4r.errors import Vsj4rError
from vsj4r.media.probe import probe
from vsj4r.media.streams import Stream, choose_video
from vsj4r.run.job import Job, Started, run_job
from vsj4r.run.settings import RunSettings

QUICK = ("-c:v", "libx264", "-preset", "ultrafast")


def video(index: int, *flags: str, codec: str = "h264", width: int = 64, frames: int = 0) -> Stream:
    return Stream(index, "video", codec, flags=frozenset(flags), width=width, height=48, frames=frames)


@pytest.mark.parametrize(
    ("streams", "chosen"),
    [
        ([video(0), video(1)], 0),
        ([video(0), video(1, width=128)], 1),
        ([video(0, width=128), video(1, "default")], 1),
        ([video(0, "default", "attached_pic", width=900), video(1)], 1),
        ([video(0, "default", "timed_thumbnails", width=900), video(1)], 1),
        ([video(0, "default", frames=1, width=900), video(1, frames=20)], 1),
        ([video(0, codec="", width=900), video(1)], 1),
        ([video(0, frames=1), video(1, frames=1, width=128)], 1),  # a file of stills
        ([video(0, "still_image", "default")], 0),  # nothing else is there
        ([video(0, "attached_pic")], None),  # sound with a cover
        ([Stream(0, "audio", "aac")], None),
    ],
)
@tried("Streams and tags", "several video streams, covers, thumbnails", "the stream that a player plays")
def test_the_stream_that_a_player_would_play_counts(streams: list[Stream], chosen: int | None) -> None:
    found = choose_video(streams, one_frame=lambda stream: stream.frames == 1)
    assert (found and found.index) == chosen


@pytest.mark.parametrize("name", ["a.mov", "a.mkv", "a.nut"])
@pytest.mark.parametrize("codec", ["mjpeg", "png"])
@tried("MP4 and MOV", "a thumbnail as first stream, flagged as default", "the picture that moves")
def test_a_thumbnail_does_not_count(tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / name
    inputs = [*picture(seconds=0.04, size="320x240"), *picture(seconds=0.5)]
    maps = ["-map", "0:v", "-map", "1:v", *QUICK, "-c:v:0", codec]
    ffmpeg(*inputs, *maps, "-disposition:v:0", "default", f"file:{path}")
    found = probe(path)
    assert (found.video.index, found.video.codec) == (1, "h264")


@tried("Transport streams", "several programs", "the program of the largest picture; the others are named")
def test_programs_of_a_transport_stream(tmp_path: Path) -> None:
    path = tmp_path / "two.ts"
    inputs = [*picture(seconds=0.5), *picture(seconds=0.5, size="192x128")]
    for tone in ("440", "880"):
        inputs += ["-f", "lavfi", "-i", f"sine={tone}:d=0.5"]
    maps = [option for stream in range(4) for option in ("-map", str(stream))]
    programs = ["-program", "program_num=7:st=0:st=2", "-program", "program_num=9:st=1:st=3"]
    ffmpeg(*inputs, *maps, *QUICK, "-c:a", "aac", *programs, f"file:{path}")
    found = probe(path)
    assert found.video.width == 192
    assert found.video.programs == (9,)
    assert [stream.kind for stream in found.others] == ["audio"]
    assert {stream.programs for stream in found.others} == {(9,)}
    assert {stream.programs for stream in found.other_programs} == {(7,)}


def test_what_only_the_container_says(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain.mp4", tmp_path / "a.mkv"
    ffmpeg(*picture(seconds=0.5), "-vf", "setsar=1", *QUICK, f"file:{plain}")
    ffmpeg("-display_rotation", "90", "-i", f"file:{plain}", "-c", "copy", "-aspect", "2", f"file:{path}")
    found = probe(path).video
    assert found.sample_aspect == Fraction(4, 3)
    assert found.coded_aspect == 1
    assert found.display_matrix is not None
    assert found.display_matrix[:4] == (0, -65536, 0, 65536)


def test_a_raw_stream_that_says_its_rate(tmp_path: Path) -> None:
    path = tmp_path / "a.h264"
    ffmpeg(*picture(seconds=0.5, rate=30), *QUICK, f"file:{path}")
    found = probe(path)
    assert (found.rate, found.rate_is_guess) == (Fraction(30), False)


@tried("Times", "Matroska that begins at the time of day", "no longer than it is")
def test_a_length_does_not_count_from_midnight(tmp_path: Path) -> None:
    late = tmp_path / "late.mkv"
    ffmpeg("-itsoffset", "36000.5", *picture(seconds=0.2, rate=25), "-copyts", f"file:{late}")
    found = probe(late)
    assert found.start_seconds is not None
    assert found.start_seconds > 36000
    assert found.duration_seconds == pytest.approx(0.2, abs=0.05)


@tried("Damage", "a Matroska head with nothing behind it", "one line")
def test_damage_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(500))
    with pytest.raises(Vsj4rError, match=r"a\.mkv cannot be read as a video: "):
        probe(path)


def test_how_often_a_run_opens_its_input(tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By PyAV: to describe it, and to look through it, which is remembered. BestSource and ffmpeg open it
    themselves."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "a.mkv"
    ffmpeg(*picture(seconds=0.2), "-f", "lavfi", "-i", "sine=d=0.2", *QUICK, f"file:{source}")
    opened: list[str] = []
    real = av.open

    def count(file: Any, *arguments: Any, **options: Any) -> Any:
        opened.append(str(file))
        return real(file, *arguments, **options)

    monkeypatch.setattr(av, "open", count)
    for n, times in enumerate((2, 1)):
        opened.clear()
        settings = RunSettings(model=tiny, device="cpu")
        run_job(Job(source, tmp_path / f"{n}.mkv", to_folder=False, settings=settings), Silent())
        assert opened.count(str(source)) == times


class Silent:
    def note(self, text: str) -> None: ...

    def looked(self, share: float) -> None:
        pass

    def started(self, started: Started) -> None: ...

    def command(self, command: list[str]) -> None: ...

    def frame_done(self, frame: int) -> None: ...
