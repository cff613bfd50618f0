"""Names and messages on one line."""

from __future__ import annotations


def shown(text: object) -> str:
    """``text`` as any terminal takes it: what cannot be printed, a newline too, is escaped."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in str(text))
