"""Masters and tracks: RGB that stays 4:4:4, DNxHR, presets, the video stream that is asked for."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import vapoursynth as vs

from tests import media
from tests.cli import assert_refused, batch, run, vsj4r
from tests.tried import tried
from vsj4r.media.images import write_png
from vsj4r.media.reading import read_image, read_translucent


def picture_of(path: Path) -> tuple[str, str, str]:
    """Codec, profile and pixel format."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return context.name, context.profile or "", str(context.pix_fmt)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Colours that change from pixel to pixel, which 4:2:0 would mix."""
    folder = tmp_path / "images"
    folder.mkdir()
    for n in range(3):
        pixels = np.random.default_rng(n).integers(0, 256, (128, 256, 3))
        write_png(pixels.astype(np.uint8), folder / f"{n}.png")
    return folder


@pytest.mark.parametrize(
    ("preset", "name", "found"),
    [
        ("ffv1", "out.mkv", ("ffv1", "", "bgr0")),
        ("prores", "out.mov", ("prores", "4444", "yuv444p12le")),
        ("dnxhr", "out.mov", ("dnxhd", "DNXHR 444", "yuv444p10le")),
        ("web", "out.mp4", ("h264", "High", "yuv420p")),
    ],
)
def test_rgb_in_a_master_stays_or_is_444_of_10_bits(
    images: Path, model: Path, tmp_path: Path, preset: str, name: str, found: tuple[str, str, str]
) -> None:
    run(images, tmp_path / name, "--model", model, "--strength", 0, "--preset", preset)
    assert picture_of(tmp_path / name) == found
    if preset != "ffv1":
        return
    run(tmp_path / name, tmp_path / "back", "--model", model, "--strength", 0)
    for n in range(3):
        assert np.array_equal(read_image(tmp_path / "back" / f"{n:06d}.png"), read_image(images / f"{n}.png"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pixels", "found"),
    [("gbrp10le", "gbrp10le"), ("gbrp12le", "gbrp12le"), ("gbrp16le", "gbrp16le"), ("bgr0", "bgr0")],
)
def test_rgb_of_any_depth_stays_in_ffv1(model: Path, tmp_path: Path, pixels: str, found: str) -> None:
    source = media.plain(tmp_path / "in.mkv", "-pix_fmt", pixels, seconds=0.2)
    done = run(source, tmp_path / "out.mkv", "--model", model, "--strength", 0, "--encoder", "ffv1")
    assert picture_of(tmp_path / "out.mkv")[2] == found
    assert "is converted" not in done.stderr
    media.assert_same_frames(source, tmp_path / "out.mkv")
    run(source, tmp_path / "yuv.mkv", "--model", model, "--encoder", "ffv1", "--chroma", "444")
    assert picture_of(tmp_path / "yuv.mkv")[2].startswith("yuv444p1")


@pytest.mark.parametrize(
    ("encoder", "pixels"), [("x264", "yuv444p"), ("x265", "yuv444p"), ("svtav1", "yuv420p")]
)
def test_rgb_is_444_where_an_encoder_has_it(
    images: Path, model: Path, tmp_path: Path, encoder: str, pixels: str
) -> None:
    done = run(images, tmp_path / "out.mkv", "--model", model, "--encoder", encoder)
    assert picture_of(tmp_path / "out.mkv")[2] == pixels
    told = "chroma 420, as preset web has it, plays everywhere" in done.stderr
    assert told == (pixels == "yuv444p")
    run(images, tmp_path / "420.mkv", "--model", model, "--encoder", encoder, "--chroma", "420")
    assert picture_of(tmp_path / "420.mkv")[2] == "yuv420p"


def test_rgb_goes_to_10_bits_without_8_on_the_way(model: Path, tmp_path: Path) -> None:
    """A ramp of 16 bits: 8 would leave 256 levels of it; and the filter works in the master's 10 bits."""
    ramp = np.linspace(0, 65535, 256 * 128).round().astype(np.uint16).reshape(128, 256)
    (tmp_path / "in").mkdir()
    for n in range(2):
        write_png(np.dstack([ramp] * 3), tmp_path / "in" / f"{n}.png")
    levels = {}
    for encoder in ("prores", "dnxhr"):
        run(tmp_path / "in", tmp_path / f"{encoder}.mov", "--model", model, "--encoder", encoder)
        levels[encoder] = len(np.unique(media.planes(tmp_path / f"{encoder}.mov")[0][0]))
    assert min(levels.values()) > 600
    half = ("--model", model, "--encoder", "ffv1", "--chroma", "444", "--strength", 0.5)
    source = media.plain(tmp_path / "8.mkv", "-pix_fmt", "bgr0", seconds=0.2)
    run(source, tmp_path / "own.mkv", *half)
    run(source, tmp_path / "named.mkv", *half, "--depth", 10)
    media.assert_same_frames(tmp_path / "own.mkv", tmp_path / "named.mkv")


ALPHA = "geq=lum='p(X,Y)':cb='p(X,Y)':cr='p(X,Y)':a='mod(X*11+Y*5+N*7,{top})'"


def with_alpha(path: Path, pixels: str, *options: str) -> Path:
    top = 1024 if "10" in pixels else 256
    filters = (
        f"format={'yuva444p10le' if top == 1024 else 'yuva444p'},{ALPHA.format(top=top)},format={pixels}"
    )
    media.ffmpeg(*media.picture(seconds=0.3), "-vf", filters, "-pix_fmt", pixels, *options, f"file:{path}")
    return path


def assert_equal(some: list[np.ndarray], others: list[np.ndarray]) -> None:
    assert all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def alphas(path: Path) -> list[np.ndarray]:
    """That of every frame, of the depth that the decoder gives."""
    clip = vs.core.bs.VideoSource(str(path), cachemode=0)
    return [np.array(frame[0]) for frame in clip.std.PropToClip(prop="_Alpha").frames(close=True)]


@pytest.mark.slow
@pytest.mark.parametrize("pixels", ["yuva420p", "yuva422p", "yuva444p10le", "bgra", "gbrap10le"])
def test_alpha_goes_through_ffv1_untouched(model: Path, tmp_path: Path, pixels: str) -> None:
    source = with_alpha(tmp_path / "in.mkv", pixels, "-c:v", "ffv1")
    (tmp_path / "jobs.toml").write_text(
        f"[[job]]\ninput = 'in.mkv'\noutput = 'batch.mkv'\nencoder = 'ffv1'\n"
        f"model = {json.dumps(str(model))}\n"
    )
    done = run(source, tmp_path / "out.mkv", "--model", model, "--encoder", "ffv1")
    assert "alpha channel" not in done.stderr
    batch(tmp_path)
    for name in ("out.mkv", "batch.mkv"):
        assert picture_of(tmp_path / name)[2] == pixels
        assert_equal(alphas(source), alphas(tmp_path / name))
    media.assert_same_frames(tmp_path / "out.mkv", tmp_path / "batch.mkv")
    assert not np.array_equal(media.planes(source)[3][0], media.planes(tmp_path / "out.mkv")[3][0])


def test_alpha_goes_through_prores_untouched(model: Path, tmp_path: Path) -> None:
    source = with_alpha(tmp_path / "in.mov", "yuva444p10le", "-c:v", "prores_ks")
    before = alphas(source)
    assert before[0].max() == 4095
    (tmp_path / "jobs.toml").write_text(
        f"[[job]]\ninput = 'in.mov'\noutput = 'batch.mov'\npreset = 'prores'\ntrim = [2, 6]\n"
        f"model = {json.dumps(str(model))}\n"
    )
    run(source, tmp_path / "out.mov", "--model", model, "--preset", "prores", "--trim", "2:6")
    batch(tmp_path)
    for name in ("out.mov", "batch.mov"):
        assert picture_of(tmp_path / name)[1:] == ("4444", "yuva444p12le")
        assert_equal(before[2:6], alphas(tmp_path / name))
    done = run(source, tmp_path / "mattes.mov", "--model", model, "--preset", "prores", "--output", "rain")
    assert picture_of(tmp_path / "mattes.mov")[2] == "yuv444p12le"
    assert "alpha channel" not in done.stderr


@pytest.mark.slow
def test_alpha_goes_from_images_to_a_master_and_back(model: Path, tmp_path: Path) -> None:
    wanted = []
    (tmp_path / "in").mkdir()
    for n in range(3):
        pixels = np.random.default_rng(n).integers(0, 256, (64, 96, 4)).astype(np.uint8)
        write_png(pixels, tmp_path / "in" / f"{n}.png")
        wanted.append(pixels[..., 3])
    same = ("--model", model, "--strength", 0)
    run(tmp_path / "in", tmp_path / "out.mov", *same, "--preset", "prores", "--fps", 24)
    run(tmp_path / "in", tmp_path / "out.mkv", *same, "--preset", "ffv1")
    for name in ("out.mov", "out.mkv"):
        run(tmp_path / name, tmp_path / f"{name[-3:]}_back", *same)
        for n in range(3):
            _, alpha = read_translucent(tmp_path / f"{name[-3:]}_back" / f"{n:06d}.png")
            assert alpha is not None
            scale = np.iinfo(alpha.dtype).max / 255
            assert np.array_equal((alpha / scale).round(), wanted[n])
    for encoder, name in (("x264", "no.mkv"), ("svtav1", "no.webm")):
        done = run(tmp_path / "in", tmp_path / name, *same, "--encoder", encoder, "--overwrite")
        lines = [line for line in done.stderr.splitlines() if "alpha channel" in line]
        assert lines == [
            "vsj4r: the alpha channel is left out: the output is opaque "
            f"({encoder} takes none here; ffv1 and prores keep it)"
        ]


def test_alpha_is_turned_with_the_picture(model: Path, tmp_path: Path) -> None:
    lying = with_alpha(tmp_path / "lying.mkv", "yuva444p10le", "-c:v", "ffv1")
    media.ffmpeg("-display_rotation", "90", "-i", f"file:{lying}", "-c", "copy", f"file:{tmp_path}/t.mkv")
    run(tmp_path / "t.mkv", tmp_path / "kept.mkv", "--model", model, "--encoder", "ffv1")
    assert_equal(alphas(lying), alphas(tmp_path / "kept.mkv"))
    run(tmp_path / "t.mkv", tmp_path / "frames", "--model", model)
    shown, alpha = read_translucent(tmp_path / "frames" / "000001.png")
    assert alpha is not None
    assert shown.shape == (96, 64, 3)
    upright = np.rot90(alphas(lying)[1], 1)
    assert np.array_equal((alpha.astype(float) * 1023 / 65535).round(), upright)
    told = run(tmp_path / "t.mkv", tmp_path / "look.png", "--model", model, "--preview", "--trim", "1:2")
    assert "alpha channel" not in told.stderr
    both, alphas_of_both = read_translucent(tmp_path / "look.png")
    assert np.array_equal(both[:, 64:], shown)
    assert alphas_of_both is not None
    assert np.array_equal(alphas_of_both, np.hstack([alpha, alpha]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        ("yuv420p", ("dnxhd", "DNXHR HQ", "yuv422p")),
        ("yuv422p10le", ("dnxhd", "DNXHR HQX", "yuv422p10le")),
        ("yuv444p", ("dnxhd", "DNXHR 444", "yuv444p10le")),
    ],
)
def test_dnxhr_has_the_profile_of_the_picture(
    model: Path, tmp_path: Path, pixels: str, found: tuple[str, str, str]
) -> None:
    source = media.plain(tmp_path / "in.mkv", "-pix_fmt", pixels, seconds=0.3, size="256x128")
    run(source, tmp_path / "out.mov", "--model", model, "--encoder", "dnxhr")
    assert picture_of(tmp_path / "out.mov") == found
    (tmp_path / "jobs.toml").write_text(
        "[[job]]\ninput = 'in.mkv'\noutput = 'batch.mov'\npreset = 'dnxhr'\n"
        f"model = {json.dumps(str(model))}\n"
    )
    batch(tmp_path)
    assert picture_of(tmp_path / "batch.mov") == found
    media.assert_same_frames(tmp_path / "out.mov", tmp_path / "batch.mov")


@pytest.mark.slow
def test_a_track_is_chosen(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "two.mkv"
    media.ffmpeg(
        *media.picture(seconds=0.5), *media.picture(seconds=0.25, size="64x48"), "-map", "0", "-map", "1",
        "-c:v", "ffv1", f"file:{source}",
    )  # fmt: skip
    common = ("--model", model, "--encoder", "ffv1")
    run(source, tmp_path / "usual.mkv", *common)
    run(source, tmp_path / "second.mkv", *common, "--track", 1)
    run(source, tmp_path / "first.mkv", *common, "--track", 0)
    shapes = [media.planes(tmp_path / f"{name}.mkv")[0][0].shape for name in ("usual", "first", "second")]
    assert shapes == [(64, 96), (64, 96), (48, 64)]
    assert len(media.planes(tmp_path / "second.mkv")) == 6
    done = vsj4r("run", source, tmp_path / "no.mkv", "--model", model, "--track", 2)
    assert_refused(done, 1, "two.mkv has no video track 2: its last one is 1", tmp_path)


def take(path: Path, *options: str, rate: str = "30000/1001", hertz: int = 44100) -> Path:
    """A second of picture with a time code, and sound."""
    media.ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=s=256x128:r={rate}:d=1", "-f", "lavfi", "-i", f"sine=d=1:r={hertz}",
        "-timecode", "01:00:00;00", "-c:v", "libx264", "-c:a", "aac", *options, f"file:{path}",
    )  # fmt: skip
    return path


def told_of_mxf(path: Path) -> tuple[str, str, str, int, Fraction]:
    """Codec and profile, codec of sound, time code, frames, rate."""
    with av.open(str(path)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        kind = f"{picture.codec_context.name} {picture.codec_context.profile}"
        frames = sum(packet.size > 0 for packet in container.demux(picture))
        rate = Fraction(str(picture.average_rate or 0))
        return kind, sound.codec_context.name, container.metadata["timecode"], frames, rate


def test_mxf_is_dnxhr_with_its_time_code_and_pcm(model: Path, tmp_path: Path) -> None:
    source = take(tmp_path / "in.mov")
    done = run(source, tmp_path / "out.mxf", "--model", model, "--trim", "5:25")
    assert "audio stream 1 (aac) becomes pcm_s24le of 48 kHz, with loss" in done.stderr
    (tmp_path / "jobs.toml").write_text(
        f"[[job]]\ninput = 'in.mov'\noutput = 'batch.mxf'\nmodel = {json.dumps(str(model))}\n"
    )
    batch(tmp_path)
    rate = Fraction(30000, 1001)
    assert told_of_mxf(tmp_path / "out.mxf") == ("dnxhd DNXHR HQ", "pcm_s24le", "01:00:00;05", 20, rate)
    assert told_of_mxf(tmp_path / "batch.mxf") == ("dnxhd DNXHR HQ", "pcm_s24le", "01:00:00;00", 30, rate)
    run(tmp_path / "out.mxf", tmp_path / "again.mov", "--model", model, "--preset", "dnxhr")
    with av.open(str(tmp_path / "again.mov")) as container:
        assert container.streams.audio[0].codec_context.name == "pcm_s24le"
        codes = {stream.metadata.get("timecode") for stream in container.streams}
        assert "01:00:00;05" in codes | {container.metadata.get("timecode")}


def test_what_mxf_cannot_hold_is_told_before_the_first_frame(model: Path, tmp_path: Path) -> None:
    odd = take(tmp_path / "odd.mov", rate="12")
    done = vsj4r("run", odd, tmp_path / "out.mxf", "--model", model)
    assert_refused(done, 1, ".mxf cannot hold 12 frames a second: --cfr RATE (cfr in a job file)", tmp_path)
    varied = take(tmp_path / "varied.mkv", "-vf", media.VARIABLE_RATE, "-fps_mode", "vfr")
    done = vsj4r("run", varied, tmp_path / "out.mxf", "--model", model)
    assert_refused(done, 1, ".mxf cannot hold a variable rate: --cfr RATE", tmp_path)
    run(varied, tmp_path / "out.mxf", "--model", model, "--cfr", "29.97")
    assert told_of_mxf(tmp_path / "out.mxf")[3:] == (30, Fraction(30000, 1001))


def test_sound_after_the_picture_of_mxf_is_not_lost_silently(model: Path, tmp_path: Path) -> None:
    media.ffmpeg(
        *media.picture(seconds=1, size="256x128", rate=25), "-f", "lavfi", "-i", "sine=d=2.5:r=48000",
        "-c:v", "ffv1", "-c:a", "pcm_s16le", f"file:{tmp_path / 'in.mkv'}",
    )  # fmt: skip
    done = run(tmp_path / "in.mkv", tmp_path / "out.mxf", "--model", model)
    assert ".mxf has no sound without a picture: 1.50 s after it are left out" in done.stderr
    done = run(tmp_path / "in.mkv", tmp_path / "part.mxf", "--model", model, "--trim", "0:20")
    assert "without a picture" not in done.stderr


@pytest.mark.slow
def test_a_constant_rate_shows_what_was_shown_then(model: Path, tmp_path: Path) -> None:
    """Each frame says when it was: 41 of 48 moments, made 48, and 25 a second; in chunks too."""
    source = media.rich(tmp_path, seconds=12)
    shown = [float(time) for time in media.seconds_of_frames(source)]
    (tmp_path / "jobs.toml").write_text(
        f"[[job]]\ninput = 'rich.mkv'\noutput = 'batch.mkv'\nencoder = 'ffv1'\nstrength = 0\n"
        f"cfr = 'auto'\nchunk = 120\nmodel = {json.dumps(str(model))}\n"
    )
    batch(tmp_path)
    common = ("--model", model, "--encoder", "ffv1", "--strength", 0)
    done = run(source, tmp_path / "auto.mkv", *common, "--cfr", "auto")
    assert "the output has a constant rate of 24 frames a second:" in done.stderr
    run(source, tmp_path / "25.mkv", *common, "--cfr", 25)
    media.assert_same_frames(tmp_path / "auto.mkv", tmp_path / "batch.mkv")
    before = [planes[0] for planes in media.planes(source)]
    for name, rate in (("auto.mkv", 24), ("25.mkv", 25)):
        times = media.seconds_of_frames(tmp_path / name)
        assert len(times) == round((shown[-1] - shown[0] + 1 / 24) * rate)
        assert all(abs(float(time) - n / rate) < 0.002 for n, time in enumerate(times))
        for n, planes in enumerate(media.planes(tmp_path / name)[::7]):
            moment = shown[0] + (7 * n + 0.5) / rate
            wanted = max(k for k, time in enumerate(shown) if time <= moment)
            assert np.array_equal(planes[0], before[wanted])
        assert media.audio_packets(tmp_path / name) == media.audio_packets(source)


def test_a_constant_rate_that_cannot_be(model: Path, tmp_path: Path) -> None:
    done = vsj4r("run", tmp_path / "in.mkv", tmp_path / "out.mkv", "--model", model, "--cfr", "fast")
    told = "--cfr must be a number such as 25 or 30000/1001, at most 1000, got 'fast'"
    assert_refused(done, 2, told, tmp_path)


@pytest.mark.parametrize(
    ("matrix", "primaries", "is_told"), [("smpte170m", "smpte170m", True), ("bt709", "bt709", False)]
)
@tried(
    "Picture and colour",
    "a matrix other than BT.709's with DNxHR, whose bitstream says no other",
    "samples are converted, a line says so",
)
def test_dnxhr_shows_the_colours_of_other_matrices(
    model: Path, tmp_path: Path, matrix: str, primaries: str, *, is_told: bool
) -> None:
    source, output = tmp_path / "in.mkv", tmp_path / "out.mxf"
    tags = f"setparams=range=tv:colorspace={matrix}:color_primaries={primaries}:color_trc={primaries}"
    red = f"scale=out_color_matrix={matrix}:out_range=tv,format=yuv422p,{tags}"
    media.ffmpeg(
        "-f", "lavfi", "-i", "color=red:s=320x240:d=0.08", "-vf", red, "-c:v", "ffv1", f"file:{source}"
    )
    done = run(source, output, "--model", model, "--strength", 0)
    assert ("samples are converted to its matrix" in done.stderr) == is_told
    with av.open(str(output)) as container:
        frame = next(container.decode(video=0))
        assert frame.colorspace == 1
        shown = frame.to_ndarray(format="rgb24").reshape(-1, 3).mean(0)
    assert np.abs(shown - (255, 0, 0)).max() < 8  # a wrong matrix is 25 off


@pytest.mark.parametrize(("encoder", "aspect"), [("dnxhr", 1), ("prores", Fraction(16, 15))])
@tried(
    "Picture and colour",
    "samples that are not square, into MXF",
    "kept with ProRes and FFV1; DNxHR cannot say them, which is told",
)
def test_the_shape_of_samples_in_mxf(model: Path, tmp_path: Path, encoder: str, aspect: Fraction) -> None:
    source, output = tmp_path / "in.mkv", tmp_path / "out.mxf"
    picture = ["-f", "lavfi", "-i", "testsrc2=s=360x288:r=25:d=0.08", "-vf", "setsar=16/15,format=yuv422p"]
    media.ffmpeg(*picture, "-c:v", "ffv1", f"file:{source}")
    done = run(source, output, "--model", model, "--encoder", encoder)
    assert ("cannot say that samples are 16:15" in done.stderr) == (encoder == "dnxhr")
    with av.open(str(output)) as container:
        assert container.streams.video[0].sample_aspect_ratio == aspect
