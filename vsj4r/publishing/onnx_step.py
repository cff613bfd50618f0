"""Export of J4RNet as the step that engines run: an ONNX graph with explicit states (docs/architecture.md).

The graph is one, but engines may cut it where motion is known: that takes the whole frame, what follows
takes tiles with ``halo_px`` of overlap.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from vsj4r.model.alignment import METHOD, VERSION, reach_px
from vsj4r.model.config import J4RConfig
from vsj4r.model.j4rnet import J4RNet, J4RState, View

OPSET = 18


def halo_px(config: J4RConfig) -> int:
    """Luma pixels around a tile that what comes out of it depends on: those of the convolutions, and the
    largest displacement where frames are aligned."""
    moved = reach_px(config.scale) if config.align == "motion" else 0
    return config.scale * (config.radius + moved)


def motion_of(config: J4RConfig) -> dict[str, object] | None:
    """Which displacements the step finds, for engines that find the same ones themselves."""
    if config.align == "none":
        return None
    return {"method": METHOD, "version": VERSION, "scale": config.scale}


class ExportedStep(nn.Module):
    """``J4RNet.step`` on planes, with only the states that the configuration uses.

    ``motion_names``: its displacements, given last; in the finished graph, named tensors and no outputs.
    """

    def __init__(self, net: J4RNet) -> None:
        super().__init__()
        self.net = net
        config = net.config
        frame = ["y"] if config.planes == "y" else ["y", "uv"]
        self.states = ["h"] if config.align == "none" else list(J4RState._fields)
        following = [f"{plane}_next" for plane in frame] if config.lookahead else []
        self.input_names = frame + following + [f"state.{name}" for name in self.states]
        self.output_names = [f"{plane}_residual" for plane in frame] + ["alpha"]
        self.output_names += [f"state.{name}.next" for name in self.states]
        self.motion_names: list[str] = []
        if config.align != "none":
            beside = ["back", "ahead"] if config.lookahead else ["back"]
            self.motion_names = [f"{what}.{where}" for where in beside for what in View._fields]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(self.input_names, inputs, strict=True))
        now = self.net.observe(given["y"], given.get("uv"))
        following = self.net.observe(given["y_next"], given.get("uv_next")) if "y_next" in given else None
        state = self.net.new_state(now)._replace(**{name: given[f"state.{name}"] for name in self.states})
        motion = self.net.motion(now, following, state)
        estimate, after = self.net.step(now, following, state, motion)
        planes = [plane for plane in self.net.planes(estimate.residual) if plane is not None]
        alpha = estimate.logits.softmax(1)[:, 1:]
        states = (getattr(after, name) for name in self.states)
        return (*planes, alpha, *states, *(found for view in motion if view is not None for found in view))

    def example(self, height: int, width: int) -> tuple[Tensor, ...]:
        """Zero inputs of a frame of ``height`` x ``width`` luma pixels."""
        config = self.net.config
        observation = self.net.observe(
            torch.zeros(1, 1, height, width),
            None if config.planes == "y" else torch.zeros(1, 2, height // 2, width // 2),
        )
        state = self.net.new_state(observation)
        shapes = {"y": (1, 1, height, width), "uv": (1, 2, height // 2, width // 2)}
        frame = [
            torch.zeros(shapes[name.removesuffix("_next")]) for name in self.input_names if name[0] in "yu"
        ]
        return (*frame, *(getattr(state, name) for name in self.states))


def export_onnx(net: J4RNet, path: Path) -> None:
    """Write ``net``'s step to ``path``: float32, batch 1, sides free (multiples of ``config.multiple``)."""
    step = ExportedStep(net).eval()
    inputs = step.example(64, 96)
    names = step.input_names + step.output_names + step.motion_names
    sized = [name for name in names if "seen" not in name and "light" not in name]
    dynamic = {name: {2: f"{name}.height", 3: f"{name}.width"} for name in sized}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracer notes about shapes that are free on purpose
        torch.onnx.export(
            step,
            inputs,
            str(path),
            input_names=step.input_names,
            output_names=step.output_names + step.motion_names,
            dynamic_axes=dynamic,
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(path)
    del model.graph.output[len(step.output_names) :]  # their names stay with the tensors
    onnx.save(model, path)
