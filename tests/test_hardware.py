"""Encoders of graphics cards: no machine of the tests has one, so an ffmpeg that passes for one writes down
what it is told, and the refusals are those of the real one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests import media
from tests.cli import assert_refused, batch, run, vsj4r
from vsj4r.media.encoders import (
    HARDWARE,
    HARDWARE_ENCODERS,
    ffmpeg_executable,
    ffmpeg_says,
    known_options,
)

STAND_IN = """#!{python}
import json, os, sys
told = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps(told) + "\\n")
drop = {{"-cq", "-rc", "-preset", "-b:v", "-global_quality", "-rc_mode", "-qp_i", "-qp_p", "-quality"}}
drop |= {{"-init_hw_device", "-filter_hw_device"}}
given, words = [], iter(told)
for word in words:
    if word in drop:
        next(words)
        continue
    codec = word.partition("_")[0] if word in {names!r} else ""
    given.append({{"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}}.get(codec, word))
given = [word.replace(",hwupload", "") for word in given]
os.execv({real!r}, [{real!r}, *given])
"""


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the ffmpeg of a machine with every card writes down its arguments."""
    log, fake = tmp_path / "told", tmp_path / "ffmpeg"
    names = set(HARDWARE_ENCODERS)
    fake.write_text(
        STAND_IN.format(python=sys.executable, log=str(log), names=names, real=ffmpeg_executable())
    )
    fake.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(fake))
    return log


def last_encode(log: Path, name: str) -> list[str]:
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    return next(call for call in reversed(calls) if name in call)


def value_of(call: list[str], option: str) -> str:
    return call[call.index(option) + 1]


@pytest.mark.parametrize(
    ("kind", "pixels", "suffix", "name", "quality"),
    [
        ("nvenc", "yuv420p", ".mkv", "h264_nvenc", {"-cq": "21", "-rc": "vbr", "-pix_fmt:v:0": "yuv420p"}),
        ("nvenc", "yuv420p10le", ".mp4", "hevc_nvenc", {"-cq": "23", "-pix_fmt:v:0": "p010le"}),
        ("qsv", "yuv420p", ".mp4", "h264_qsv", {"-global_quality": "21", "-pix_fmt:v:0": "nv12"}),
        ("amf", "yuv422p10le", ".mkv", "hevc_amf", {"-qp_i": "23", "-qp_p": "23", "-rc": "cqp"}),
        ("vaapi", "yuv420p10le", ".webm", "av1_vaapi", {"-global_quality": "112", "-rc_mode": "CQP"}),
    ],
)
def test_a_kind_of_card_is_the_encoder_that_fits(
    card: Path,
    model: Path,
    tmp_path: Path,
    kind: str,
    pixels: str,
    suffix: str,
    name: str,
    quality: dict[str, str],
) -> None:
    source = media.plain(tmp_path / "in.mkv", "-pix_fmt", pixels, seconds=0.2)
    run(source, tmp_path / f"out{suffix}", "--model", model, "--encoder", kind)
    call = last_encode(card, name)
    assert value_of(call, "-c:v:0") == name
    assert {option: value_of(call, option) for option in quality} == quality
    if kind == "vaapi":
        assert value_of(call, "-init_hw_device") == "vaapi=card"
        assert value_of(call, "-filter:v:0").endswith(",format=p010le,hwupload")
        assert "-pix_fmt:v:0" not in call
    assert len(media.planes(tmp_path / f"out{suffix}")) == len(media.planes(source))


def test_quality_and_depth_are_what_is_asked_for(card: Path, model: Path, tmp_path: Path) -> None:
    media.plain(tmp_path / "in.mkv", "-pix_fmt", "yuv420p", seconds=0.2)
    (tmp_path / "jobs.toml").write_text(
        "[[job]]\ninput = 'in.mkv'\noutput = 'out.mp4'\nencoder = 'nvenc'\ncrf = 30\ndepth = 10\n"
        f"options = {{preset = 'p7'}}\nmodel = {json.dumps(str(model))}\n"
    )
    batch(tmp_path)
    call = last_encode(card, "hevc_nvenc")
    told = {option: value_of(call, option) for option in ("-cq", "-preset", "-pix_fmt:v:0")}
    assert told == {"-cq": "30", "-preset": "p7", "-pix_fmt:v:0": "p010le"}
    done = vsj4r("run", tmp_path / "in.mkv", tmp_path / "no.mkv", "--encoder", "qsv", "--depth", 12)
    assert_refused(done, 2, "--depth of qsv must be one of 8, 10, got 12", tmp_path)


@pytest.mark.parametrize("name", HARDWARE_ENCODERS)
def test_this_ffmpeg_knows_what_an_encoder_is_told(name: str) -> None:
    encoder = HARDWARE_ENCODERS[name]
    if f" {name} " not in ffmpeg_says("-encoders"):
        pytest.skip("not in this ffmpeg")
    told = {option.partition(":")[0] for option in (*encoder.options, *encoder.quality)}
    assert told <= {option.partition(":")[0] for option in known_options(encoder)}
    pixels = ffmpeg_says("-h", f"encoder={name}").partition("Supported pixel formats:")[2].splitlines()[0]
    wanted = {"vaapi"} if encoder.device else {encoder.form("420", d)["pix_fmt:v:0"] for d in encoder.depths}
    assert wanted <= set(pixels.split())


@pytest.mark.parametrize("kind", HARDWARE)
def test_a_machine_without_the_card_is_told_at_once(model: Path, tmp_path: Path, kind: str) -> None:
    source = media.plain(tmp_path / "in.mkv", seconds=0.2)
    done = vsj4r("run", source, tmp_path / "out.mkv", "--model", model, "--encoder", kind)
    assert_refused(done, 2, f"encoder h264_{kind} does not work on this machine (", tmp_path)
    assert HARDWARE_ENCODERS[f"h264_{kind}"].needs in done.stderr
    assert "x264 and x265 need nothing" in done.stderr
    (tmp_path / "jobs.toml").write_text(
        f"[[job]]\ninput = 'in.mkv'\noutput = 'out.mkv'\nencoder = '{kind}'\n"
    )
    (problem,) = batch(tmp_path, code=2)
    assert f"encoder h264_{kind} does not work on this machine (" in problem["text"]


def test_an_ffmpeg_without_the_encoder_is_named(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\necho ' V....D libx264              H.264'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(fake))
    done = vsj4r("run", tmp_path / "in.mkv", tmp_path / "out.mkv", "--model", model, "--encoder", "nvenc")
    told = f"encoder h264_nvenc needs h264_nvenc, which {fake} lacks: let IMAGEIO_FFMPEG_EXE name an ffmpeg"
    assert_refused(done, 2, told, tmp_path)
