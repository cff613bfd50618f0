"""The compiled filter in a real core and under the real vspipe, with a tiny but real recurrent model."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import vapoursynth as vs

import vsj4r
from tests.clips import bytes_of, noise_clip, planes_of
from tests.filtering import assert_same, derain, message, reference
from tests.tiny_model import write_tiny_model
from vsj4r.engine import open_engine
from vsj4r.engine.base import Engine, State, Step, Tensors
from vsj4r.errors import Vsj4rError
from vsj4r.frames.segments import Segments
from vsj4r.plugin import host

core = vs.core
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(autouse=True)
def _restore_threads() -> Iterator[None]:
    threads = core.num_threads
    yield
    core.num_threads = threads


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


@pytest.mark.parametrize("family", [vs.GRAY, vs.RGB, vs.YUV])
@pytest.mark.parametrize(
    ("sample", "bits"), [(vs.INTEGER, 8), (vs.INTEGER, 16), (vs.FLOAT, 16), (vs.FLOAT, 32)]
)
def test_every_format_in_every_order(tiny: str, family: int, sample: int, bits: int) -> None:
    layouts = [(0, 0), (1, 0), (1, 1), (2, 0), (0, 1)] if family == vs.YUV else [(0, 0)]
    for ssw, ssh in layouts:
        vs_format = video_format(family, sample, bits, ssw, ssh)
        width, height = 36 + (1 << ssw), 20 + (1 << ssh)
        clip = noise_clip(width=width, height=height, length=9, vs_format=vs_format)
        expected = reference(clip, tiny, Segments(9, 4, 1, 1), full=family == vs.RGB)
        out = derain(clip, tiny, segment=4, warmup=1)
        assert out.format.id == vs_format
        assert (out.width, out.height) == (width, height)
        for n in (8, 3, 0, 5, 4, 1, 7, 2, 6):
            assert_same(out.get_frame(n), expected[n])
        for got, source in zip(derain(clip, tiny, strength=0).frames(), clip.frames(), strict=True):
            assert_same(got, planes_of(source))


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
        ((vs.YUV, vs.INTEGER, 8, 3, 0), "chroma of a quarter of luma's sides or more, got YUVssw3ssh0P8"),
        ((vs.YUV, vs.FLOAT, 32, 0, 3), "chroma of a quarter of luma's sides or more, got YUVssw0ssh3PS"),
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
    assert message(sizes, tiny) == "Derain: clip must be of constant size, got a variable one"
    assert message(formats, tiny) == "Derain: clip must be of constant format, got a variable one"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"strength": 1.5}, "strength must be between 0 and 1, got 1.5"),
        ({"strength": -0.1}, "strength must be between 0 and 1, got -0.1"),
        ({"strength": float("nan")}, "strength must be between 0 and 1, got nan"),
        ({"segment": -1}, "segment must be 0 (none) or more, got -1"),
        ({"warmup": -3}, "warmup must be 0 or more, got -3"),
        ({"threads": -1}, "threads must be 0 (automatic) or more, got -1"),
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
        ({"tile": [64, 64, 64]}, "tile must be one number or two, got 3"),
        ({"device": "tpu"}, "device must be one of auto, cpu, cuda or cuda:N, got 'tpu'"),
        ({"precision": "f8"}, "precision must be one of auto, f32, got 'f8'"),
    ],
)
def test_arguments_out_of_range_are_refused(tiny: str, arguments: dict[str, Any], text: str) -> None:
    clip = core.std.BlankClip(width=32, height=16, format=vs.YUV420P8, length=1)
    assert message(clip, tiny, **arguments) == f"Derain: {text}"


def test_an_unknown_model_is_refused(tmp_path: Path) -> None:
    clip = core.std.BlankClip(width=32, height=16, format=vs.YUV420P8, length=1)
    assert message(clip, "drizzle").startswith("Derain: unknown model 'drizzle'")
    missing = str(tmp_path / "bindfäden.onnx")
    assert message(clip, missing) == f"Derain: no model file {missing!r}"


# ------------------------------------------------------------------------------------------------ failures


class FaultyEngine:
    """The real engine, until ``fault`` is set: then the step of that number (from 0) does what it says."""

    def __init__(self, engine: Engine) -> None:
        self.spec = engine.spec
        self.steps = 0
        self.fault: tuple[int, Exception | float] | None = None
        self._engine = engine

    def new_state(self) -> State:
        return self._engine.new_state()

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        step = self._engine.step(o_t, o_next, state)
        self.steps += 1
        if self.fault is not None and self.steps > self.fault[0]:
            fault, self.fault = self.fault[1], None
            if isinstance(fault, Exception):
                raise fault
            step.residual.y[0, 0] = fault
        return step


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[FaultyEngine]:
    opened: list[FaultyEngine] = []

    def open_faulty(model: str, **arguments: Any) -> FaultyEngine:
        opened.append(FaultyEngine(open_engine(model, **arguments)))
        return opened[-1]

    monkeypatch.setattr(host, "open_engine", open_faulty)
    return opened


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Vsj4rError("the clouds have won"), "the clouds have won"),
        (RuntimeError("two\n  lines"), "RuntimeError: two lines"),
        (float("nan"), "FloatingPointError: invalid value encountered in cast"),
        (Vsj4rError("ü" * 3000), "ü" * 100),
    ],
)
def test_a_failed_step_is_that_frames_error_and_the_next_request_works(
    tiny: str, engines: list[FaultyEngine], fault: Exception | float, text: str
) -> None:
    clip = noise_clip(width=32, height=16, length=20)
    expected = reference(clip, tiny, Segments(20, 0, 0, 1))
    out = derain(clip, tiny, segment=0)
    assert_same(out.get_frame(3), expected[3])
    engines[0].fault = (6, fault)
    with pytest.raises(vs.Error) as caught:
        out.get_frame(9)
    assert str(caught.value).startswith(f"Derain: frame 6: {text}")
    for n in (9, 6, 19):
        assert_same(out.get_frame(n), expected[n])


def test_a_failure_among_many_requests_fails_no_other_segment(tiny: str, engines: list[FaultyEngine]) -> None:
    core.num_threads = 8
    clip = noise_clip(width=32, height=16, length=120)
    expected = [planes_of(frame) for frame in derain(clip, tiny, segment=40, warmup=0).frames(prefetch=1)]
    out = derain(clip, tiny, segment=40, warmup=0)
    engines[1].fault = (50, RuntimeError("once"))
    futures = [(n, out.get_frame_async(n)) for n in (39, 79, 119, 38, 78, 118)]
    errors = {n: future.exception() for n, future in futures}
    assert sum(error is not None for error in errors.values()) <= 1
    for n, future in futures:
        frame = out.get_frame(n) if errors[n] else future.result()
        assert_same(frame, expected[n])


def test_a_source_error_passes_through_and_leaves_the_filter_well(tiny: str) -> None:
    clip = noise_clip(width=32, height=16, length=20)
    broken = {"now": True}

    def read(n: int, f: Any) -> Any:
        if n == 10 and broken["now"]:
            raise ValueError("the disk is wet")
        return f

    out = derain(clip.std.ModifyFrame(clip, read), tiny, segment=0)
    expected = reference(clip, tiny, Segments(20, 0, 0, 1))
    assert_same(out.get_frame(8), expected[8])
    with pytest.raises(vs.Error, match="the disk is wet"):
        out.get_frame(9)  # looks ahead at 10
    broken["now"] = False
    assert_same(out.get_frame(15), expected[15])


def test_interlaced_frames_are_refused_one_by_one(tiny: str) -> None:
    clip = noise_clip(width=32, height=16, length=30)
    fields = clip.std.SetFieldBased(2)
    mixed = clip[:10] + fields[10] + clip[11:]
    out = derain(mixed, tiny, segment=12, warmup=1)
    out.get_frame(8)
    for n in (9, 10, 11):
        with pytest.raises(vs.Error, match=r"clip must be progressive, got _FieldBased 2 on frame 10"):
            out.get_frame(n)
    out.get_frame(12)


# ------------------------------------------------------------------------------------------ life and death


def living_hosts() -> int:
    gc.collect()
    return sum(isinstance(thing, host.Host) for thing in gc.get_objects())


def test_filters_come_and_go(tiny: str) -> None:
    before = living_hosts()
    clip = noise_clip(width=32, height=16, length=40)
    for n in range(40):
        out = derain(clip, tiny, segment=8)
        out.get_frame(n)
        with pytest.raises(vs.Error):
            derain(clip, tiny, strength=2)
    del out
    assert living_hosts() <= before


def run_python(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "faulthandler", "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "import sys; sys.exit(0)",
        "import atexit; atexit.register(lambda: out.get_frame(3))",
        "import threading; threading.Thread(target=lambda: list(out.frames())).start()",
    ],
    ids=["falling off the end", "sys.exit", "a frame at exit", "a thread that reads on"],
)
def test_the_interpreter_ends_with_work_under_way(tiny: str, ending: str) -> None:
    script = f"""
import sys
import vapoursynth as vs
from tests.clips import noise_clip
vs.core.num_threads = 4
clip = noise_clip(width=320, height=176, length=200)
out = vs.core.j4r.Derain(clip, model=sys.argv[1], threads=1)
out.get_frame(0)
futures = [out.get_frame_async(n) for n in range(0, 200, 7)]
{ending}
"""
    ended = run_python(script, tiny)
    assert ended.returncode == 0, ended.stderr
    assert "Fatal" not in ended.stderr


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
