"""A part of a source: the very frames that the whole would give, with its own sound and time code."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests import media
from tests.cli import assert_refused, batch, run, vsj4r
from tests.tried import tried
from vsj4r.cli.outcome import UsageError
from vsj4r.cli.spelling import split_trim
from vsj4r.errors import Vsj4rError
from vsj4r.media.images import write_png
from vsj4r.media.reading import read_image
from vsj4r.media.trim import Trim, check_trim, find_part, later_timecode

CUT = 131  # frames into the second segment, where a filter on the part alone would have another memory


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """170 frames of 25 a second, with sound and a time code from 01:00:00:00."""
    path = tmp_path_factory.mktemp("take") / "take.mov"
    tone = ["-f", "lavfi", "-i", "sine=d=6.8:r=48000"]
    coded = ["-timecode", "01:00:00:00", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le"]
    media.ffmpeg(*media.picture(seconds=6.8, rate=25), *tone, *coded, f"file:{path}")
    return path


@pytest.fixture(scope="module")
def whole(take: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it, derained."""
    path = tmp_path_factory.mktemp("whole") / "whole.mkv"
    run(take, path, "--model", model, "--encoder", "ffv1")
    return path


def assert_part(part: Path, whole: Path, first: int, end: int) -> None:
    wanted, found = media.planes(whole)[first:end], media.planes(part)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trim", "first", "end"),
    [
        (f"{CUT}:150", CUT, 150),
        (":7", 0, 7),
        ("160:", 160, 170),
        ("5.24:6.0", CUT, 150),
        ("0:05.24:0:06", CUT, 150),
    ],
)
def test_a_part_is_what_the_whole_gives(
    take: Path, whole: Path, model: Path, tmp_path: Path, trim: str, first: int, end: int
) -> None:
    output = tmp_path / "part.mkv"
    run(take, output, "--model", model, "--encoder", "ffv1", "--trim", trim)
    assert_part(output, whole, first, end)
    seconds = media.seconds_of_frames(output)
    assert seconds[0] == 0
    assert float(seconds[-1]) == pytest.approx((end - first - 1) / 25, abs=0.001)
    heard = media.audio_packets(output)
    assert abs(heard[0][0]) < 0.03
    assert sum(len(content) for _, content in heard) / 2 / 48000 == pytest.approx(
        (end - first) / 25, abs=0.03
    )
    assert media.timecode_of(output) == later_timecode("01:00:00:00", first, Fraction(25))


def test_a_batch_trims_as_a_run_does(take: Path, whole: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text(
        f"[defaults]\nmodel = {json.dumps(str(model))}\nchunk = 120\nencoder = 'ffv1'\n"
        f"[[job]]\ninput = {json.dumps(str(take))}\noutput = 'part.mkv'\ntrim = [25, 150]\n"
    )
    events = batch(tmp_path)
    assert next(event["chunks"] for event in events if event["event"] == "plan") == 2
    assert_part(tmp_path / "part.mkv", whole, 25, 150)
    assert media.timecode_of(tmp_path / "part.mkv") == "01:00:01:00"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.mov"])
@tried("Images", "a part of a folder of images, or of a script, into a video", "it begins at 0")
def test_a_part_of_images_begins_at_zero(model: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "shot").mkdir()
    for n in range(12):
        write_png(np.full((64, 96, 3), 9 * n, np.uint8), tmp_path / "shot" / f"{n}.png")
    (tmp_path / "in.vpy").write_text(
        "import vapoursynth as vs\n"
        "vs.core.std.BlankClip(format=vs.YUV420P8, width=96, height=64, length=12).set_output()\n"
    )
    for source in ("shot", "in.vpy"):
        output = tmp_path / f"{source}.{name}"
        run(tmp_path / source, output, "--model", model, "--trim", "5:9")
        with av.open(str(output)) as container:
            assert container.duration == pytest.approx(4 / 24 * av.time_base, rel=0.1)
        assert media.seconds_of_frames(output)[0] == 0
    text = f'[[job]]\ninput = "shot/"\noutput = "{name}"\nmodel = "{model}"\ntrim = [5, 9]\n'
    (tmp_path / "jobs.toml").write_text(text)
    batch(tmp_path)
    assert media.seconds_of_frames(tmp_path / name)[0] == 0


def heard(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


@pytest.mark.parametrize(
    ("codec", "name"),
    [("aac", "out.mkv"), ("aac", "out.mp4"), ("libopus", "out.mkv"), ("libmp3lame", "out.mkv")],
)
@tried("Times", "compressed sound of a part that begins with the file", "whole from its first sample")
def test_the_sound_of_a_part_from_the_beginning_is_whole(
    model: Path, tmp_path: Path, codec: str, name: str
) -> None:
    """Its first samples come out of a packet before them."""
    source, output = tmp_path / f"in{Path(name).suffix}", tmp_path / name
    noise = ["-f", "lavfi", "-i", "anoisesrc=r=48000:a=0.5:seed=1:d=1"]
    media.ffmpeg(*media.picture(seconds=1), *noise, *media.QUICK, "-c:a", codec, f"file:{source}")
    run(source, output, "--model", model, "--trim", "0:10")
    before, after = heard(source), heard(output)
    assert len(after) > 0.35 * 48000
    assert np.array_equal(before[: len(after)], after[: len(before)])


def test_a_part_in_images_keeps_its_numbers(take: Path, whole: Path, model: Path, tmp_path: Path) -> None:
    run(take, tmp_path / "all", "--model", model)
    run(take, tmp_path / "part", "--model", model, "--trim", "130:133")
    names = ["000130.png", "000131.png", "000132.png"]
    assert sorted(entry.name for entry in (tmp_path / "part").iterdir()) == names
    for name in names:
        assert np.array_equal(read_image(tmp_path / "part" / name), read_image(tmp_path / "all" / name))


@pytest.mark.parametrize("argument", ["-t 1", "-frames:v 10", "-ss 2"])
def test_ffmpeg_is_not_to_cut(take: Path, model: Path, tmp_path: Path, argument: str) -> None:
    done = vsj4r("run", take, tmp_path / "out.mkv", "--model", model, "--ffmpeg", argument)
    assert_refused(done, 2, "--trim START:END does that", tmp_path)


def test_a_trim_that_leaves_nothing(take: Path, model: Path, tmp_path: Path) -> None:
    done = vsj4r("run", take, tmp_path / "out.mkv", "--model", model, "--trim", "200:300")
    assert_refused(done, 1, "has 170 frames, numbered from 0: none is in the trim", tmp_path)
    for trim, text in (("9:5", "--trim must end after it begins"), ("a:b", "--trim must hold frame numbers")):
        done = vsj4r("run", take, tmp_path / "out.mkv", "--model", model, "--trim", trim)
        assert_refused(done, 2, text, tmp_path)


@pytest.mark.parametrize(
    ("trim", "line"),
    [
        ("160:1000", "the trim ends at frame 1000: there are 170 frames"),
        ("6.0:500.0", "the trim ends at 500 s: the input lasts "),
        ("160:170", ""),
    ],
)
def test_a_trim_that_ends_beyond_the_input_is_told(
    take: Path, model: Path, tmp_path: Path, trim: str, line: str
) -> None:
    done = run(take, tmp_path / "out.mkv", "--model", model, "--trim", trim)
    assert line in done.stderr
    assert bool(line) == ("the trim ends" in done.stderr)


def rainy_take(path: Path) -> Path:
    """12 s of 10 frames a second; from 7 to 9 s it sparkles."""
    noise = "noise=alls=60:allf=t:enable='between(t,7,9)'"
    picture = ["-f", "lavfi", "-i", f"testsrc2=s=96x64:r=10:d=12,{noise}"]
    media.ffmpeg(*picture, "-c:v", "ffv1", f"file:{path}")
    return path


@pytest.mark.slow
def test_a_preview_is_where_it_rains_most(model: Path, tmp_path: Path) -> None:
    source, output = rainy_take(tmp_path / "rain.mkv"), tmp_path / "look.mkv"
    run(source, tmp_path / "whole.mkv", "--model", model, "--encoder", "ffv1")
    run(source, output, "--model", model, "--encoder", "ffv1", "--preview")
    frames = len(media.planes(output))
    assert 49 <= frames <= 51
    wanted = media.planes(tmp_path / "whole.mkv")
    first = next(n for n in range(len(wanted)) if np.array_equal(wanted[n][0], media.planes(output)[0][0]))
    assert first + frames > 70 + 10
    assert_part(output, tmp_path / "whole.mkv", first, first + frames)
    run(source, tmp_path / "look.png", "--model", model, "--preview")
    both = read_image(tmp_path / "look.png")
    assert both.shape == (64, 192, 3)
    run(source, tmp_path / "images", "--model", model)
    after = [read_image(name) for name in sorted((tmp_path / "images").iterdir())]
    shown = [n for n, image in enumerate(after) if np.array_equal(image, both[:, 96:])]
    assert shown
    assert all(70 <= n <= 90 for n in shown)


@pytest.mark.parametrize(
    ("text", "trim"),
    [
        ("100:250", [100, 250]),
        (":250", ["", 250]),
        ("100:", [100, ""]),
        (":", ["", ""]),
        ("0:10:1:02.5", ["0:10", "1:02.5"]),
        ("1:02:03.5:1:03:00", ["1:02:03.5", "1:03:00"]),
        (":1:30", ["", "1:30"]),
        ("0:10:", ["0:10", ""]),
        ("2.5:4.0", ["2.5", "4.0"]),
    ],
)
def test_how_a_trim_is_written(text: str, trim: list[object]) -> None:
    assert split_trim(text) == trim


@pytest.mark.parametrize("text", ["100", "1:02:03", "1:2:3:4:5"])
def test_a_trim_that_means_two_things(text: str) -> None:
    with pytest.raises(UsageError, match="--trim must be START:END"):
        split_trim(text)


def test_which_frames_a_trim_means() -> None:
    def frames(trim: Trim) -> range:
        return find_part(trim, [100 + 40 * n for n in range(50)], Fraction(1, 1000)).frames

    assert frames(check_trim(["", ""])) == range(50)
    assert frames(check_trim([10, 70])) == range(10, 50)
    assert frames(check_trim(["0.4", "0:01"])) == range(10, 25)
    assert frames(check_trim(["0.41", ""])) == range(11, 50)
    assert not frames(check_trim([60, ""]))
    with pytest.raises(Vsj4rError, match="trim must end after it begins"):
        check_trim(["1:00", "0:10"])


def counted(code: str, rate: int, *, drops: int) -> list[str]:
    """All codes of a day from ``code`` on, counted one by one."""
    found = []
    for minute in range(11):
        for second in range(60):
            first = drops if drops and second == 0 and minute % 10 else 0
            found += [f"00:{minute:02d}:{second:02d}{code}{n:02d}" for n in range(first, rate)]
    return found


@pytest.mark.parametrize(
    ("separator", "rate", "drops"),
    [
        (":", Fraction(25), 0),
        (";", Fraction(30000, 1001), 2),
        (";", Fraction(60000, 1001), 4),
        (":", Fraction(24000, 1001), 0),
    ],
)
def test_a_time_code_goes_on_as_one_counts(separator: str, rate: Fraction, drops: int) -> None:
    codes = counted(separator, round(rate), drops=drops)
    for begin in (0, 29, 1799, 5000):
        for later in (0, 1, 2, 1770, 1798, 9000):
            assert later_timecode(codes[begin], later, rate) == codes[begin + later]


def test_a_time_code_passes_midnight() -> None:
    assert later_timecode("23:59:59:24", 1, Fraction(25)) == "00:00:00:00"
    assert later_timecode("23:59:59;29", 1, Fraction(30000, 1001)) == "00:00:00;00"
    assert later_timecode("noon", 7, Fraction(25)) == "noon"


@pytest.mark.parametrize(
    ("code", "rate", "into", "expected"),
    [
        ("01:00:00:40", Fraction(50), Fraction(25), "01:00:00:20"),
        ("00:59:59;58", Fraction(60000, 1001), Fraction(30000, 1001), "00:59:59;29"),
        ("23:59:59:48", Fraction(50), Fraction(25), "23:59:59:24"),
        ("01:00:00:12", Fraction(24), Fraction(24000, 1001), "01:00:00:12"),
        ("01:00:00:12", Fraction(24), Fraction(48), "01:00:00:24"),
        ("01:00:00;00", Fraction(30000, 1001), Fraction(25), "01:00:00:00"),
        ("00:01:00;02", Fraction(30000, 1001), Fraction(60000, 1001), "00:01:00;04"),
        ("00:09:59;29", Fraction(30000, 1001), Fraction(24000, 1001), "00:09:59:23"),
    ],
)
def test_a_time_code_counts_the_frames_of_its_new_rate(
    code: str, rate: Fraction, into: Fraction, expected: str
) -> None:
    assert later_timecode(code, 0, rate, into=into) == expected
