"""Write docs/compatibility.md from what the tests say that they try (tests/tried.py), and from the table of
containers.

    python -m scripts.compatibility
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

from tests.tried import Where
from vsj4r.media.containers import ANY, CONTAINERS, Container

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "compatibility.md"

_HEAD = """\
# Compatibility

<!-- Written by scripts/compatibility.py from the tests. Do not edit. -->

Files as people have them, and what comes out. Each line is a test that makes such a file and runs
`vsj4r` on it; those that stand for a public report link to it. The rule for everything else: a
right output, or one line that says what is wrong and an exit code that is not 0
([damaged inputs](architecture.md#damaged-inputs)). If a file of yours does neither, please report
it.
"""

_CONTAINERS = """
## What each container holds

Sound and subtitles are copied where the container holds them. Otherwise they are converted, and a
line says so, or they are left out with a line. This is the program's own table
(`vsj4r/media/containers.py`).
"""


class Row(NamedTuple):
    where: str
    what: str
    comes_out: str
    after: str
    test: str


def rows() -> Iterator[Row]:
    """What the tests say, in the order of their files."""
    for path in sorted((REPOSITORY / "tests").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "tried":
                        where, what, comes_out = (ast.literal_eval(each) for each in decorator.args)
                        after = next((ast.literal_eval(each.value) for each in decorator.keywords), "")
                        yield Row(where, what, comes_out, after, f"{path.stem}::{node.name}")


def page() -> str:
    parts, found = [_HEAD], list(rows())
    for where in get_args(Where):
        parts += [f"\n## {where}\n\n", "| tried | comes out | after |\n", "|---|---|---|\n"]
        parts += [f"| {row.what} | {row.comes_out} | {row.after} |\n" for row in found if row.where == where]
    parts += [_CONTAINERS, "\n", *_containers()]
    return "".join(parts)


def _containers() -> Iterator[str]:
    yield "| file | sound that is copied | other sound becomes | subtitles | besides |\n"
    yield "|---|---|---|---|---|\n"
    suffixes: dict[int, list[str]] = {}
    for suffix, container in CONTAINERS.items():
        suffixes.setdefault(id(container), []).append(suffix)
    for container in {id(each): each for each in CONTAINERS.values()}.values():
        names = " ".join(suffixes[id(container)])
        yield f"| {names} | {_names(container.sound)} | {_becomes(container)} | "
        yield f"{_names(frozenset(container.subtitles))} | {_besides(container)} |\n"


def _names(codecs: frozenset[str]) -> str:
    return "any" if codecs is ANY else ", ".join(sorted(codecs)) or "none"


def _becomes(container: Container) -> str:
    pcm, other = container.other_pcm or "left out", container.other_sound or "left out"
    return other if pcm == other else f"PCM: {pcm}; other: {other}"


def _besides(container: Container) -> str:
    has = {
        "covers": bool(container.covers),
        "attachments": container.attachments,
        "chapters": container.chapters,
        "rotation": container.turns,
        "stereo mode": container.stereo,
        "any tag": container.tags is ANY or container.more_tags,
    }
    return ", ".join(name for name, there in has.items() if there) or "nothing"


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
