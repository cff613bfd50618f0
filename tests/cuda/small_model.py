"""A narrow J4R-Net with random weights, as the files that the CUDA engine reads; the ONNX is empty."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from vsj4r.engine.base import StepSpec
from vsj4r.engine.weights import Model
from vsj4r.model.config import CONFIGS, J4RConfig
from vsj4r.model.j4rnet import J4RNet


def small_config(name: str = "j4r") -> J4RConfig:
    return replace(CONFIGS[name], channels=8, detector_channels=4, extractor_blocks=1, head_blocks=1)


def write_small_model(folder: Path, config: J4RConfig | None = None, seed: int = 0) -> Model:
    config = config or small_config()
    torch.manual_seed(seed)
    net = J4RNet(config)
    onnx = folder / "small.onnx"
    onnx.touch()
    save_file(net.state_dict(), onnx.with_suffix(".safetensors"))
    digest = hashlib.sha256(onnx.with_suffix(".safetensors").read_bytes()).hexdigest()
    fields = {"config": config.to_json(), "sha256": {"safetensors": digest}}
    onnx.with_suffix(".json").write_text(json.dumps(fields))
    spec = StepSpec("small", config.multiple, config.lookahead, config.planes)
    return Model("small", onnx, spec, sha256="", weights_sha256=digest, config=config.to_json())
