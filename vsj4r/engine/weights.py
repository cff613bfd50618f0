"""Models by name: the ONNX step, the JSON beside it, and the check that they belong together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from vsj4r.engine.base import MOTION_SIDE, MotionSpec, StepSpec
from vsj4r.errors import Vsj4rError
from vsj4r.tables import MistakesError, Text, Whole, parse_table, rule

_PACKAGE = Path(__file__).resolve().parent.parent
_MULTIPLE_MAX = 256  # frames are padded to it, and every state has that size
_ALWAYS_FOUND = "motion.back"  # by a model's motion
_FOUND_TOO = ("motion.ahead", "light.back", "light.ahead")


@dataclass(frozen=True, slots=True)
class Model:
    """A model that has been found, once, and is handed on.

    ``sha256``: of its ONNX, as the JSON beside it states it; ``weights_sha256``: of its safetensors, "" where
    it has none; ``config``: of the network; ``training``: what is said of that. ``int8``: nodes of the ONNX
    that may be computed in 8 bits, and the least and the most that each reads. The files themselves are
    checked by whoever reads them.
    """

    name: str
    onnx: Path
    spec: StepSpec
    sha256: str
    weights_sha256: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    int8: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def safetensors(self) -> Path:
        return self.onnx.with_suffix(".safetensors")

    def read_onnx(self) -> bytes:
        """The whole file, which is the one that the JSON states.

        Raises:
            Vsj4rError: it cannot be read, or has another sha256.
        """
        return _read_checked(self.onnx, self.sha256)

    def read_safetensors(self) -> bytes:
        """The whole file, which is the one that the JSON states.

        Raises:
            Vsj4rError: it is missing, cannot be read, or has another sha256.
        """
        return _read_checked(self.safetensors, self.weights_sha256)


def models() -> list[str]:
    """Names of the models that are shipped, sorted."""
    return sorted(path.stem for path in _folder().glob("*.onnx") if path.with_suffix(".json").is_file())


def find_model(name: str) -> Model:
    """The model ``name``: one of ``models()``, or the path of an .onnx file with its .json beside it.

    Raises:
        Vsj4rError: there is no such model, or its JSON lacks a field.
    """
    onnx = _onnx_of(name)
    described = _read_sidecar(onnx)
    motion = described.motion
    spec = StepSpec(
        name=described.name,
        multiple=described.multiple,
        lookahead=described.lookahead,
        planes=described.planes,
        halo_px=described.halo_px,
        whole_frame=tuple(described.whole_frame),
        motion=None if motion is None else MotionSpec(motion.method, motion.version, motion.scale),
    )
    return Model(
        described.name,
        onnx,
        spec,
        described.sha256.onnx,
        described.sha256.safetensors,
        config=described.config,
        training=described.training,
        int8=described.int8,
    )


def _onnx_of(name: str) -> Path:
    if name.lower().endswith(".onnx"):
        if not Path(name).is_file():
            raise Vsj4rError(f"no model file {name!r}")
        return Path(name)
    if name in models():
        return _folder() / f"{name}.onnx"
    if (kind := Path(name).suffix.lower()) in (".pt", ".pth", ".ckpt", ".safetensors"):
        source = f" --from {name}" if kind == ".pt" else ""
        command = f"vsj4r export NAME{source}"
        raise Vsj4rError(
            f"model must be an .onnx file, got {name!r}: {command} writes one of trained weights"
        )
    known = ", ".join(models()) or "none is installed"
    raise Vsj4rError(f"unknown model {name!r}: known are {known}, or give the path of an .onnx file")


def _read_sidecar(onnx: Path) -> _Sidecar:
    """What the JSON beside ``onnx`` says, checked."""
    sidecar = onnx.with_suffix(".json")
    try:
        fields = json.loads(sidecar.read_text(encoding="utf-8"))
        if not isinstance(fields, dict):
            raise ValueError(f"it must be an object, got {type(fields).__name__}")
        described = parse_table(_Sidecar, fields)
    except FileNotFoundError:
        raise Vsj4rError(f"model {onnx} has no {sidecar.name} beside it") from None
    except MistakesError as error:
        all_of_them = "; ".join(mistake.text for mistake in error.mistakes)
        raise Vsj4rError(f"{sidecar} does not describe a model: {all_of_them}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise Vsj4rError(f"{sidecar} does not describe a model: {type(error).__name__}: {error}") from error
    whole_frame = set(described.whole_frame)
    if described.motion is not None and not {_ALWAYS_FOUND} <= whole_frame <= {_ALWAYS_FOUND, *_FOUND_TOO}:
        raise Vsj4rError(
            f"{sidecar} does not describe a model: whole_frame must name {_ALWAYS_FOUND}, and what there is "
            f"of {', '.join(_FOUND_TOO)}, where motion is stated"
        )
    if described.motion is not None and described.multiple % MOTION_SIDE:
        raise Vsj4rError(
            f"{sidecar} does not describe a model: multiple must be one of {MOTION_SIDE} where motion is "
            f"stated, got {described.multiple}"
        )
    return described


def model_files(name: str) -> list[Path]:
    """Where ``find_model`` looks for the model at the path ``name``; nothing for one that is shipped."""
    if not name.lower().endswith(".onnx"):
        return []
    return [Path(name), *(Path(name).with_suffix(kind) for kind in (".json", ".safetensors"))]


@dataclass(frozen=True, slots=True)
class _Sums:
    onnx: Text
    safetensors: Text = ""


@dataclass(frozen=True, slots=True)
class _Motion:
    method: Text
    version: Whole
    scale: Annotated[Literal[2, 4], Field(description="2 or 4")]


@dataclass(frozen=True, slots=True)
class _Sidecar:
    """What an engine reads of NAME.json, which says more."""

    name: Text
    multiple: Annotated[
        Whole, Field(ge=1, le=_MULTIPLE_MAX, description=f"an integer of 1 to {_MULTIPLE_MAX}")
    ]
    lookahead: Annotated[Literal[0, 1], Field(description="0 or 1")]
    planes: Literal["y", "yuv420"]
    halo_px: Annotated[Whole, Field(ge=0, description="an integer of at least 0")]
    whole_frame: Annotated[
        list[Text], rule("a list of names, each once", lambda names: len(set(names)) == len(names))
    ]
    sha256: _Sums
    motion: Annotated[_Motion | None, Field(description="a table, or null")] = None
    config: Annotated[dict[str, Any], Field(description="a table")] = field(default_factory=dict)
    training: Annotated[dict[str, Any], Field(description="a table")] = field(default_factory=dict)
    int8: Annotated[
        dict[str, tuple[float, float]], Field(description="a table of nodes, each with two numbers")
    ] = field(default_factory=dict)


def _read_checked(file: Path, stated: str) -> bytes:
    sidecar = file.with_suffix(".json").name
    if not file.is_file() or not stated:
        raise Vsj4rError(f"{file} is missing" if stated else f"{sidecar} states no sha256 of {file.name}")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Vsj4rError(f"{file} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != stated:
        raise Vsj4rError(f"{file} is damaged: its sha256 is {found}, {sidecar} says {stated}")
    return content


def _folder() -> Path:
    """``vsj4r/weights`` in an installed wheel, ``weights`` in a checkout."""
    installed = _PACKAGE / "weights"
    return installed if installed.is_dir() else _PACKAGE.parent / "weights"
