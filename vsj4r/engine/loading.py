"""The network of a model that has been found, in torch: for a card, for training and for export."""

from __future__ import annotations

from safetensors.torch import load

from vsj4r.engine.weights import Model
from vsj4r.errors import Vsj4rError
from vsj4r.model.config import J4RConfig
from vsj4r.model.j4rnet import J4RNet


def load_net(model: Model) -> J4RNet:
    """The network of ``model``, ready to evaluate, by the safetensors and the JSON beside its ONNX.

    Raises:
        Vsj4rError: there are none, they have another sha256, or do not fit together.
    """
    weights, described = model.safetensors, model.onnx.with_suffix(".json")
    if not weights.is_file():
        raise Vsj4rError(f"model {model.name}: its network needs {weights.name} beside {model.onnx.name}")
    try:
        net = J4RNet(J4RConfig(**model.config))
    except (TypeError, ValueError) as error:
        raise Vsj4rError(
            f"{described} does not describe a network: {type(error).__name__}: {error}"
        ) from error
    content = model.read_safetensors()
    try:
        net.load_state_dict(load(content))
    except RuntimeError as error:
        raise Vsj4rError(f"{weights} does not hold the network that {described.name} describes") from error
    return net.eval()
