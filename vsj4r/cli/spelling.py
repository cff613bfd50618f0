"""The words of a command line as the values that a job file would have: see ``run.settings``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from vsj4r.cli.outcome import UsageError
from vsj4r.errors import Vsj4rError
from vsj4r.run.settings import Form, RunSettings, check_preset, find_useless, merge_settings, settings_of
from vsj4r.short_text import read_short_text
from vsj4r.tables import MistakesError

_OPTIONS = {"outputs": "output"}  # a job file's `output` is a path
_FRAME = re.compile(r"\d{1,18}")


def settings_from(given: Mapping[str, object], *, preset: str | None, suffix: str, form: Form) -> RunSettings:
    """The settings that options are ``given`` for (None: it is not), over those of ``preset``, for an output
    of ``form`` whose name ends in ``suffix``.

    Raises:
        UsageError: all that is wrong with them, by the names of the options.
    """
    table = {name: value for name, value in given.items() if value is not None}
    try:
        if preset is not None:
            table["preset"] = check_preset(preset)
        if mistakes := list(find_useless(table, form)):
            raise MistakesError(mistakes)
        return settings_of(RunSettings, merge_settings({}, table, suffix, form), form, suffix)
    except MistakesError as error:
        raise UsageError("; ".join(_of_option(*mistake) for mistake in error.mistakes)) from error
    except Vsj4rError as error:
        raise UsageError(str(error)) from error


def split_trim(text: str) -> list[int | str]:
    """``START:END`` as ``[START, END]``; both may hold colons, and either may be empty.

    Raises:
        UsageError: it cannot be told where the one ends and the other begins.
    """
    colons = [place for place, letter in enumerate(text) if letter == ":"]
    if text.startswith(":"):
        middle = 0
    elif text.endswith(":"):
        middle = len(text) - 1
    elif len(colons) % 2:
        middle = colons[len(colons) // 2]
    else:
        raise UsageError(
            "--trim must be START:END, both frames or both times with as many colons, such as 100:250, "
            f"0:10:1:02.5 or 90.0: (to the end), got {text!r}"
        )
    return [_moment(each) for each in (text[:middle], text[middle + 1 :])]


def whole_numbers(text: str, option: str) -> list[int]:
    """``0,1,2`` of ``option``; nothing is an empty list.

    Raises:
        UsageError: one is no number.
    """
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    if not all(_FRAME.fullmatch(word) for word in words):
        raise UsageError(f"{option} must be whole numbers such as 0,120, got {text!r}")
    return [int(word) for word in words]


def strength_of(text: str) -> float | list[list[int | float]]:
    """A number, or the curve in a file: ``FRAME STRENGTH`` on each line; # begins a remark.

    Raises:
        UsageError: it is no number, and no such file.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        lines = read_short_text(Path(text)).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(
            f"--strength must be a number or a file of FRAME STRENGTH, got {text!r}: {reason}"
        ) from error
    curve: list[list[int | float]] = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        try:
            if words:
                frame, strength = words
                curve.append([int(frame), float(strength)])
        except ValueError:
            raise UsageError(
                f"{text}:{number}: must be a frame and a strength, such as 120 0.5, got {line!r}"
            ) from None
    return curve


def _moment(text: str) -> int | str:
    return int(text) if _FRAME.fullmatch(text) else text


def _of_option(key: tuple[str | int, ...], text: str) -> str:
    name = str(key[0]) if key else ""
    option = f"--{_OPTIONS.get(name, name.replace('_', '-'))}"
    return f"{option}{text.removeprefix(name)}" if text.startswith(name) else f"{option}: {text}"
