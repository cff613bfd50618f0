"""What a batch joins of chunks: the frames, times and streams of a run."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests import media
from tests.batch_jobs import body, jobs
from tests.cli import batch, parts, run
from vsj4r.batch.chunks import written_starts
from vsj4r.batch.join import join_video
from vsj4r.errors import Vsj4rError
from vsj4r.media.images import write_png


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """370 frames at a variable rate, and every other kind of stream."""
    return media.rich(tmp_path_factory.mktemp("rich"), seconds=18)


@pytest.mark.parametrize(
    ("starts", "counts", "kept"),
    [
        ([0, 3], [1, 0, 1, 0], [0]),
        ([0, 2, 3], [0, 0, 1, 1], [0, 3]),
        ([0, 1, 2, 3], [1, 0, 0, 1], [0, 1]),
        ([0, 2], [2, 0, 1, 0], [0, 2]),
    ],
)
def test_something_is_written_of_every_chunk(starts: list[int], counts: list[int], kept: list[int]) -> None:
    assert written_starts(starts, counts) == kept


@pytest.mark.slow
def test_the_last_chunk_may_leave_out_all_of_its_frames(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    media.ffmpeg(*media.picture(seconds=121 / 60, rate=60), *media.QUICK, f"file:{source}")
    jobs(tmp_path, model, body(source, "out.mkv", 'encoder = "ffv1"\nchunk = 120\ncfr = 30'))
    batch(tmp_path)
    run(source, tmp_path / "run.mkv", "--model", model, "--encoder", "ffv1", "--cfr", "30")
    media.assert_same_frames(tmp_path / "out.mkv", tmp_path / "run.mkv")


def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    nothing: Any = None
    quick = ("-c:v", "libx264", "-preset", "ultrafast")
    part = media.plain(tmp_path / "0.mkv", *quick, seconds=0.2)
    other = media.plain(tmp_path / "1.mkv", *quick, "-coder", "1", "-bf", "2", seconds=0.2)
    with pytest.raises(Vsj4rError, match=r"1\.mkv was encoded in another way than the parts before it"):
        join_video([part, other], tmp_path / "out.mkv", nothing, nothing)
    same = tmp_path / "same.mkv"
    media.ffmpeg("-i", f"file:{part}", "-c", "copy", "-bsf:v", "setts=pts=90:dts=DTS", f"file:{same}")
    with pytest.raises(Vsj4rError, match=r"same\.mkv has frames without a time of their own"):
        join_video([same], tmp_path / "out.mkv", nothing, nothing)


@pytest.mark.slow
@pytest.mark.parametrize("bidirectional", [False, True])
def test_chunks_joined_are_the_sequential_run(
    rich: Path, model: Path, tmp_path: Path, bidirectional: bool
) -> None:
    output, sequential = tmp_path / "out.mkv", tmp_path / "sequential.mkv"
    said = "bidirectional = true" if bidirectional else ""
    jobs(tmp_path, model, body(rich, "out.mkv", f'encoder = "ffv1"\n{said}'))
    events = batch(tmp_path)
    assert next(e["chunks"] for e in events if e["event"] == "plan") >= 3
    way = ["--bidirectional"] if bidirectional else []
    run(rich, sequential, "--model", model, "--encoder", "ffv1", *way)
    media.assert_same_frames(output, sequential)
    media.assert_all_kept(rich, output)
    assert not parts(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "suffix"),
    [("x264", ".mp4"), ("x265", ".mkv"), ("svtav1", ".webm"), ("vp9", ".webm"), ("prores", ".mkv")],
)
def test_every_encoder_is_joined_to_the_tick(
    rich: Path, model: Path, tmp_path: Path, encoder: str, suffix: str
) -> None:
    quick = {"x264": "veryfast", "x265": "ultrafast", "svtav1": "12"}.get(encoder)
    options = f"options = {{preset = '{quick}'}}" if quick else ""
    jobs(tmp_path, model, body(rich, f"out{suffix}", f"encoder = '{encoder}'\n{options}"))
    batch(tmp_path)
    output = tmp_path / f"out{suffix}"
    assert media.seconds_of_frames(output) == media.seconds_of_frames(rich)
    assert [packet for _, packet in media.audio_packets(output)] == [p for _, p in media.audio_packets(rich)]
    assert len(media.planes(output)) == 370  # every one decodes, across the joints
    with av.open(str(output)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "suffix"), [("archive", ".mkv"), ("archive", ".mp4"), ("mezzanine", ".mkv")]
)
def test_hdr10_survives_the_joints(model: Path, tmp_path: Path, preset: str, suffix: str) -> None:
    source = media.hdr10(tmp_path / "hdr.mkv", seconds=6)
    jobs(tmp_path, model, body(source, f"out{suffix}", f"preset = '{preset}'\noptions = {{}}"))
    batch(tmp_path)
    output = tmp_path / f"out{suffix}"
    assert media.hdr_props(source)["MasteringDisplayMinLuminance"] == 0.005
    assert media.hdr_props(output) == media.hdr_props(source)
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p10le"


def test_turned_footage_and_image_folders(model: Path, tmp_path: Path) -> None:
    lying, source = tmp_path / "lying.mkv", tmp_path / "phone.mp4"
    media.plain(lying, "-vf", "setsar=4/3", *media.QUICK)
    turn = ["-display_rotation", "90", "-i", f"file:{lying}", "-c", "copy", f"file:{source}"]
    media.ffmpeg(*turn)
    folder = tmp_path / "shots"
    folder.mkdir()
    for n in range(3):
        write_png(np.full((32, 48, 3), 40 * n, np.uint8), folder / f"{n}.png")
    jobs(tmp_path, model, body(source, "phone out.mp4"), body(folder, "shots.mkv"))
    batch(tmp_path)
    run(source, tmp_path / "sequential.mp4", "--model", model)
    with (
        av.open(str(tmp_path / "phone out.mp4")) as ours,
        av.open(str(tmp_path / "sequential.mp4")) as theirs,
    ):
        for container in (ours, theirs):
            assert next(container.decode(video=0)).rotation == 90
            assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    assert media.seconds_of_frames(tmp_path / "shots.mkv") == [Fraction(n, 25) for n in range(3)]


def test_a_late_picture_and_a_transport_stream(model: Path, tmp_path: Path) -> None:
    source, late = media.rich(tmp_path), tmp_path / "late.mkv"
    inputs = ["-itsoffset", "0.8", "-i", f"file:{source}", "-i", f"file:{source}"]
    media.ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", "-c", "copy", f"file:{late}")
    stream = ["-map", "0:v", "-map", "0:a", "-c:v", "copy", "-c:a", "mp2", f"file:{tmp_path / 'stream.ts'}"]
    media.ffmpeg("-i", f"file:{source}", *stream)
    jobs(tmp_path, model, body(late, "late out.mkv"), body(tmp_path / "stream.ts", "stream out.mkv"))
    batch(tmp_path)
    assert media.seconds_of_frames(tmp_path / "late out.mkv") == media.seconds_of_frames(late)
    assert media.audio_packets(tmp_path / "late out.mkv") == media.audio_packets(late)
    run(tmp_path / "stream.ts", tmp_path / "sequential.mkv", "--model", model)
    ours, theirs = tmp_path / "stream out.mkv", tmp_path / "sequential.mkv"
    assert media.seconds_of_frames(ours) == media.seconds_of_frames(theirs)
    assert media.audio_packets(ours) == media.audio_packets(theirs)


def test_trims_cut_all_streams(rich: Path, model: Path, tmp_path: Path) -> None:
    mezzanine = 'encoder = "ffv1"\ntrim = ["0:00.5", "0:01.5"]'
    jobs(tmp_path, model, body(rich, "cut.mkv", mezzanine), body(rich, "first.mkv", "trim = [0, 10]"))
    batch(tmp_path)
    stamps = media.seconds_of_frames(rich)
    begin = next(stamp for stamp in stamps if stamp >= Fraction(1, 2))
    wanted = [stamp - begin for stamp in stamps if Fraction(1, 2) <= stamp < Fraction(3, 2)]
    assert media.seconds_of_frames(tmp_path / "cut.mkv") == wanted
    kept = {packet for _, packet in media.audio_packets(rich)}
    sound = media.audio_packets(tmp_path / "cut.mkv")
    assert 48 <= len(sound) <= 51  # a second of packets of 20 ms
    assert all(packet in kept for _, packet in sound)
    with av.open(str(tmp_path / "cut.mkv")) as container:
        assert [round(float(c["end"] * c["time_base"]), 2) for c in container.chapters()] == [0.5, 1.0]
    assert media.seconds_of_frames(tmp_path / "first.mkv") == stamps[:10]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize("trim", ["[0, 10]", "[5, 17]", '["0:00.3", ""]'])
def test_trims_keep_every_frame_of_an_encoder_that_reorders(
    model: Path, tmp_path: Path, suffix: str, trim: str
) -> None:
    """The first packet of such a stream has to be decoded before the time 0."""
    tone = ["-f", "lavfi", "-i", "sine=d=1"]
    media.ffmpeg(
        *media.picture(seconds=1), *tone, "-c:v", "libx264", "-c:a", "aac", f"file:{tmp_path / 'a.mkv'}"
    )
    jobs(tmp_path, model, body(tmp_path / "a.mkv", f"out.{suffix}", f"trim = {trim}"))
    batch(tmp_path)
    stamps = media.seconds_of_frames(tmp_path / "a.mkv")
    wanted = {"[0, 10]": stamps[:10], "[5, 17]": stamps[5:17]}.get(trim, stamps[8:])
    found = media.seconds_of_frames(tmp_path / f"out.{suffix}")
    assert found == pytest.approx([stamp - wanted[0] for stamp in wanted], abs=0.002)
    with av.open(str(tmp_path / f"out.{suffix}")) as container:
        assert container.streams.video[0].codec_context.has_b_frames
        sound = [float((p.pts or 0) * p.time_base) for p in container.demux(audio=0) if p.size]
    assert -0.03 < sound[0] < 0.03
    assert len(wanted) - 1.2 < 24 * sound[-1] < len(wanted)


@pytest.mark.parametrize("encoder", ["x264", "prores"])
def test_a_picture_that_begins_after_the_sound(model: Path, tmp_path: Path, encoder: str) -> None:
    late = ["-itsoffset", "0.5", *media.picture(seconds=0.5), "-f", "lavfi", "-i", "sine=d=1"]
    media.ffmpeg(*late, "-map", "0", "-map", "1", "-c:v", "ffv1", "-c:a", "aac", f"file:{tmp_path / 'a.mkv'}")
    encoded = f'encoder = "{encoder}"'
    cut = body(tmp_path / "a.mkv", "cut.mov", f"{encoded}\ntrim = [3, 9]")
    jobs(tmp_path, model, body(tmp_path / "a.mkv", "whole.mov", encoded), cut)
    batch(tmp_path)
    stamps = media.seconds_of_frames(tmp_path / "a.mkv")
    assert stamps[0] == Fraction(1, 2)
    found = [media.seconds_of_frames(tmp_path / name) for name in ("whole.mov", "cut.mov")]
    assert found[0] == pytest.approx(stamps, abs=0.002)
    assert found[1] == pytest.approx([stamp - stamps[3] for stamp in stamps[3:9]], abs=0.002)
