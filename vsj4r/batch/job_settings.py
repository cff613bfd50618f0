"""What a job asks of its files: the settings of a run, and how it is done in chunks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BeforeValidator, Field

from vsj4r.frames import SEGMENT_FRAMES
from vsj4r.run.settings import RunSettings, check_preset
from vsj4r.tables import Text, Whole, convert_with

CHUNK_FRAMES = 4 * SEGMENT_FRAMES
"""Chunks begin at anchors of the filter, where it costs nothing."""


@dataclass(frozen=True, slots=True)
class Settings(RunSettings):
    """``chunk``: frames in a chunk at most."""

    chunk: Annotated[
        Whole,
        Field(
            ge=SEGMENT_FRAMES,
            multiple_of=SEGMENT_FRAMES,
            description=f"a multiple of {SEGMENT_FRAMES} frames",
        ),
    ] = CHUNK_FRAMES


@dataclass(frozen=True, slots=True)
class DefaultsTable(Settings):
    """``[defaults]`` of a job file."""

    preset: Annotated[str, convert_with(check_preset)] = ""
    output: Annotated[Text, Field(min_length=1, description="a name, such as {stem}.mkv")] = ""


@dataclass(frozen=True, slots=True)
class JobTable(DefaultsTable):
    """``[[job]]`` of a job file. ``input``: names and patterns."""

    name: Annotated[Text, Field(min_length=1, description="a text")] = ""
    input: Annotated[
        list[Annotated[Text, Field(min_length=1)]],
        BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
        Field(min_length=1, description="a name, a pattern, or a list of them"),
    ] = field(default_factory=list)
