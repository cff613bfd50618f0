"""The compiled filter in a real core and under the real vspipe, with a tiny but real recurrent model."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import vapoursynth as vs

import vsj4r
from tests.clips import bytes_of, noise_clip, planes_of
from tests.filtering import assert_same, derain, message, reference
from vsj4r.frames.segments import Segments

pytestmark = pytest.mark.usefixtures("restored_threads")
core = vs.core
BIN = Path(sys.executable).parent


# ------------------------------------------------------------------------------------------ what comes out


def video_format(family: int, sample: int, bits: int, ssw: int = 0, ssh: int = 0) -> Any:
    return core.query_video_format(family, sample, bits, ssw, ssh).id


def test_it_loads_by_itself_and_is_of_this_version() -> None:
    version = core.j4r.Version()
    assert (version.decode() if isinstance(version, bytes) else version) == vsj4r.__version__


@pytest.mark.parametrize("vs_format", [vs.YUV420P8, vs.YUV420P10, vs.YUV420P16])
@pytest.mark.parametrize("size", [(64, 32), (70, 38), (2, 2)], ids=["full", "odd", "tiny"])
def test_output_is_the_engine_from_the_anchor_on(tiny: str, size: tuple[int, int], vs_format: int) -> None:
    clip = noise_clip(width=size[0], height=size[1], length=12, vs_format=vs_format)
    expected = reference(clip, tiny, Segments(12, 5, 2, 1), strength=0.75)
    out = derain(clip, tiny, segment=5, warmup=2, strength=0.75)
    assert out.format == clip.format
    assert (out.width, out.height, out.num_frames, out.fps) == (*size, 12, clip.fps)
    for frame, planes in zip(out.frames(), expected, strict=True):
        assert_same(frame, planes)


def test_rgb_takes_the_matrix_of_its_frames(tiny: str) -> None:
    clip = noise_clip(width=32, height=16, length=2, vs_format=vs.RGBS).std.RemoveFrameProps("_Matrix")
    untold, bt709, bt2020 = (
        derain(tagged, tiny).get_frame(0)
        for tagged in (clip, clip.std.SetFrameProps(_Matrix=1), clip.std.SetFrameProps(_Matrix=9))
    )
    assert_same(bt709, planes_of(untold))
    assert any((a != b).any() for a, b in zip(planes_of(bt709), planes_of(bt2020), strict=True))


@pytest.mark.filterwarnings("ignore:The _ColorRange frame property:DeprecationWarning")
def test_the_range_property_is_honoured_and_properties_are_kept(tiny: str) -> None:
    clip = noise_clip(width=32, height=16, length=3)
    limited, full = (reference(clip, tiny, Segments(3, 0, 0, 1), full=full) for full in (False, True))
    assert any((a != b).any() for a, b in zip(limited[1], full[1], strict=True))
    for properties, expected in (
        ({}, limited),
        ({"_Range": 0}, limited),
        ({"_Range": 1}, full),
        ({"_ColorRange": 1}, limited),
        ({"_ColorRange": 0}, full),
    ):
        tagged = clip.std.RemoveFrameProps(["_Range", "_ColorRange"]).std.SetFrameProps(
            answer=42, **properties
        )
        frame = derain(tagged, tiny).get_frame(1)
        assert_same(frame, expected[1])
        assert frame.props["answer"] == 42


def test_strength_0_gives_the_clip_back(tiny: str) -> None:
    clip = noise_clip(width=70, height=38, length=4)
    for got, source in zip(derain(clip, tiny, strength=0).frames(), clip.frames(), strict=True):
        assert_same(got, planes_of(source))


def test_a_clip_of_one_frame(tiny: str) -> None:
    clip = noise_clip(width=32, height=16, length=1)
    assert_same(derain(clip, tiny).get_frame(0), reference(clip, tiny, Segments(1, 120, 8, 1))[0])


# -------------------------------------------------------------------------------------- order of requests


@pytest.mark.parametrize(("segment", "warmup"), [(0, 0), (5, 0), (12, 4), (3, 9), (120, 8)])
def test_every_order_gives_the_same_bits(tiny: str, segment: int, warmup: int) -> None:
    length = 60
    clip = noise_clip(width=38, height=22, length=length)
    arguments = {"segment": segment, "warmup": warmup}
    expected = [planes_of(frame) for frame in derain(clip, tiny, **arguments).frames(prefetch=1)]

    for frame, planes in zip(derain(clip, tiny, **arguments).frames(prefetch=32), expected, strict=True):
        assert_same(frame, planes)

    backwards = derain(clip, tiny, **arguments)
    for n in reversed(range(length)):
        assert_same(backwards.get_frame(n), expected[n])

    core.num_threads = 8
    shuffled = derain(clip, tiny, **arguments)
    order = [n for n in range(length) for _ in range(3)]
    random.Random(segment).shuffle(order)
    for n, future in [(n, shuffled.get_frame_async(n)) for n in order]:
        assert_same(future.result(), expected[n])

    shared = derain(clip, tiny, **arguments)

    def scrub(seed: int) -> None:
        rng = random.Random(seed)
        for n in (rng.randrange(length) for _ in range(30)):
            assert_same(shared.get_frame(n), expected[n])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(scrub, range(8)))


def test_filters_nest(tiny: str) -> None:
    """A Python filter inside, between and around: the GIL is taken and given back on every way."""
    core.num_threads = 4
    clip = noise_clip(width=32, height=16, length=30)
    twice = derain(derain(clip, tiny, segment=7).std.FrameEval(lambda n: clip), tiny, segment=11)
    around = twice.std.ModifyFrame(twice, lambda n, f: f.copy())
    expected = [planes_of(frame) for frame in derain(clip, tiny, segment=11).frames(prefetch=1)]
    for n, future in [(n, around.get_frame_async(n)) for n in range(30)]:
        assert_same(future.result(), expected[n])


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ((vs.GRAY, vs.INTEGER, 32), "integers of 8 to 16 bits or floats, got Gray32"),
        ((vs.RGB, vs.INTEGER, 24), "integers of 8 to 16 bits or floats, got RGB72"),
        ((vs.YUV, vs.INTEGER, 8, 3, 0), "chroma that is subsampled by 4 at most, got YUVssw3ssh0P8"),
        ((vs.YUV, vs.FLOAT, 32, 0, 3), "chroma that is subsampled by 4 at most, got YUVssw0ssh3PS"),
    ],
)
def test_other_formats_are_refused(tiny: str, arguments: tuple[int, ...], rule: str) -> None:
    clip = core.std.BlankClip(width=32, height=16, format=video_format(*arguments), length=1)
    assert message(clip, tiny) == f"Derain: clip must have {rule}"


def test_variable_clips_are_refused(tiny: str) -> None:
    small = core.std.BlankClip(width=32, height=16, format=vs.YUV420P8, length=1)
    large = core.std.BlankClip(width=64, height=16, format=vs.YUV420P8, length=1)
    deep = core.std.BlankClip(width=32, height=16, format=vs.YUV420P10, length=1)
    sizes, formats = (core.std.Splice([small, other], mismatch=True) for other in (large, deep))
    so_far = "got a variable one: resize.Bicubic"
    assert (
        message(sizes, tiny)
        == f"Derain: clip must be of constant size, {so_far}(width=..., height=...) makes one"
    )
    assert (
        message(formats, tiny) == f"Derain: clip must be of constant format, {so_far}(format=...) makes one"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"strength": 1.5}, "strength must be between 0 and 1, got 1.5"),
        ({"strength": -0.1}, "strength must be between 0 and 1, got -0.1"),
        ({"strength": float("nan")}, "strength must be between 0 and 1, got nan"),
        ({"segment": -1}, "segment must be 0 (none) or 1 to 2147483647, got -1"),
        ({"warmup": -3}, "warmup must be between 0 and 2147483647, got -3"),
        ({"strength": 1.0000001}, "strength must be between 0 and 1, got 1.0000001"),
        ({"threads": -1}, "threads must be 0 (automatic) or 1 to 1024, got -1"),
        ({"threads": 1 << 31}, "threads must be 0 (automatic) or 1 to 1024, got 2147483648"),
        ({"scene_detect": 2}, "scene_detect must be 0 or 1, got 2"),
        ({"scenes": [0, 1]}, "scenes must be frames of the clip, 0 to 0, got 1"),
        ({"scenes": [-1]}, "scenes must be frames of the clip, 0 to 0, got -1"),
        ({"scenes": [0], "qpfile": "x"}, "scenes must be given alone, got qpfile too"),
        ({"planes": [0, 3]}, "planes must be between 0 and 2, got 3"),
        ({"planes": [-1]}, "planes must be between 0 and 2, got -1"),
        ({"planes": [1, 0, 1]}, "planes must name each once, got 1 twice"),
        ({"output": "snow"}, "output must be one of derained, rain, occlusion, got 'snow'"),
        ({"output": ["rain", "rain"]}, "output must name each once, got 'rain' twice"),
        ({"tile": -1}, "tile must be 0 (automatic) or more pixels, got [-1]"),
        ({"tile": [64, 0]}, "tile must be 0 (automatic) or more pixels, got [64, 0]"),
        ({"tile": [64, 64, 64]}, "tile must be one number, or two (width and height), got 3 numbers"),
        ({"device": "tpu"}, "device must be one of auto, cpu, cuda or cuda:N, got 'tpu'"),
        ({"precision": "f8"}, "precision must be one of auto, f32, bf16, int8, got 'f8'"),
    ],
)
def test_arguments_out_of_range_are_refused(tiny: str, arguments: dict[str, Any], text: str) -> None:
    clip = core.std.BlankClip(width=32, height=16, format=vs.YUV420P8, length=1)
    assert message(clip, tiny, **arguments) == f"Derain: {text}"


def test_grey_has_one_plane(tiny: str) -> None:
    clip = core.std.BlankClip(width=32, height=16, format=vs.GRAY8, length=1)
    assert message(clip, tiny, planes=[1]) == "Derain: planes must be 0 for GRAY, got 1"


def test_an_unknown_model_is_refused(tmp_path: Path) -> None:
    clip = core.std.BlankClip(width=32, height=16, format=vs.YUV420P8, length=1)
    assert message(clip, "drizzle").startswith("Derain: unknown model 'drizzle'")
    missing = str(tmp_path / "bindfäden.onnx")
    assert message(clip, missing) == f"Derain: no model file {missing!r}"


# ------------------------------------------------------------------------------------------------- vspipe


def vspipe(tmp_path: Path, script: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    path = tmp_path / "script.vpy"
    path.write_text(script, encoding="utf-8")
    env = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    command = [str(BIN / "vspipe"), *options, str(path), "-"]
    return subprocess.run(command, capture_output=True, env=env, timeout=120, check=False)


@pytest.mark.parametrize("requests", ["1", "32"])
def test_vspipe_gives_the_same_bits(tiny: str, tmp_path: Path, requests: str) -> None:
    script = f"""
import vapoursynth as vs
from tests.clips import noise_clip
clip = noise_clip(width=70, height=38, length=50)
vs.core.j4r.Derain(clip, model={tiny!r}, precision="f32", threads=1, segment=20, warmup=3).set_output()
"""
    ended = vspipe(tmp_path, script, "--requests", requests)
    assert ended.returncode == 0, ended.stderr.decode()
    clip = noise_clip(width=70, height=38, length=50)
    frames = derain(clip, tiny, segment=20, warmup=3).frames()
    assert ended.stdout == b"".join(bytes_of(frame) for frame in frames)


def test_vspipe_tells_what_is_wrong(tiny: str, tmp_path: Path) -> None:
    script = f"""
import vapoursynth as vs
vs.core.j4r.Derain(vs.core.std.BlankClip(format=vs.YUV420P8), model={tiny!r}, strength=7).set_output()
"""
    ended = vspipe(tmp_path, script)
    assert ended.returncode != 0
    assert b"Derain: strength must be between 0 and 1, got 7" in ended.stderr
