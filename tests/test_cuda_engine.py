"""The CUDA engine on the fake device: the same module, packing and schedule as on a card, in float32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cuda.cpu_kernels import CpuKernels
from vsj4r.arrays import Floats
from vsj4r.engine import open_engine
from vsj4r.engine.base import Feed, FrameCodes, FrameLayout, Plane, Scales, Tensors
from vsj4r.engine.downscaled import DownscaledEngine, downscale_spec
from vsj4r.engine.weights import find_model
from vsj4r.errors import Vsj4rError
from vsj4r.frames.formats import Format, Geometry
from vsj4r.frames.layers import measure_levels
from vsj4r.frames.planes import Converter

torch = pytest.importorskip("torch")

from tests.cuda.engines import HEIGHT, WIDTH, rainy_clip, residuals, small_engine, worst  # noqa: E402
from tests.cuda.fake_device import FakeDevice  # noqa: E402
from tests.cuda.small_model import small_config, write_small_model  # noqa: E402
from vsj4r.engine.cuda.engine import CudaEngine, CudaFrameEngine, Options  # noqa: E402
from vsj4r.engine.cuda.lane import Lane  # noqa: E402
from vsj4r.engine.cuda.network import check_channels  # noqa: E402
from vsj4r.engine.loading import load_net  # noqa: E402
from vsj4r.model.config import CONFIGS  # noqa: E402
from vsj4r.model.j4rnet import J4RNet  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

EAGER = Options(graphs=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["j4r", "j4r-lite"])
def test_a_hundred_recurrent_frames_equal_openvino(compiled: CpuKernels, name: str) -> None:
    """Two float32 implementations that share no arithmetic but the weights. A displacement that went the
    other way for a rounding error would be 1e-2 somewhere, and stay for frames: there is none in this
    clip."""
    clip = rainy_clip(100)
    engine = CudaEngine(
        find_model(name), height=HEIGHT, width=WIDTH, device=FakeDevice(compiled), precision="f32"
    )
    cpu = open_engine(find_model(name), height=HEIGHT, width=WIDTH, device="cpu", precision="f32", threads=1)
    ours, theirs = residuals(engine, clip), residuals(cpu, clip)
    assert max(float(np.abs(y).max()) for y, _, _ in theirs) > 0.05, "there is something to compare"
    assert worst(ours, theirs) < 1e-5


def test_all_figures_that_come_back_are_computed(compiled: CpuKernels, tmp_path: Path) -> None:
    """Memory of the fake device is NaN until it is written."""
    device = FakeDevice(compiled)
    engine = CudaEngine(
        write_small_model(tmp_path, small_config("j4r")), height=32, width=48, device=device, options=EAGER
    )
    state = engine.new_state()
    o_t, o_next = (Tensors(*frame) for frame in rainy_clip(2, 32, 48))
    engine.step(o_t, o_next, state)
    assert np.isfinite(state._found.figures.numpy()).all()


def test_half_precision_stays_near(compiled: CpuKernels) -> None:
    clip = rainy_clip(6)
    engines = [
        CudaEngine(
            find_model("j4r"), height=HEIGHT, width=WIDTH, device=FakeDevice(compiled), precision=precision,
            options=EAGER,
        )
        for precision in ("f16", "f32")
    ]  # fmt: skip
    half, single = (residuals(engine, clip) for engine in engines)
    assert 0 < worst(half, single) < 0.02


@pytest.mark.parametrize("name", list(CONFIGS))
def test_the_fused_step_is_the_module(compiled: CpuKernels, tmp_path: Path, name: str) -> None:
    """Every configuration, random weights, biases and two layers of memory included."""
    config = replace(small_config(name), gru_layers=2)
    model = write_small_model(tmp_path, config)
    net: J4RNet = load_net(model)
    clip = rainy_clip(4, 32, 48)
    options = Options(graphs=False)
    engine = CudaEngine(
        model, height=32, width=48, device=FakeDevice(compiled), precision="f32", options=options
    )
    found = residuals(engine, clip)
    state = None
    with torch.no_grad():
        observed = [
            net.observe(
                torch.from_numpy(y)[None, None],
                None if uv is None or config.planes == "y" else torch.from_numpy(uv)[None],
            )
            for y, uv in clip
        ]
        for t, now in enumerate(observed):
            following = observed[min(t + 1, 3)] if config.lookahead else None
            estimate, state = net.step(now, following, state)
            y, uv = net.planes(estimate.residual)
            np.testing.assert_allclose(found[t][0], y[0, 0], atol=2e-6)
            if uv is not None:
                np.testing.assert_allclose(found[t][1], uv[0], atol=2e-6)
            np.testing.assert_allclose(found[t][-1], estimate.logits.softmax(1)[0, 1], atol=2e-6)


def as_codes(frame: Tensors, codes: list[Any]) -> list[Any]:
    """The top left 42x58 pixels in 8 bit."""
    assert frame.uv is not None
    channels = frame.y[:42, :58], *frame.uv[:, :21, :29]
    spans = [codes[0], codes[1], codes[1]]
    return [
        np.rint(channel * code.span + code.zero).clip(0, 255).astype(np.uint8)
        for channel, code in zip(channels, spans, strict=True)
    ]


def test_frames_as_they_are(compiled: CpuKernels) -> None:
    """8-bit planes of an odd height, repeated keys, and the residual added on the device: what planes.py
    does."""
    kind = Format("yuv", "integer", 8, 1, 1)
    geometry = Geometry(58, 42, kind)
    model = find_model("j4r-lite")
    convert = Converter(geometry, model.spec)
    height, width = convert.padded_height, convert.padded_width
    layout = FrameLayout(42, 58, kind.dtype, True, 255)
    engine = CudaFrameEngine(
        model,
        height=height,
        width=width,
        device=FakeDevice(compiled, seed=2),
        precision="f32",
        frames=layout,
        options=Options(depth=2),
    )
    cpu = open_engine(
        find_model("j4r-lite"), height=height, width=width, device="cpu", precision="f32", threads=1
    )
    codes = [kind.codes(plane, full=False) for plane in (0, 1)]
    planes = [as_codes(frame, codes) for frame in rainy_clip(12, 48, 64)]
    sources = [
        Feed(n, frame, FrameCodes(codes[0].zero, codes[0].span, codes[1].zero, codes[1].span))
        for n, frame in enumerate(planes)
    ]
    tensors = [convert.new_tensors() for _ in planes]
    for frame, into in zip(planes, tensors, strict=True):
        convert.load(frame, full=False, into=into)
    state, cpu_state = engine.new_state(), cpu.new_state()
    differing, samples = 0, 0
    for t, frame in enumerate(planes):
        ahead = min(t + 1, len(planes) - 1)
        step = cpu.step(tensors[t], tensors[ahead], cpu_state)
        expected = [np.empty_like(plane) for plane in frame]
        convert.add(frame, step.residual, strength=0.9, full=False, into=expected)
        scales = None if t == 3 else Scales(0.9 * codes[0].span, 0.9 * codes[1].span, 0.9 * codes[1].span)
        engine.begin(sources[t], sources[ahead], state, scales)
        if scales is None:
            assert engine.waiting(state) == 0
            continue
        got, rain, occlusion = engine.finish(state)
        assert rain == pytest.approx(float(np.abs(step.residual.y[:42, :58]).mean()), rel=1e-4)
        assert occlusion == pytest.approx(float(step.alpha[:11, :15].mean()), rel=1e-4)
        for a, b in zip(got, expected, strict=True):
            assert np.abs(a.astype(int) - b).max() <= 1
            differing, samples = differing + int((a != b).sum()), samples + a.size
    assert differing / samples < 1e-4, "a code is another only where the CPU's was within 1e-5 of a half"


# Frames that are reduced


@pytest.mark.parametrize("by", [2, 3])
def test_float_planes_are_reduced_on_the_card_to_the_bit(
    compiled: CpuKernels, tmp_path: Path, by: int
) -> None:
    """As by ``DownscaledEngine`` around an engine for the small size, which is proved in numpy."""
    model, clip = write_small_model(tmp_path), rainy_clip(4, 32 * by, 48 * by)
    options: dict[str, Any] = {"device": FakeDevice(compiled), "precision": "f32", "options": EAGER}
    on_card = CudaEngine(model, height=32 * by, width=48 * by, downscale=by, **options)
    around = DownscaledEngine(CudaEngine(model, height=32, width=48, **options), by)
    assert on_card.spec == around.spec == downscale_spec(model.spec, by)
    found, expected = residuals(on_card, clip), residuals(around, clip)
    assert worst(found, expected) == 0
    assert max(float(np.abs(y).max()) for y, _, _ in expected) > 0.01, "there is something to compare"


KINDS = {
    "u8": Format("yuv", "integer", 8, 1, 1),
    "u10": Format("yuv", "integer", 10, 1, 1),
    "u16": Format("yuv", "integer", 16, 1, 1),
    "f16": Format("yuv", "float", 16, 1, 1),
    "f32": Format("yuv", "float", 32, 1, 1),
    "grey": Format("gray", "integer", 8),
}


@pytest.mark.parametrize(("kind", "by"), [(kind, 2 + n % 3) for n, kind in enumerate(KINDS)])
def test_frames_are_reduced_as_they_are_to_the_bit(
    compiled: CpuKernels, tmp_path: Path, kind: str, by: int
) -> None:
    """Every kind of sample, sides that are padded, three frames in flight: what planes.py and
    ``DownscaledEngine`` do on the host, and the levels."""
    form, model = KINDS[kind], write_small_model(tmp_path)
    geometry = Geometry(106, 70, form)
    convert = Converter(geometry, downscale_spec(model.spec, by))
    height, width = convert.padded_height, convert.padded_width
    layout = FrameLayout(70, 106, form.dtype, form.planes > 1, form.peak)
    options: dict[str, Any] = {"device": FakeDevice(compiled, seed=by), "precision": "f32"}
    engine = CudaFrameEngine(
        model, height=height, width=width, frames=layout, downscale=by,
        options=Options(depth=3, graphs=False), **options,
    )  # fmt: skip
    small = CudaEngine(model, height=height // by, width=width // by, options=EAGER, **options)
    around = DownscaledEngine(small, by)
    codes = [form.codes(plane, full=False) for plane in (0, 1)]
    rng, length = np.random.default_rng(by), 6
    frames = [[noisy(geometry, plane, rng) for plane in range(form.planes)] for _ in range(length)]
    feeds = [
        Feed(n, frame, FrameCodes(codes[0].zero, codes[0].span, codes[1].zero, codes[1].span))
        for n, frame in enumerate(frames)
    ]
    scales = Scales(0.9 * codes[0].span, *([0.9 * codes[1].span] * 2))
    tensors, state, host_state = (
        [convert.new_tensors() for _ in frames],
        engine.new_state(),
        around.new_state(),
    )
    for frame, into in zip(frames, tensors, strict=True):
        convert.load(frame, full=False, into=into)
    changed = 0
    for t in range(length):
        begun = engine.waiting(state) + t
        for n in range(begun, min(t + 3, length)):
            engine.begin(feeds[n], feeds[min(n + 1, length - 1)], state, scales)
        got, rain, occlusion = engine.finish(state)
        step = around.step(tensors[t], tensors[min(t + 1, length - 1)], host_state)
        expected = [np.empty_like(plane) for plane in frames[t]]
        convert.add(frames[t], step.residual, strength=0.9, full=False, into=expected)
        for a, b, before in zip(got, expected, frames[t], strict=True):
            np.testing.assert_array_equal(a, b)
            changed += int((a != before).sum())
        levels = measure_levels(step, geometry)
        assert rain == pytest.approx(levels.rain, rel=1e-4)
        assert occlusion == pytest.approx(levels.occlusion, rel=1e-4)
    assert changed > 1000


def noisy(geometry: Geometry, plane: int, rng: np.random.Generator) -> Any:
    """A smooth plane with noise and bright streaks."""
    shape, form = geometry.plane(plane), geometry.format
    rows = np.linspace(0.2, 0.6, shape[0])[:, None] + rng.normal(0, 0.02, shape)
    light = np.where(rng.random((1, shape[1])) < 0.15, rows + 0.3, rows) - (0.4 if plane else 0)
    codes = form.codes(plane, full=False)
    values = light * codes.span + codes.zero
    return (values if form.sample == "float" else np.rint(values).clip(0, form.peak)).astype(form.dtype)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_from_the_beginning_again(compiled: CpuKernels, tmp_path: Path, depth: int) -> None:
    """After any number of steps, some of which may still be in flight: these are dropped, but their memory
    must not be written before they are through, and frames that lie there are not to be lost."""
    model = write_small_model(tmp_path)
    layout = FrameLayout(HEIGHT, WIDTH, np.dtype(np.uint8), True, 255)
    rng = np.random.default_rng(0)
    shapes = [(layout.height, layout.width), layout.chroma_sides, layout.chroma_sides]
    sources = [
        Feed(n, [rng.integers(0, 256, shape, np.uint8) for shape in shapes], FrameCodes(0, 255, 128, 255))
        for n in range(6)
    ]
    engine = CudaFrameEngine(
        model, height=HEIGHT, width=WIDTH, device=FakeDevice(compiled), precision="f32", frames=layout,
        options=Options(depth=depth, graphs=False),
    )  # fmt: skip
    state = engine.new_state()
    expected: list[Plane] = []
    for steps in range(5):
        for dropped in range(min(depth, steps) + 1):
            state.reset()
            found: list[Plane] = []
            for n in range(steps):
                engine.begin(sources[n], sources[n + 1], state, Scales(255, 255, 255))
                if n < steps - dropped:
                    found += [plane.copy() for plane in engine.finish(state)[0]]
            assert engine.waiting(state) == dropped
            expected += found[len(expected) :]
            for a, b in zip(found, expected, strict=False):
                np.testing.assert_array_equal(a, b)


# The rest of the protocol


def test_two_states_and_two_engines_know_nothing_of_each_other(compiled: CpuKernels, tmp_path: Path) -> None:
    model, clip = write_small_model(tmp_path), rainy_clip(5)
    device = FakeDevice(compiled, seed=9)
    one, other = small_engine(device, model), small_engine(device, model, depth=2)
    expected = residuals(one, clip)
    states = [one.new_state(), one.new_state(), other.new_state()]
    engines = [one, one, other]
    found: list[list[list[Floats]]] = [[], [], []]
    for t, o_t in enumerate(clip):
        for k, (engine, state) in enumerate(zip(engines, states, strict=True)):
            step = engine.step(o_t, clip[min(t + 1, 4)], state)
            assert step.residual.uv is not None
            found[k].append([step.residual.y.copy(), step.residual.uv.copy(), step.alpha.copy()])
    assert all(worst(each, expected) == 0 for each in found)


def test_wrong_arrays_and_states_are_refused(compiled: CpuKernels, tmp_path: Path) -> None:
    model = write_small_model(tmp_path)
    engine = small_engine(FakeDevice(compiled), model)
    state = engine.new_state()
    assert isinstance(state, Lane)
    good = rainy_clip(1)[0]
    assert good.uv is not None
    for bad in (good._replace(uv=None), good._replace(y=good.y.astype(np.float64)), rainy_clip(1, 48, 72)[0]):
        with pytest.raises(ValueError, match="must"):
            engine.step(bad, good, state)
        with pytest.raises(ValueError, match="must"):
            engine.step(good, bad, state)
    with pytest.raises(ValueError, match="looks ahead"):
        engine.step(good, None, state)
    with pytest.raises(ValueError, match="another model or frame size"):
        engine.step(good, good, small_engine(FakeDevice(compiled), model).new_state())
    with pytest.raises(ValueError, match=f"multiples of {model.spec.multiple}, got height = 47"):
        CudaEngine(model, height=47, width=WIDTH, device=FakeDevice(compiled))


def test_weights_that_are_missing_or_damaged(tmp_path: Path) -> None:
    model = write_small_model(tmp_path)
    weights = model.safetensors
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(Vsj4rError, match=r"small\.safetensors is damaged: its sha256 is"):
        load_net(model)
    weights.unlink()
    with pytest.raises(
        Vsj4rError, match=r"model small: its network needs small\.safetensors beside small\.onnx"
    ):
        load_net(model)
    model = write_small_model(tmp_path)
    with pytest.raises(Vsj4rError, match="does not describe a network"):
        load_net(replace(model, config={"scale": 2}))


def test_channels_must_suit_the_kernels() -> None:
    with pytest.raises(Vsj4rError, match="channels that are a multiple of 8, got 12"):
        check_channels(J4RNet(replace(small_config(), channels=12)))


def test_what_is_no_number_is_an_error_and_the_state_stands(compiled: CpuKernels, tmp_path: Path) -> None:
    engine = small_engine(FakeDevice(compiled), write_small_model(tmp_path))
    clip = rainy_clip(3)
    expected = residuals(engine, clip)
    state = engine.new_state()
    weight = engine._step._last.weight
    for t, o_t in enumerate(clip):
        ahead = clip[min(t + 1, 2)]
        kept = weight.clone()
        with torch.inference_mode():
            weight.fill_(float("inf"))
        with pytest.raises(Vsj4rError, match="model small: its result must be finite, got NaN or infinity"):
            engine.step(o_t, ahead, state)
        with torch.inference_mode():
            weight.copy_(kept)
        again = engine.step(o_t, ahead, state)
        assert np.array_equal(again.residual.y, expected[t][0])
