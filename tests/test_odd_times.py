"""Footage whose times are odd: gaps, jumps, edit lists."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import floor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.cli import assert_refused, batch, run, vsj4r
from tests.media import QUICK, SINE, ffmpeg, picture, seconds_of_frames
from tests.tried import tried
from vsj4r.media.files import open_source

pytestmark = pytest.mark.usefixtures("index_cache")


def timed(path: Path, milliseconds: list[int | None], *, rate: int = 25) -> Path:
    """A frame for each of those times, in Matroska."""
    with av.open(str(path), "w", format="matroska", options={"default_mode": "infer"}) as container:
        video: Any = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "bf": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        packets = []
        for n in range(len(milliseconds)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), n * 5 % 256, np.uint8), format="rgb24")
            frame.pts = n
            packets += video.encode(frame)
        packets += video.encode(None)
        for packet, time in zip(packets, milliseconds, strict=True):
            packet.time_base = Fraction(1, 1000)
            packet.pts = packet.dts = time
            container.mux_one(packet)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["ffv1", "x264"])
@tried(
    "Times",
    "frames of one length but for some (a phone's first), of no usual rate",
    "their times are kept; Matroska says the rate of most, from `run` as from `batch`",
)
def test_matroska_says_the_rate_of_most_frames(model: Path, tmp_path: Path, encoder: str) -> None:
    lengths = [67, *[33, 34] * 70]  # 29.85 a second
    source = timed(tmp_path / "a.mkv", [sum(lengths[:n]) for n in range(len(lengths) + 1)])
    run(source, tmp_path / "run.mkv", "--model", model, "--encoder", encoder)
    (tmp_path / "jobs.toml").write_text(
        f'[[job]]\ninput = "a.mkv"\noutput = "batch.mkv"\nchunk = 120\n'
        f'model = "{model}"\nencoder = "{encoder}"\n'
    )
    batch(tmp_path)
    for name in ("run.mkv", "batch.mkv"):
        assert seconds_of_frames(tmp_path / name) == seconds_of_frames(source), name
        with av.open(str(tmp_path / name)) as container:
            said = container.streams.video[0].average_rate
        assert said == pytest.approx(2000 / 67, rel=1e-4), name


@pytest.mark.slow
class TestTimes:
    @pytest.mark.parametrize(
        ("name", "encoder"),
        [
            ("a.264", ["libopenh264"]),
            ("a.265", ["libx265", "-x265-params", "no-vui-timing-info=1:log-level=none"]),
            ("a.obu", ["libsvtav1", "-loglevel", "quiet"]),
        ],
    )
    @tried(
        "AVI, raw streams and others",
        "raw H.264, HEVC and AV1 without a rate",
        "25 frames a second with a line, or `--fps`",
    )
    def test_a_raw_stream_without_a_rate(
        self, model: Path, tmp_path: Path, name: str, encoder: list[str]
    ) -> None:
        source = tmp_path / name
        ffmpeg(*picture(seconds=0.5), "-c:v", *encoder, f"file:{source}")
        done = run(source, tmp_path / "out.mkv", "--model", model)
        said = "it does not say its rate: taken as 25 frames a second (--fps, or fps in a job file, sets it)"
        assert f"vsj4r: {said}" in done.stderr.splitlines()
        assert seconds_of_frames(tmp_path / "out.mkv") == [Fraction(n, 25) for n in range(12)]
        done = run(source, tmp_path / "fast.mp4", "--model", model, "--fps", "50")
        assert "rate" not in done.stderr
        assert seconds_of_frames(tmp_path / "fast.mp4") == [Fraction(n, 50) for n in range(12)]

    @tried(
        "Times", "a part of a file whose ticks are finer than a microsecond", "begins with its first frame"
    )
    def test_a_part_in_the_finest_ticks(self, model: Path, tmp_path: Path) -> None:
        source, output = tmp_path / "fine.mp4", tmp_path / "out.mp4"
        frames = (*picture(seconds=2, rate=30), "-vf", "setpts=PTS+N*N/(9999991*TB)", "-fps_mode", "vfr")
        ffmpeg(
            *frames, *QUICK, "-enc_time_base", "1:10000000", "-video_track_timescale", "10000000", str(source)
        )
        for first in range(4, 9):
            run(source, output, "--model", model, "--trim", f"{first}:40", "--overwrite")
            assert len(seconds_of_frames(output)) == 40 - first

    @pytest.mark.parametrize("name", ["a.264", "a.265", "a.m2v", "a.m1v", "a.ivf", "a.obu"])
    @tried(
        "AVI, raw streams and others", "raw H.264, HEVC, MPEG-1, MPEG-2, IVF, OBU with a rate", "at that rate"
    )
    def test_raw_streams_at_their_own_rate(self, tmp_path: Path, name: str) -> None:
        codec = {".264": "libx264", ".265": "libx265", ".ivf": "libvpx-vp9", ".obu": "libsvtav1"}
        encoder = codec.get(Path(name).suffix, "mpeg2video" if name == "a.m2v" else "mpeg1video")
        ffmpeg(
            *picture(seconds=0.5, rate=30), "-c:v", encoder, "-loglevel", "quiet", f"file:{tmp_path / name}"
        )
        opened = open_source(tmp_path / name)
        times = [stamp * opened.time_base for stamp in opened.timestamps]
        rate = 25 if name == "a.obu" else 30
        assert [after - before for before, after in pairwise(times)] == [Fraction(1, rate)] * 14

    def test_images_at_a_rate_of_choice(self, model: Path, tmp_path: Path) -> None:
        ffmpeg(*picture(seconds=0.5), f"file:{tmp_path / '%03d.png'}")
        run(tmp_path, tmp_path / "out.mp4", "--model", model, "--fps", "29.97")
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert container.streams.video[0].average_rate == Fraction(30000, 1001)

    def test_a_rate_for_what_has_one_is_refused(self, model: Path, tmp_path: Path) -> None:
        ffmpeg(*picture(seconds=0.2), *QUICK, f"file:{tmp_path / 'a.mkv'}")
        done = vsj4r("run", tmp_path / "a.mkv", tmp_path / "b.mkv", "--model", model, "--fps", "30")
        assert_refused(
            done,
            1,
            "has a rate of its own: --fps (fps in a job file) is for images and raw streams",
            tmp_path,
        )
        done = vsj4r("run", tmp_path / "a.mkv", tmp_path / "b.mkv", "--model", model, "--fps", "fast")
        assert_refused(done, 2, "fps must be a number such as 25 or 30000/1001", tmp_path)

    @pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)])
    @tried(
        "Times",
        "24000/1001 and the like in Matroska, whose ticks are milliseconds",
        "constant in MP4",
        after="[FFMS/ffms2#8](https://github.com/FFMS/ffms2/issues/8), [staxrip#932](https://github.com/staxrip/staxrip/issues/932)",
    )
    def test_film_in_milliseconds_is_constant_in_mp4(
        self, model: Path, tmp_path: Path, rate: Fraction
    ) -> None:
        times: list[int | None] = [floor(n * 1000 / rate + Fraction(1, 2)) for n in range(40)]
        source = timed(tmp_path / "a.mkv", times, rate=round(rate))
        run(source, tmp_path / "out.mp4", "--model", model)
        assert seconds_of_frames(tmp_path / "out.mp4") == [n / rate for n in range(40)]
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert container.streams.video[0].average_rate == rate
        run(source, tmp_path / "out.mkv", "--model", model)
        assert seconds_of_frames(tmp_path / "out.mkv") == seconds_of_frames(source)

    @tried("Times", "a variable rate", "kept frame by frame")
    def test_a_rate_that_varies_a_little_still_varies(self, model: Path, tmp_path: Path) -> None:
        times: list[int | None] = [n * 42 + (0, 2, -1, 1)[n % 4] for n in range(40)]
        times[0] = 0
        source = timed(tmp_path / "a.mkv", times)
        run(source, tmp_path / "out.mp4", "--model", model)
        assert seconds_of_frames(tmp_path / "out.mp4") == [Fraction(time or 0, 1000) for time in times]

    @tried(
        "Times", "a frame that is to be shown no later than the one before", "times made to rise, with a line"
    )
    def test_times_that_do_not_rise_are_made_to(self, model: Path, tmp_path: Path) -> None:
        times: list[int | None] = [n * 40 for n in range(25)]
        times[12] = 440
        done = run(timed(tmp_path / "a.mkv", times), tmp_path / "out.mkv", "--model", model)
        said = "vsj4r: 1 of 25 timestamps are not later than the one before: moved on"
        assert said in done.stderr.splitlines()
        assert seconds_of_frames(tmp_path / "out.mkv") == [Fraction(n, 25) for n in range(25)]

    @tried("Transport streams", "the clock of 33 bits begins anew", "times go on")
    def test_a_clock_that_wraps(self, model: Path, tmp_path: Path) -> None:
        """The clock of a transport stream has 33 bits: it begins anew after 26.5 hours."""
        source = tmp_path / "a.ts"
        ffmpeg(*picture(), *SINE, *QUICK, "-output_ts_offset", str((1 << 33) / 90000 - 1.9), f"file:{source}")
        run(source, tmp_path / "out.mkv", "--model", model)
        times = seconds_of_frames(tmp_path / "out.mkv")
        assert len(times) == 48
        assert times[-1] - times[0] == pytest.approx(47 / 24, abs=0.001)


def shown_and_heard(path: Path) -> tuple[list[float], int]:
    """When frames are shown, and how many samples of sound are heard: what a player gives."""
    with av.open(str(path)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    with av.open(str(path)) as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)], samples


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
@pytest.mark.parametrize("cut", ["both", "sound", "late sound"])
@tried(
    "MP4 and MOV",
    "an edit list that hides a beginning of the picture or the sound, or delays the sound",
    "what a player shows, nothing else, into .mkv too",
    after="[HandBrake#752](https://github.com/HandBrake/HandBrake/issues/752)",
)
def test_what_an_edit_list_hides_does_not_come_back(
    model: Path, tmp_path: Path, cut: str, suffix: str
) -> None:
    whole, source, output = tmp_path / "whole.mp4", tmp_path / "cut.mp4", tmp_path / f"out{suffix}"
    sound = ["-f", "lavfi", "-i", "sine=d=2"]
    ffmpeg(*picture(seconds=2, rate=25), *sound, *QUICK, "-g", "100", "-c:a", "aac", f"file:{whole}")
    maps = ["-map", "0:v", "-map", "1:a"]
    inputs = {
        "both": ["-ss", "0.72", "-i", f"file:{whole}"],
        "sound": ["-i", f"file:{whole}", "-ss", "1.01", "-i", f"file:{whole}", *maps],
        "late sound": ["-i", f"file:{whole}", "-itsoffset", "0.5", "-i", f"file:{whole}", *maps],
    }
    ffmpeg(*inputs[cut], "-c", "copy", f"file:{source}")
    run(source, output, "--model", model)
    (times, samples), (before, heard) = shown_and_heard(output), shown_and_heard(source)
    assert samples == heard
    assert times == pytest.approx(before, abs=0.001)


@tried("AVI, raw streams and others", "a raw .m2v with 2:3 pulldown", "each frame is shown for 2 or 3 fields")
@pytest.mark.parametrize("reordered", ["0", "2"])
def test_fields_that_are_repeated_take_their_time(model: Path, tmp_path: Path, reordered: str) -> None:
    film, source = tmp_path / "film.m2v", tmp_path / "tv.m2v"
    codec = ("-c:v", "mpeg2video", "-bf", reordered, "-q:v", "3", "-f", "mpeg2video")
    ffmpeg(*picture(seconds=1, rate=24), *codec, f"file:{film}")
    source.write_bytes(with_pulldown(film.read_bytes()))
    run(source, tmp_path / "out.mkv", "--model", model)
    times = seconds_of_frames(tmp_path / "out.mkv")
    assert len(times) == 24
    assert times[0] == 0
    steps = [round((after - before) * 60000 / 1001) for before, after in pairwise(times)]
    assert sorted(set(steps)) == [2, 3]
    assert sum(steps) == pytest.approx(23 * 2.5, abs=0.5)
    run(source, tmp_path / "steady.mkv", "--model", model, "--cfr", "auto")
    steady = seconds_of_frames(tmp_path / "steady.mkv")
    assert steady == pytest.approx([n * 1001 / 24000 for n in range(24)], abs=0.001)


def with_pulldown(stream: bytes) -> bytes:
    """MPEG-2 of 24 frames a second as 29.97: of every other frame, as they are shown, a field is repeated
    (ISO/IEC 13818-2, 6.2.3.1)."""
    units = [bytearray(unit) for unit in stream.split(b"\x00\x00\x01")]
    place = 0
    for unit in units[1:]:
        if unit[0] == 0xB3:
            unit[4] = unit[4] & 0xF0 | 4  # frame_rate_code
        elif unit[0] == 0xB5 and unit[1] >> 4 == 1:
            unit[2] &= ~0x08  # progressive_sequence
        elif unit[0] == 0x00:
            place = unit[1] << 2 | unit[2] >> 6  # temporal_reference
        elif unit[0] == 0xB5 and unit[1] >> 4 == 8:
            top, repeated = ((1, 1), (0, 0), (0, 1), (1, 0))[place % 4]
            unit[4] = unit[4] & 0x7F | top << 7
            unit[4] = unit[4] & 0xFD | repeated << 1
            unit[5] |= 0x80  # progressive_frame
    return b"\x00\x00\x01".join(bytes(unit) for unit in units)
