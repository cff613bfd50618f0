"""What is left to do before a release: python -m scripts.release [--quick]

Walks through the list in CONTRIBUTING.md and publishes nothing. --quick leaves out what takes minutes: the
checks, the site, the smoke test.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from scripts.build_hook import TARGETS
from vsj4r import __version__

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"


class UndoneError(Exception):
    """Something is left to do."""


def version() -> str:
    """The changelog has a dated heading of this version."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    heading = re.search(rf"^## {re.escape(__version__)} \((.+)\)$", text, re.MULTILINE)
    if heading is None:
        raise UndoneError(f"write '## {__version__} (YYYY-MM-DD)' into CHANGELOG.md")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", heading[1]):
        raise UndoneError(f"put the date of the release in place of '({heading[1]})' in CHANGELOG.md")
    return f"{__version__} of {heading[1]}"


def committed() -> str:
    """Nothing is left uncommitted."""
    changed = _output("git", "status", "--porcelain")
    if changed:
        raise UndoneError(f"commit or remove:\n{changed}")
    return _output("git", "rev-parse", "HEAD")


def card() -> str:
    """The model card is of the shipped weights."""
    _make_sure("card", sys.executable, "-m", "pytest", "-q", "tests/test_model_card.py")
    return "of the shipped weights"


def checked() -> str:
    """Format, lint, types, import contracts, tests."""
    _make_sure("make check", "make", "check")
    return "passed"


def documented() -> str:
    """The site."""
    _make_sure("make docs", "make", "docs")
    return "built"


def wheels() -> str:
    """Two builds of every wheel and of the source distribution give the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder)
        for where in (DIST, again):
            for target in TARGETS:
                _build("--wheel", ROOT, where, VSJ4R_TARGET=target)
            _build("--sdist", ROOT, where)
        names = sorted(path.name for path in again.iterdir())
        digests = {where: [_sha256(where / name) for name in names] for where in (DIST, again)}
    if digests[DIST] != digests[again]:
        raise UndoneError(
            "two builds differ: compare their members, and set what varies in scripts/build_hook.py"
        )
    return "".join(f"\n  {digest}  {name}" for digest, name in zip(digests[DIST], names, strict=True))


def source() -> str:
    """The source distribution builds from its own tree, without a network."""
    (archive,) = DIST.glob(f"vsj4r-{__version__}.tar.gz")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        _build("--wheel", Path(folder) / f"vsj4r-{__version__}", Path(folder), PIP_NO_INDEX="1")
        (built,) = Path(folder).glob("*.whl")
        if _sha256(built) != _sha256(DIST / built.name):
            raise UndoneError(f"{built.name} of the source distribution is not that of the checkout")
    return "the same wheel as from the checkout"


def smoke() -> str:
    """This platform's wheel derains a clip in an empty environment."""
    _make_sure("make smoke", "make", "smoke")
    return "passed"


QUICK: tuple[Callable[[], str], ...] = (version, committed, card, wheels, source)
SLOW: tuple[Callable[[], str], ...] = (checked, documented, smoke)


def release(quick: Annotated[bool, typer.Option(help="Leave out what takes minutes.")] = False) -> None:
    """Walk through the list; the exit code is 1 where something is left to do."""
    undone = 0
    for step in (*QUICK, *(() if quick else SLOW)):
        try:
            typer.echo(f"ok    {step.__name__:10} {step()}")
        except UndoneError as left:
            undone += 1
            typer.echo(f"TO DO {step.__name__:10} {left}")
    typer.echo(f"{undone} left" if undone else f"tag it: git tag v{__version__}")
    raise typer.Exit(1 if undone else 0)


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _make_sure(what: str, *command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UndoneError(f"{what} fails:\n{(done.stdout + done.stderr)[-2000:]}")


def _build(kind: str, tree: Path, where: Path, **environment: str) -> None:
    command = [sys.executable, "-m", "build", kind, "--no-isolation", "--outdir", str(where), str(tree)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UndoneError(f"build {kind} fails:\n{(done.stdout + done.stderr)[-2000:]}")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    typer.run(release)
