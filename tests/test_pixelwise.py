"""Pictures pixel by pixel in a compiled step: not a bit changes, and nothing turns them any more."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from vsj4r import cached
from vsj4r.engine import pixelwise
from vsj4r.engine.base import Tensors
from vsj4r.engine.cpu import CpuEngine
from vsj4r.engine.graph import frame_shapes, inputs_of, read_graph, stages
from vsj4r.engine.runtime import ov
from vsj4r.engine.weights import find_model

HEIGHT, WIDTH = 96, 128


def results(name: str, precision: str, tile: tuple[int, int] | None) -> list[np.ndarray[Any, Any]]:
    """What a few steps give for noise that moves."""
    model = find_model(name)
    engine = CpuEngine(model, height=HEIGHT, width=WIDTH, precision=precision, threads=1, tile=tile)
    rng = np.random.default_rng(3)
    luma, chroma = rng.random((HEIGHT + 9, WIDTH + 9), np.float32), rng.random((2, HEIGHT // 2, WIDTH // 2))
    frames = [
        Tensors(
            np.ascontiguousarray(luma[n : n + HEIGHT, 2 * n : 2 * n + WIDTH]),
            chroma.astype(np.float32) - 0.5 if model.spec.planes == "yuv420" else None,
        )
        for n in range(4)
    ]
    state, found = engine.new_state(), []
    for now, following in pairwise(frames):
        step = engine.step(now, following if model.spec.lookahead else None, state)
        found += [step.residual.y.copy(), step.alpha.copy()]
        found += [] if step.residual.uv is None else [step.residual.uv.copy()]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("tile", [None, (64, 64)])
@pytest.mark.parametrize("precision", ["f32", "auto"])
@pytest.mark.parametrize("name", ["j4r", "j4r-lite", "j4r-paper"])
def test_not_a_bit_changes(
    monkeypatch: pytest.MonkeyPatch, name: str, precision: str, tile: tuple[int, int] | None
) -> None:
    monkeypatch.setattr(cached, "writable_folder", lambda folder: None)
    now = results(name, precision, tile)
    monkeypatch.setattr(pixelwise, "write_pixelwise", lambda graph: None)
    for a, b in zip(now, results(name, precision, tile), strict=True):
        assert np.array_equal(a, b)


def test_pictures_are_turned_for_convolutions_alone() -> None:
    model = find_model("j4r-lite")
    graph = read_graph(model, model.read_onnx())
    shapes = frame_shapes(model, graph.clone(), HEIGHT, WIDTH)
    _, tail = stages(model, graph)
    tail.reshape({port: ov.PartialShape(list(shapes[of])) for of, port in inputs_of(tail).items()})

    def turns() -> list[tuple[str, int]]:
        """What reads a picture that was turned into planes, and of how many channels."""
        return sorted(
            (reader.get_node().get_type_name(), node.output(0).get_shape()[1])
            for node in tail.get_ordered_ops()
            if node.get_type_name() == "Transpose" and len(node.output(0).get_shape()) == 4
            for reader in node.output(0).get_target_inputs()
            if list(node.output(0).get_shape())[2:] == [HEIGHT // scale, WIDTH // scale]
            and reader.get_node().get_type_name() != "ShapeOf"
        )

    scale = HEIGHT // shapes["state.b_prev"][2]
    memory, picture = shapes["state.h"][1], shapes["state.b_prev"][1]
    assert ("Multiply", picture) in turns()  # of what was gathered, by the light
    pixelwise.write_pixelwise(tail)
    assert {(kind, channels) for kind, channels in turns() if channels != memory} == {
        ("Convolution", 3 * picture),  # the first one
        ("Result", picture),  # which the state turns back
    }
