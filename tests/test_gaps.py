"""Sound that begins late, has a gap or ends early: what is seen and heard stays together."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests.batch_jobs import body, jobs
from tests.cli import batch, run
from tests.media import BEEPS, QUICK, ffmpeg, picture, samples, seconds_of_frames
from tests.tried import tried

pytestmark = [pytest.mark.usefixtures("index_cache"), pytest.mark.slow]
GAP = "noise=drop='between(pts*tb\\,0.7\\,1.3)'"


def beeping(path: Path, *options: str, late: float = 0, size: str = "96x64", seconds: float = 3) -> Path:
    frames = picture(seconds=seconds, rate=25, size=size)
    sound = ("-itsoffset", str(late), "-f", "lavfi", "-i", BEEPS)
    ffmpeg(*frames, *sound, *QUICK, *options, f"file:{path}")
    return path


def heard(path: Path) -> list[float]:
    """When the beeps of ``path``, which has one channel, begin."""
    found: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = frame.to_ndarray().astype(float)
            if frame.format.name.startswith("s"):
                samples /= float(np.iinfo(frame.format.name.removesuffix("p").replace("s", "int")).max)
            for place in np.flatnonzero(np.abs(samples[0]) > 0.1):
                time = (frame.time or 0) + place / frame.sample_rate
                if not found or time - found[-1] > 0.5:
                    found.append(round(float(time), 2))
    return found


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        *(("pcm_s16le", f"out.{suffix}") for suffix in ("mov", "mp4", "avi", "mkv")),
        *(("libopus", f"out.{suffix}") for suffix in ("mov", "avi")),
        ("aac", "out.avi"),
        ("libmp3lame", "out.avi"),
    ],
)
@tried(
    "Streams and tags", "a gap in the sound", "it stays, as silence where the output has no times of sound"
)
def test_a_gap_in_the_sound_stays(model: Path, tmp_path: Path, codec: str, name: str) -> None:
    whole = beeping(tmp_path / "whole.mkv", "-c:a", codec)
    source, output = tmp_path / "gap.mkv", tmp_path / name
    ffmpeg("-i", f"file:{whole}", "-c", "copy", "-bsf:a", GAP, f"file:{source}")
    run(source, output, "--model", model)
    assert heard(output) == pytest.approx([0.5, 1.5, 2.5], abs=0.03)


@pytest.mark.parametrize("first", [15, 20, 35])
@pytest.mark.parametrize("name", ["out.mov", "out.mp4"])
def test_a_part_from_the_first_seconds_has_its_pcm(
    model: Path, tmp_path: Path, name: str, first: int
) -> None:
    source = beeping(tmp_path / "in.mov", "-c:a", "pcm_s24le")
    run(source, tmp_path / name, "--model", model, "--trim", f"{first}:70")
    assert heard(tmp_path / name) == pytest.approx(
        [beep - first / 25 for beep in (0.5, 1.5, 2.5) if beep > first / 25], abs=0.02
    )


@pytest.mark.parametrize("codec", ["pcm_s24le", "aac"])
@tried(
    "Streams and tags", "sound that begins later than the picture, into AVI or MXF", "silence comes before it"
)
def test_late_sound_stays_late(model: Path, tmp_path: Path, codec: str) -> None:
    source = beeping(tmp_path / "late.mkv", "-c:a", codec, late=0.5, size="256x128")
    said = run(source, tmp_path / "out.avi", "--model", model).stderr
    told = "is encoded again, as 16 bit PCM: it begins 0.50 s late, which .avi cannot say"
    assert (f"vsj4r: audio stream 1 (aac) {told}" in said.splitlines()) == (codec == "aac")
    assert heard(tmp_path / "out.avi") == pytest.approx([1, 2, 3], abs=0.03)
    run(source, tmp_path / "out.mxf", "--model", model)
    assert heard(tmp_path / "out.mxf") == pytest.approx([1, 2], abs=0.03)


@tried("Streams and tags", "sound that ends before the picture, into MXF", "silence comes after it")
def test_short_sound_becomes_as_long_as_the_picture(model: Path, tmp_path: Path) -> None:
    source = beeping(tmp_path / "short.mkv", "-c:a", "aac", size="256x128", seconds=4)
    run(source, tmp_path / "out.mxf", "--model", model)
    assert heard(tmp_path / "out.mxf") == pytest.approx([0.5, 1.5, 2.5], abs=0.03)
    assert len(seconds_of_frames(tmp_path / "out.mxf")) == 100
    run(source, tmp_path / "part.mxf", "--model", model, "--trim", "50:")
    assert heard(tmp_path / "part.mxf") == pytest.approx([0.5], abs=0.03)
    assert len(seconds_of_frames(tmp_path / "part.mxf")) == 50


@pytest.mark.parametrize("name", ["out.avi", "out.mp4", "out.mkv"])
@tried("AVI, raw streams and others", "a part with B-frames, by a batch", "all its frames and sound")
def test_a_part_by_a_batch_is_whole(model: Path, tmp_path: Path, name: str) -> None:
    source = beeping(tmp_path / "in.mkv", "-c:a", "pcm_s16le", size="160x96")
    jobs(tmp_path, model, body(source, name, "trim = [5, 45]\noptions = {b_strategy = 0, bf = 3}"))
    batch(tmp_path)
    assert len(seconds_of_frames(tmp_path / name)) == 40
    _, sound = samples(tmp_path / name)
    assert sound.shape[-1] / 48000 == pytest.approx(1.6, abs=0.002)
    assert heard(tmp_path / name) == pytest.approx([0.3, 1.3], abs=0.01)


@pytest.mark.parametrize("kind", ["pcm_s24le", "pcm_f32le", "pcm_s32be", "pcm_alaw", "pcm_s8"])
def test_whole_pcm_keeps_every_sample(model: Path, tmp_path: Path, kind: str) -> None:
    noise = ("-f", "lavfi", "-i", "anoisesrc=d=1.5:r=44100:a=0.9:seed=5")
    source = tmp_path / "in.mov"
    ffmpeg(*picture(seconds=1.5, rate=25), *noise, *QUICK, "-c:a", kind, f"file:{source}")
    said = run(source, tmp_path / "out.mov", "--model", model).stderr
    assert "audio" not in said
    before, after = (samples(path) for path in (source, tmp_path / "out.mov"))
    assert before[0] == after[0] == kind
    np.testing.assert_array_equal(before[1], after[1])


@pytest.mark.parametrize(
    ("codec", "form"),
    [
        ("pcm_s16le", "s16"),
        ("flac", "s16"),
        ("flac", "s32"),
        ("alac", "s32p"),
        ("wavpack", "s16p"),
    ],
)
@tried("Streams and tags", "a part whose sound has long packets", "every sample of it, where it has no loss")
def test_a_part_without_loss_is_cut_within_a_packet(
    model: Path, tmp_path: Path, codec: str, form: str
) -> None:
    size = ("-frame_size", "32768") if codec in ("flac", "wavpack") else ()
    asked = ("-af", "asetnsamples=48000", "-c:a", codec, "-sample_fmt", form)
    source = beeping(tmp_path / "in.mkv", *asked, *size)
    run(source, tmp_path / "out.mkv", "--model", model, "--trim", "10:70")
    (name, whole), (kept, part) = samples(source), samples(tmp_path / "out.mkv")
    assert kept == name == codec
    np.testing.assert_array_equal(part, whole[:, 19200 : 19200 + part.shape[-1]])
    assert part.shape[-1] == 60 * 1920


@pytest.mark.parametrize(
    ("layout", "suffix", "found"), [("2.1", ".mp4", "3.0"), ("2.1", ".mkv", None), ("5.1", ".mp4", None)]
)
@tried("Streams and tags", "FLAC of 2.1 into MP4, which counts its channels alone", "3.0, with a line")
def test_channels_that_change_their_places_are_told(
    model: Path, tmp_path: Path, layout: str, suffix: str, found: str | None
) -> None:
    source, output = tmp_path / "in.mkv", tmp_path / f"out{suffix}"
    silence = "|".join(["0"] * (3 if layout == "2.1" else 6))
    sound = ["-f", "lavfi", "-i", f"aevalsrc={silence}:c={layout}:d=1", "-c:a", "flac"]
    ffmpeg(*picture(seconds=1), *sound, "-c:v", "libx264", f"file:{source}")
    done = run(source, output, "--model", model)
    told = f"audio stream 1: its channels ({layout}) are {found} in {suffix}"
    assert (told in done.stderr) == (found is not None)
    assert ("its channels" in done.stderr) == (found is not None)


def test_channels_without_a_place_get_none(model: Path, tmp_path: Path) -> None:
    (tmp_path / "noise.raw").write_bytes(np.random.default_rng(7).bytes(48_000 * 6 * 2))
    sound = ("-f", "s16le", "-ar", "48000", "-ac", "6", "-guess_layout_max", "0", "-i")
    source = tmp_path / "in.mov"
    codec = ("-c:a", "pcm_s16le")
    ffmpeg(
        *picture(seconds=1, rate=25), *sound, str(tmp_path / "noise.raw"), *QUICK, *codec, f"file:{source}"
    )
    run(source, tmp_path / "out.mov", "--model", model)
    with av.open(str(tmp_path / "out.mov")) as container:
        assert container.streams.audio[0].layout.name == "6 channels"
    np.testing.assert_array_equal(samples(source)[1], samples(tmp_path / "out.mov")[1])


@pytest.mark.parametrize(("codec", "suffix"), [("libvorbis", ".mkv"), ("aac", ".ts")])
@tried(
    "AVI, raw streams and others", "Vorbis, or AAC of a broadcast, into AVI", "heard in step with the picture"
)
def test_sound_is_heard_in_avi(model: Path, tmp_path: Path, codec: str, suffix: str) -> None:
    source = tmp_path / f"in{suffix}"
    sound = ["-f", "lavfi", "-i", "sine=d=1"]
    ffmpeg(*picture(seconds=1), *sound, *QUICK, "-c:a", codec, f"file:{source}")
    run(source, tmp_path / "out.avi", "--model", model)
    with av.open(str(tmp_path / "out.avi")) as container:
        times = [frame.time or 0 for frame in container.decode(audio=0)]
    assert 0 <= times[0] < 0.05
    assert times[-1] == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("name", ["out.mp4", "out.avi", "out.mkv"])
@tried("Times", "Matroska that begins at the time of day, into a format that counts from 0", "it begins at 0")
def test_the_time_of_day_is_no_wait(model: Path, tmp_path: Path, name: str) -> None:
    source = tmp_path / "day.mkv"
    late = ("-itsoffset", "36000")
    sources = (*late, *picture(seconds=1, rate=25), *late, "-f", "lavfi", "-i", BEEPS)
    ffmpeg(*sources, *QUICK, "-c:a", "pcm_s16le", "-copyts", f"file:{source}")
    run(source, tmp_path / name, "--model", model)
    begins = 36000 if name == "out.mkv" else 0
    assert float(seconds_of_frames(tmp_path / name)[0]) == pytest.approx(begins, abs=0.05)
    assert heard(tmp_path / name)[0] == pytest.approx(begins + 0.5, abs=0.05)
