"""A tiny recurrent model that obeys the contract, made with onnx alone: tests need no torch, no weights.

avg.next  = (0.5 * avg + 0.25 * y) * seen + y * (1 - seen)      order-sensitive memory of luma
back.next = y;  older.next = back                               a queue, shape of one state from another
y_residual  = gain * (avg.next + y_next - 2 y) * 0.25           look-ahead
            + slant * (the sample above - y)                    tells up from down, where slant is not 0
uv_residual = gain * (uv_next - uv)
alpha       = mean of older over 2 x 2 (so it tells frame t - 2)
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_tiny_model(
    folder: Path, *, name: str = "tiny", multiple: int = 16, gain: float = 0.5, slant: float = 0.0
) -> Path:
    """Write NAME.onnx and NAME.json into ``folder``; gives the path of the .onnx."""
    path = folder / f"{name}.onnx"
    onnx.save(_graph(gain, slant), str(path))
    sidecar = {
        "name": name,
        "multiple": multiple,
        "lookahead": 1,
        "planes": "yuv420",
        "halo_px": 0,
        "whole_frame": [],
        "sha256": {"onnx": hashlib.sha256(path.read_bytes()).hexdigest()},
    }
    path.with_suffix(".json").write_text(json.dumps(sidecar))
    return path


def _graph(gain: float, slant: float) -> onnx.ModelProto:
    luma: list[int | str] = [1, 1, "H", "W"]
    chroma: list[int | str] = [1, 2, "H2", "W2"]
    memory: list[int | str] = [1, 1, "Hm", "Wm"]

    def tensor(tensor_name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(tensor_name, TensorProto.FLOAT, shape)

    def constant(constant_name: str, number: float) -> onnx.TensorProto:
        return numpy_helper.from_array(np.float32(number).reshape(1, 1, 1, 1), constant_name)

    node = helper.make_node
    nodes = [
        node("Mul", ["state.avg", "half"], ["avg_half"]),
        node("Mul", ["y", "quarter"], ["y_quarter"]),
        node("Add", ["avg_half", "y_quarter"], ["mixed"]),
        node("Mul", ["mixed", "state.seen"], ["mixed_seen"]),
        node("Sub", ["one", "state.seen"], ["first"]),
        node("Mul", ["y", "first"], ["y_first"]),
        node("Add", ["mixed_seen", "y_first"], ["state.avg.next"]),
        node("Identity", ["one"], ["state.seen.next"]),
        node("Identity", ["y"], ["state.back.next"]),
        node("Identity", ["state.back"], ["state.older.next"]),
        node("Add", ["state.avg.next", "y_next"], ["around"]),
        node("Add", ["y", "y"], ["twice"]),
        node("Sub", ["around", "twice"], ["change"]),
        node("Mul", ["change", "quarter"], ["change_quarter"]),
        node("Mul", ["change_quarter", "gain"], ["y_change"]),
        node("Conv", ["y", "slant"], ["y_above"], pads=[1, 0, 1, 0]),
        node("Add", ["y_change", "y_above"], ["y_residual"]),
        node("Sub", ["uv_next", "uv"], ["uv_change"]),
        node("Mul", ["uv_change", "gain"], ["uv_residual"]),
        node("AveragePool", ["state.older"], ["alpha"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            tensor("y", luma),
            tensor("uv", chroma),
            tensor("y_next", luma),
            tensor("uv_next", chroma),
            tensor("state.avg", memory),
            tensor("state.seen", [1, 1, 1, 1]),
            tensor("state.back", memory),
            tensor("state.older", memory),
        ],
        [
            tensor("y_residual", luma),
            tensor("uv_residual", chroma),
            tensor("alpha", [1, 1, "Hs", "Ws"]),
            tensor("state.avg.next", memory),
            tensor("state.seen.next", [1, 1, 1, 1]),
            tensor("state.back.next", memory),
            tensor("state.older.next", memory),
        ],
        initializer=[
            constant("half", 0.5),
            constant("quarter", 0.25),
            constant("one", 1.0),
            constant("gain", gain),
            numpy_helper.from_array(np.array([slant, -slant, 0], np.float32).reshape(1, 1, 3, 1), "slant"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model
