"""A training run as data: a TOML recipe, checked whole before anything starts."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from vsj4r.errors import Vsj4rError
from vsj4r.model.config import CONFIGS
from vsj4r.model.loss import LossWeights


@dataclass(frozen=True, slots=True)
class Footage:
    """Where clean pictures come from: folders relative to the data folder. ``videos`` holds video files and
    folders of frames, ``stills`` single pictures, ``streaks`` an image database of rain layers (optional)."""

    videos: str = "train/video"
    stills: str = "train/stills"
    streaks: str = ""
    validation: str = "val/video"


@dataclass(frozen=True, slots=True)
class Clips:
    frames: int = 7
    patch_px: int = 112
    batch: int = 4
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Cosine from ``learning_rate`` to a fiftieth of it over ``steps``, after ``warmup_steps`` of linear rise."""

    steps: int = 6000
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    ema: float = 0.999
    clip_norm: float = 0.5
    validate_every_steps: int = 500
    checkpoint_every_minutes: float = 3.0


@dataclass(frozen=True, slots=True)
class Recipe:
    model: str
    footage: Footage = field(default_factory=Footage)
    clips: Clips = field(default_factory=Clips)
    schedule: Schedule = field(default_factory=Schedule)
    loss: LossWeights = field(default_factory=LossWeights)


T = TypeVar("T")


def _table(kind: type[T], table: Any, where: str) -> T:
    if not isinstance(table, dict):
        raise Vsj4rError(f"{where} must be a table, got {table!r}")
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for key, value in table.items():
        if key not in known:
            raise Vsj4rError(f"{where}: unknown key '{key}'; known keys: {', '.join(known)}")
        default = known[key].default
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            table[key] = value = float(value)
        if not isinstance(value, type(default)):
            raise Vsj4rError(f"{where}: {key} must be of type {type(default).__name__}, got {value!r}")
    return kind(**table)


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        Vsj4rError: no such file, not TOML, an unknown model, table or key, or a value of the wrong type.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as e:
        raise Vsj4rError(f"recipe {path} can't be read: {e.strerror}") from e
    except tomllib.TOMLDecodeError as e:
        raise Vsj4rError(f"recipe {path} is not TOML: {e}") from e
    model = tables.pop("model", None)
    if model not in CONFIGS:
        raise Vsj4rError(f"recipe {path}: model must be one of {', '.join(CONFIGS)}, got {model!r}")
    kinds = {"footage": Footage, "clips": Clips, "schedule": Schedule, "loss": LossWeights}
    for key in tables:
        if key not in kinds:
            raise Vsj4rError(f"recipe {path}: unknown table '{key}'; known tables: {', '.join(kinds)}")
    parts = {name: _table(kind, tables.get(name, {}), f"recipe {path}: [{name}]") for name, kind in kinds.items()}
    return Recipe(model=model, **parts)
