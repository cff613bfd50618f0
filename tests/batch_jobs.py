"""Job files of tests."""

from __future__ import annotations

import json
from pathlib import Path


def jobs(folder: Path, model: Path, *bodies: str, defaults: str = "chunk = 120") -> None:
    head = f"[defaults]\nmodel = {json.dumps(str(model))}\n{defaults}\n"
    (folder / "jobs.toml").write_text(head + "".join(f"[[job]]\n{body}\n" for body in bodies))


def body(source: Path, output: str, more: str = "") -> str:
    return f"input = {json.dumps(str(source))}\noutput = {json.dumps(output)}\n{more}"
