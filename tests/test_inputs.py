"""Footage as it comes: files that say things wrongly, badly or not at all, each made here."""

from __future__ import annotations

import os
from contextlib import closing
from fractions import Fraction
from itertools import pairwise
from math import floor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import vapoursynth as vs
from numpy.typing import NDArray

from tests.cli import assert_refused, run, vsj4r
from tests.media import QUICK, ffmpeg, picture, seconds_of_frames
from tests.tried import tried
from vsj4r.batch.bench import Bench
from vsj4r.batch.jobfile import read_jobs
from vsj4r.batch.tasks import Task, Worker, perform
from vsj4r.batch.work import work_for
from vsj4r.errors import InputError
from vsj4r.media import index
from vsj4r.media.files import open_source
from vsj4r.media.pixels import clip_to_rgb
from vsj4r.media.probe import probe

SINE = ("-f", "lavfi", "-i", "sine=d=1")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "vsj4r" / "index"


def decoded(path: Path, layout: str = "rgb24") -> list[NDArray[Any]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=layout) for frame in container.decode(video=0)]


def rgb(clip: vs.VideoNode) -> list[NDArray[Any]]:
    frames = clip_to_rgb(clip).frames(close=True)
    return [np.stack([np.asarray(frame[plane]) for plane in range(3)], -1) for frame in frames]


def interlaced(path: Path, *, since: int = 0, codec: str = "mpeg2video") -> Path:
    """20 frames, from ``since`` on flagged as interlaced; where that is not 0, in a transport stream."""
    parts = [(0, since, "prog"), (since, 20, "tff")] if since else [(0, 20, "tff")]
    content = b""
    for first, end, field in parts:
        part = path.with_name(f"{field}-{path.name}")
        flags = ["-flags", "+ildct+ilme"] if field == "tff" else []
        clock = ["-output_ts_offset", str(first / 24)]
        ffmpeg(
            *picture(seconds=(end - first) / 24),
            "-vf",
            f"setfield={field}",
            "-c:v",
            codec,
            *flags,
            *clock,
            f"file:{part}",
        )
        content += part.read_bytes()
        part.unlink()
    path.write_bytes(content)
    return path


@pytest.mark.slow
class TestInterlaced:
    @pytest.mark.parametrize("codec", ["mpeg2video", "libx264", "ffv1"])
    @tried(
        "Picture and colour",
        "interlaced video",
        "refused before the first frame; the line names `--assume-progressive` and a deinterlacer",
    )
    def test_it_is_refused_with_what_to_do(self, model: Path, tmp_path: Path, codec: str) -> None:
        source = interlaced(tmp_path / "a.mkv", codec=codec)
        done = vsj4r("run", source, tmp_path / "out.mkv", "--model", model)
        said = f"{source} is interlaced: deinterlace it first (bwdif in ffmpeg, or a VapourSynth script); "
        assert_refused(done, 1, f"{said}where only its flags say so (PsF), --assume-progressive", tmp_path)

    @tried(
        "Picture and colour",
        "video that becomes interlaced on the way",
        "refused before the first frame, once",
    )
    def test_on_the_way_it_is_told_before_the_first_frame(self, tmp_path: Path) -> None:
        source = interlaced(tmp_path / "a.ts", since=12)
        with pytest.raises(InputError, match=r"a\.ts is interlaced from frame 1[12] on: deinterlace"):
            open_source(source)

    @pytest.mark.parametrize("since", [0, 12])
    @tried(
        "Picture and colour",
        "progressive frames that are flagged as interlaced (PsF, some DV)",
        "derained with `--assume-progressive`",
    )
    def test_flags_that_are_wrong_can_be_overruled(self, model: Path, tmp_path: Path, since: int) -> None:
        source = interlaced(tmp_path / "a.ts", since=since)
        run(source, tmp_path / "out.mkv", "--model", model, "--assume-progressive")
        clip = open_source(tmp_path / "out.mkv").clip
        assert len(clip) == len(decoded(source))

    def test_a_batch_says_it_once(self, model: Path, tmp_path: Path) -> None:
        interlaced(tmp_path / "a.ts", since=12)
        jobs = tmp_path / "jobs.toml"
        jobs.write_text(f'[[job]]\ninput = "a.ts"\noutput = "out.mkv"\nmodel = "{model}"\n')
        done = vsj4r("batch", jobs)
        assert done.returncode == 1
        assert done.stderr.count("is interlaced from frame") == 1
        jobs.write_text(f"{jobs.read_text()}assume_progressive = true\n")
        assert vsj4r("batch", jobs).returncode == 0

    def test_it_may_be_compared(self, tmp_path: Path) -> None:
        source = interlaced(tmp_path / "a.mkv")
        assert vsj4r("compare", source, source, "-o", tmp_path / "page.html").returncode == 0


@pytest.mark.slow
class TestTags:
    """RGB that says it is YUV, and the other way round."""

    @pytest.mark.parametrize(
        ("name", "encoder"),
        [
            ("a.mov", ["-c:v", "qtrle", "-pix_fmt", "rgb24"]),
            ("a.mkv", ["-c:v", "ffv1", "-pix_fmt", "gbrp10le"]),
            ("a.nut", ["-c:v", "rawvideo", "-pix_fmt", "rgb24"]),
            ("b.mkv", ["-c:v", "libx264rgb", "-qp", "0"]),
        ],
    )
    @tried(
        "Picture and colour",
        "RGB that says it has a YUV matrix (DNxHR, FFV1, Animation)",
        "derained as RGB",
        after="[FFMS/ffms2#283](https://github.com/FFMS/ffms2/issues/283)",
    )
    def test_rgb_tagged_as_yuv(self, model: Path, tmp_path: Path, name: str, encoder: list[str]) -> None:
        plain, source = tmp_path / f"plain-{name}", tmp_path / name
        ffmpeg(*picture(seconds=0.2), *encoder, f"file:{plain}")
        ffmpeg("-i", f"file:{plain}", "-c", "copy", "-colorspace", "bt709", f"file:{source}")
        opened = open_source(source)
        with opened.clip.get_frame(0) as first:
            assert first.props["_Matrix"] == vs.MATRIX_RGB
        layout = "rgb24" if "10" not in str(encoder) else "rgb48le"
        for found, expected in zip(rgb(opened.clip), decoded(plain, layout), strict=True):
            assert np.abs(found.astype(int) - expected).max() <= (1 if layout == "rgb24" else 64)
        run(source, tmp_path / "out.mkv", "--model", model)
        run(source, tmp_path / "images", "--model", model)
        assert vsj4r("compare", source, source, "-o", tmp_path / "page.html").returncode == 0

    @pytest.mark.parametrize("matrix", ["ictcp", "chroma-derived-nc", "bt2020c", "ycgco"])
    def test_a_matrix_that_says_nothing_alone(self, model: Path, tmp_path: Path, matrix: str) -> None:
        source = tmp_path / "a.mkv"
        tags = ["-vf", f"format=yuv420p10le,setparams=colorspace={matrix}", "-c:v", "ffv1"]
        ffmpeg(*picture(seconds=0.2), *tags, f"file:{source}")
        run(source, tmp_path / "images", "--model", model)
        run(source, tmp_path / "out.mkv", "--model", model, "--encoder", "ffv1")
        with av.open(str(source)) as before, av.open(str(tmp_path / "out.mkv")) as after:
            old, new = (file.streams.video[0].codec_context.colorspace for file in (before, after))
        assert new == old

    @tried("Picture and colour", "YUV that says its matrix is that of RGB", "the matrix is taken as unknown")
    def test_yuv_tagged_as_rgb(self, model: Path, tmp_path: Path) -> None:
        plain, source = tmp_path / "plain.mkv", tmp_path / "a.mkv"
        ffmpeg(*picture(seconds=0.2), "-c:v", "ffv1", "-pix_fmt", "yuv420p", f"file:{plain}")
        ffmpeg("-i", f"file:{plain}", "-c", "copy", "-colorspace", "rgb", f"file:{source}")
        with open_source(source).clip.get_frame(0) as first:
            assert first.props["_Matrix"] == vs.MATRIX_UNSPECIFIED
        run(source, tmp_path / "images", "--model", model)
        assert vsj4r("compare", plain, source, "-o", tmp_path / "page.html").returncode == 0


@pytest.mark.parametrize(
    ("name", "codec", "layout"),
    [
        ("a.avi", "msvideo1", "rgb555le"),
        ("a.mov", "rpza", "rgb555le"),
        ("a.mov", "qtrle", "rgb555be"),
        ("a.avi", "zmbv", "rgb565le"),
        ("a.nut", "rawvideo", "rgb444le"),
        ("a.nut", "rawvideo", "rgb8"),
        ("a.nut", "rawvideo", "monow"),
        ("a.mov", "smc", "pal8"),
        ("a.avi", "cinepak", "rgb24"),
    ],
)
@tried(
    "AVI, raw streams and others",
    "Microsoft Video 1, RLE, SMC, Cinepak and other formats of few bits",
    "decoded as RGB, though the source filter lacks them",
)
def test_formats_of_few_bits_are_read_as_rgb(tmp_path: Path, name: str, codec: str, layout: str) -> None:
    source = tmp_path / name
    ffmpeg(*picture(seconds=1.5), "-c:v", codec, "-pix_fmt", layout, f"file:{source}")
    opened, expected = open_source(source), decoded(source)
    assert opened.clip.format.id == vs.RGB24
    assert opened.notes() == []
    assert [stamp * opened.time_base for stamp in opened.timestamps] == seconds_of_frames(source)
    order = [35, 0, 3, 2, 1, 30, 29, 35, *range(36)]
    for n in order:
        with opened.clip.get_frame(n) as frame:
            for plane in range(3):
                assert np.array_equal(np.asarray(frame[plane]), expected[n][..., plane])


def test_few_bits_all_the_way(model: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "a.avi", tmp_path / "out.mkv"
    ffmpeg(*picture(seconds=0.5), *SINE, "-c:v", "msvideo1", "-pix_fmt", "rgb555le", f"file:{source}")
    run(source, output, "--model", model)
    shown = [floor(time * 1000 + Fraction(1, 2)) for time in seconds_of_frames(source)]
    assert seconds_of_frames(output) == [Fraction(time, 1000) for time in shown]
    with av.open(str(output)) as container:
        assert len(container.streams.audio) == 1


def damaged(path: Path, *, options: tuple[str, ...] = QUICK, flips: int = 12) -> Path:
    """A second of moving picture and sound with some bytes flipped far behind its header."""
    ffmpeg(*picture(), *SINE, *options, "-g", "12", "-bf", "2", "-c:a", "aac", f"file:{path}")
    content, rng = bytearray(path.read_bytes()), np.random.default_rng(3)
    for place in rng.integers(len(content) // 4, len(content) * 3 // 4, flips):
        content[place] ^= 0xFF
    path.write_bytes(content)
    return path


@pytest.mark.slow
class TestDamage:
    @pytest.mark.parametrize(
        "options", [QUICK, ("-c:v", "libx265", "-x265-params", "log-level=none"), ("-c:v", "mpeg4")]
    )
    @tried(
        "Damage",
        "H.264, HEVC and MPEG-4 with flipped bytes",
        "read through, always the same; a line counts the damaged frames",
        after="[vapoursynth/bestsource#86](https://github.com/vapoursynth/bestsource/issues/86)",
    )
    def test_a_damaged_file_is_read_through_and_always_the_same(
        self, model: Path, tmp_path: Path, options: tuple[str, ...]
    ) -> None:
        source = damaged(tmp_path / "a.mkv", options=options)
        outputs = []
        for n in range(2):
            done = run(source, tmp_path / f"{n}.mkv", "--model", model, "--encoder", "ffv1")
            said = "damaged frames: the decoder makes up what is missing"
            assert sum(line.endswith(said) for line in done.stderr.splitlines()) == 1
            outputs.append(decoded(tmp_path / f"{n}.mkv"))
        assert len(outputs[0]) >= 30
        assert all(np.array_equal(*pair) for pair in zip(*outputs, strict=True))

    @tried("Damage", "H.264 with flipped bytes, in a batch", "done, not tried again")
    def test_a_batch_reads_it_once(self, model: Path, tmp_path: Path) -> None:
        damaged(tmp_path / "a.mkv")
        jobs = tmp_path / "jobs.toml"
        jobs.write_text(f'[[job]]\ninput = "a.mkv"\noutput = "out.mkv"\nmodel = "{model}"\n')
        done = vsj4r("batch", jobs)
        assert done.returncode == 0, done.stderr
        assert "again" not in done.stderr
        assert done.stderr.count("damaged frame") == 1

    def test_what_is_whole_is_not_called_damaged(self, tmp_path: Path) -> None:
        source = tmp_path / "a.ts"
        ffmpeg(*picture(), *QUICK, "-g", "12", "-bf", "2", f"file:{source}")
        assert open_source(source).notes() == []

    @tried(
        "Transport streams",
        "a recording that begins between two key frames",
        "from the first frame that decodes",
    )
    def test_a_transport_stream_that_begins_in_the_middle(self, model: Path, tmp_path: Path) -> None:
        whole, source = tmp_path / "whole.ts", tmp_path / "a.ts"
        ffmpeg(*picture(seconds=4), *SINE, *QUICK, "-g", "12", "-bf", "2", f"file:{whole}")
        content = whole.read_bytes()
        source.write_bytes(content[len(content) // 188 // 3 * 188 :])
        run(source, tmp_path / "out.mkv", "--model", model)
        assert len(seconds_of_frames(tmp_path / "out.mkv")) >= 40


@pytest.mark.slow
class TestIndex:
    def long(self, path: Path, shift: int = 0) -> Path:
        ffmpeg(*picture(seconds=5, size="64x48"), "-vf", f"hue=h={shift}", "-c:v", "mjpeg", f"file:{path}")
        return path

    def test_it_lies_in_the_cache_folder_and_is_used_again(
        self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        source = self.long(tmp_path / "a.avi")
        for _ in range(2):
            assert len(open_source(source).clip) == 120
        assert sorted(kept.suffix for kept in cache.iterdir()) == ["", ".bsindex"]
        assert not list(home.iterdir())

    @tried(
        "AVI, raw streams and others",
        "a file replaced by another of its name and size",
        "read anew: the index fits a content",
    )
    def test_another_file_of_that_name_and_size_is_read_anew(self, tmp_path: Path) -> None:
        source, other = self.long(tmp_path / "a.avi"), self.long(tmp_path / "b.avi", 90)
        size = max(source.stat().st_size, other.stat().st_size)
        for path in (source, other):
            with path.open("ab") as file:
                file.truncate(size)
        rgb(open_source(source).clip)
        time = source.stat().st_mtime_ns
        source.write_bytes(other.read_bytes())
        os.utime(source, ns=(time, time))
        for found, expected in zip(rgb(open_source(source).clip), rgb(open_source(other).clip), strict=True):
            assert np.array_equal(found, expected)

    def test_a_file_that_grows_is_read_to_its_new_end(self, tmp_path: Path) -> None:
        source = tmp_path / "a.ts"
        ffmpeg(*picture(seconds=9), *QUICK, "-g", "12", f"file:{source}")
        content = source.read_bytes()
        source.write_bytes(content[: len(content) // 188 // 2 * 188])
        half = len(open_source(source).clip)
        source.write_bytes(content)
        assert half < len(open_source(source).clip) == 216

    @pytest.mark.parametrize("kept", [b"", b"BS2V garbage", b"{}", b"[1, 2]"])
    def test_an_index_that_is_damaged_is_made_again(self, tmp_path: Path, cache: Path, kept: bytes) -> None:
        source = self.long(tmp_path / "a.avi")
        expected = rgb(open_source(source).clip)
        for path in cache.iterdir():
            path.write_bytes(kept)
        for found, wanted in zip(rgb(open_source(source).clip), expected, strict=True):
            assert np.array_equal(found, wanted)

    def test_an_index_of_other_frames_is_made_again(self, model: Path, tmp_path: Path, cache: Path) -> None:
        """Its hashes are changed: the source filter then takes its own frames for wrong ones."""
        source = self.long(tmp_path / "a.avi")
        open_source(source)
        (kept,) = cache.glob("*.bsindex")
        content = bytearray(kept.read_bytes())
        content[-200:] = bytes(200)
        kept.write_bytes(content)
        for said in (1, 0):
            done = run(source, tmp_path / f"{said}.mkv", "--model", model, "--encoder", "ffv1")
            assert (
                done.stderr.count(
                    "does not decode the same each time: begun again with one thread, which is slower"
                )
                == said
            )
            assert len(seconds_of_frames(tmp_path / f"{said}.mkv")) == 120

    def test_an_index_of_other_frames_is_made_again_in_a_batch(self, model: Path, tmp_path: Path) -> None:
        """Within the task that meets it: it does not count as a failure."""
        source, jobs = self.long(tmp_path / "a.avi"), tmp_path / "jobs.toml"
        jobs.write_text(f'[[job]]\ninput = "a.avi"\noutput = "b.mkv"\nmodel = "{model}"\n')
        state = jobs.with_name("jobs.toml.vsj4r")
        work = work_for(read_jobs(jobs).files[0], state)
        told: list[dict[str, object]] = []

        def done(task: Task) -> Any:
            with closing(Bench()) as bench:
                return perform(task, Worker(1, bench, told.append, stopped=lambda: False))

        plan = done(Task("plan", work))
        (kept,) = (work.folder / "index").glob("*.bsindex")
        kept.write_bytes(kept.read_bytes()[:-200] + bytes(200))
        size, _ = done(Task("encode", work, plan))
        assert work.part(plan, 0).stat().st_size == size
        again = f"{source} does not decode the same each time: chunk 0 again with one thread, which is slower"
        assert [event["text"] for event in told if event["kind"] == "note"] == [again]

    @pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders of POSIX")
    @pytest.mark.parametrize("home", ["file/in/the/way", "", None])
    @tried("AVI, raw streams and others", "no home folder, or one that cannot be written", "works")
    def test_no_home_and_no_cache_is_no_reason_to_fail(
        self, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.delenv("XDG_CACHE_HOME")
        if home is None:
            monkeypatch.delenv("HOME")
        else:
            monkeypatch.setenv("HOME", home and str(tmp_path / home))
        run(self.long(tmp_path / "a.avi"), tmp_path / "out.mkv", "--model", model)

    def test_what_is_old_or_too_much_is_removed(
        self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache.mkdir(parents=True)
        for n in range(4):
            (cache / f"{n}-x").write_bytes(bytes(1000))
            os.utime(cache / f"{n}-x", (1e9, 1e9) if n == 0 else (2e9 + n, 2e9 + n))
        monkeypatch.setattr(index, "_LARGEST_BYTES", 2500)
        source = tmp_path / "a"
        source.touch()
        index.index_of(source)
        assert sorted(path.name for path in cache.iterdir()) == ["2-x", "3-x"]


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


@tried(
    "Matroska and WebM",
    "PixelCrop",
    "cut off, as players do, with a line",
    after="[mpv#15800](https://github.com/mpv-player/mpv/issues/15800)",
)
def test_what_the_container_hides_is_cut_off(model: Path, tmp_path: Path) -> None:
    """As players do; Matroska's PixelCropLeft and PixelCropRight in the place of its aspect."""
    source = tmp_path / "a.mkv"
    ffmpeg(*picture(seconds=0.2), "-vf", "setsar=4/3", *QUICK, f"file:{source}")
    content = source.read_bytes()
    for aspect, crop in (("54b08102", "54dd8106"), ("54ba8101", "54cc8109")):
        assert content.count(bytes.fromhex(aspect)) == 1
        content = content.replace(bytes.fromhex(aspect), bytes.fromhex(crop))
    with open_source(source).clip.get_frame(0) as frame:
        whole = np.array(frame[0])
    source.write_bytes(content)
    done = run(source, tmp_path / "out.mkv", "--model", model)
    said = "vsj4r: the container says to show 82x64 of 96x64: the rest is cut off"
    assert said in done.stderr.splitlines()
    assert decoded(tmp_path / "out.mkv")[0].shape == (64, 82, 3)
    with open_source(source).clip.get_frame(0) as frame:
        assert np.array_equal(np.asarray(frame[0]), whole[:, 8:-6])


@pytest.mark.parametrize("aspect", ["2:1", "16:9"])
@tried(
    "Matroska and WebM",
    "an aspect of the container that the bitstream contradicts",
    "the container counts, as in players",
    after="[mpv#2259](https://github.com/mpv-player/mpv/issues/2259)",
)
def test_the_shape_of_the_container_overrules_the_bitstream(model: Path, tmp_path: Path, aspect: str) -> None:
    plain, source, output = (tmp_path / f"{name}.mkv" for name in ("plain", "a", "out"))
    ffmpeg(*picture(seconds=0.2), "-vf", "setsar=1", *QUICK, f"file:{plain}")
    ffmpeg("-i", f"file:{plain}", "-c", "copy", "-aspect", aspect, f"file:{source}")
    run(source, output, "--model", model)
    shapes = []
    for path in (source, output):
        with av.open(str(path)) as container:
            shapes.append(Fraction(str(container.streams.video[0].display_aspect_ratio)))
    assert shapes == [Fraction(aspect.replace(":", "/"))] * 2


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


@tried("Matroska and WebM", "anamorphic AV1 of our own, derained again", "the aspect stays")
def test_the_shape_of_av1_stays_twice(model: Path, tmp_path: Path) -> None:
    source, once, twice = tmp_path / "a.mkv", tmp_path / "once.webm", tmp_path / "twice.mkv"
    ffmpeg(*picture(seconds=0.2), "-vf", "setsar=4/3", *QUICK, f"file:{source}")
    run(source, once, "--model", model)
    run(once, twice, "--model", model)
    assert [probe(path).video.sample_aspect for path in (source, once, twice)] == [Fraction(4, 3)] * 3
