"""The commands that install what is missing, as they are to be typed on this machine."""

from __future__ import annotations

import shlex
import sys
from subprocess import list2cmdline


def pip_install(*requirements: str, again: bool = False) -> str:
    """The exact command for this Python, quoted for the shell of this system."""
    options = ["--force-reinstall", "--no-deps"] if again else ["--upgrade"]
    join = list2cmdline if sys.platform == "win32" else shlex.join
    return join([sys.executable, "-m", "pip", "install", *options, *requirements])


def reinstall() -> str:
    """The command that installs vsj4r once more, from where it came."""
    return pip_install(*_ourselves(), again=True)


def install_extra(extra: str) -> str:
    """The command that adds what only some commands need."""
    return pip_install(*_ourselves(f"[{extra}]"))


def _ourselves(extra: str = "") -> list[str]:
    """What pip is to be given: a folder or a wheel of this machine if it was given that before (PEP 610)."""
    import json  # only for whoever asks: these import much
    from importlib import metadata
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        origin = json.loads(metadata.distribution("vsj4r").read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        origin = {}
    scheme, _, path, _, _ = urlsplit(origin.get("url", ""))
    where = url2pathname(path) if scheme == "file" else "vsj4r"
    editable = origin.get("dir_info", {}).get("editable", False)
    return [*(["--editable"] if editable else []), where + extra]
