"""The parts of the package: which lies above which."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_page_has_the_rooms_and_their_floors() -> None:
    script = [sys.executable, "-m", "scripts.rooms"]
    said = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert ", 0 pairs that import each other" in said.splitlines()[0]
    found = {name: int(floor) for floor, name in re.findall(r"^\| (\d+) \| (\w+) \|", said, re.MULTILINE)}
    page = (ROOT / "docs" / "architecture.md").read_text().partition("## The rooms")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([\d, ]+) \| ([\w, ]+) \|", page, re.MULTILINE)
    assert {name for _, names in rows for name in names.split(", ")} == found.keys()
    for floors, names in rows:
        assert {found[name] for name in names.split(", ")} == {int(floor) for floor in floors.split(", ")}
