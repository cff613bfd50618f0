"""The words of a command line as the values that a job file would have: see ``run.settings``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vsj4r.cli.outcome import UsageError
from vsj4r.errors import Vsj4rError
from vsj4r.run.settings import RunSettings, check_preset, layered, settings_of
from vsj4r.tables import MistakesError

_FRAME = re.compile(r"\d+")


def settings_from(given: Mapping[str, object], *, preset: str | None, suffix: str) -> RunSettings:
    """The settings that options are ``given`` for (None: it is not), over those of ``preset``.

    Raises:
        UsageError: all that is wrong with them, by the names of the options.
    """
    table = {name: value for name, value in given.items() if value is not None}
    try:
        if preset is not None:
            table["preset"] = check_preset(preset)
        return settings_of(RunSettings, layered({}, table, suffix))
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


def _moment(text: str) -> int | str:
    return int(text) if _FRAME.fullmatch(text) else text


def _of_option(key: tuple[str | int, ...], text: str) -> str:
    name = str(key[0]) if key else ""
    option = f"--{name.replace('_', '-')}"
    return f"{option}{text.removeprefix(name)}" if text.startswith(name) else f"{option}: {text}"
