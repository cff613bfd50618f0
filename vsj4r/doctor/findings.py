"""What a check gives: the state of one thing, and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from vsj4r.errors import Vsj4rError
from vsj4r.pip_commands import reinstall

Status = Literal["good", "absent", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``what`` was found, in one line. ``needed``: without it a plain ``vsj4r run`` on the CPU does not work.
    ``remedy`` is "" where all is good; ``figures`` are for programs."""

    name: str
    status: Status
    what: str
    remedy: str = ""
    needed: bool = True
    figures: dict[str, object] = field(default_factory=dict)


Check = Callable[[], Iterator[Finding]]


def run_check(name: str, check: Check, remedy: str, *, needed: bool = True) -> Iterator[Finding]:
    """The findings of ``check``, and one more if it raises."""
    try:
        yield from check()
    except Vsj4rError as error:
        yield Finding(name, "bad", str(error), remedy, needed)
    except ImportError as error:
        yield Finding(name, "bad", f"cannot be imported: {_one_line(error)}", remedy, needed)
    except Exception as error:  # whatever breaks here is the finding
        yield Finding(name, "bad", f"{type(error).__name__}: {_one_line(error)}", reinstall(), needed)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
