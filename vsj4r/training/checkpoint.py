"""Checkpoints that are always whole, and on the disk before they have their name."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vsj4r.engine.loading import load_net
from vsj4r.engine.weights import find_model
from vsj4r.errors import Vsj4rError
from vsj4r.media.whole import whole_file


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write or replace a checkpoint.

    Raises:
        Vsj4rError: it cannot be written.
    """
    serialized = io.BytesIO()  # torch hides what is wrong with a disk
    torch.save(content, serialized)
    with whole_file(path) as part:
        part.write_bytes(serialized.getvalue())  # collecting getbuffer() after an error crashes CPython 3.12


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The checkpoint, tensors and plain values only; None where there is none.

    Raises:
        Vsj4rError: the file is no checkpoint, or a damaged one.
    """
    if not path.exists():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch asks users to report other kinds of pickles
            content = torch.load(path, map_location="cpu", weights_only=True)
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()  # torch does not look at the sums
    except OSError as error:
        raise Vsj4rError(f"{path} can't be read: {error.strerror or error}") from error
    except Exception as error:  # bytes that are no pickle may raise anything
        raise Vsj4rError(f"{path} is not a checkpoint") from error
    if damaged is not None:
        raise Vsj4rError(f"{path} is damaged: the sum of its part {damaged} is another")
    kinds = {"net": dict, "step": int}
    if not isinstance(content, dict) or not all(isinstance(content.get(k), kinds[k]) for k in kinds):
        raise Vsj4rError(f"{path} is not a checkpoint of a run")
    return content


def starting_weights(start: str) -> dict[str, Tensor]:
    """What a recipe's ``start`` names: the averaged weights of a .pt file, or those of a shipped model.

    Raises:
        Vsj4rError: there is no such file or model, or it can't be read.
    """
    if start.endswith(".pt"):
        saved = load_checkpoint(Path(start))
        if saved is None:
            raise Vsj4rError(f"start: {start} does not exist")
        weights: dict[str, Tensor] = saved.get("ema", saved["net"])
        return weights
    try:
        return load_net(find_model(start)).state_dict()
    except Vsj4rError as error:
        raise Vsj4rError(f"start: {error}") from error
