"""``jobs.toml``: read whole, every mistake found and named with its line, before anything is done."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Collection, Iterator, Set
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from vsj4r.batch.job_settings import DefaultsTable, JobTable, Settings
from vsj4r.engine.weights import Model, find_model
from vsj4r.errors import Vsj4rError
from vsj4r.media.containers import container_for, names_folder
from vsj4r.media.opening import SCRIPT
from vsj4r.media.reading import images_in, missing_error
from vsj4r.run.settings import Form, find_useless, merge_settings, settings_of
from vsj4r.tables import EXACT, Key, Lines, MistakesError, Text, parse_leniently, read_toml

_FIELD = re.compile(r"\{(\w*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class FileJob:
    """One file of a batch. Paths are absolute; ``line`` is that of its ``[[job]]`` in the job file;
    ``to_folder``: the output is a folder of images."""

    job: str
    line: int
    input: Path
    output: Path
    settings: Settings
    model: Model
    to_folder: bool = False


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


@dataclass(frozen=True, slots=True)
class _Top:
    """The job file itself."""

    __pydantic_config__ = EXACT

    folders: Annotated[list[Text], Field(min_length=1, description="a list of folders")] = field(
        default_factory=lambda: ["."]
    )
    defaults: dict[str, Any] = field(default_factory=dict)
    job: Annotated[list[dict[str, Any]], Field(description="tables: [[job]]")] = field(default_factory=list)


def read_jobs(path: Path, *, written: Collection[Path] = ()) -> JobFile:
    """Read ``path``. A pattern never matches ``written``, the outputs of earlier runs.

    Raises:
        Vsj4rError: the file cannot be read, or is not TOML. Everything else becomes a ``Problem``.
    """
    table, lines = read_toml(path)
    batch = JobFile(path.absolute())
    top, mistakes = parse_leniently(_Top, table)
    for mistake in mistakes:
        batch.complain(lines.of(mistake.key), mistake.text)
    batch.folders = [_follow(batch.path.parent / each) for each in top.folders]
    if not top.job and not any(mistake.key[0] == "job" for mistake in mistakes):
        batch.complain(1, "there is no [[job]]")
    _Jobs(batch, lines, top.defaults, set(written)).read(top.job)
    return batch


class _Jobs:
    """The ``[[job]]`` tables of ``batch``, which is told all that is wrong with them."""

    def __init__(self, batch: JobFile, lines: Lines, defaults: dict[str, Any], written: set[Path]) -> None:
        self._batch, self._lines, self._written = batch, lines, written
        self._defaults = self._right_of(DefaultsTable, defaults, ("defaults",))
        self._stated = defaults.keys()
        self._models: dict[str, Model | Vsj4rError] = {}

    def read(self, tables: list[dict[str, Any]]) -> None:
        for number, table in enumerate(tables):
            right = self._right_of(JobTable, table, ("job", number))
            self._read(number, right, stated=self._stated | table.keys())

    def _right_of(self, kind: type[Any], table: dict[str, Any], place: Key) -> dict[str, Any]:
        """``table`` without what is wrong in it."""
        _, mistakes = parse_leniently(kind, table, title=str(place[0]))
        for mistake in mistakes:
            self._batch.complain(self._lines.of((*place, *mistake.key)), mistake.text)
        wrong = {mistake.key[0] for mistake in mistakes}
        return {name: table[name] for name in table if name not in wrong}

    def _read(self, number: int, table: dict[str, Any], *, stated: Set[str]) -> None:
        """``stated``: keys that are there, be it with a mistake, which has been told."""

        def complain(key: str, text: str) -> None:
            inside = ("job", number, key) if key in table or key not in self._defaults else ("defaults", key)
            self._batch.complain(self._lines.of(inside), text)

        name = table.get("name", f"job {number + 1}")
        template = {**self._defaults, **table}.get("output", "")
        if "output" not in stated:
            complain(
                "output",
                f'{name} needs an output, such as "clean/{{stem}}.mkv", or "clean/{{stem}}/" for images',
            )
        if "input" not in stated:
            complain("input", f"{name} needs an input: a name, a pattern, or a list of them")
        form = self._form_of(template)
        if not template.endswith("{name}"):  # what that is, each input says
            for mistake in find_useless(table, form):
                complain(str(mistake.key[0]), mistake.text)
        kind = form, Path(template or "any.mkv").suffix.lower()
        given = merge_settings(self._defaults, table, kind[1], form)
        model = self._model_of(given, complain)
        settings = {kind: self._settings(given, *kind, complain)}
        line = self._lines.of(("job", number))
        for inputs in self._inputs(table.get("input", []), complain):
            for path in inputs if template else ():
                try:
                    filled = _fill(template, name, path)
                    form = self._form_of(filled)
                    output = _output(self._batch, filled, form)
                except Vsj4rError as error:
                    complain("output", str(error))
                    break
                kind = form, output.suffix.lower()
                if kind not in settings:
                    given = merge_settings(self._defaults, table, kind[1], form)
                    settings[kind] = self._settings(given, *kind, complain)
                if model is not None:
                    self._batch.files.append(
                        FileJob(name, line, path, output, settings[kind], model, form == "images")
                    )

    def _inputs(
        self, patterns: str | list[str], complain: Callable[[str, str], None]
    ) -> Iterator[list[Path]]:
        """What each of ``patterns`` finds that none before it did, and a batch can read."""
        once: set[Path] = set()
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            found = _matches(self._batch, pattern, self._written)
            if not found:
                complain("input", str(missing_error(pattern)))
            readable = []
            for path in found:
                if path in once:
                    continue
                if path.suffix.lower() == SCRIPT:
                    complain("input", f"{path} is a script, and a batch runs none: vsj4r run does")
                elif not path.is_file() and not path.is_dir():
                    complain("input", f"{path} is no file, and a batch reads twice: vsj4r run takes a pipe")
                else:
                    readable.append(path)
            once.update(found)
            yield readable

    def _form_of(self, output: str) -> Form:
        if not output or output.endswith("{name}"):
            return "video"
        return "images" if names_folder(f"{self._batch.path.parent}{os.sep}{output}") else "video"

    def _settings(
        self, given: dict[str, Any], form: Form, suffix: str, complain: Callable[[str, str], None]
    ) -> Settings:
        """Those of ``given``; with a mistake in them the default ones, so that the rest is still checked."""
        try:
            return settings_of(Settings, self._root_paths(given), form, suffix)
        except MistakesError as error:
            for mistake in error.mistakes:
                complain(str(mistake.key[0]), mistake.text)
        return Settings(overwrite=given.get("overwrite") is True)

    def _model_of(self, given: dict[str, Any], complain: Callable[[str, str], None]) -> Model | None:
        """The model that ``given`` names; with a mistake in it the default one, None if that is damaged."""
        try:
            return self._model(self._root_paths(given).get("model", Settings().model))
        except Vsj4rError as error:
            complain("model", str(error))
        try:
            return self._model(Settings().model)
        except Vsj4rError:
            return None

    def _root_paths(self, given: dict[str, Any]) -> dict[str, Any]:
        """Files are looked for beside the job file, as everything in it is."""
        files = [name for name in ("mask", "qpfile") if isinstance(given.get(name), str)]
        if given.get("model", "").lower().endswith(".onnx"):
            files.append("model")
        folder = self._batch.path.parent
        return {**given, **{name: str(_follow(folder / given[name])) for name in files}}

    def _model(self, name: str) -> Model:
        """The model ``name``, found and checked once for all jobs.

        Raises:
            Vsj4rError: there is none, or its ONNX is damaged.
        """
        if name not in self._models:
            try:
                model = find_model(name)
                model.read_onnx()
                self._models[name] = model
            except Vsj4rError as error:
                self._models[name] = error
        found = self._models[name]
        if isinstance(found, Vsj4rError):
            raise found
        return found


def _matches(batch: JobFile, pattern: str, written: set[Path]) -> list[Path]:
    """A name that exists is itself, whatever is in it; otherwise it is a pattern."""
    folder = batch.path.parent
    literal = folder / pattern
    if literal.exists():
        return [_absolute(literal)]
    if not glob.has_magic(pattern):
        return []
    found = sorted({_absolute(path) for path in _glob(folder, pattern)})
    ours = written | {batch.state}
    return [path for path in found if not ours & {path, *path.parents} and _may_be_input(path)]


def _glob(folder: Path, pattern: str) -> Iterator[Path]:
    """What ``pattern`` finds from ``folder`` on. As in a shell, nothing hidden whose dot it does not name,
    folders alone where it ends with a slash, and ``**`` goes through no links, which may lead in a circle."""
    parts = list(Path(pattern).parts)
    root = folder
    while not glob.has_magic(parts[0]):
        root /= parts.pop(0)
    folders_alone = pattern.endswith(("/", os.sep))
    if parts[-1] == "**" and not folders_alone:  # which means folders to pathlib
        parts.append("*")
    parts = [part if part == "**" else re.sub(r"\*+", "*", part) for part in parts]
    dotted = [part for part in parts if part.startswith(".")]
    for path in root.glob(str(Path(*parts))):
        hidden = [part for part in path.relative_to(root).parts if part.startswith(".")]
        is_named = all(any(fnmatch(part, named) for named in dotted) for part in hidden)
        if is_named and (path.is_dir() or not folders_alone):
            yield path


def _may_be_input(path: Path) -> bool:
    """A pattern means files, and folders that hold images."""
    if path.is_dir():
        return bool(images_in(path))
    return path.is_file()


def _fill(template: str, job: str, source: Path) -> str:
    """The name of the output of ``source``.

    Raises:
        Vsj4rError: an unknown field.
    """
    stem = source.name if source.is_dir() else source.stem  # a folder shot_010.v002 has no suffix
    fields = {"stem": stem, "name": source.name, "folder": source.parent.name, "job": job}

    def fill(match: re.Match[str]) -> str:
        if match[1] not in fields:
            known = ", ".join(f"{{{name}}}" for name in fields)
            raise Vsj4rError(f"unknown field {match[0]} in output {template!r}: known are {known}")
        return fields[match[1]].replace("/", "_")

    return _FIELD.sub(fill, template)


def _output(batch: JobFile, name: str, form: Form) -> Path:
    """The output called ``name``.

    Raises:
        Vsj4rError: an unknown type, or outside the folders of the batch.
    """
    if name == "-":
        raise Vsj4rError("output must be a file or a folder, got '-': vsj4r run writes to stdout")
    output = _absolute(batch.path.parent / name)
    if output.is_symlink():
        output = _follow(output)  # what it leads to is written, and has to lie in the folders too
    if form == "video":
        container_for(output)
    if not any(output.is_relative_to(folder) for folder in batch.folders):
        folders = ", ".join(map(str, batch.folders))
        raise Vsj4rError(
            f"output {output} is outside the folders of this batch ({folders}): name its folder in folders"
        )
    return output


def _absolute(path: Path) -> Path:
    """With every link on the way followed, but for a link that is the file itself."""
    return _follow(path.parent) / path.name if path.name not in ("", "..") else _follow(path)


def _follow(path: Path) -> Path:
    """With every link followed; as it is where links lead in a circle, so that whoever opens it says so."""
    return Path(os.path.realpath(path))
