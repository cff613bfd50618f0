"""Footage as it comes: files that say things wrongly, badly or not at all, each made here."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from pathlib import Path

import av
import numpy as np
import pytest
import vapoursynth as vs

from tests.cli import assert_refused, run, vsj4r
from tests.media import QUICK, SINE, decoded, ffmpeg, picture, rgb, seconds_of_frames
from tests.tried import tried
from vsj4r.errors import InputError
from vsj4r.media.files import open_source
from vsj4r.media.probe import probe
from vsj4r.media.reading import read_image

pytestmark = pytest.mark.usefixtures("index_cache")


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

    def test_it_is_taken_once_deinterlaced(self, tmp_path: Path) -> None:
        """As docs/use/run.md says it."""
        source, whole = interlaced(tmp_path / "a.mkv"), tmp_path / "whole.mkv"
        fields = [
            "-map",
            "0:v:0",
            "-map",
            "0:a?",
            "-vf",
            "bwdif=mode=send_field",
            "-c:v",
            "ffv1",
            "-c:a",
            "copy",
        ]
        ffmpeg("-i", f"file:{source}", *fields, f"file:{whole}")
        assert len(open_source(whole).clip) == 40

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

    @tried("Picture and colour", "RGB of limited range", "expanded to full range, with a line")
    def test_rgb_of_limited_range(self, model: Path, tmp_path: Path) -> None:
        full, limited = tmp_path / "full.mkv", tmp_path / "limited.mkv"
        ffmpeg(*picture(seconds=0.1), "-c:v", "ffv1", "-pix_fmt", "gbrp10le", f"file:{full}")
        narrow = "format=gbrp10le,lutrgb=r=64+val*876/1023:g=64+val*876/1023:b=64+val*876/1023"
        said = "lossless=1:range=limited:colormatrix=gbr:log-level=error"
        x265 = ("-c:v", "libx265", "-x265-params", said)
        ffmpeg("-i", f"file:{full}", "-vf", narrow, *x265, f"file:{limited}")
        for found, expected in zip(rgb(open_source(limited).clip), rgb(open_source(full).clip), strict=True):
            assert np.abs(found.astype(int) - expected).max() <= 128  # 2 of 10 bits
        done = run(limited, tmp_path / "out.mkv", "--model", model, "--encoder", "ffv1")
        assert "its RGB has limited range, which is seldom heeded: it becomes full range" in done.stderr

    @tried("Picture and colour", "BT.2020 primaries without a matrix", "BT.2020's matrix is taken")
    def test_primaries_say_which_matrix_is_usual(self, model: Path, tmp_path: Path) -> None:
        told, untold = tmp_path / "told.mkv", tmp_path / "untold.mkv"
        red = ("-f", "lavfi", "-i", "color=red:s=96x64:r=25:d=0.1,format=gbrp10le")
        there = "scale=out_color_matrix=bt2020nc:out_range=tv,format=yuv444p10le"
        ffmpeg(*red, "-vf", there, "-c:v", "libx265", "-x265-params", "lossless=1", f"file:{told}")
        forgets = "hevc_metadata=matrix_coefficients=2:colour_primaries=9:transfer_characteristics=16"
        ffmpeg("-i", f"file:{told}", "-c", "copy", "-bsf:v", forgets, f"file:{untold}")
        run(untold, tmp_path / "images", "--model", model, "--strength", 0)
        pixel = read_image(tmp_path / "images" / "000000.png")[32, 48] / 65535
        assert np.abs(pixel - (1, 0, 0)).max() < 0.005

    def test_a_matrix_that_is_not_known_is_told(self, model: Path, tmp_path: Path) -> None:
        plain, source = tmp_path / "plain.mkv", tmp_path / "a.mkv"
        ffmpeg(*picture(seconds=0.1), "-c:v", "libx265", "-pix_fmt", "yuv444p", f"file:{plain}")
        says = ("-bsf:v", "hevc_metadata=matrix_coefficients=11")
        ffmpeg("-i", f"file:{plain}", "-c", "copy", *says, f"file:{source}")
        done = run(source, tmp_path / "out.mkv", "--model", model, "--encoder", "ffv1")
        assert "matrix 11 (H.273) is not known here: it is left out" in done.stderr

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


@tried("Matroska and WebM", "anamorphic AV1 of our own, derained again", "the aspect stays")
def test_the_shape_of_av1_stays_twice(model: Path, tmp_path: Path) -> None:
    source, once, twice = tmp_path / "a.mkv", tmp_path / "once.webm", tmp_path / "twice.mkv"
    ffmpeg(*picture(seconds=0.2), "-vf", "setsar=4/3", *QUICK, f"file:{source}")
    run(source, once, "--model", model)
    run(once, twice, "--model", model)
    assert [probe(path).video.sample_aspect for path in (source, once, twice)] == [Fraction(4, 3)] * 3
