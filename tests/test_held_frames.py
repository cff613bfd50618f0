"""Pictures that are held, and tracks that are as long as their frames are shown."""

from __future__ import annotations

import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.batch_jobs import body, jobs
from tests.cli import batch, run
from tests.media import BEEPS, QUICK, ffmpeg, picture, samples, seconds_of_frames, timecode_of
from tests.tried import tried
from vsj4r.media.times import frame_number_times
from vsj4r.media.trim import check_trim, find_part

pytestmark = [pytest.mark.usefixtures("index_cache"), pytest.mark.slow]
HELD = "select='lt(t,1)+gt(t,2.9)'"
"""25 frames of the first second, the last of which stays for two more, and two frames."""


def held(path: Path) -> Path:
    sources = (*picture(seconds=3, rate=25), "-f", "lavfi", "-i", BEEPS)
    ffmpeg(*sources, "-vf", HELD, "-fps_mode", "vfr", *QUICK, "-c:a", "aac", f"file:{path}")
    return path


@pytest.mark.parametrize(
    ("trim", "frames", "seconds"),
    [("0.0:2.0", 25, 2), ("1.5:3.0", 3, 1.5), ("1.5:2.5", 1, 1), ("1.5:", 3, 1.5), ("0.5:0.9", 10, 0.4)],
)
@tried(
    "Times", "a part that begins or ends while a frame is held", "as long as its times say, the frame with it"
)
def test_a_part_of_held_frames_is_as_long_as_it_says(
    model: Path, tmp_path: Path, trim: str, frames: int, seconds: float
) -> None:
    source = held(tmp_path / "held.mp4")
    run(source, tmp_path / "out.mkv", "--model", model, "--trim", trim)
    assert len(seconds_of_frames(tmp_path / "out.mkv")) == frames
    lasts = samples(tmp_path / "out.mkv")[1].shape[-1] / 48000
    assert lasts == pytest.approx(seconds, abs=0.05)  # AAC is cut between packets
    run(source, tmp_path / "steady.mkv", "--model", model, "--trim", trim, "--cfr", "25")
    assert len(seconds_of_frames(tmp_path / "steady.mkv")) == pytest.approx(25 * seconds, abs=0.5)


def test_a_part_begins_within_the_first_frame(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    some = ("-vf", "select='not(between(n,1,49))'", "-fps_mode", "vfr")
    ffmpeg(*picture(seconds=2.12, rate=25), *some, *QUICK, f"file:{source}")
    run(source, tmp_path / "out.mkv", "--model", model, "--trim", "0.5:")
    times = [float(each) for each in seconds_of_frames(tmp_path / "out.mkv")]
    assert times == pytest.approx([0, 1.5, 1.54, 1.58], abs=0.002)


def test_a_batch_cuts_held_frames_alike(model: Path, tmp_path: Path) -> None:
    source = held(tmp_path / "held.mp4")
    jobs(tmp_path, model, body(source, "out.mkv", "trim = ['1.5', '2.96']"))
    batch(tmp_path)
    run(source, tmp_path / "alone.mkv", "--model", model, "--trim", "1.5:2.96")
    times = seconds_of_frames(tmp_path / "out.mkv")
    assert times == seconds_of_frames(tmp_path / "alone.mkv")
    assert len(times) == 2


def test_the_last_frame_is_shown_as_long_as_others(model: Path, tmp_path: Path) -> None:
    """The mean would be two frames and a half."""
    run(held(tmp_path / "held.mp4"), tmp_path / "out.mkv", "--model", model, "--cfr", "25")
    assert len(seconds_of_frames(tmp_path / "out.mkv")) == 75


def shown_for(path: Path) -> list[float]:
    """For how many seconds each frame of ``path`` is shown."""
    with av.open(str(path)) as container:
        shown = [
            (packet.pts or 0, packet.duration or 0) for packet in container.demux(video=0) if packet.size
        ]
        base = container.streams.video[0].time_base
    assert base is not None
    return [float(lasts * base) for _, lasts in sorted(shown)]


@pytest.fixture(scope="module")
def held_last(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Four frames, a tenth of a second each, the last for three."""
    folder = tmp_path_factory.mktemp("held")
    noise = np.random.default_rng(7)
    frames = [Image.fromarray(noise.integers(0, 255, (48, 64, 3), np.uint8)) for _ in range(4)]
    lasts: dict[str, Any] = {"duration": [100, 100, 100, 3000], "save_all": True, "append_images": frames[1:]}
    made = {kind: folder / f"held.{kind}" for kind in ("gif", "apng", "webp", "mkv", "mp4")}
    frames[0].save(made["gif"], **lasts)
    frames[0].save(made["apng"], format="png", **lasts)
    frames[0].save(made["webp"], lossless=True, **lasts)
    for kind in ("mkv", "mp4"):
        ffmpeg("-i", f"file:{made['gif']}", *QUICK, "-fps_mode", "passthrough", f"file:{made[kind]}")
    return made


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, "out.mp4") for kind in ("gif", "apng", "webp", "mkv", "mp4")]
    + [("gif", "out.mkv"), ("mp4", "out.mov"), ("mp4", "out.webm")],
)
@tried("Times", "a last frame that the file says to hold", "it is held as long")
def test_a_last_frame_is_held(
    model: Path, tmp_path: Path, held_last: dict[str, Path], kind: str, name: str
) -> None:
    run(held_last[kind], tmp_path / name, "--model", model)
    assert shown_for(tmp_path / name) == pytest.approx([0.1, 0.1, 0.1, 3.0], abs=0.002)


def test_a_held_last_frame_is_repeated_and_cut(
    model: Path, tmp_path: Path, held_last: dict[str, Path]
) -> None:
    gif = held_last["gif"]
    run(gif, tmp_path / "cfr.mkv", "--model", model, "--cfr", "10")
    assert len(seconds_of_frames(tmp_path / "cfr.mkv")) == 33
    run(gif, tmp_path / "cut.mp4", "--model", model, "--trim", "0.1:2.0")
    assert shown_for(tmp_path / "cut.mp4") == pytest.approx([0.1, 0.1, 1.7], abs=0.002)
    run(gif, tmp_path / "short.mp4", "--model", model, "--trim", ":2.0")
    assert shown_for(tmp_path / "short.mp4") == pytest.approx([0.1, 0.1, 0.1, 1.7], abs=0.002)
    run(gif, tmp_path / "late.mp4", "--model", model, "--trim", "1.0:2.0")
    assert shown_for(tmp_path / "late.mp4") == pytest.approx([1.0], abs=0.002)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_batch_holds_the_last_frame(
    model: Path, tmp_path: Path, held_last: dict[str, Path], suffix: str
) -> None:
    jobs(tmp_path, model, body(held_last["gif"], f"out.{suffix}"))
    batch(tmp_path)
    assert seconds_of_frames(tmp_path / f"out.{suffix}") == pytest.approx([0, 0.1, 0.2, 0.3], abs=0.002)
    found = shown_for(tmp_path / f"out.{suffix}")
    assert found[-1] == pytest.approx(3.0, abs=0.002)
    if suffix == "mp4":  # Matroska needs to say it of the last one alone
        assert found[:-1] == pytest.approx([0.1, 0.1, 0.1], abs=0.002)


def seconds_of_track(path: Path) -> float:
    """How long the picture of an MP4 or MOV is, its head says."""
    content = path.read_bytes()
    (scale,) = struct.unpack_from(">I", content, content.index(b"mvhd") + 4 + 12)
    (length,) = struct.unpack_from(">I", content, content.index(b"tkhd") + 4 + 20)
    return float(length / scale)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize(
    ("times", "lasts"),
    [
        ("N*40", 3.0),
        ("N*40+if(gte(N,{n}-2),1000,0)+if(gte(N,{n}-1),1000,0)", 0.04),
        ("N*40+if(gte(N,{n}-2),1000,0)", 0.04),
        ("if(lt(N,{n}-3),N*8,({n}-4)*8+(N-{n}+4)*1000)", 0.008),
        ("if(lt(N,3),N*1000,3000+(N-3)*8)", 0.008),
    ],
    ids=["held", "gaps", "late", "quick, then slow", "slow, then quick"],
)
@tried("Times", "a varying rate that ends on B-frames, into MP4 and MOV", "as long as its frames are shown")
def test_a_track_ends_with_its_last_frame(
    model: Path, tmp_path: Path, times: str, lasts: float, suffix: str
) -> None:
    """MP4 counts the time of the packet that is decoded last, which may hold an earlier frame, and the latest
    end of any packet."""
    reordered = 0
    for frames in (21, 22):
        source, output = tmp_path / f"{frames}.mkv", tmp_path / f"{frames}{suffix}"
        filters = ("-vf", f"settb=1/1000,setpts='{times.format(n=frames)}'", "-enc_time_base", "1/1000")
        last = f"setts=duration=if(eq(N\\,{frames - 1})\\,{round(1000 * lasts)}\\,40):time_base=1/1000"
        coded = ("-frames:v", str(frames), *filters, "-fps_mode", "passthrough", "-c:v", "ffv1")
        ffmpeg(*picture(seconds=1, rate=25), *coded, "-bsf:v", last, f"file:{source}")
        run(source, output, "--model", model, "--ffmpeg", "-b_strategy 0 -bf 3")
        jobs(tmp_path, model, body(source, f"b{frames}{suffix}", "options = {b_strategy = 0, bf = 3}"))
        batch(tmp_path)
        wanted = seconds_of_frames(source)
        for made in (output, tmp_path / f"b{frames}{suffix}"):
            assert seconds_of_frames(made) == pytest.approx(wanted, abs=0.001)
            with av.open(str(made)) as container:
                shown = [packet.pts or 0 for packet in container.demux(video=0) if packet.size]
                stream = container.streams.video[0]
                assert stream.time_base is not None
                reordered += shown[-1] < max(shown)
                ends = float(wanted[-1]) + lasts
                assert float((stream.duration or 0) * stream.time_base) == pytest.approx(ends, abs=0.002)
            assert seconds_of_track(made) == pytest.approx(ends, abs=0.002)
        run(output, tmp_path / f"back{frames}.mkv", "--model", model)
        assert shown_for(tmp_path / f"back{frames}.mkv")[-1] == pytest.approx(lasts, abs=0.003)
    assert reordered, "or nothing is seen here"


@pytest.mark.slow
@pytest.mark.parametrize(
    "codec",
    [("libx264", "-bf", "2"), ("libx264", "-bf", "0"), ("mpeg4", "-bf", "2"), ("mpeg4",)],
    ids=" ".join,
)
@tried("AVI, raw streams and others", "AVI with dropped frames, in any order", "its gaps stay")
def test_frames_that_an_avi_lacks_are_gaps(model: Path, tmp_path: Path, codec: tuple[str, ...]) -> None:
    source = tmp_path / "in.avi"
    gap = ("-vf", "setpts='N/25/TB+if(gte(N,6),1/TB,0)'", "-fps_mode", "vfr", "-enc_time_base", "1:25")
    ffmpeg(*picture(seconds=0.5, rate=25), *gap, "-c:v", *codec, f"file:{source}")
    run(source, tmp_path / "out.mkv", "--model", model)
    times = [float(each) for each in seconds_of_frames(tmp_path / "out.mkv")]
    steps = [round(25 * (after - before)) for before, after in pairwise(times)]
    assert steps[1:] == [1, 1, 1, 1, 26, *[1] * 6], "of the first one ffmpeg makes another time"


@pytest.mark.parametrize("how", ["run", "batch"])
@tried("AVI, raw streams and others", "a variable rate into AVI", "each frame at its time, in order")
def test_avi_keeps_a_variable_rate(model: Path, tmp_path: Path, how: str) -> None:
    source = tmp_path / "held.mkv"
    ffmpeg(*picture(seconds=3, rate=25), "-vf", HELD, "-fps_mode", "vfr", *QUICK, f"file:{source}")
    if how == "run":
        run(source, tmp_path / "out.avi", "--model", model)
    else:
        jobs(tmp_path, model, body(source, "out.avi"))
        batch(tmp_path)
    with av.open(str(tmp_path / "out.avi")) as container:
        assert not container.streams.video[0].codec_context.has_b_frames
    run(tmp_path / "out.avi", tmp_path / "back.mkv", "--model", model)
    assert seconds_of_frames(tmp_path / "back.mkv") == pytest.approx(seconds_of_frames(source), abs=0.002)


def test_which_frames_are_held() -> None:
    base, stamps = Fraction(1, 100), [0, 4, 8, 100, 104]

    def part(*trim: str) -> tuple[list[int], float]:
        found = find_part(check_trim(list(trim)), stamps, base)
        return list(found.stamps), float(found.ends)

    assert part("0.5", "0.9") == ([50], 90)
    assert part("0.5", "") == ([50, 100, 104], 108)
    assert part("0.05", "0.5") == ([8], 50)  # no frame is held at 0.05
    assert part("", "0.08") == ([0, 4], 8)


@pytest.mark.parametrize("start", ["0.5", "0.7", "0.72"])
def test_frames_that_begin_on_a_half_are_counted(start: str) -> None:
    stamps = [int(1000 * Fraction(start)) + 40 * n for n in range(9)]
    base, numbers = frame_number_times(Fraction(1, 1000), stamps, Fraction(25))
    assert base == Fraction(1, 25)
    assert [after - before for before, after in pairwise(numbers)] == [1] * 8


def variable(path: Path, code: str, rate: str = "30") -> Path:
    """Three of eleven frames are missing."""
    frames = ("-f", "lavfi", "-i", f"testsrc2=s=96x64:r={rate}:d=2")
    some = ("-vf", "select='not(between(mod(n,11),3,5))'", "-fps_mode", "vfr", "-enc_time_base", "1:90000")
    ffmpeg(*frames, *some, *QUICK, "-timecode", code, f"file:{path}")
    return path


@pytest.mark.parametrize(
    ("rate", "code", "six_later", "second_later"),
    [
        ("30", "01:00:00:28", "01:00:01:04", "01:00:01:28"),
        ("30000/1001", "01:00:59;10", "01:00:59;16", "01:01:00;12"),
    ],
)
@tried(
    "Times",
    "a time code of a variable rate, into a constant one or a part",
    "counted at the rate of most frames",
)
def test_a_time_code_of_a_variable_rate(
    model: Path, tmp_path: Path, rate: str, code: str, six_later: str, second_later: str
) -> None:
    source = variable(tmp_path / "in.mov", code, rate)
    run(source, tmp_path / "as_is.mov", "--model", model)
    run(source, tmp_path / "steady.mov", "--model", model, "--cfr", rate)
    assert timecode_of(tmp_path / "as_is.mov") == timecode_of(tmp_path / "steady.mov") == code
    run(source, tmp_path / "part.mkv", "--model", model, "--trim", "1.0:")
    assert timecode_of(tmp_path / "part.mkv") == second_later
    run(source, tmp_path / "constant.mov", "--model", model, "--trim", "3:11")  # as they are shown
    assert timecode_of(tmp_path / "constant.mov") == six_later
