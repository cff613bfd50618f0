"""Two meanings never share a public name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import vsj4r

PACKAGE = Path(vsj4r.__file__).parent
SAME_MEANING = {
    "pack",  # the CUDA kernels beside their reference
    "unpack",
    "gru_read",
    "gru_write",
    "shrink",
    "find_rain",
    "enlarge",
}


def test_classes_and_functions() -> None:
    owners = defaultdict(set)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                owners[node.name].add(path.relative_to(PACKAGE).as_posix())
    twice = {name: files for name, files in owners.items() if len(files) > 1 and name not in SAME_MEANING}
    assert not twice


def test_modules() -> None:
    owners = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        owners[path.name].append(path.relative_to(PACKAGE).as_posix())
    del owners["__init__.py"]
    assert not {name: files for name, files in owners.items() if len(files) > 1}
