"""Twenty small models of each kind: ONNX, safetensors, checkpoints."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from tests.fuzz.videos import Make, scratch
from tests.tiny_model import write_tiny_model
from vsj4r.model.config import CONFIGS, J4RConfig

SMALL = J4RConfig(scale=2, channels=4, extractor_blocks=1, head_blocks=1, detector_channels=4)


@cache
def tiny() -> tuple[bytes, bytes]:
    """ONNX and JSON of the tiny recurrent model."""
    with scratch() as folder:
        path = write_tiny_model(folder)
        return path.read_bytes(), path.with_suffix(".json").read_bytes()


def _onnx(change: Callable[[onnx.ModelProto], None] = lambda model: None, **options: Any) -> Make:
    def make() -> bytes:
        with scratch() as folder:
            model = onnx.load(str(write_tiny_model(folder, **options)))
        change(model)
        return bytes(model.SerializeToString(deterministic=True))

    return make


def _initializer(model: onnx.ModelProto, name: str, array: np.ndarray[Any, Any]) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(array, name))


def _typed_data(model: onnx.ModelProto) -> None:
    """Weights as numbers instead of bytes."""
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        tensor.ClearField("raw_data")
        tensor.float_data.extend(array.reshape(-1).tolist())


def _outside(model: onnx.ModelProto) -> None:
    """Weights in a file that is not there."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "../weights.bin"), ("offset", "0"), ("length", "4")):
        tensor.external_data.add(key=key, value=value)


def _wide(model: onnx.ModelProto) -> None:
    _initializer(model, "slant", np.zeros((1, 1, 3, 1), np.float64).astype(np.float32))
    model.graph.doc_string = "x" * 300


def _named(model: onnx.ModelProto) -> None:
    model.producer_name, model.domain, model.model_version = "somebody", "é", 3
    model.metadata_props.add(key="a", value="b")


def _fixed(model: onnx.ModelProto) -> None:
    """Sizes that are numbers."""
    for value in (*model.graph.input, *model.graph.output):
        shape = value.type.tensor_type.shape
        for axis in shape.dim:
            if axis.dim_param:
                axis.dim_value = 24 if axis.dim_param.endswith("2") else 48


def _half(model: onnx.ModelProto) -> None:
    for value in model.graph.input:
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16


def _opset(number: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = number

    return change


def _without(place: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        del model.graph.node[place]

    return change


def _operation(name: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[0].op_type = name

    return change


def _loop(model: onnx.ModelProto) -> None:
    """A node that needs what comes of it."""
    model.graph.node[0].input[0] = "state.avg.next"


ONNX: dict[str, Make] = {
    "plain": _onnx(),
    "slanted": _onnx(slant=0.1),
    "strong": _onnx(gain=2.0),
    "typed_data": _onnx(_typed_data),
    "outside": _onnx(_outside),
    "described": _onnx(_wide),
    "named": _onnx(_named),
    "fixed": _onnx(_fixed),
    "half": _onnx(_half),
    "opset_1": _onnx(_opset(1)),
    "opset_99": _onnx(_opset(99)),
    "no_first": _onnx(_without(0)),
    "no_last": _onnx(_without(-1)),
    "unknown": _onnx(_operation("NoSuchThing")),
    "division": _onnx(_operation("Div")),
    "power": _onnx(_operation("Pow")),
    "matmul": _onnx(_operation("MatMul")),
    "loop": _onnx(_loop),
    "not_a_number": _onnx(
        lambda model: _initializer(model, "half", np.full((1, 1, 1, 1), np.nan, np.float32))
    ),
    "empty_weight": _onnx(lambda model: _initializer(model, "half", np.zeros((0,), np.float32))),
}


def config_for(name: str) -> J4RConfig:
    """Of the safetensors file ``name``."""
    return _CONFIGS.get(name, SMALL)


_SMALLER: dict[str, Any] = {
    "scale": 2,
    "channels": 2,
    "extractor_blocks": 1,
    "head_blocks": 1,
    "detector_channels": 2,
}
_CONFIGS = {
    "smaller": J4RConfig(**_SMALLER),
    "two_layers": J4RConfig(**{**_SMALLER, "gru_layers": 2}),
    "scale_4": J4RConfig(**{**_SMALLER, "scale": 4}),
    "luma": J4RConfig(**{**_SMALLER, "planes": "y"}),
    "no_bias": J4RConfig(**{**_SMALLER, "gru_bias": False}),
    "background": J4RConfig(**{**_SMALLER, "output": "background"}),
}


def _weights(config: J4RConfig) -> dict[str, Any]:
    import torch

    from vsj4r.model.j4rnet import J4RNet

    torch.manual_seed(0)
    return {name: tensor.contiguous() for name, tensor in J4RNet(config).state_dict().items()}


def _safetensors(
    config: J4RConfig = SMALL, change: Callable[[dict[str, Any]], None] = lambda weights: None, **options: Any
) -> Make:
    def make() -> bytes:
        from safetensors.torch import save

        weights = _weights(config)
        change(weights)
        return bytes(save(weights, **options))

    return make


def _all(function: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def change(weights: dict[str, Any]) -> None:
        for name in weights:
            weights[name] = function(weights[name])

    return change


def _first(function: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def change(weights: dict[str, Any]) -> None:
        name = next(iter(weights))
        weights[name] = function(weights[name])

    return change


def _drop_first(weights: dict[str, Any]) -> None:
    del weights[next(iter(weights))]


SAFETENSORS: dict[str, Make] = {
    "plain": _safetensors(),
    **{name: _safetensors(config) for name, config in _CONFIGS.items()},
    "described": _safetensors(metadata={"format": "pt", "by": "é"}),
    "half": _safetensors(change=_all(lambda tensor: tensor.half())),
    "double": _safetensors(change=_all(lambda tensor: tensor.double())),
    "integers": _safetensors(change=_first(lambda tensor: tensor.int())),
    "zeros": _safetensors(change=_all(lambda tensor: tensor * 0)),
    "huge": _safetensors(change=_all(lambda tensor: tensor * 1e30)),
    "not_a_number": _safetensors(change=_first(lambda tensor: tensor * float("nan"))),
    "flat": _safetensors(change=_first(lambda tensor: tensor.reshape(-1))),
    "empty_first": _safetensors(change=_first(lambda tensor: tensor[:0])),
    "one_more": _safetensors(
        change=lambda weights: weights.update(more=next(iter(weights.values())).clone())
    ),
    "one_less": _safetensors(change=_drop_first),
    "nothing": _safetensors(change=lambda weights: weights.clear()),
    "scaled": _safetensors(change=_all(lambda tensor: tensor * 3)),
}


def _checkpoint(content: Callable[[], Any]) -> Make:
    def make() -> bytes:
        import torch

        into = io.BytesIO()
        torch.save(content(), into)
        return into.getvalue()

    return make


def _saved(**more: Any) -> dict[str, Any]:
    return {"net": _weights(SMALL), "step": 3, **more}


CHECKPOINT: dict[str, Make] = {
    "whole": _checkpoint(lambda: {"net": _weights(CONFIGS["j4r-lite"]), "step": 3, "model": "j4r-lite"}),
    "plain": _checkpoint(lambda: _saved(recipe={"model": "j4r"})),
    "averaged": _checkpoint(lambda: _saved(ema=_weights(SMALL), recipe={"model": "j4r-lite"})),
    "best": _checkpoint(lambda: _saved(model="j4r", psnr=30.0, hours=1.5)),
    "no_model": _checkpoint(_saved),
    "numbers": _checkpoint(lambda: _saved(recipe={"model": 3}, psnr="x", hours=None)),
    "recipe_text": _checkpoint(lambda: _saved(recipe="j4r")),
    "ema_text": _checkpoint(lambda: _saved(model="j4r", ema="x")),
    "net_of_numbers": _checkpoint(lambda: {"net": {"a": 1}, "step": 1, "model": "j4r"}),
    "net_empty": _checkpoint(lambda: {"net": {}, "step": 1, "model": "j4r"}),
    "step_text": _checkpoint(lambda: {"net": {}, "step": "1", "model": "j4r"}),
    "text": _checkpoint(lambda: "hello"),
    "tensor": _checkpoint(lambda: next(iter(_weights(SMALL).values()))),
    "nested": _checkpoint(lambda: _saved(model="j4r", more={"a": [{"b": (1, 2.5, None)}]})),
    "psnr_nan": _checkpoint(lambda: _saved(model="j4r", psnr=float("nan"), hours=float("inf"))),
    "path": _checkpoint(lambda: _saved(model="j4r", folder=Path("x"))),
    "half": _checkpoint(lambda: _saved(model="j4r", ema={k: v.half() for k, v in _weights(SMALL).items()})),
    "keys": _checkpoint(lambda: _saved(model="j4r", ema={3: 4})),
    "large_step": _checkpoint(lambda: {"net": {}, "step": 10**30, "model": "j4r"}),
    "model_list": _checkpoint(lambda: _saved(model=["j4r"])),
}


@cache
def whole_weights() -> bytes:
    return SAFETENSORS["plain"]()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def described(config: J4RConfig) -> bytes:
    """NAME.json beside the safetensors of ``config``, as far as an export reads it."""
    return json.dumps({"config": config.to_json(), "training": {"steps": 1}}).encode()
