"""One motion in three places: compiled code, torch and the exported graph give the same displacements and the
same change of light, to the bit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vsj4r.arrays import Floats
from vsj4r.engine.native import motion_search as native
from vsj4r.engine.native.light_change import ONE, block_sums, light_change, relight_luma
from vsj4r.engine.native.motion_search import MotionSearch
from vsj4r.engine.runtime import ov
from vsj4r.engine.weights import find_model

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from vsj4r.model.config import CONFIGS  # noqa: E402
from vsj4r.model.j4rnet import J4RNet  # noqa: E402

SCALES = {2: "j4r", 4: "j4r-lite"}
SIZES = ((16, 16), (16, 80), (80, 16), (48, 112), (208, 176))
KINDS = ("pan", "streaks", "objects", "still", "flat", "noise", "beyond", "flash", "dusk")


def pair(kind: str, size: tuple[int, int], bits: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Two frames of luma, as a source of ``bits`` bits (0: floats) gives them."""
    height, width = size
    scene = np.kron(rng.random((height // 4 + 24, width // 4 + 24)), np.ones((4, 4)))
    scene = 0.6 * scene + 0.3 * rng.random(scene.shape)
    dy, dx = (0, 0) if kind in ("still", "flat") else rng.integers(-40, 41, 2)
    frames = [scene[48 + y : 48 + y + height, 48 + x : 48 + x + width].copy() for y, x in ((0, 0), (dy, dx))]
    if kind == "streaks":
        frames = [frame + 0.5 * (rng.random((height // 16, width)) < 0.2).repeat(16, 0) for frame in frames]
    if kind == "objects":
        frames[1][: height // 2, : width // 3] = frames[0][height // 2 : height // 2 * 2, : width // 3]
    if kind == "flat":
        frames = [np.full(size, 0.4) for _ in range(2)]
    if kind in ("flash", "dusk"):
        frames[1] *= 0.55 if kind == "flash" else 1.3
    if kind == "noise":
        frames = [rng.random(size) for _ in range(2)]
    if kind == "beyond":  # excursions of limited range, and what is not even that
        frames = [3 * rng.random(size) - 1 for _ in range(2)]
        frames[0].flat[:5] = np.inf, -np.inf, np.nan, 0, 1
    if bits:
        most = (1 << bits) - 1
        frames = [np.rint(np.clip(frame, -0.1, 1.1) * most) / np.float32(most) for frame in frames]
    return tuple(np.ascontiguousarray(frame, np.float32) for frame in frames)  # type: ignore[return-value]


def by_torch(scale: int, now: Floats, ref: Floats) -> tuple[NDArray[np.int64], int]:
    net = J4RNet(CONFIGS[SCALES[scale]])
    frame, following = (net.observe(torch.from_numpy(y)[None, None], None) for y in (now, ref))
    motion = net.motion(frame, following, net.new_state(frame))
    assert motion.ahead is not None
    return motion.ahead.motion[0].numpy(), int(motion.ahead.light)


def by_native(scale: int, now: Floats, ref: Floats) -> tuple[NDArray[np.int64], int]:
    search = MotionSearch(now.shape[0], now.shape[1], scale)
    luma, other = search.luma(now), search.luma(ref)
    ratio = light_change(block_sums(luma), block_sums(other))
    blocks = search.find(luma, relight_luma(other, ratio))
    return blocks.repeat(native.BLOCK, 1).repeat(native.BLOCK, 2).astype(np.int64), ratio


def assert_same(one: Any, other: Any) -> None:
    np.testing.assert_array_equal(one[0], other[0])
    assert one[1] == other[1]


def clips(scale: int) -> list[tuple[Floats, Floats]]:
    rng = np.random.default_rng(scale)
    return [pair(kind, size, bits, rng) for kind in KINDS for size in SIZES for bits in (8, 10, 16, 0)]


@pytest.mark.slow
@pytest.mark.parametrize("scale", SCALES)
def test_the_library_finds_what_torch_finds(scale: int) -> None:
    moved, ratios = 0, set()
    for now, ref in clips(scale):
        expected = by_torch(scale, now, ref)
        assert_same(by_native(scale, now, ref), expected)
        moved += int(expected[0].any())
        ratios.add(expected[1])
    assert moved > 50, "there is something to compare"
    assert len(ratios) > 20
    assert min(ratios) < 0.9 * ONE < 1.5 * ONE < max(ratios)


@pytest.mark.parametrize("scale", SCALES)
def test_a_full_frame(scale: int) -> None:
    """1088 x 1920: sums that no longer fit 16 bits, rows of many vectors."""
    rng = np.random.default_rng(5)
    now, ref = pair("streaks", (1088, 1920), 8, rng)
    assert_same(by_native(scale, now, ref), by_torch(scale, now, ref))


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("scale", SCALES)
def test_the_exported_graph_finds_the_same(scale: int, runtime: str) -> None:
    model = find_model(SCALES[scale])
    graph = onnx.load(model.onnx)
    del graph.graph.output[:]
    graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in ("motion.ahead", "light.ahead"))
    inputs = onnx.shape_inference.infer_shapes(graph).graph.input
    for kind in KINDS:
        frames = pair(kind, (96, 160), 8, np.random.default_rng(9))
        now, ref = (np.nan_to_num(frame, posinf=1, neginf=0) for frame in frames)  # others end the step
        given = {"y": now[None, None], "y_next": ref[None, None]}
        run = by_openvino if runtime == "openvino" else by_onnxruntime
        found = run(graph.SerializeToString(), {**zeros(inputs, scale), **given})
        assert_same((found[0][0], int(found[1].item())), by_native(scale, now, ref))


def zeros(inputs: Any, scale: int) -> dict[str, Floats]:
    """Something for every input of the step at 96 x 160."""
    sides = {"y": (96, 160), "uv": (48, 80), "state.seen": (1, 1)}
    grid = 96 // scale, 160 // scale
    shapes = {
        port.name: (
            1,
            port.type.tensor_type.shape.dim[1].dim_value,
            *sides.get(port.name.removesuffix("_next"), grid),
        )
        for port in inputs
    }
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def by_openvino(graph: bytes, arrays: dict[str, Floats]) -> Any:
    core = ov.Core()
    model = core.read_model(graph)
    model.reshape({name: list(array.shape) for name, array in arrays.items()})
    run = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    found = run(arrays)
    return found[0], found[1]


def by_onnxruntime(graph: bytes, arrays: dict[str, Floats]) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return session.run(["motion.ahead", "light.ahead"], arrays)


def test_wrong_arrays_are_refused() -> None:
    search = MotionSearch(32, 48, 2)
    luma = np.zeros((16, 24), np.uint8)
    for y in (np.zeros((32, 40), np.float32), np.zeros((32, 48)), np.zeros((48, 32), np.float32).T):
        with pytest.raises(ValueError, match="y must be C-contiguous float32"):
            search.luma(y)  # type: ignore[arg-type]
    for wrong in (luma[:, :8], luma.astype(np.int16), np.zeros((24, 16), np.uint8).T):
        with pytest.raises(ValueError, match="luma must be C-contiguous uint8"):
            search.find(luma, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("height", "width"), [(0, 16), (8, 16), (16, 24), (4, 4)])
def test_sides_that_blocks_do_not_fill_are_refused(height: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"multiples of 16, got height = {height}, width = {width}"):
        MotionSearch(height, width, 2)


def test_the_model_says_which_motion_it_has() -> None:
    for name in SCALES.values():
        motion = find_model(name).spec.motion
        assert motion is not None
        assert native.is_native(motion)
        assert not native.is_native(replace(motion, version=motion.version + 1))
    assert not native.is_native(None)


LEFT_OPEN = """
from vsj4r.engine.native import motion_search
loaded = motion_search.library()
loaded.j4r_motion_close = lambda memory: print("closed")
searches = [motion_search.MotionSearch(32, 48, 2) for _ in range(2)]
del searches[0]
"""


def test_memory_is_given_back_but_not_when_python_ends() -> None:
    """A worker of VapourSynth may be in a search then."""
    done = subprocess.run([sys.executable, "-c", LEFT_OPEN], capture_output=True, text=True, check=True)
    assert done.stdout == "closed\n"
