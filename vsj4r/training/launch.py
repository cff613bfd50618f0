"""What torchrun, or whoever starts several processes as it does, tells each of them."""

from __future__ import annotations

import os

from vsj4r.errors import Vsj4rError

_ALL = frozenset({"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"})


def place_among_ranks() -> tuple[int, int]:
    """This process's rank, and how many there are, by the variables that torchrun sets; alone where not all
    of them are there.

    Raises:
        Vsj4rError: they are no numbers.
    """
    if not _ALL.issubset(os.environ):
        return 0, 1
    try:
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except ValueError as error:
        told = ", ".join(f"{name}={os.environ[name]}" for name in ("RANK", "WORLD_SIZE"))
        raise Vsj4rError(f"RANK and WORLD_SIZE must be whole numbers, got {told}") from error
