"""The weights of a run as a model for the filter."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from vsj4r.engine.loading import load_net
from vsj4r.engine.weights import find_model
from vsj4r.errors import Vsj4rError
from vsj4r.model.config import CONFIGS
from vsj4r.model.j4rnet import J4RNet
from vsj4r.publishing.publish import network_from_checkpoint, parameters_by_box, publish
from vsj4r.training import checkpoint


class Exported(NamedTuple):
    """``difference``: the largest between ONNX and torch; ``parameters`` of each box, R-Net's and C-Net's in
    training alone."""

    difference: float
    parameters: dict[str, int]


def export_run(name: str, folder: Path, trained: Path | None, *, version: str, replaces: bool) -> Exported:
    """Write NAME.safetensors, .onnx and .json into ``folder``.

    ``trained``: best.pt or checkpoint.pt of a run; None takes the model that is there, whose ranges for int8
    stay. ``version``: of vsj4r, for the JSON. ``replaces``: see ``whole_file``.

    Raises:
        Vsj4rError: no such file, no checkpoint or model, an unknown network, or ONNX and torch disagree.
    """
    if trained is None:
        onnx = folder / f"{name}.onnx"
        if not onnx.is_file():
            raise Vsj4rError(f"{onnx} does not exist: name a checkpoint with --from")
        model = find_model(str(onnx))
        net, training, int8 = load_net(model), dict(model.training), model.int8
    else:
        net, training = read_run(trained, name)
        training["version"], int8 = version, {}
    difference = publish(net, name, folder, training, int8=int8, replaces=replaces)
    return Exported(difference, parameters_by_box(net))


def read_run(trained: Path, name: str) -> tuple[J4RNet, dict[str, object]]:
    """The network of best.pt or checkpoint.pt, and what its JSON is to say of the training.

    Raises:
        Vsj4rError: no such file, no checkpoint, or an unknown network.
    """
    saved = checkpoint.load_checkpoint(trained)
    if saved is None:
        raise Vsj4rError(f"{trained} does not exist")
    recipe = saved.get("recipe", saved)
    model = recipe.get("model", name) if isinstance(recipe, dict) else name
    if not isinstance(model, str) or model not in CONFIGS:
        raise Vsj4rError(f"{trained} does not say its model: name one of {', '.join(CONFIGS)}, got {name!r}")
    training: dict[str, object] = {"steps": saved["step"]}
    try:
        if "seconds" in saved:
            training["hours"] = round(saved["seconds"] / 3600, 3)
        if "psnr" in saved:
            training["psnr"] = round(saved["psnr"], 3)
        return network_from_checkpoint(model, saved.get("ema", saved["net"])), training
    except (
        RuntimeError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:  # whatever it holds instead of numbers
        raise Vsj4rError(f"the weights of {trained} do not fit {model}") from error
