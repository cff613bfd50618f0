"""A training run as data: a TOML recipe, checked whole before anything starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from vsj4r.errors import Vsj4rError
from vsj4r.model.config import CONFIGS
from vsj4r.model.loss import LossWeights
from vsj4r.rain import Preset
from vsj4r.tables import EXACT, MistakesError, Number, Text, Whole, choice, parse_table, read_toml, rule

PATCH_MULTIPLE = 16

Share = Annotated[Number, Field(ge=0, le=1)]
Count = Annotated[Whole, Field(ge=1)]


@dataclass(frozen=True, slots=True)
class Footage:
    """Where clean pictures come from: folders relative to the data folder. ``videos`` holds video files and
    folders of frames, ``stills`` single pictures (one of the two may be ""), ``streaks`` an image database of
    rain layers ("": none)."""

    __pydantic_config__ = EXACT

    videos: Text = "train/video"
    stills: Text = "train/stills"
    streaks: Text = ""
    validation: Text = "val/video"

    def __post_init__(self) -> None:
        if not self.videos and not self.stills:
            raise ValueError("must name videos or stills, got neither")
        if not self.validation:
            raise ValueError("must name validation, got ''")
        if self.videos and Path(self.validation) == Path(self.videos):
            raise ValueError(f"validation must be other footage than videos, got {self.validation} for both")


@dataclass(frozen=True, slots=True)
class Clips:
    """``frames`` is also the depth of backpropagation in time: every clip begins from an empty memory.
    ``batch`` clips a step, shared out among the processes of a distributed run. ``rain``: a preset of
    ``vsj4r.rain``; "photo" needs ``streaks``. ``still_share``: how many of the clips are made from stills,
    where there are stills and videos."""

    __pydantic_config__ = EXACT

    frames: Annotated[Whole, Field(ge=2)] = 7
    patch_px: Annotated[
        Whole,
        Field(ge=PATCH_MULTIPLE),
        rule(f"a multiple of {PATCH_MULTIPLE}", lambda px: px % PATCH_MULTIPLE == 0),
    ] = 112
    batch: Annotated[Whole, Field(ge=1, le=4096)] = 4
    seed: Annotated[Whole, Field(ge=0)] = 0
    rain: Preset = "mixed"
    still_share: Share = 0.5


@dataclass(frozen=True, slots=True)
class LearningSchedule:
    """Cosine from ``learning_rate`` to a fiftieth over ``steps``, after ``warmup_steps`` of linear rise."""

    __pydantic_config__ = EXACT

    steps: Count = 6000
    learning_rate: Annotated[Number, Field(gt=0, le=1)] = 1e-3
    warmup_steps: Count = 100
    ema: Share = 0.999
    clip_norm: Annotated[Number, Field(gt=0)] = 0.5  # largest norm of the gradient; inf: no limit
    validate_every_steps: Count = 500
    checkpoint_every_minutes: Annotated[Number, Field(ge=0, allow_inf_nan=False)] = 2.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """``start``: the weights of step 0, a best.pt or checkpoint.pt (relative to the working folder) or the
    name of a shipped model; "" for random ones."""

    __pydantic_config__ = EXACT

    model: Annotated[str, choice(CONFIGS)]
    start: Annotated[Text, Field(description="a path or the name of a model")] = ""
    footage: Footage = field(default_factory=Footage)
    clips: Clips = field(default_factory=Clips)
    schedule: LearningSchedule = field(default_factory=LearningSchedule)
    loss: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        if self.clips.rain == "photo" and not self.footage.streaks:
            raise ValueError('rain = "photo" needs [footage] streaks, an image database of rain')


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        Vsj4rError: no such file, not TOML, an unknown model, table or key, or a value out of range.
    """
    try:
        table, lines = read_toml(path)
        return parse_table(Recipe, table)
    except MistakesError as error:
        key = error.mistakes[0].key
        inside = f"[{key[0]}]: " if len(key) > 1 else ""
        raise Vsj4rError(f"recipe {path}:{lines.of(key)}: {inside}{error}") from error
    except Vsj4rError as error:
        raise Vsj4rError(f"recipe {error}") from error
