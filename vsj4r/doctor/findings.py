"""What a check gives: the state of one thing, and the remedy."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from vsj4r.errors import Vsj4rError

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


def pip_install(*requirements: str, again: bool = False) -> str:
    """The exact command for this Python."""
    options = ["--force-reinstall", "--no-deps"] if again else ["--upgrade"]
    return shlex.join([sys.executable, "-m", "pip", "install", *options, *requirements])


def reinstall() -> str:
    """The command that installs vsj4r once more, from where it came."""
    return pip_install(*_ourselves(), again=True)


def install_extra(extra: str) -> str:
    """The command that adds what only some commands need."""
    return pip_install(*_ourselves(f"[{extra}]"))


def _ourselves(extra: str = "") -> list[str]:
    """What pip is to be given: a folder or a wheel of this machine if it was given that before (PEP 610)."""
    try:
        origin = json.loads(metadata.distribution("vsj4r").read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        origin = {}
    scheme, _, path, _, _ = urlsplit(origin.get("url", ""))
    where = url2pathname(path) if scheme == "file" else "vsj4r"
    editable = origin.get("dir_info", {}).get("editable", False)
    return [*(["--editable"] if editable else []), where + extra]


def run_check(name: str, check: Check, remedy: str, *, needed: bool = True) -> Iterator[Finding]:
    """The findings of ``check``, and one more for whatever it stumbles over."""
    try:
        yield from check()
    except Vsj4rError as error:
        yield Finding(name, "bad", str(error), remedy, needed)
    except ImportError as error:
        yield Finding(name, "bad", f"cannot be imported: {_one_line(error)}", remedy, needed)
    except Exception as error:  # whatever is broken here is what is to be told
        yield Finding(name, "bad", f"{type(error).__name__}: {_one_line(error)}", reinstall(), needed)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
