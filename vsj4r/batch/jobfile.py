"""``jobs.toml``: read whole, every mistake found and named with its line, before anything is done."""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vsj4r.batch.settings import (
    KEYS,
    BadSettingError,
    Settings,
    checked_preset,
    layered,
    settings_from,
)
from vsj4r.batch.toml_lines import Key, Lines, read_toml
from vsj4r.errors import Vsj4rError
from vsj4r.media.containers import container_for
from vsj4r.media.reading import absent, images_in

_TOP_KEYS = frozenset({"folders", "defaults", "job"})
_JOB_KEYS = KEYS | {"name", "input", "output"}
_FIELD = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, slots=True)
class FileJob:
    """One file of a batch. Paths are absolute; ``line`` is that of its ``[[job]]`` in the job file."""

    job: str
    line: int
    input: Path
    output: Path
    settings: Settings


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in line ``line`` of the job file."""

    line: int
    text: str


@dataclass(slots=True)
class JobFile:
    """``folders``: absolute, where outputs may go. With ``problems`` the rest is what could be understood."""

    path: Path
    folders: list[Path] = field(default_factory=list)
    files: list[FileJob] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def state(self) -> Path:
        """The folder that remembers how far the batch is."""
        return self.path.parent / f"{self.path.name}.vsj4r"

    def complain(self, line: int, text: str) -> None:
        problem = Problem(line, text)
        if problem not in self.problems:  # of defaults every job would say it again
            self.problems.append(problem)


def read_jobs(path: Path, *, written: Collection[Path] = ()) -> JobFile:
    """Read ``path``. A pattern never matches ``written``, the outputs of earlier runs.

    Raises:
        Vsj4rError: the file cannot be read, or is not TOML. Everything else becomes a ``Problem``.
    """
    tables, lines = read_toml(path)
    batch = JobFile(path.absolute())
    _complain_of_unknown(batch, lines, (), tables, _TOP_KEYS)
    batch.folders = _folders(batch, lines, tables.get("folders", ["."]))
    defaults = tables.get("defaults", {})
    if not isinstance(defaults, dict):
        batch.complain(lines.of(("defaults",)), "defaults must be a table: [defaults]")
        defaults = {}
    _complain_of_unknown(batch, lines, ("defaults",), defaults, KEYS | {"output"})
    jobs = tables.get("job", [])
    if not isinstance(jobs, list) or not all(isinstance(job, dict) for job in jobs):
        batch.complain(lines.of(("job",)), "jobs must be tables: [[job]]")
        jobs = []
    elif not jobs:
        batch.complain(1, "there is no [[job]]")
    for number, job in enumerate(jobs):
        _add_job(batch, lines, number, job, defaults, set(written))
    return batch


def _add_job(
    batch: JobFile,
    lines: Lines,
    number: int,
    job: Mapping[str, Any],
    defaults: Mapping[str, Any],
    written: set[Path],
) -> None:
    def complain(key: str, text: str) -> None:
        inside = ("job", number, key) if key in job or key not in defaults else ("defaults", key)
        batch.complain(lines.of(inside), text)

    _complain_of_unknown(batch, lines, ("job", number), job, _JOB_KEYS)
    name = job.get("name", f"job {number + 1}")
    if not isinstance(name, str) or not name:
        complain("name", f"name must be a text, got {name!r}")
        name = f"job {number + 1}"
    template, settings = {**defaults, **job}.get("output"), None
    if not isinstance(template, str) or not template:
        complain("output", f'{name} needs an output, such as "clean/{{stem}}.mkv"')
        template = ""
    try:
        for table in (defaults, job):
            if "preset" in table:
                checked_preset(table["preset"])
        suffix = Path(template or "any.mkv").suffix
        settings = settings_from(_rooted(layered(defaults, job, suffix), batch.path.parent))
    except BadSettingError as error:
        complain(error.key, str(error))
    except Vsj4rError as error:
        complain("preset", str(error))
    inputs = job.get("input")
    patterns = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(patterns, list) or not patterns or not all(isinstance(each, str) for each in patterns):
        return complain("input", f"{name} needs an input: a name, a pattern, or a list of them")
    for pattern in patterns:
        found = _matches(batch, pattern, written)
        if not found:
            complain("input", str(absent(pattern)))
        for path in found if template else ():
            try:
                output = _output(batch, template, name, path)
            except Vsj4rError as error:
                complain("output", str(error))
                break
            if settings is not None:
                batch.files.append(FileJob(name, lines.of(("job", number)), path, output, settings))
    return None


def _rooted(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A model that is a file is looked for beside the job file, as everything in it is."""
    model = given.get("model")
    if isinstance(model, str) and model.lower().endswith(".onnx"):
        return {**given, "model": str((folder / model).resolve())}
    return given


def _matches(batch: JobFile, pattern: str, written: set[Path]) -> list[Path]:
    """A name that exists is itself, whatever is in it; otherwise it is a pattern."""
    folder = batch.path.parent
    literal = folder / pattern
    if literal.exists():
        return [_absolute(literal)]
    if not glob.has_magic(pattern):
        return []
    names = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207 (absolute patterns too)
    found = sorted(_absolute(folder / name) for name in names)
    ours = written | {batch.state}
    return [path for path in found if not ours & {path, *path.parents} and _may_be_input(path)]


def _may_be_input(path: Path) -> bool:
    """A pattern means files, and folders that hold images."""
    if path.is_dir():
        return bool(images_in(path))
    return path.is_file()


def _output(batch: JobFile, template: str, job: str, source: Path) -> Path:
    """The output of ``source``.

    Raises:
        Vsj4rError: an unknown field, an unknown type, or outside the folders of the batch.
    """
    fields = {"stem": source.stem, "name": source.name, "folder": source.parent.name, "job": job}

    def fill(match: re.Match[str]) -> str:
        if match[1] not in fields:
            known = ", ".join(f"{{{name}}}" for name in fields)
            raise Vsj4rError(f"unknown field {match[0]} in output {template!r}: known are {known}")
        return fields[match[1]].replace("/", "_")

    output = _absolute(batch.path.parent / _FIELD.sub(fill, template))
    if output.is_symlink():
        output = output.resolve()  # what it leads to is written, and has to lie in the folders too
    container_for(output)
    if not any(output.is_relative_to(folder) for folder in batch.folders):
        folders = ", ".join(map(str, batch.folders))
        raise Vsj4rError(
            f"output {output} is outside the folders of this batch ({folders}): name its folder in folders"
        )
    return output


def _folders(batch: JobFile, lines: Lines, given: object) -> list[Path]:
    if not isinstance(given, list) or not given or not all(isinstance(each, str) for each in given):
        batch.complain(lines.of(("folders",)), f"folders must be a list of folders, got {given!r}")
        given = ["."]
    return [(batch.path.parent / each).resolve() for each in given]


def _absolute(path: Path) -> Path:
    """With every link on the way followed, but for a link that is the file itself."""
    return path.parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()


def _complain_of_unknown(
    batch: JobFile, lines: Lines, table: Key, given: Mapping[str, Any], known: Collection[str]
) -> None:
    where = f"[{table[0]}]" if table else "the job file"
    for key in set(given) - set(known):
        text = f"unknown key {key!r} in {where}: known are {', '.join(sorted(known))}"
        batch.complain(lines.of((*table, key)), text)
