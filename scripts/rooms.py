"""The rooms of the package: lines, floors, and what each imports.

    python -m scripts.rooms [vsj4r/batch ...]

Run in the root of a checkout; without arguments, the package's own parts. A floor lies above all that it
imports. An import inside a function counts; one for types only does not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import grimp
import typer


def _parts(folder: Path) -> list[Path]:
    return [
        entry
        for entry in sorted(folder.iterdir())
        if (entry.suffix == ".py" and entry.stem != "__init__") or (entry / "__init__.py").exists()
    ]


def _lines(part: Path) -> int:
    files = part.rglob("*") if part.is_dir() else [part]
    return sum(
        len(file.read_bytes().splitlines()) for file in files if file.suffix in (".py", ".c", ".h", ".cu")
    )


def _floors(arrows: dict[str, set[str]]) -> dict[str, int]:
    """1 is the ground. Of rooms that import each other, neither lies above the other."""
    floors = dict.fromkeys(arrows, 1)
    for _ in arrows:
        for room, imported in arrows.items():
            floors[room] = 1 + max((floors[each] for each in imported if room not in arrows[each]), default=0)
    return floors


def _circles(arrows: dict[str, set[str]]) -> int:
    return sum(room in arrows[other] for room in arrows for other in arrows[room] if room < other)


def _print(folder: Path, graph: grimp.ImportGraph) -> None:
    rooms = {part.stem: part for part in _parts(folder)}
    package = ".".join(folder.parts)

    def modules(name: str) -> Iterable[str]:
        whole = f"{package}.{name}"
        return {whole, *graph.find_descendants(whole)} & graph.modules

    owners = {module: name for name in rooms for module in modules(name)}
    arrows: dict[str, set[str]] = {name: set() for name in rooms}
    for module, name in owners.items():
        for imported in graph.find_modules_directly_imported_by(module):
            if (other := owners.get(imported)) is not None and other != name:
                arrows[name].add(other)
    floors = _floors(arrows)
    typer.echo(
        f"{folder}: {len(rooms)} rooms, {sum(map(len, arrows.values()))} arrows, "
        f"{_circles(arrows)} pairs that import each other\n"
    )
    typer.echo("| floor | room | lines | imports |")
    typer.echo("|---|---|---|---|")
    for name in sorted(rooms, key=lambda each: (-floors[each], each)):
        typer.echo(f"| {floors[name]} | {name} | {_lines(rooms[name])} | {', '.join(sorted(arrows[name]))} |")


def main(
    folders: Annotated[list[Path] | None, typer.Argument(help="Packages to look into.")] = None,
) -> None:
    """Print a table of each package."""
    sys.path.insert(0, str(Path.cwd()))
    graph = grimp.build_graph("vsj4r", exclude_type_checking_imports=True)
    for folder in folders or [Path("vsj4r")]:
        _print(folder, graph)


if __name__ == "__main__":
    typer.run(main)
