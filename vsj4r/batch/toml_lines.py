"""TOML with the line of every key, so that a mistake can be pointed at: tomllib tells no lines."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vsj4r.errors import Vsj4rError

Key = tuple[str | int, ...]
"""``("job", 1, "model")`` is ``model`` in the second ``[[job]]``."""

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'  # strings first: nothing inside them counts
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[][{}=,.\n]"
    r"|[^][{}=,.\n\"'#\s]+",
    re.DOTALL,
)


class Lines:
    """Where the keys of a TOML text are. ``text`` must be valid."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Key, int] = {}
        table: Key = ()
        arrays: dict[Key, int] = {}
        for line, kind, names in _statements(text):
            if kind == "=":
                for end in range(1, len(names) + 1):
                    self._lines.setdefault((*table, *names[:end]), line)
                continue
            table = ()
            for depth, name in enumerate(names, 1):
                table = (*table, name)
                if kind == "[[" and depth == len(names):
                    arrays[table] = arrays.get(table, -1) + 1
                if table in arrays:
                    table = (*table, arrays[table])
                self._lines.setdefault(table, line)

    def of(self, key: Key) -> int:
        """The line of ``key``, or of the nearest table around it; 1 where nothing is known."""
        while key and key not in self._lines:
            key = key[:-1]
        return self._lines.get(key, 1)


def read_toml(path: Path) -> tuple[dict[str, Any], Lines]:
    """The tables of ``path``, and where they are.

    Raises:
        Vsj4rError: no such file, or not TOML; with file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text), Lines(text.replace("\r\n", "\n"))
    except UnicodeDecodeError:
        raise Vsj4rError(f"{path} is no UTF-8 text") from None
    except OSError as error:
        raise Vsj4rError(f"{path} cannot be read: {error.strerror}") from error
    except RecursionError:
        raise Vsj4rError(f"{path} is nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits is no TOMLDecodeError
        found = re.search(r"^(.*) \(at line (\d+), column \d+\)$", str(error), re.DOTALL)
        said, line = found.groups() if found else (str(error), "1")
        raise Vsj4rError(f"{path}:{line}: {said}") from error


def _statements(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """(line, "=", names of a key) and (line, "[" or "[[", names of a table), in order."""
    line, depth, start = 1, 0, True
    header, names = "", list[str]()
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == "\n" and not depth:
            start, header, names = True, "", []
        elif token.startswith("#"):
            pass
        elif depth:
            depth += (token in "[{") - (token in "]}")
        elif start and token == "[":
            header += "["
        elif start and header and token == "]":
            start = False
            yield line, header, names
        elif start and not header and token == "=":
            start = False
            yield line, "=", names
        elif start and token != ".":
            names.append(_unquoted(token))
        elif not start and token in ("[", "{"):
            depth = 1
        line += token.count("\n")


def _unquoted(token: str) -> str:
    return str(next(iter(tomllib.loads(f"{token} = 0")))) if token[0] in "\"'" else token
