"""The CUDA engine on the fake device: the same module, packing and schedule as on a card, in float32."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cuda.cpu_kernels import CpuKernels, compile_kernels
from vsj4r.engine import open_engine
from vsj4r.engine.base import Floats, Tensors
from vsj4r.engine.cuda.kernels import Argument, Size
from vsj4r.engine.cuda.layout import Codes, FrameLayout, Scales, Source
from vsj4r.engine.weights import Model, find_model
from vsj4r.errors import Vsj4rError

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from tests.cuda.fake_device import FakeDevice  # noqa: E402
from tests.cuda.small_model import small_config, write_small_model  # noqa: E402
from vsj4r.engine.cuda.device import Stream, Work  # noqa: E402
from vsj4r.engine.cuda.engine import CudaEngine, Options, load_net  # noqa: E402
from vsj4r.engine.cuda.lane import Lane  # noqa: E402
from vsj4r.engine.cuda.network import check_channels  # noqa: E402
from vsj4r.engine.cuda.selftest import as_on_the_cpu, moving_clip, pack_and_unpack, self_test  # noqa: E402
from vsj4r.engine.cuda.tiles import SMALLEST, smaller, spans  # noqa: E402
from vsj4r.model.config import CONFIGS  # noqa: E402
from vsj4r.model.j4rnet import J4RNet  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

HEIGHT, WIDTH = 48, 64
EAGER = Options(graphs=False)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> CpuKernels:
    return CpuKernels(compile_kernels(tmp_path_factory.mktemp("kernels")))


def rainy_clip(length: int, height: int = HEIGHT, width: int = WIDTH) -> list[Tensors]:
    return moving_clip(length, height, width)


def residuals(engine: Any, clip: list[Tensors], state: Any = None) -> list[list[Floats]]:
    """[y, uv, alpha] of every frame, the last one looking ahead at itself."""
    state = engine.new_state() if state is None else state
    found = []
    for t, o_t in enumerate(clip):
        step = engine.step(o_t, clip[min(t + 1, len(clip) - 1)], state)
        planes = [plane for plane in step.residual if plane is not None]
        found.append([plane.copy() for plane in (*planes, step.alpha)])
    return found


def worst(a: list[list[Floats]], b: list[list[Floats]]) -> float:
    return max(
        float(np.abs(x - y).max()) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)
    )


def small_engine(device: FakeDevice, model: Model, **options: Any) -> CudaEngine:
    return CudaEngine(
        model, height=HEIGHT, width=WIDTH, device=device, precision="f32",
        options=Options(**{"graphs": False, **options}),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["j4r", "j4r-lite"])
def test_a_hundred_recurrent_frames_equal_openvino(compiled: CpuKernels, name: str) -> None:
    """Two float32 implementations that share no arithmetic but the weights. A displacement that went the
    other way for a rounding error would be 1e-2 somewhere, and stay for frames: there is none in this
    clip."""
    clip = rainy_clip(100)
    engine = CudaEngine(
        find_model(name), height=HEIGHT, width=WIDTH, device=FakeDevice(compiled), precision="f32"
    )
    cpu = open_engine(name, height=HEIGHT, width=WIDTH, device="cpu", precision="f32", threads=1)
    ours, theirs = residuals(engine, clip), residuals(cpu, clip)
    assert max(float(np.abs(y).max()) for y, _, _ in theirs) > 0.05, "there is something to compare"
    assert worst(ours, theirs) < 1e-5


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
@pytest.mark.parametrize("nhwc", [True, False])
def test_the_fused_step_is_the_module(compiled: CpuKernels, tmp_path: Path, name: str, nhwc: bool) -> None:
    """Every configuration, random weights, biases and two layers of memory included."""
    config = replace(small_config(name), gru_layers=2)
    model = write_small_model(tmp_path, config)
    net: J4RNet = load_net(model)
    clip = rainy_clip(4, 32, 48)
    options = Options(graphs=False, nhwc=nhwc)
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
    from vsj4r.frames.formats import Format, Geometry
    from vsj4r.frames.planes import Converter

    kind = Format("yuv", "integer", 8, 1, 1)
    geometry = Geometry(58, 42, kind)
    model = find_model("j4r-lite")
    convert = Converter(geometry, model.spec)
    height, width = convert.padded_height, convert.padded_width
    layout = FrameLayout(42, 58, kind.dtype, True, 255)
    engine = CudaEngine(
        model,
        height=height,
        width=width,
        device=FakeDevice(compiled, seed=2),
        precision="f32",
        frames=layout,
        options=Options(depth=2),
    )
    cpu = open_engine("j4r-lite", height=height, width=width, device="cpu", precision="f32", threads=1)
    codes = [kind.codes(plane, full=False) for plane in (0, 1)]
    planes = [as_codes(frame, codes) for frame in rainy_clip(12, 48, 64)]
    sources = [
        Source(n, frame, Codes(codes[0].zero, codes[0].span, codes[1].zero, codes[1].span))
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
        convert.add(frame, convert.changes(step.residual), strength=0.9, full=False, into=expected)
        scales = None if t == 3 else Scales(0.9 * codes[0].span, 0.9 * codes[1].span, 0.9 * codes[1].span)
        derained = engine.derain(sources[t], sources[ahead], state, scales)
        if derained is None:
            assert t == 3
            continue
        got, rain, occlusion = derained
        assert rain == pytest.approx(float(np.abs(step.residual.y[:42, :58]).mean()), rel=1e-4)
        assert occlusion == pytest.approx(float(step.alpha[:11, :15].mean()), rel=1e-4)
        for a, b in zip(got, expected, strict=True):
            assert np.abs(a.astype(int) - b).max() <= 1
            differing, samples = differing + int((a != b).sum()), samples + a.size
    assert differing / samples < 1e-4, "a code is another only where the CPU's was within 1e-5 of a half"


# Memory


def test_tiles_give_what_the_whole_gives(compiled: CpuKernels, tmp_path: Path) -> None:
    model = write_small_model(tmp_path)
    clip = rainy_clip(4)
    whole = residuals(small_engine(FakeDevice(compiled), model), clip)
    engine = small_engine(FakeDevice(compiled), model)
    engine._step.tile = (10, 13)
    assert worst(residuals(engine, clip), whole) < 2e-6
    engine._step._margin //= 2
    assert worst(residuals(engine, clip), whole) > 1e-5, "half the margin is too little"


def test_spans_cover_each_cell_once() -> None:
    for length in (1, 63, 64, 200):
        for tile in (7, 64, 500):
            kept = [
                cell for span in spans(length, tile, 21) for cell in range(span.keep, span.keep + span.kept)
            ]
            assert kept == list(range(length))
    assert CONFIGS["j4r"].radius == 21
    sides: tuple[int, int] | None = (540, 960)
    while sides is not None:
        last, sides = sides, smaller(sides)
    assert max(last) <= SMALLEST


def large(device: FakeDevice, model: Model) -> CudaEngine:
    """Large enough for tiles of more than one size."""
    return CudaEngine(model, height=16, width=144, device=device, precision="f32")


def test_out_of_memory_once_anywhere_leaves_a_usable_engine(compiled: CpuKernels, tmp_path: Path) -> None:
    model = write_small_model(tmp_path)
    clip = rainy_clip(1, 16, 144)
    device = FakeDevice(compiled)
    expected = residuals(large(device, model), clip)
    allocations = device.taken  # and launches, which may need memory too
    gc.collect()
    before = device.used
    for n in range(1, allocations + 1):
        device.taken = 0
        device.fails = lambda taken, n=n: taken == n  # type: ignore[misc]
        assert worst(residuals(large(device, model), clip), expected) < 2e-6, n
        device.fails = lambda taken: False
        gc.collect()
        assert device.used == before, f"memory was lost after allocation {n}"


def test_out_of_memory_for_good_says_how_much_was_needed(compiled: CpuKernels, tmp_path: Path) -> None:
    model = write_small_model(tmp_path)
    device = FakeDevice(compiled)
    engine = large(device, model)
    clip = rainy_clip(3, 16, 144)
    expected = residuals(engine, clip)
    state = engine.new_state()
    first = residuals(engine, clip[:1], state)
    device.fails = lambda taken: True
    with pytest.raises(
        Vsj4rError, match=r"^memory of fake must be about \d+ MiB for a state of 144x16, got 0 MiB free$"
    ):
        engine.new_state()
    with pytest.raises(Vsj4rError, match="memory of fake must be about"):
        engine.step(clip[1], clip[2], state)
    assert engine.tile[1] <= SMALLEST
    assert device.releases
    device.fails = lambda taken: False
    engine.step(clip[0], clip[0], engine.new_state())
    assert worst(residuals(engine, clip), expected) < 2e-6, "it goes on, in small tiles"
    assert first[0][0].shape == (16, 144)


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
        with pytest.raises(Vsj4rError, match="model small: the residual must be finite, got what is not"):
            engine.step(o_t, ahead, state)
        with torch.inference_mode():
            weight.copy_(kept)
        again = engine.step(o_t, ahead, state)
        assert np.array_equal(again.residual.y, expected[t][0])


# The self-test


def test_the_self_test_passes_here(compiled: CpuKernels) -> None:
    checks = list(self_test(FakeDevice(compiled), "j4r-lite", frames=3))
    assert all(check.passed for check in checks), checks
    assert [check.name for check in checks] == [
        "pack and unpack",
        "CUDA graphs",
        "3 frames in f32",
        "3 frames in f16",
    ]


class Broken(CpuKernels):
    """One kernel does nothing."""

    broken = ""

    def launch(self, name: str, grid: Size, block: Size, arguments: Sequence[Argument]) -> None:
        if not name.startswith(self.broken):
            super().launch(name, grid, block, arguments)


@pytest.mark.parametrize("broken", ["unpack<float", "pack<unsigned short"])
def test_the_self_test_finds_a_frame_kernel_that_is_wrong(compiled: CpuKernels, broken: str) -> None:
    kernels = Broken(compiled.library)
    kernels.broken = broken
    check = pack_and_unpack(FakeDevice(kernels))
    assert not check.passed
    assert "not to the bit: " in check.detail


def test_the_self_test_finds_a_gate_that_is_wrong(compiled: CpuKernels) -> None:
    kernels = Broken(compiled.library)
    kernels.broken = "gru_read<float"
    check = as_on_the_cpu(FakeDevice(kernels), find_model("j4r-lite"), "f32", frames=2)
    assert not check.passed, check.detail


# Graphs


class Forgetful(FakeDevice):
    """Its graphs lack something, as when a kernel was launched on another stream."""

    fault = "stale"

    def capture(self, stream: Stream, work: Work) -> Work:
        if self.fault == "refused":
            raise RuntimeError("operation not permitted\nwhen stream is capturing")
        done: list[bool] = []

        def replay() -> None:
            if self.fault == "nothing":
                return
            if not done:
                work()
            done.append(True)

        return replay


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("nothing", "a CUDA graph does not give what eager gives: eager it is"),
        ("stale", "a CUDA graph does not give what eager gives: eager it is"),
        ("refused", "no CUDA graphs, eager it is: operation not permitted when stream is capturing"),
    ],
)
def test_a_graph_that_lies_is_not_used(
    compiled: CpuKernels, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str, said: str
) -> None:
    model, clip = write_small_model(tmp_path), rainy_clip(3)
    expected = residuals(small_engine(FakeDevice(compiled), model), clip)
    device = Forgetful(compiled)
    device.fault = fault
    engine = small_engine(device, model, graphs=True)
    with caplog.at_level(logging.WARNING):
        state = engine.new_state()
    assert state.captured is None
    assert [record.getMessage() for record in caplog.records] == [f"fake: {said}"]
    assert worst(residuals(engine, clip, state), expected) == 0


def test_graphs_that_agree_are_used_and_the_state_is_new(compiled: CpuKernels, tmp_path: Path) -> None:
    model, clip = write_small_model(tmp_path), rainy_clip(5)
    expected = residuals(small_engine(FakeDevice(compiled), model), clip)
    engine = small_engine(FakeDevice(compiled), model, graphs=True)
    state = engine.new_state()
    assert state.captured is not None
    assert worst(residuals(engine, clip, state), expected) == 0


class Recorded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The operations that torch is asked for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket._qualified_op_name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", list(CONFIGS))
def test_a_step_can_be_captured(compiled: CpuKernels, tmp_path: Path, name: str) -> None:
    """Once it has run, it neither waits for the device nor brings anything from the host."""
    device = FakeDevice(compiled)
    lane = small_engine(device, write_small_model(tmp_path, small_config(name))).new_state()
    with device.active(), Recorded() as recorded:
        for work in lane.works():
            work()
            recorded.names.clear()
            work()
    assert "aten::convolution" in recorded.names or "aten::conv2d" in recorded.names
    waiting = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique"}
    from_host = {"lift_fresh", "_to_copy.host", "tensor", "from_file", "pin_memory"}
    assert not recorded.names & {f"aten::{op}" for op in waiting | from_host}


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
    assert state.nbytes > 0
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
    with pytest.raises(ValueError, match="multiples of 8, got height = 47"):
        CudaEngine(model, height=47, width=WIDTH, device=FakeDevice(compiled))


def test_weights_that_are_missing_or_damaged(tmp_path: Path) -> None:
    model = write_small_model(tmp_path)
    weights, described = (model.onnx.with_suffix(suffix) for suffix in (".safetensors", ".json"))
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(Vsj4rError, match=r"small\.safetensors is damaged: its sha256 is"):
        load_net(model)
    weights.unlink()
    with pytest.raises(
        Vsj4rError, match=r"model small: device 'cuda' needs small\.safetensors beside small\.onnx"
    ):
        load_net(model)
    write_small_model(tmp_path)
    described.write_text(json.dumps({"config": {"scale": 2}}))
    with pytest.raises(Vsj4rError, match="does not describe a network"):
        load_net(model)


def test_channels_must_suit_the_kernels() -> None:
    with pytest.raises(ValueError, match="channels must be a multiple of 8, got 12"):
        check_channels(J4RNet(replace(small_config(), channels=12)))
