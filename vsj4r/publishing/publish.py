"""Weights as they are shipped: NAME.safetensors, the NAME.onnx made from it, and NAME.json."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from vsj4r.engine.runtime import ov
from vsj4r.engine.weights import Model
from vsj4r.errors import Vsj4rError
from vsj4r.media.whole import whole_file
from vsj4r.model.config import CONFIGS
from vsj4r.model.j4rnet import J4RNet
from vsj4r.publishing.onnx_step import ExportedStep, export_onnx, halo_px, motion_of
from vsj4r.publishing.ranges import Ranges

CHECKED_FRAMES = 6
TOLERANCE = 1e-4
"""Largest difference between ONNX in float32 and torch over ``CHECKED_FRAMES`` recurrent frames."""


def parameters(net: J4RNet, *, exported: bool = False) -> int:
    """How many numbers the network learns; ``exported``: without R-Net and C-Net, which the graph lacks."""
    left_out = ("r_net", "c_net") if exported else ()
    return sum(count for box, count in parameters_by_box(net).items() if box not in left_out)


def parameters_by_box(net: J4RNet) -> dict[str, int]:
    """The same for each box of Figure 4: extractor, d_net, f_net, jrc_net, r_net, c_net."""
    return {name: sum(p.numel() for p in box.parameters()) for name, box in net.named_children()}


def publish(
    net: J4RNet,
    name: str,
    folder: Path,
    training: Mapping[str, Any],
    *,
    int8: Ranges | None = None,
    replaces: bool = True,
) -> float:
    """Write the three files and check the ONNX against torch; nothing is replaced unless the check passes.

    Returns the largest difference. ``training`` goes into the JSON: ``steps`` and ``hours`` of the run (its
    last stage), ``psnr`` (dB) if these weights were validated, ``version`` of vsj4r. So do the ranges for
    ``int8``; without them the model is not computed in 8 bits. ``replaces``: see ``whole_file``.

    Raises:
        Vsj4rError: the ONNX differs from torch by more than ``TOLERANCE``, the weights give values that are
            not finite, or the files cannot be written.
    """
    with _whole_files(name, folder, replaces=replaces) as parts:
        return _write(net.eval(), name, parts, training, int8 or {})


def copy_model(model: Model, name: str, folder: Path, *, replaces: bool = True) -> None:
    """Write the three files of ``model`` as those of ``name``.

    Raises:
        Vsj4rError: they cannot be read or written.
    """
    with _whole_files(name, folder, replaces=replaces) as parts:
        parts["onnx"].write_bytes(model.read_onnx())
        parts["safetensors"].write_bytes(model.read_safetensors())
        parts["json"].write_bytes(model.onnx.with_suffix(".json").read_bytes())


@contextmanager
def _whole_files(name: str, folder: Path, *, replaces: bool) -> Iterator[dict[str, Path]]:
    with ExitStack() as whole:
        yield {
            kind: whole.enter_context(whole_file(folder / f"{name}.{kind}", replaces=replaces))
            for kind in ("safetensors", "onnx", "json")
        }


def _write(
    net: J4RNet, name: str, parts: dict[str, Path], training: Mapping[str, Any], int8: Ranges
) -> float:
    """The three files under the names of ``parts``, and the largest difference."""
    parts["safetensors"].write_bytes(save({k: v.contiguous() for k, v in net.state_dict().items()}))
    export_onnx(net, parts["onnx"])
    difference = onnx_difference(net, parts["onnx"])
    if not math.isfinite(difference):
        raise Vsj4rError(f"{name}: the weights give values that are not finite")
    if difference > TOLERANCE:
        raise Vsj4rError(
            f"{name}: the exported ONNX differs from torch by {difference:.2e}, over {TOLERANCE}"
        )
    config = net.config
    described: dict[str, Any] = {
        "name": name,
        "multiple": config.multiple,
        "lookahead": config.lookahead,
        "planes": config.planes,
        "halo_px": halo_px(config),
        "whole_frame": ExportedStep(net).motion_names,
        "motion": motion_of(config),
        "config": config.to_json(),
        "parameters": parameters(net, exported=True),
        "parameters_in_training": parameters(net),
        "sha256": {
            kind: hashlib.sha256(parts[kind].read_bytes()).hexdigest() for kind in ("onnx", "safetensors")
        },
        "export_difference": float(f"{difference:.2e}"),
        "training": training,
    }
    if int8:
        described["int8"] = dict(int8)
    parts["json"].write_text(json.dumps(described, indent=2) + "\n", "utf-8")
    return difference


def onnx_difference(net: J4RNet, onnx: Path, size: tuple[int, int] = (48, 80)) -> float:
    """Largest absolute difference of any output over a random clip, each side carrying its own state; NaN
    where an output is."""
    step = ExportedStep(net).eval()
    core = ov.Core()
    graph = core.read_model(onnx)
    example = step.example(*size)
    graph.reshape({name: list(tensor.shape) for name, tensor in zip(step.input_names, example, strict=True)})
    run = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    frames = len(example) - len(step.states)
    generator = torch.Generator().manual_seed(0)
    torch_state, onnx_state = list(example[frames:]), [tensor.numpy() for tensor in example[frames:]]
    differences = []
    for _ in range(CHECKED_FRAMES):
        planes = [torch.rand(tensor.shape, generator=generator) for tensor in example[:frames]]
        with torch.no_grad():
            expected = step(*planes, *torch_state)[: len(step.output_names)]
        outputs = list(run.infer([plane.numpy() for plane in planes] + onnx_state).values())
        torch_state, onnx_state = (
            list(expected[-len(step.states) :]),
            [o.copy() for o in outputs[-len(step.states) :]],
        )
        differences += [np.abs(a.numpy() - b).max() for a, b in zip(expected, outputs, strict=True)]
    return float(np.max(differences))


def network_from_checkpoint(name: str, weights: dict[str, torch.Tensor]) -> J4RNet:
    net = J4RNet(CONFIGS[name])
    net.load_state_dict(weights)
    return net
