"""Checkpoints that are always whole: written beside, flushed to disk, then renamed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vsj4r.engine.weights import find_model
from vsj4r.errors import Vsj4rError


def save(path: Path, content: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load(path: Path) -> dict[str, Any] | None:
    """The checkpoint, tensors and plain values only; None where there is none.

    Raises:
        Vsj4rError: the file is no checkpoint.
    """
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise Vsj4rError(f"{path} is not a checkpoint: {_first_line(error)}") from error
    if not isinstance(content, dict) or not {"net", "step"} <= content.keys():
        raise Vsj4rError(f"{path} is not a checkpoint of a run")
    return content


def starting_weights(start: str) -> dict[str, Tensor]:
    """What a recipe's ``start`` names: the averaged weights of a .pt file, or those of a shipped model.

    Raises:
        Vsj4rError: there is no such file or model, or it can't be read.
    """
    if start.endswith(".pt"):
        saved = load(Path(start))
        if saved is None:
            raise Vsj4rError(f"start: {start} does not exist")
        weights: dict[str, Tensor] = saved.get("ema", saved["net"])
        return weights
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = find_model(start).onnx.with_suffix(".safetensors")
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise Vsj4rError(f"start: {path} can't be read: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
