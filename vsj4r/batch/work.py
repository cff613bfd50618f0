"""What is to be done to one file, in a form that travels to another machine; and which work that is."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from vsj4r.batch.job_settings import Settings
from vsj4r.batch.jobfile import FileJob
from vsj4r.batch.plan import IMAGES, Plan
from vsj4r.errors import InputError
from vsj4r.media.encoders import KNOWN_ENCODERS
from vsj4r.media.identity import identify
from vsj4r.media.whole import is_occupied

_FILES = ("mask", "model", "qpfile")
_RECIPE = 3  # another number when the same settings come to give other frames


@dataclass(frozen=True, slots=True)
class Work:
    """One file. ``key`` stands for the input's content, the model and the settings; ``folder`` holds what
    is unfinished; ``identities`` are those of ``inputs``, ``model`` the sha256 of the model; ``to_folder``:
    the output is a folder of images; ``replaces``: the outputs whose names may be those of what then goes."""

    key: str
    input: Path
    output: Path
    settings: Settings
    folder: Path
    identities: tuple[str, ...]
    model: str
    to_folder: bool = False
    replaces: tuple[Path, ...] = ()

    @property
    def inputs(self) -> list[Path]:
        """``input`` first, and what else is read."""
        return [self.input, *self.settings.guides()]

    @property
    def outputs(self) -> list[Path]:
        """``output`` first, and beside it those of the other outputs of the filter."""
        return self.settings.paths(self.output)

    def part(self, plan: Plan, number: int, place: int = 0) -> Path:
        """That of chunk ``number`` of the output at ``place``: a file, or a folder of images."""
        which = f".{self.settings.outputs[place]}" if place else ""
        suffix = "" if plan.encoder == IMAGES else f".{KNOWN_ENCODERS[plan.encoder].packet_muxer}"
        return self.folder / f"{number:05d}{which}{suffix}"

    def parts(self, plan: Plan, number: int) -> list[Path]:
        """Those of chunk ``number``, one for each output."""
        return [self.part(plan, number, place) for place in range(len(self.settings.outputs))]


def from_folder(path: Path, folder: Path) -> str:
    """How ``folder`` calls ``path``; on Windows a path of another drive keeps its name."""
    try:
        return os.path.relpath(path, folder)
    except ValueError:
        return str(path)


def work_for(job: FileJob, state: Path) -> Work:
    """The work that ``job`` is as things stand: another input, model or setting is other work.

    Raises:
        InputError: the input, or what is read beside it, cannot be read.
        Vsj4rError: a folder holds no images.
    """
    try:
        identities = tuple(map(identify, [job.input, *job.settings.guides()]))
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}") from error
    # files by their content, the output by its place: the folder of the batch may be moved
    settings = {
        name: bool(value) if name in _FILES else value
        for name, value in job.settings.named().items()
        if name != "overwrite"
    }
    output = f"{from_folder(job.output, state.parent)}{'/' * job.to_folder}"
    text = json.dumps([_RECIPE, *identities, job.model.sha256, dict(job.model.int8), settings, output])
    key = hashlib.sha256(text.encode()).hexdigest()[:24]
    folder = state / "parts" / key
    return Work(
        key,
        job.input,
        job.output,
        job.settings,
        folder,
        identities,
        job.model.sha256,
        job.to_folder,
        replaces=tuple(
            output
            for output in job.settings.paths(job.output)
            if job.settings.overwrite or is_occupied(output)
        ),
    )
