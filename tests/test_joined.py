"""Recordings that were put together, cut in the middle, cut short, or that lost packets on the way."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from tests.cli import assert_refused, batch, run, vsj4r
from tests.media import QUICK, audio_packets, ffmpeg, picture, plain, seconds_of_frames
from tests.test_odd_times import shown_and_heard
from tests.tried import tried

pytestmark = [pytest.mark.usefixtures("index_cache"), pytest.mark.slow]
SOUND = ("-f", "lavfi", "-i", "sine=d=1.6:r=48000")
TS_PACKET = 188


def recording(path: Path, *options: str, codec: str = "aac", size: str = "96x64") -> Path:
    """40 frames at 25 a second, and sound."""
    ffmpeg(*picture(seconds=1.6, rate=25, size=size), *SOUND, *QUICK, "-c:a", codec, *options, f"file:{path}")
    return path


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize(
    ("suffix", "kind", "codec"), [(".ts", "mpegts", "aac"), (".vob", "vob", "mp2"), (".ts", "mpegts", "ac3")]
)
@pytest.mark.parametrize("later", ["0", "1.2", "7200"])
@tried(
    "Transport streams",
    "recordings one after the other, each with a clock that begins anew, earlier, or hours later",
    "picture and sound go on together",
)
def test_the_sound_of_every_part_stays_with_its_picture(
    model: Path, tmp_path: Path, suffix: str, kind: str, codec: str, later: str
) -> None:
    parts = [
        recording(tmp_path / f"{n}{suffix}", "-f", kind, "-output_ts_offset", offset, codec=codec)
        for n, offset in enumerate(["0", later])
    ]
    source, output = joined(tmp_path / f"both{suffix}", *parts), tmp_path / "out.mkv"
    done = run(source, output, "--model", model)
    assert ("its clock jumps forward by 7198 s: the gap is closed" in done.stderr) == (later == "7200")
    pictures, sounds = seconds_of_frames(output), [time for time, _ in audio_packets(output)]
    assert len(pictures) == 80
    assert len(sounds) == sum(len(audio_packets(part)) for part in parts)
    alone = [time for time, _ in audio_packets(parts[0])]
    offset = alone[0] - float(seconds_of_frames(parts[0])[0])
    for frame, sound in ((0, 0), (40, len(alone))):
        assert sounds[sound] - float(pictures[frame]) == pytest.approx(offset, abs=0.025)
    assert max(after - before for before, after in pairwise(sounds)) < 0.1


def test_a_part_of_joined_recordings_has_its_own_sound(model: Path, tmp_path: Path) -> None:
    part = recording(tmp_path / "a.ts")
    source, output = joined(tmp_path / "both.ts", part, part), tmp_path / "out.mkv"
    done = run(source, output, "--model", model, "--trim", "50:70")
    said = "vsj4r: audio stream 1 (aac) is encoded again, with loss: its clock is set in the middle"
    assert said in done.stderr.splitlines()
    times, samples = shown_and_heard(output)
    assert len(times) == 20
    assert samples / 48000 == pytest.approx(0.8, abs=0.05)


def boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Kind and whole of each box of an MP4 between two places."""
    while start < end:
        size, kind = struct.unpack_from(">I4s", content, start)
        yield kind, content[start : start + size]
        start += size


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


MIDDLE = [[(400, 2000), (400, 2000 + 15000)], [(400, 1024), (400, 1024 + 28800)]]
BEGINNING = [[(600, 2000 + 10000)], [(600, 1024 + 19200)]]
"""Of picture and sound, what is shown: for how many ms, and from where. 0.4 s are hidden."""


def cut(path: Path, edits: list[list[tuple[int, int]]]) -> Path:
    """A second of which ``edits`` hide a part, as QuickTime cuts do it."""
    whole = path.with_name("whole.mp4")
    ffmpeg(
        *picture(seconds=1, rate=25), "-f", "lavfi", "-i", "sine=d=1:r=48000", *QUICK, "-g", "10", "-bf", "2",
        "-c:a", "aac", "-video_track_timescale", "25000", "-movie_timescale", "1000", f"file:{whole}",
    )  # fmt: skip
    made, track = b"", 0
    content = whole.read_bytes()
    for kind, part in boxes(content, 0, len(content)):
        if kind != b"moov":
            made += part
            continue
        inside = b""
        for inner, child in boxes(part, 8, len(part)):
            if inner != b"trak":
                inside += child
                continue
            shown = b"".join(struct.pack(">IiHH", *edit, 1, 0) for edit in edits[track])
            listed = box(b"edts", box(b"elst", struct.pack(">II", 0, len(edits[track])) + shown))
            kept = [each for name, each in boxes(child, 8, len(child)) if name != b"edts"]
            inside += box(b"trak", kept[0] + listed + b"".join(kept[1:]))
            track += 1
        made += box(b"moov", inside)
    path.write_bytes(made)
    return path


def run_on_a_cut(
    model: Path, output: Path, edits: list[list[tuple[int, int]]]
) -> tuple[tuple[list[float], int], tuple[list[float], int]]:
    """What is shown and heard of ``output``, and of what it was made of."""
    source = cut(output.with_name("cut.mp4"), edits)
    run(source, output, "--model", model)
    return shown_and_heard(output), shown_and_heard(source)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
@tried("MP4 and MOV", "an edit list that hides a middle", "what a player shows, nothing else")
def test_what_an_edit_list_hides_in_the_middle_does_not_come_back(
    model: Path, tmp_path: Path, suffix: str
) -> None:
    (times, samples), (before, heard) = run_on_a_cut(model, tmp_path / f"out{suffix}", MIDDLE)
    assert times == pytest.approx(before, abs=0.001)
    assert samples == pytest.approx(heard, abs=2048 if suffix == ".webm" else 0)


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".ts", ".avi", ".nut"])
@tried(
    "MP4 and MOV", "an edit list that hides sound, into .ts, .avi or .nut", "0.1 s of it comes back at most"
)
def test_what_an_edit_list_hides_at_the_beginning_does_not_come_back(
    model: Path, tmp_path: Path, suffix: str
) -> None:
    output = tmp_path / f"out{suffix}"
    (times, samples), (before, heard) = run_on_a_cut(model, output, BEGINNING)
    assert len(times) == len(before) == 15
    assert 0 <= samples - heard <= 4096
    with av.open(str(output)) as container:
        sound = next(container.decode(audio=0)).time
    assert sound is not None
    held = 0.04 if suffix == ".avi" else 0  # of H.264 there, libavformat expects a frame to be held back
    assert -0.001 <= times[0] - sound - held < 0.09


@tried("Transport streams", "a picture that fails for longer than 10 s while sound goes on", "the gap stays")
def test_a_gap_of_the_picture_alone_stays(model: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "gap.ts", tmp_path / "out.mkv"
    sound = ("-f", "lavfi", "-i", "sine=d=16", "-c:a", "mp2")
    some = ("-vf", "select='not(between(t,1,13))'", "-fps_mode", "vfr")
    ffmpeg(*picture(seconds=15, rate=25), *sound, *some, *QUICK, "-mpegts_copyts", "1", f"file:{source}")
    done = run(source, output, "--model", model)
    assert "clock" not in done.stderr
    times = [float(time) for time in seconds_of_frames(output)]
    assert max(after - before for before, after in pairwise(times)) == pytest.approx(12.08, abs=0.1)
    assert audio_packets(output)[-1][0] == pytest.approx(times[-1] + 1, abs=0.2)


@tried("Transport streams", "HEVC that begins before its first key frame", "no damage")
def test_what_lies_before_the_first_key_frame_is_no_damage(model: Path, tmp_path: Path) -> None:
    whole, source = tmp_path / "whole.ts", tmp_path / "cut.ts"
    coded = ("-c:v", "libx265", "-x265-params", "keyint=20:min-keyint=20:log-level=none", "-c:a", "aac")
    ffmpeg(*picture(seconds=3, rate=25), *SOUND, *coded, f"file:{whole}")
    with av.open(str(whole)) as container:
        places = [packet.pos or 0 for packet in container.demux(video=0) if packet.size]
    content = whole.read_bytes()
    source.write_bytes(content[places[6] // TS_PACKET * TS_PACKET :])
    done = run(source, tmp_path / "out.mkv", "--model", model)
    assert "damaged" not in done.stderr
    assert len(seconds_of_frames(tmp_path / "out.mkv")) == 55


@tried(
    "Damage",
    "a transport stream with lost packets and AAC",
    "read through; the sound is encoded again, with a line",
)
def test_sound_of_which_packets_were_lost(model: Path, tmp_path: Path) -> None:
    content, chance = recording(tmp_path / "whole.ts").read_bytes(), random.Random(3)
    packets = [content[n : n + TS_PACKET] for n in range(0, len(content), TS_PACKET)]
    source = tmp_path / "loss.ts"
    source.write_bytes(b"".join(each for n, each in enumerate(packets) if n < 6 or chance.random() > 0.03))
    done = run(source, tmp_path / "out.mkv", "--model", model)
    said = "vsj4r: audio stream 1 (aac) is encoded again, with loss: the file is damaged"
    assert said in done.stderr.splitlines()
    times, samples = shown_and_heard(tmp_path / "out.mkv")
    assert len(times) > 30
    assert samples > 48000


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mov", ("-movflags", "+faststart")),
        ("a.mp4", ("-movflags", "+faststart")),
        ("a.mkv", ()),
        ("a.avi", ()),
    ],
)
@tried(
    "Damage",
    "MP4, MOV, MKV, AVI and y4m that were cut short",
    "what is there, with a line that says how much is not",
)
def test_a_file_cut_short_says_how_much_is_missing(
    model: Path, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    source = recording(tmp_path / name, "-g", "10", *options, codec="pcm_s16le" if name == "a.mov" else "aac")
    whole = source.read_bytes()
    assert "cut short" not in run(source, tmp_path / "whole.mkv", "--model", model).stderr
    source.write_bytes(whole[: len(whole) // 2])
    done = run(source, tmp_path / "out.mkv", "--model", model)
    assert "vsj4r: the file is cut short: 50 % of it is missing" in done.stderr.splitlines()
    source.write_bytes(whole[:-100])
    done = run(source, tmp_path / "end.mkv", "--model", model)
    assert "vsj4r: the file is cut short: less than 1 % of it is missing" in done.stderr.splitlines()


@tried("Damage", "y4m with a frame that does not begin as one", "refused, with its number")
def test_a_y4m_that_is_damaged_in_the_middle_is_refused(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.y4m"
    frames = [(b"FRAME\n" if n != 3 else b"FRXME\n") + bytes(1536) for n in range(5)]
    source.write_bytes(b"YUV4MPEG2 W32 H32 F25:1 C420\n" + b"".join(frames))
    done = vsj4r("run", source, tmp_path / "out.mkv", "--model", model)
    assert_refused(done, 1, "a.y4m is no y4m any more at frame 3: it is damaged there", tmp_path)


def test_all_commands_say_that_a_file_is_cut_short(tmp_path: Path) -> None:
    source = recording(tmp_path / "a.mkv", "-g", "10")
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    rained = vsj4r("rain", source, tmp_path / "rain")
    assert rained.stderr == f"vsj4r: {source} is cut short: 50 % of it is missing\n"
    compared = vsj4r("compare", source, source, "--output", tmp_path / "page.html")
    assert compared.stderr.count(f"vsj4r: {source}: the file is cut short: 50 % of it is missing\n") == 2


def test_rain_says_that_footage_is_interlaced(tmp_path: Path) -> None:
    source, woven = tmp_path / "woven.mpg", ("-flags", "+ildct+ilme", "-c:v", "mpeg2video")
    ffmpeg(*picture(seconds=1, rate=50), "-vf", "interlace,setfield=tff", *woven, f"file:{source}")
    done = vsj4r("rain", source, tmp_path / "rain")
    said = f"vsj4r: {source} is interlaced: deinterlace it first, unless only its flags say so\n"
    assert (done.returncode, done.stderr) == (0, said)


@tried(
    "Damage",
    "an MP4 of fragments, cut short",
    "read as far as it goes; a line says that an unknown part is missing",
)
def test_fragments_cut_short_are_not_measured(model: Path, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.mp4", tmp_path / "part.mp4"
    fragments = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"]
    ffmpeg(*picture(seconds=2), "-c:v", "libx264", "-g", "10", *fragments, f"file:{whole}")
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert "cut short" not in run(whole, tmp_path / "a.mkv", "--model", model).stderr
    told = "the file is cut short: an unknown part of it (its last fragment is not whole) is missing"
    assert told in run(part, tmp_path / "b.mkv", "--model", model).stderr


def test_y4m_cut_short_says_so(model: Path, tmp_path: Path) -> None:
    source = plain(tmp_path / "a.y4m", "-c:v", "wrapped_avframe", "-pix_fmt", "yuv420p", seconds=0.4)
    assert "cut short" not in run(source, tmp_path / "whole.mkv", "--model", model).stderr
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) * 3 // 4])  # in the middle of the eighth of ten
    said = run(source, tmp_path / "out.mkv", "--model", model).stderr.splitlines()
    assert "vsj4r: the file is cut short: 6 % of it is missing" in said
    source.write_bytes(whole.replace(b"\n", b" XLENGTH=20\n", 1))
    said = run(source, tmp_path / "half.mkv", "--model", model).stderr.splitlines()
    assert "vsj4r: the file is cut short: 50 % of it is missing" in said


@tried("Damage", "the format of pixels changes in the middle", "refused with one line")
def test_a_format_that_changes_in_the_middle_is_refused(model: Path, tmp_path: Path) -> None:
    parts = [recording(tmp_path / f"{n}.ts", "-pix_fmt", f) for n, f in enumerate(["yuv420p", "yuv422p10le"])]
    source = joined(tmp_path / "both.ts", *parts)
    said = "both.ts changes its format or size in the middle, which is not supported"
    assert_refused(vsj4r("run", source, tmp_path / "out.mkv", "--model", model), 1, said, tmp_path)
    assert_refused(vsj4r("compare", source, source, "--output", tmp_path / "a.html"), 1, said, tmp_path)
    (tmp_path / "jobs.toml").write_text(
        f'[[job]]\ninput = "both.ts"\noutput = "out.mkv"\nmodel = "{model}"\n'
    )
    (failed,) = (event for event in batch(tmp_path, code=1) if event["event"] == "failed")
    assert said in failed["message"]


@tried("Picture and colour", "the shape of samples changes in the middle", "a line says which one is taken")
def test_a_shape_that_changes_in_the_middle_is_told(model: Path, tmp_path: Path) -> None:
    parts = [
        recording(tmp_path / f"{n}.ts", "-vf", f"setsar={shape}", "-output_ts_offset", f"{1.6 * n}")
        for n, shape in enumerate(["4/5", "16/15"])
    ]
    done = run(joined(tmp_path / "both.ts", *parts), tmp_path / "out.mkv", "--model", model)
    said = "vsj4r: the shape of its samples changes on the way (4:5, then 16:15): all are taken as 4:5"
    assert said in done.stderr.splitlines()


@tried("Picture and colour", "X'Y'Z' of digital cinema", "refused with a line that names the remedy")
def test_the_colours_of_digital_cinema_are_not_taken_for_rgb(model: Path, tmp_path: Path) -> None:
    source, raw = tmp_path / "dcp.nut", tmp_path / "a.raw"
    raw.write_bytes(np.full((2, 64, 96, 3), 1 << 15, "<u2").tobytes())
    ffmpeg(
        "-f", "rawvideo", "-pix_fmt", "xyz12le", "-s", "96x64", "-r", "24", "-i", f"file:{raw}",
        "-c:v", "copy", f"file:{source}",
    )  # fmt: skip
    done = vsj4r("run", source, tmp_path / "out.mkv", "--model", model)
    assert_refused(done, 1, "holds X'Y'Z' of digital cinema, which is not RGB: convert it first", tmp_path)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@tried("Streams and tags", "a part of the picture after the sound has ended", "written, without sound")
def test_a_part_after_the_sound_has_ended(model: Path, tmp_path: Path, suffix: str) -> None:
    source = tmp_path / "a.mp4"
    ffmpeg(
        *picture(seconds=3, rate=25), "-f", "lavfi", "-i", "sine=d=1", *QUICK, "-c:a", "aac", f"file:{source}"
    )
    output = tmp_path / f"out{suffix}"
    run(source, output, "--model", model, "--trim", "50:70")
    assert len(seconds_of_frames(output)) == 20


@pytest.mark.parametrize(("layout", "channels"), [("5.1(side)", 6), ("7.1", 8), ("16c", 16)])
@tried("Streams and tags", "5.1(side) of AC-3 and DTS, and 16 channels, into WebM", "Opus")
def test_every_layout_of_sound_becomes_opus(model: Path, tmp_path: Path, layout: str, channels: int) -> None:
    source = tmp_path / "a.mov"
    sound = ["-f", "lavfi", "-i", f"anullsrc=cl={layout}:r=48000:d=0.5"]
    ffmpeg(*picture(seconds=0.5), *sound, *QUICK, "-c:a", "pcm_s16le", f"file:{source}")
    run(source, tmp_path / "out.webm", "--model", model)
    _, samples = shown_and_heard(tmp_path / "out.webm")
    assert samples == pytest.approx(24000, abs=1000)
    with av.open(str(tmp_path / "out.webm")) as container:
        assert container.streams.audio[0].channels == channels


@tried("Images", "a link that leads nowhere among them", "refused with a line")
def test_a_link_that_leads_nowhere_is_no_gap(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    ffmpeg(*picture(seconds=0.08, rate=25), f"file:{folder}/f%d.png")
    (folder / "f3.png").symlink_to("gone.png")
    done = vsj4r("run", folder, tmp_path / "out", "--model", model)
    assert_refused(done, 1, "f3.png is a link that leads nowhere", tmp_path)
