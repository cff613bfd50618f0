"""The exported step in another runtime, by what docs/onnx.md says of it and nothing else."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from vsj4r.engine import open_engine
from vsj4r.engine.base import Tensors
from vsj4r.engine.weights import find_model

onnxruntime = pytest.importorskip("onnxruntime")

HEIGHT, WIDTH, FRAMES = 48, 80, 8


def clip() -> list[dict[str, Any]]:
    """Frames as the graph names them, chroma on half the sides."""
    rng = np.random.default_rng(4)
    scene = rng.random((HEIGHT + 40, WIDTH + 40))
    for axis in (0, 1) * 4:
        scene = (np.roll(scene, 1, axis) + 2 * scene + np.roll(scene, -1, axis)) / 4
    frames = []
    for t in range(FRAMES):
        y = scene[t : t + HEIGHT, 3 * t : 3 * t + WIDTH] + 0.3 * (rng.random((HEIGHT, WIDTH)) > 0.97)
        uv = np.stack([y[::2, ::2] - 0.5, 0.5 - y[::2, ::2]]) * 0.3
        frames.append({"y": y[None, None].astype(np.float32), "uv": uv[None].astype(np.float32)})
    return frames


@pytest.mark.parametrize("name", ["j4r", "j4r-lite"])
def test_onnx_runtime_gives_what_openvino_gives(name: str) -> None:
    model = find_model(name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.onnx, options, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    scale = json.loads(model.onnx.with_suffix(".json").read_text())["config"]["scale"]
    states = zero_states(session, scale)
    assert {f"{name}.next" for name in states} < set(outputs)
    engine = open_engine(
        find_model(name), height=HEIGHT, width=WIDTH, device="cpu", precision="f32", threads=1
    )
    cpu_state = engine.new_state()
    frames = clip()
    largest = 0.0
    for t, frame in enumerate(frames):
        following = frames[min(t + 1, FRAMES - 1)]
        inputs = {**frame, **{f"{plane}_next": value for plane, value in following.items()}, **states}
        found = dict(zip(outputs, session.run(outputs, inputs), strict=True))
        states = {name: found[f"{name}.next"] for name in states}
        step = engine.step(tensors(frame), tensors(following), cpu_state)
        assert step.residual.uv is not None
        for got, expected in (
            (found["y_residual"][0, 0], step.residual.y),
            (found["uv_residual"][0], step.residual.uv),
            (found["alpha"][0, 0], step.alpha),
        ):
            np.testing.assert_allclose(got, expected, atol=1e-5)
        largest = max(largest, float(np.abs(found["y_residual"]).max()))
    assert largest > 0.02, "there is something to compare"


def tensors(frame: dict[str, Any]) -> Tensors:
    return Tensors(np.ascontiguousarray(frame["y"][0, 0]), np.ascontiguousarray(frame["uv"][0]))


def zero_states(session: Any, scale: int) -> dict[str, Any]:
    """Before the first frame: channels as the graph says, sides H / scale x W / scale, but 1 x 1 for the
    flag."""
    grid = [HEIGHT // scale, WIDTH // scale]
    return {
        port.name: np.zeros((*port.shape[:2], *([1, 1] if port.name == "state.seen" else grid)), np.float32)
        for port in session.get_inputs()
        if port.name.startswith("state.")
    }
