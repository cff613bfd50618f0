"""HDR: mastering display and light levels come through `vsj4r run`; it is HEVC where no encoder is named."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests import media
from tests.cli import batch, run, vsj4r
from tests.tiny_model import write_tiny_model
from tests.tried import tried
from vsj4r.media.images import colours_of, write_png
from vsj4r.media.png_colours import chunks_of, props_of
from vsj4r.media.tags import light_of, mastering_of


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "suffix"), [("x265", ".mkv"), ("x265", ".mp4"), ("vp9", ".webm"), ("ffv1", ".mkv")]
)
@tried(
    "Picture and colour", "HDR10 mastering display and light levels", "in the bitstream and in the container"
)
def test_hdr10_is_kept(tmp_path: Path, encoder: str, suffix: str) -> None:
    model = write_tiny_model(tmp_path)
    source, output = media.hdr10(tmp_path / "hdr.mkv"), tmp_path / f"clean{suffix}"
    run(source, output, "--model", model, "--encoder", encoder)
    assert media.hdr_props(source)["MasteringDisplayMinLuminance"] == 0.005
    assert media.hdr_props(output) == media.hdr_props(source)
    if encoder == "x265":  # a display may see nothing but the bitstream
        bare = tmp_path / "bare.hevc"
        media.ffmpeg("-i", f"file:{output}", "-c:v", "copy", "-f", "hevc", f"file:{bare}")
        assert media.hdr_props(bare) == media.hdr_props(source)


@pytest.mark.slow
@tried("Images", "HDR10 video into PNG, and back into a video", "kept: cICP, mDCV and cLLI; HEVC")
def test_images_carry_hdr10(tmp_path: Path) -> None:
    model, source = write_tiny_model(tmp_path), media.hdr10(tmp_path / "hdr.mkv", seconds=0.1)
    run(source, tmp_path / "shot", "--model", model)
    back = run(tmp_path / "shot", tmp_path / "back.mkv", "--model", model, "--chroma", "420")
    assert "the input is 16 bit HDR (PQ): written with x265 (HEVC)" in back.stderr
    assert media.hdr_props(tmp_path / "back.mkv") == media.hdr_props(source)
    told = run(source, tmp_path / "light", "--model", model, "--image", "exr").stderr
    assert ".exr cannot say BT.2020 and PQ: it is shown as sRGB is (PNG says it)" in told
    plain = run(media.plain(tmp_path / "plain.mkv"), tmp_path / "sdr", "--model", model, "--image", "exr")
    assert "cannot say" not in plain.stderr


@pytest.mark.slow
@tried("Picture and colour", "HDR that a script gives", "HEVC of 10 bits where no encoder is named")
def test_hdr_of_a_script_is_hevc(tmp_path: Path) -> None:
    model, source = write_tiny_model(tmp_path), media.hdr10(tmp_path / "hdr.mkv", seconds=0.1)
    (tmp_path / "in.vpy").write_text(
        f"import vapoursynth as vs\nvs.core.bs.VideoSource({str(source)!r}, cachemode=0).set_output()\n"
    )
    done = run(tmp_path / "in.vpy", tmp_path / "out.mkv", "--model", model)
    assert "the input is 10 bit HDR (PQ): written with x265 (HEVC)" in done.stderr
    assert media.hdr_props(tmp_path / "out.mkv") == media.hdr_props(source)


@tried("Images", "PNG with cICP among others", "each as it was in PNG, a line into a video")
def test_colours_of_one_image_are_not_anothers(tmp_path: Path) -> None:
    model, source = write_tiny_model(tmp_path), tmp_path / "in"
    source.mkdir()
    pq = ((b"cICP", bytes([9, 16, 0, 1])),)
    for n in range(3):
        write_png(np.full((64, 96, 3), 999, np.uint16), source / f"{n}.png", pq if n == 0 else ())
    run(source, tmp_path / "out", "--model", model)
    assert [colours_of(tmp_path / "out" / f"{n}.png") for n in range(3)] == [pq, (), ()]
    told = run(source, tmp_path / "out.mkv", "--model", model).stderr
    assert "2 of 3 images say other colours than the first, whose the video has" in told


@pytest.mark.parametrize(
    ("chunks", "props"),
    [
        ([], {}),
        ([(b"cICP", bytes([12, 13, 0, 1]))], {"_Primaries": 12, "_Transfer": 13}),
        ([(b"cICP", bytes([99, 3, 0, 1]))], {}),
        ([(b"cICP", b"\t"), (b"cLLI", b""), (b"mDCV", bytes(9)), (b"gAMA", bytes(4))], {}),
    ],
)
def test_only_what_h273_knows_is_read_of_a_png(
    chunks: list[tuple[bytes, bytes]], props: dict[str, int]
) -> None:
    assert props_of(chunks) == props


def test_what_everybody_takes_for_srgb_is_not_said() -> None:
    for props in ({}, {"_Primaries": 1, "_Transfer": 1}, {"_Primaries": 6, "_Transfer": 6}):
        assert chunks_of(props) == ()
    assert chunks_of({"_Primaries": 9, "_Transfer": 14}) == ((b"cICP", bytes([9, 14, 0, 1])),)


@pytest.mark.parametrize("number", [2.0, -0.1, math.nan, math.inf])
def test_numbers_that_hdr10_has_no_room_for_are_none(number: float) -> None:
    some: dict[str, Any] = {
        "MasteringDisplayPrimariesX": [0.68, number, 0.15],
        "MasteringDisplayPrimariesY": [0.32, 0.69, 0.06],
        "MasteringDisplayWhitePointX": 0.3127,
        "MasteringDisplayWhitePointY": 0.329,
        "MasteringDisplayMaxLuminance": 1000,
        "MasteringDisplayMinLuminance": 0.005,
    }
    assert mastering_of(some) is None
    some["MasteringDisplayPrimariesX"][1] = 0.265
    assert mastering_of(some) == (34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450, 10_000_000, 50)
    assert mastering_of(some | {"MasteringDisplayMaxLuminance": 1e9}) is None
    assert light_of({"ContentLightLevelMax": 1 << 20}) is None
    hdr = {"_Primaries": 9, "_Transfer": 16}
    assert len(chunks_of(hdr | some)) == 2
    assert len(chunks_of(hdr | some | {"MasteringDisplayWhitePointX": number})) == 1


@pytest.mark.parametrize(
    ("name", "encoder", "unsaid"),
    [
        ("out.avi", "ffv1", "the matrix of BT.2020, BT.2020 primaries, PQ (HDR), its mastering display, "),
        ("out.mxf", "ffv1", "MaxCLL and MaxFALL"),
        ("out.mov", "ffv1", ""),
    ],
)
@tried(
    "Picture and colour",
    "colours, HDR10 or full range that a container cannot say with an encoder (FFV1 into AVI or NUT, "
    "MaxCLL into MXF)",
    "a line says what is missing, before the first frame",
)
def test_what_a_file_does_not_say_of_its_picture_is_told(
    tmp_path: Path, name: str, encoder: str, unsaid: str
) -> None:
    model, source = write_tiny_model(tmp_path), media.hdr10(tmp_path / "hdr.mkv")
    done = run(source, tmp_path / name, "--model", model, "--encoder", encoder)
    assert (f"with ffv1 does not say {unsaid}" in done.stderr) == bool(unsaid)
    assert ("does not say" in done.stderr) == bool(unsaid)


@pytest.mark.parametrize(("suffix", "is_told"), [(".mov", True), (".mkv", False)])
def test_full_range_that_a_file_does_not_say_is_told(tmp_path: Path, suffix: str, *, is_told: bool) -> None:
    model, source = write_tiny_model(tmp_path), tmp_path / "full.mkv"
    full = ["-vf", "format=yuv420p,setparams=range=pc:colorspace=smpte170m", "-color_range", "pc"]
    media.ffmpeg(*media.picture(seconds=0.2), *full, "-c:v", "ffv1", f"file:{source}")
    done = run(source, tmp_path / f"out{suffix}", "--model", model, "--encoder", "ffv1")
    assert ("with ffv1 does not say full range: players will not know" in done.stderr) == is_told


def with_dolby_vision(path: Path, profile: int, compatibility: int) -> None:
    """Put a configuration record (ETSI TS 103 572: dvcC) beside the HEVC of the MP4 ``path``."""
    content = bytearray(path.read_bytes())
    head = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1"]
    at, boxes = 0, list[int]()
    for kind in head:
        while bytes(content[at + 4 : at + 8]) != kind:
            at += int.from_bytes(content[at : at + 4], "big")
        boxes.append(at)
        at += 16 if kind == b"stsd" else 8
    flags = (profile << 41 | 1 << 35 | 1 << 34 | 1 << 32 | compatibility << 28).to_bytes(6, "big")
    record = bytes([1, 0]) + flags + bytes(16)
    box = (8 + len(record)).to_bytes(4, "big") + b"dvcC" + record
    end = boxes[-1] + int.from_bytes(content[boxes[-1] : boxes[-1] + 4], "big")
    content[end:end] = box
    for place in boxes:
        size = int.from_bytes(content[place : place + 4], "big")
        content[place : place + 4] = (size + len(box)).to_bytes(4, "big")
    path.write_bytes(content)


@pytest.mark.parametrize(("profile", "compatibility"), [(5, 0), (8, 1)])
@tried(
    "Picture and colour",
    "Dolby Vision: profile 5, whose samples only Dolby's players understand; profile 8.1",
    "refused before the first frame; its HDR10 base layer is derained, the rest is named as left out",
)
def test_dolby_vision(tmp_path: Path, profile: int, compatibility: int) -> None:
    model, source, output = write_tiny_model(tmp_path), tmp_path / "in.mp4", tmp_path / "out.mp4"
    coded = ["-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-tag:v", "hvc1", "-x265-params", "log-level=none"]
    media.ffmpeg(*media.picture(seconds=0.2), *coded, f"file:{source}")
    with_dolby_vision(source, profile, compatibility)
    done = vsj4r("run", source, output, "--model", model)
    if profile == 5:
        said = f"{source} is Dolby Vision without a base layer that others can show (profile 5)"
        assert done.returncode == 1
        assert said in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert "its Dolby Vision configuration is left out" in done.stderr


def test_what_is_no_hdr10_does_not_become_it(tmp_path: Path) -> None:
    model, source = write_tiny_model(tmp_path), media.plain(tmp_path / "plain.mkv")
    run(source, tmp_path / "clean.mkv", "--model", model)
    assert not any("Mastering" in prop or "Light" in prop for prop in media.hdr_props(tmp_path / "clean.mkv"))


@pytest.mark.slow
@tried("Picture and colour", "HLG that an SEI alone says, as broadcasters signal it", "HEVC of 10 bits")
def test_hlg_of_broadcasters_is_hdr(tmp_path: Path) -> None:
    """BT.2020's own transfer in the VUI, HLG in the SEI for alternative transfer characteristics."""
    model, source = write_tiny_model(tmp_path), tmp_path / "source.mp4"
    tagged = "setparams=range=tv:color_primaries=bt2020:color_trc=bt2020-10:colorspace=bt2020nc"
    coded = ["-vf", tagged, "-pix_fmt", "yuv420p10le", "-c:v", "libx265"]
    media.ffmpeg(
        *media.picture(seconds=0.2), *coded, "-x265-params", "log-level=none:atc-sei=18", f"file:{source}"
    )
    done = run(source, tmp_path / "out.mp4", "--model", model)
    assert "the input is 10 bit HDR (HLG): written with x265 (HEVC)" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("transfer", "pixels", "suffix", "codec"),
    [
        ("smpte2084", "yuv420p10le", ".mkv", "hevc"),
        ("arib-std-b67", "yuv420p10le", ".mp4", "hevc"),
        ("bt709", "yuv420p10le", ".mkv", "h264"),
        ("smpte2084", "yuv420p", ".mkv", "h264"),
    ],
)
@tried("Picture and colour", "10 bit PQ and HLG", "HEVC of 10 bits where no encoder is named")
def test_hdr_is_hevc_where_no_encoder_is_named(
    tmp_path: Path, transfer: str, pixels: str, suffix: str, codec: str
) -> None:
    model, source = write_tiny_model(tmp_path), tmp_path / "source.mkv"
    tagged = f"setparams=range=tv:color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc"
    coded = ["-vf", tagged, "-pix_fmt", pixels, "-c:v", "ffv1", "-level", "3"]
    media.ffmpeg(*media.picture(seconds=0.2), *coded, f"file:{source}")
    by_run, by_batch = tmp_path / f"run{suffix}", tmp_path / f"batch{suffix}"
    said = "written with x265 (HEVC), unless an encoder is named"
    assert (said in run(source, by_run, "--model", model).stderr) == (codec == "hevc")
    job = f'[[job]]\ninput = "source.mkv"\noutput = "{by_batch.name}"\nmodel = "{model}"\n'
    (tmp_path / "jobs.toml").write_text(job)
    assert any(said in str(event) for event in batch(tmp_path)) == (codec == "hevc")
    for output in (by_run, by_batch):
        with av.open(str(output)) as container:
            context = container.streams.video[0].codec_context
            assert (context.codec.canonical_name, context.pix_fmt) == (codec, pixels)


@pytest.mark.slow
def test_a_line_says_where_hdr_gets_8_bits(tmp_path: Path) -> None:
    model, source = write_tiny_model(tmp_path), media.hdr10(tmp_path / "hdr.mkv", seconds=0.1)
    said = "8 bits of it show bands, and nothing is tone-mapped"
    web = run(source, tmp_path / "web.mp4", "--model", model, "--preset", "web")
    archive = run(source, tmp_path / "archive.mkv", "--model", model, "--preset", "archive")
    assert (said in web.stderr, said in archive.stderr) == (True, False)


def test_a_named_encoder_is_taken_for_hdr_too(tmp_path: Path) -> None:
    model, source = write_tiny_model(tmp_path), media.hdr10(tmp_path / "hdr.mkv", seconds=0.1)
    done = run(source, tmp_path / "clean.mkv", "--model", model, "--encoder", "x264")
    assert "HEVC" not in done.stderr
    with av.open(str(tmp_path / "clean.mkv")) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_an_encoder_that_hdr_gets_has_its_own_depths(tmp_path: Path) -> None:
    model, source = write_tiny_model(tmp_path), media.hdr10(tmp_path / "hdr.mkv", seconds=0.1)
    run(source, tmp_path / "out.mkv", "--model", model, "--depth", 12)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.video[0].format.name == "yuv420p12le"
