"""Cuts from a file: an x264 qpfile (``FRAME K``), or the scenes that Av1an has found (JSON)."""

from __future__ import annotations

import json
from pathlib import Path

from vsj4r.errors import Vsj4rError
from vsj4r.short_text import read_short_text

_DIGITS_MAX = 10  # of a frame number
_CUT_TYPES = ("I", "K")  # x264: an IDR frame; "i", "P", "B" and "b" begin no scene


def read_cuts(name: str) -> list[int]:
    """Frame numbers from the file ``name``.

    Raises:
        Vsj4rError: it cannot be read or is neither kind of file.
    """
    try:
        text = read_short_text(Path(name))
    except (OSError, ValueError) as error:  # of a name that holds a zero byte, too
        reason = getattr(error, "strerror", None) or "not a text"
        raise Vsj4rError(f"qpfile must be a readable file, got {name!r}: {reason}") from error
    return _from_av1an(name, text) if text.lstrip().startswith("{") else _from_qpfile(name, text)


def _from_qpfile(name: str, text: str) -> list[int]:
    cuts = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) < 2 or not _is_frame(words[0]) or words[1] not in (*_CUT_TYPES, "i", "P", "B", "b"):
            raise Vsj4rError(
                f"qpfile must have lines such as '120 K', got {line!r} in line {number} of {name}"
            )
        if words[1] in _CUT_TYPES:
            cuts.append(int(words[0]))
    return cuts


def _from_av1an(name: str, text: str) -> list[int]:
    try:
        return [int(scene["start_frame"]) for scene in json.loads(text)["scenes"]]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise Vsj4rError(f"qpfile must list scenes with a start_frame, got {name!r}: {error}") from error


def _is_frame(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) <= _DIGITS_MAX
