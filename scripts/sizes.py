"""What `pip install vsj4r` brings, in MB by package: python -m scripts.sizes [EXTRA]

Counts the files of the packages that are installed here: of those that vsj4r requires, and what they require.
With an extra, those that it adds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from packaging.requirements import Requirement


def required(name: str, extra: str = "") -> Iterator[str]:
    """The installed packages that ``name`` requires here, itself first; with ``extra`` its too."""
    waiting, seen = [(name, extra)], set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            lines = metadata.distribution(name).requires or []
        except metadata.PackageNotFoundError:
            continue
        yield name
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                found = re.sub(r"[-_.]+", "-", requirement.name).lower()
                waiting += [(found, each) for each in (*requirement.extras, "")]


def megabytes(name: str) -> float:
    """Of the files of ``name`` that are here."""
    places = [Path(str(file.locate())) for file in metadata.distribution(name).files or []]
    return sum(place.stat().st_size for place in places if place.is_file()) / 1e6


def sizes(extra: Annotated[str, typer.Argument(help="such as cuda or train; none without")] = "") -> None:
    """Print a table, largest first."""
    packages = set(required("vsj4r", extra)) - (set(required("vsj4r")) if extra else set())
    found = {name: megabytes(name) for name in packages}
    typer.echo("| package | MB |\n|---|---|")
    for name, size in sorted(found.items(), key=lambda each: -each[1]):
        typer.echo(f"| {name} | {size:.1f} |")
    typer.echo(f"| all {len(found)} | {sum(found.values()):.0f} |")


if __name__ == "__main__":
    typer.run(sizes)
