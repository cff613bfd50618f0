"""How a command ends: its exit code, and its errors on one line."""

from __future__ import annotations

from vsj4r.errors import Vsj4rError

DONE, FAILED, BAD_USAGE = 0, 1, 2
UNREAD = 141
"""Whoever reads stdout has closed it: as a shell says it of a command that SIGPIPE has ended."""

LONGEST_LINE = 1500
"""Characters of an error."""


def code_of(signal: int) -> int:
    """Of a command that the signal of this number has ended: 129 hung up, 130 Ctrl-C, 143 terminated."""
    return 128 + signal


class UnreadError(Exception):
    """Whoever reads the events has gone. No ``OSError``: that would be blamed on what is being written."""


class UsageError(Vsj4rError):
    """The command line or its job file is wrong, whatever the input holds: ``BAD_USAGE``."""


def one_line(text: object) -> str:
    """``text`` as any terminal takes it: what cannot be printed, a newline too, is escaped; what a file holds
    may be of any length, and is cut."""
    line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in str(text))
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}..."
