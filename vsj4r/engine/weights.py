"""Models by name: the ONNX step, the JSON beside it, and the check that they belong together."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from vsj4r.engine.base import StepSpec
from vsj4r.errors import Vsj4rError

_PACKAGE = Path(__file__).resolve().parent.parent
_MULTIPLE_MAX = 256  # frames are padded to it, and every state has that size


@dataclass(frozen=True, slots=True)
class Model:
    """A model whose files have been found and whose ONNX has the sha256 that its JSON states."""

    name: str
    onnx: Path
    spec: StepSpec
    sha256: str


def models() -> list[str]:
    """Names of the models that are shipped, sorted."""
    return sorted(path.stem for path in _folder().glob("*.onnx") if path.with_suffix(".json").is_file())


def find_model(name: str) -> Model:
    """The model ``name``: one of ``models()``, or the path of an .onnx file with its .json beside it.

    Raises:
        Vsj4rError: there is no such model, its JSON lacks a field, or the file has another sha256.
    """
    if name.lower().endswith(".onnx"):
        onnx = Path(name)
        if not onnx.is_file():
            raise Vsj4rError(f"no model file {name!r}")
    elif name in models():
        onnx = _folder() / f"{name}.onnx"
    else:
        known = ", ".join(models()) or "none is installed"
        raise Vsj4rError(f"unknown model {name!r}: known are {known}, or give the path of an .onnx file")
    sidecar = onnx.with_suffix(".json")
    try:
        spec, sha256 = _read_sidecar(sidecar)
    except FileNotFoundError:
        raise Vsj4rError(f"model {onnx} has no {sidecar.name} beside it") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Vsj4rError(f"{sidecar} does not describe a model: {type(error).__name__}: {error}") from error
    check_sha256(onnx, sha256)
    return Model(name=spec.name, onnx=onnx, spec=spec, sha256=sha256)


def check_sha256(file: Path, stated: str) -> None:
    """``stated``: what the JSON beside ``file`` says.

    Raises:
        Vsj4rError: the file has another sha256.
    """
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != stated:
        sidecar = file.with_suffix(".json").name
        raise Vsj4rError(f"{file} is damaged: its sha256 is {found}, {sidecar} says {stated}")


def _folder() -> Path:
    """``vsj4r/weights`` in an installed wheel, ``weights`` in a checkout."""
    installed = _PACKAGE / "weights"
    return installed if installed.is_dir() else _PACKAGE.parent / "weights"


def _read_sidecar(path: Path) -> tuple[StepSpec, str]:
    fields = json.loads(path.read_text(encoding="utf-8"))
    multiple, lookahead, planes = fields["multiple"], fields["lookahead"], fields["planes"]
    if not isinstance(multiple, int) or not 1 <= multiple <= _MULTIPLE_MAX:
        raise ValueError(f"multiple must be an integer of 1 to {_MULTIPLE_MAX}, got {multiple!r}")
    if lookahead not in (0, 1):
        raise ValueError(f"lookahead must be 0 or 1, got {lookahead!r}")
    if planes not in ("y", "yuv420"):
        raise ValueError(f"planes must be 'y' or 'yuv420', got {planes!r}")
    halo_px, whole_frame = fields["halo_px"], fields["whole_frame"]
    if not isinstance(halo_px, int) or halo_px < 0:
        raise ValueError(f"halo_px must be an integer of at least 0, got {halo_px!r}")
    if not isinstance(whole_frame, list) or not all(isinstance(name, str) for name in whole_frame):
        raise ValueError(f"whole_frame must be a list of names, got {whole_frame!r}")
    spec = StepSpec(
        name=str(fields["name"]),
        multiple=multiple,
        lookahead=lookahead,
        planes=planes,
        halo_px=halo_px,
        whole_frame=tuple(whole_frame),
    )
    return spec, str(fields["sha256"]["onnx"])
