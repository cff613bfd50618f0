"""What goes wrong in mid-clip is that frame's error; filters come and go; Python ends when it likes."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.clips import noise_clip, planes_of
from tests.filtering import assert_same, derain, reference
from vsj4r.engine import cpu
from vsj4r.engine.base import Engine, State, Step, Tensors
from vsj4r.engine.cpu import CpuEngine
from vsj4r.engine.weights import Model
from vsj4r.errors import Vsj4rError
from vsj4r.frames.segments import Segments
from vsj4r.plugin import host

pytestmark = pytest.mark.usefixtures("restored_threads")
core = vs.core


class FaultyEngine:
    """The real engine, until ``fault`` is set: then the step of that number (from 0) does what it says."""

    def __init__(self, engine: Engine) -> None:
        self.spec, self.precision = engine.spec, engine.precision
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

    def open_faulty(model: Model, **arguments: Any) -> FaultyEngine:
        opened.append(FaultyEngine(CpuEngine(model, **arguments)))
        return opened[-1]

    monkeypatch.setattr(cpu, "CpuEngine", open_faulty)
    return opened


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Vsj4rError("the clouds have won"), "the clouds have won"),
        (RuntimeError("two\n  lines"), "RuntimeError: two lines (a fault of vsj4r: please report it)"),
        (MemoryError("no\nroom"), "there is not enough memory: no room"),
        (float("nan"), "the network's result must be finite, got NaN or infinity"),
        (float("inf"), "the network's result must be finite, got NaN or infinity"),
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
    engines[-1].fault = (6, fault)
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
    engines[-1].fault = (50, RuntimeError("once"))
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


def test_a_source_error_far_ahead_leaves_the_filter_well(tiny: str) -> None:
    """A request for which many frames come first counts as a long one, until it is given up."""
    clip = noise_clip(width=32, height=16, length=120)

    def read(n: int, f: Any) -> Any:
        if n == 90:
            raise ValueError("the disk is wet")
        return f

    out = derain(clip.std.ModifyFrame(clip, read), tiny, segment=0)
    expected = reference(clip, tiny, Segments(120, 0, 0, 1))
    with pytest.raises(vs.Error, match="the disk is wet"):
        out.get_frame(119)
    for n in (30, 31, 5):  # from 40 on they are kept
        assert_same(out.get_frame(n), expected[n])


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
    with pytest.raises(
        vs.Error, match=r"^Derain: frame 0: clip must be progressive, got _FieldBased 2: deint"
    ):
        derain(fields, tiny).get_frame(0)


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


OWN_CORE = """
import gc, sys
import vapoursynth as vs

class Policy(vs.EnvironmentPolicy):
    current = None
    def on_policy_registered(self, api): self.api = api
    def on_policy_cleared(self): pass
    def get_current_environment(self): return self.current
    def set_environment(self, environment):
        before, self.current = self.current, environment
        return before
    def is_alive(self, environment): return True

policy = Policy()
vs.register_policy(policy)
for _ in range(2):
    environment = policy.current = policy.api.create_environment()
    out = vs.core.core.std.BlankClip(width=32, height=32, format=vs.YUV420P8, length=2)
    out = vs.core.core.j4r.Derain(out, model=sys.argv[1], threads=1)
    out.get_frame(1)
    del out
    policy.api.destroy_environment(environment)
    policy.current = None
    del environment
    gc.collect()
print("the cores are gone")
"""


def test_the_interpreter_ends_after_the_core(tiny: str) -> None:
    """VapourSynth has a core's plugins unloaded; a host that makes cores of its own ends after that."""
    ended = run_python(OWN_CORE, tiny)
    assert (ended.returncode, ended.stdout) == (0, "the cores are gone\n"), ended.stderr


@pytest.mark.parametrize("model", ["j4r", "j4r-lite"])
@pytest.mark.parametrize(("kind", "value"), [(vs.RGBS, 3e38), (vs.YUV420PS, 1e5), (vs.YUV420PH, 65504)])
def test_a_sample_beyond_all_light_changes_nothing_beside_it(model: str, kind: int, value: float) -> None:
    clip = noise_clip(width=64, height=48, length=5, vs_format=kind)

    def with_spot(light: float) -> Any:
        def put(n: int, f: Any) -> Any:
            lit = f.copy()
            for plane in lit if n == 2 else ():
                np.asarray(plane)[8:11, 8:11] = light
            return lit

        return core.j4r.Derain(clip.std.ModifyFrame(clip, put), model=model)

    for n, (frame, bright) in enumerate(zip(with_spot(value).frames(), with_spot(2.5).frames(), strict=True)):
        for plane, other in zip(planes_of(frame), planes_of(bright), strict=True):
            if n == 2:
                assert np.isfinite(plane).all()
                plane[8:11, 8:11] = other[8:11, 8:11]
            np.testing.assert_array_equal(plane, other)


def test_an_exception_without_a_text_is_named(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt  # Ctrl-C while the engine is opened

    monkeypatch.setattr(host, "find_model", interrupted)
    with pytest.raises(vs.Error, match=r"^Derain: KeyboardInterrupt\(\)$"):
        derain(noise_clip(width=32, height=16, length=2), tiny)


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
