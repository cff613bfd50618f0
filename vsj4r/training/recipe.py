"""A training run as data: a TOML recipe, checked whole before anything starts."""

from __future__ import annotations

import math
import sys
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from vsj4r.errors import Vsj4rError
from vsj4r.model.config import CONFIGS
from vsj4r.model.loss import LossWeights
from vsj4r.rain import Preset

PATCH_MULTIPLE = 16


@dataclass(frozen=True, slots=True)
class Footage:
    """Where clean pictures come from: folders relative to the data folder. ``videos`` holds video files and
    folders of frames, ``stills`` single pictures (one of the two may be ""), ``streaks`` an image database of
    rain layers ("": none)."""

    videos: str = "train/video"
    stills: str = "train/stills"
    streaks: str = ""
    validation: str = "val/video"


@dataclass(frozen=True, slots=True)
class Clips:
    """``frames`` is also the depth of backpropagation in time: every clip begins from an empty memory.
    ``batch`` clips a step, shared out among the processes of a distributed run. ``rain``: a preset of
    ``vsj4r.rain``; "photo" needs ``streaks``. ``still_share``: how many of the clips are made from stills,
    where there are stills and videos."""

    frames: int = 7
    patch_px: int = 112
    batch: int = 4
    seed: int = 0
    rain: Preset = "mixed"
    still_share: float = 0.5


@dataclass(frozen=True, slots=True)
class Schedule:
    """Cosine from ``learning_rate`` to a fiftieth over ``steps``, after ``warmup_steps`` of linear rise."""

    steps: int = 6000
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    ema: float = 0.999
    clip_norm: float = 0.5  # of the gradient; inf: as it is
    validate_every_steps: int = 500
    checkpoint_every_minutes: float = 2.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """``start``: the weights of step 0, a best.pt or checkpoint.pt (relative to the working folder) or the
    name of a shipped model; "" for random ones."""

    model: str
    start: str = ""
    footage: Footage = field(default_factory=Footage)
    clips: Clips = field(default_factory=Clips)
    schedule: Schedule = field(default_factory=Schedule)
    loss: LossWeights = field(default_factory=LossWeights)


TABLES: dict[str, type[Any]] = {"footage": Footage, "clips": Clips, "schedule": Schedule, "loss": LossWeights}
SMALLEST: dict[str, float] = {  # of every number that must be more than 0
    "frames": 2,
    "patch_px": PATCH_MULTIPLE,
    "batch": 1,
    "steps": 1,
    "warmup_steps": 1,
    "validate_every_steps": 1,
}
POSITIVE = {"learning_rate", "clip_norm"}
LARGEST: dict[str, float] = {  # of other numbers anything finite
    "learning_rate": 1,
    "still_share": 1,
    "ema": 1,
    "clip_norm": math.inf,
}


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        Vsj4rError: no such file, not TOML, an unknown model, table or key, or a value that cannot be.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as e:
        raise Vsj4rError(f"recipe {path} can't be read: {e.strerror}") from e
    except RecursionError as e:
        raise Vsj4rError(f"recipe {path} is nested too deeply") from e
    except ValueError as e:  # not UTF-8 either
        raise Vsj4rError(f"recipe {path} is not TOML: {e}") from e
    model, start = tables.pop("model", None), tables.pop("start", "")
    if not isinstance(model, str) or model not in CONFIGS:
        raise Vsj4rError(f"recipe {path}: model must be one of {', '.join(CONFIGS)}, got {model!r}")
    if not isinstance(start, str):
        raise Vsj4rError(f"recipe {path}: start must be a path or the name of a model, got {start!r}")
    for key in tables:
        if key not in TABLES:
            known = ", ".join(("model", "start", *TABLES))
            raise Vsj4rError(f"recipe {path}: unknown key '{key}'; known keys: {known}")
    parts = {
        name: _table(kind, tables.get(name, {}), f"recipe {path}: [{name}]") for name, kind in TABLES.items()
    }
    footage: Footage = parts["footage"]
    if not footage.videos and not footage.stills:
        raise Vsj4rError(f"recipe {path}: [footage] must name videos or stills, got neither")
    if not footage.validation:
        raise Vsj4rError(f"recipe {path}: [footage] must name validation, got ''")
    clips: Clips = parts["clips"]
    if clips.rain == "photo" and not footage.streaks:
        raise Vsj4rError(f'recipe {path}: rain = "photo" needs [footage] streaks, an image database of rain')
    return Recipe(model=model, start=start, **parts)


def _table[T](kind: type[T], table: Any, where: str) -> T:
    if not isinstance(table, dict):
        raise Vsj4rError(f"{where} must be a table, got {table!r}")
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    types = get_type_hints(kind)
    for key in table:
        if key not in known:
            raise Vsj4rError(f"{where}: unknown key '{key}'; known keys: {', '.join(sorted(known))}")
    return kind(**{key: _value(types[key], key, value, where) for key, value in table.items()})


def _value(kind: Any, key: str, value: Any, where: str) -> Any:
    if type(value) is int and not abs(value) < 2**63:
        raise Vsj4rError(f"{where}: {key} must be less than 2**63")
    if kind is float and type(value) is int:
        value = float(value)
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise Vsj4rError(f"{where}: {key} must be one of {', '.join(get_args(kind))}, got {value!r}")
    elif type(value) is not kind:
        raise Vsj4rError(f"{where}: {key} must be of type {kind.__name__}, got {value!r}")
    elif key in POSITIVE and not value > 0:
        raise Vsj4rError(f"{where}: {key} must be more than 0, got {value!r}")
    elif kind is not str and not value >= SMALLEST.get(key, 0):
        raise Vsj4rError(f"{where}: {key} must be at least {SMALLEST.get(key, 0)}, got {value!r}")
    elif kind is not str and value > LARGEST.get(key, sys.float_info.max):
        rule = f"at most {LARGEST[key]}" if key in LARGEST else "finite"
        raise Vsj4rError(f"{where}: {key} must be {rule}, got {value!r}")
    if key == "patch_px" and value % PATCH_MULTIPLE:
        raise Vsj4rError(f"{where}: patch_px must be a multiple of {PATCH_MULTIPLE}, got {value}")
    return value
