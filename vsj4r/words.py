"""Numbers in the sentences that people read."""

from __future__ import annotations


def count_of(number: int, thing: str) -> str:
    """ "1 frame", "2 frames"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}{'es' if thing.endswith('s') else 's'}"
