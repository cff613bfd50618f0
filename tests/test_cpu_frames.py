"""Frames straight to the network and back, reduced or not, against the way over planes of floats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.clips import noise_clip, planes_of
from tests.filtering import assert_same, derain
from vsj4r import engine as engines
from vsj4r.arrays import Floats
from vsj4r.engine.base import Feed, FrameCodes, FrameLayout, Scales, State, Step, StepSpec, Tensors
from vsj4r.engine.cpu_frames import CpuFrameEngine
from vsj4r.engine.native import scaling, sums
from vsj4r.engine.native.frames import takes_frames
from vsj4r.engine.resampling import rain_near
from vsj4r.errors import Vsj4rError
from vsj4r.frames import planes as planes_module
from vsj4r.frames.formats import Format, Geometry
from vsj4r.frames.layers import measure_levels

pytestmark = pytest.mark.usefixtures("restored_threads")
LAYOUT = FrameLayout(30, 46, np.dtype(np.uint8), chroma=True, peak=255)
CODES = FrameCodes(16, 219, 128, 224)


@pytest.mark.parametrize("downscale", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ("vs_format", "odd", "options"),
    [
        (vs.YUV420P8, 0, {}),
        (vs.YUV420P10, 0, {"strength": 0.4}),
        (vs.YUV420P8, 0, {"planes": [1, 2], "tile": [64, 32]}),
        (vs.YUV420P16, 0, {"planes": [0]}),
        (vs.YUV422P8, 0, {"threads": 3}),
        (vs.YUV422P10, 0, {"planes": [1]}),
        (vs.YUV440P8, 0, {}),
        (vs.YUV444P12, 1, {"threads": 3}),
        (vs.YUV444PS, 1, {}),
        (vs.GRAY8, 1, {}),
        (vs.GRAY16, 0, {}),
        (vs.GRAYS, 1, {"strength": 0.4}),
        (vs.RGB24, 1, {}),
        (vs.RGB24, 0, {"planes": [0, 2]}),
        (vs.RGB48, 0, {"threads": 3}),
        (vs.RGB48, 1, {"strength": 0.4}),
        (vs.RGBS, 1, {"threads": 2}),
    ],
)
def test_no_bit_differs(
    tiny: str,
    monkeypatch: pytest.MonkeyPatch,
    vs_format: int,
    odd: int,
    options: dict[str, Any],
    downscale: int,
) -> None:
    clip = noise_clip(width=90 + odd, height=50 + odd, length=6, vs_format=vs_format)
    taken: list[bool] = []

    def take(layout: FrameLayout) -> bool:
        taken.append(takes_frames(layout))
        return taken[0]

    monkeypatch.setattr(engines, "takes_frames", take)
    straight = derain(clip, tiny, downscale=downscale, **options)
    assert taken == [True]
    monkeypatch.setattr(engines, "takes_frames", lambda layout: False)
    monkeypatch.setattr(planes_module, "takes_frames", lambda layout: False)
    by_floats = derain(clip, tiny, downscale=downscale, **options)
    for n in (3, 0, 5, 1):
        with straight.get_frame(n) as frame, by_floats.get_frame(n) as other:
            assert_same(frame, planes_of(other))
            for name in ("J4RRain", "J4ROcclusion"):
                assert frame.props[name] == other.props[name]


class Constant:
    """An engine whose change is ``value`` everywhere; ``seen`` are the frames that it was given."""

    spec = StepSpec("constant", 8, 1, "yuv420")
    precision = "f32"

    def __init__(self) -> None:
        self.value, self.seen = 0.1, list[Floats]()

    def new_state(self) -> State:
        return self

    def reset(self) -> None:
        pass

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        assert o_t.uv is not None
        assert o_next is not None
        self.seen += [o_t.y.copy(), o_next.y.copy()]
        change = Tensors(np.full_like(o_t.y, self.value), np.full_like(o_t.uv, self.value))
        return Step(change, np.full((8, 12), 0.25, np.float32))


def feed(key: int | None, level: int) -> Feed:
    return Feed(key, [np.full(shape, level, np.uint8) for *_, shape in LAYOUT.places], CODES)


@pytest.fixture
def constant() -> Constant:
    return Constant()


@pytest.fixture(params=[1, 2, 40], ids=lambda count: f"{count} threads")
def frames(constant: Constant, request: pytest.FixtureRequest) -> CpuFrameEngine:
    """Also with more threads than rows."""
    return CpuFrameEngine(constant, LAYOUT, height=16, width=24, by=2, threads=request.param)


def test_a_frame_comes_back_with_its_levels(frames: CpuFrameEngine) -> None:
    state = frames.new_state()
    frames.begin(feed(0, 90), feed(1, 90), state, Scales(219, 0, 112))
    assert frames.waiting(state) == 1
    (y, u, v), rain, occlusion = frames.finish(state)
    assert (y == 90 + 22).all()
    assert (u == 90).all()
    assert (v == 90 + 11).all()
    assert rain == pytest.approx(0.1)
    assert occlusion == 0.25
    assert frames.waiting(state) == 0


def test_no_bit_depends_on_the_threads(tiny: str) -> None:
    clip = noise_clip(width=90, height=50, length=4, vs_format=vs.YUV420P10)
    one, three = (derain(clip, tiny, downscale=2, threads=threads) for threads in (1, 3))
    for frame, other in zip(one.frames(), three.frames(), strict=True):
        assert_same(frame, planes_of(other))
        assert frame.props["J4RRain"] == other.props["J4RRain"]


def test_what_nobody_wants_is_not_finished(frames: CpuFrameEngine, constant: Constant) -> None:
    state = frames.new_state()
    frames.begin(feed(0, 90), feed(1, 90), state, None)
    assert frames.waiting(state) == 0
    assert len(constant.seen) == 2


def test_frames_of_one_key_are_read_once_and_others_each_time(
    frames: CpuFrameEngine, constant: Constant
) -> None:
    state = frames.new_state()
    frames.begin(feed(0, 16), feed(1, 235), state, None)
    frames.begin(feed(1, 16), feed(None, 235), state, None)
    frames.begin(feed(None, 16), feed(None, 235), state, None)
    assert [float(seen.mean()) for seen in constant.seen] == pytest.approx([0, 1, 1, 1, 0, 1])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_change_that_is_not_finite_is_refused(
    frames: CpuFrameEngine, constant: Constant, value: float
) -> None:
    state, constant.value = frames.new_state(), value
    frames.begin(feed(0, 90), feed(1, 90), state, Scales())
    with pytest.raises(Vsj4rError, match="must be finite"):
        frames.finish(state)
    state.reset()
    constant.value = 0.0
    frames.begin(feed(0, 90), feed(1, 90), state, Scales())
    assert (frames.finish(state)[0][0] == 90).all()


def test_a_reset_forgets_what_was_begun(frames: CpuFrameEngine) -> None:
    state = frames.new_state()
    frames.begin(feed(0, 90), feed(1, 90), state, Scales())
    state.reset()
    assert frames.waiting(state) == 0


def test_half_floats_and_chroma_of_a_quarter_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert takes_frames(LAYOUT)
    assert not takes_frames(replace(LAYOUT, dtype=np.dtype(np.float16)))
    assert not takes_frames(replace(LAYOUT, ssw=2, ssh=0))
    monkeypatch.setattr("vsj4r.engine.native.frames.library", lambda: None)
    assert not takes_frames(LAYOUT)


@pytest.mark.parametrize("halved", [False, True])
@pytest.mark.parametrize("sides", [(2, 2), (6, 34), (18, 50)])
def test_rain_nearby_is_numpys(
    monkeypatch: pytest.MonkeyPatch, sides: tuple[int, int], *, halved: bool
) -> None:
    change = np.random.default_rng(5).normal(0, 1, sides).astype(np.float32)
    compiled = rain_near(change, halved=halved)
    monkeypatch.setattr(scaling, "library", lambda: None)
    np.testing.assert_array_equal(compiled, rain_near(change, halved=halved))


def test_levels_are_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.random.default_rng(6).normal(0, 0.1, (40, 64)).astype(np.float32)
    step = Step(Tensors(y, None), np.full((10, 16), 0.5, np.float32))
    geometry = Geometry(61, 37, Format("gray", "integer", 8))
    compiled = measure_levels(step, geometry)
    monkeypatch.setattr(sums, "library", lambda: None)
    assert compiled == pytest.approx(measure_levels(step, geometry), rel=1e-6)
    assert compiled.rain == pytest.approx(float(np.abs(y[:37, :61]).mean()), rel=1e-6)
