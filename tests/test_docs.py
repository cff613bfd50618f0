"""The pages: their examples run as they stand, their lines are short, what they name is there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.media import ffmpeg, picture
from tests.tiny_model import write_tiny_model
from vsj4r.engine.weights import models
from vsj4r.media.encoders import ffmpeg_executable

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [*PAGES, *sorted(ROOT.glob("*.md")), *sorted((ROOT / "weights").glob("*.md"))]
RUN = [
    ROOT / "README.md",
    DOCS / "index.md",
    DOCS / "models.md",
    DOCS / "adapt.md",
    *(DOCS / "use").glob("*.md"),
]
PROSE_COLUMNS = 100
X265 = """#!/bin/sh
# x265 --y4m - -o FILE, where there is no x265: the same encoder out of ffmpeg
test "$1 $2 $3" = "--y4m - -o" && exec ffmpeg -loglevel error -i - -c:v libx265 -f hevc "$4"
"""


TINY_WEIGHTS = """
from pathlib import Path
from vsj4r.engine import weights
weights._PACKAGE = Path({package!r})
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    line: int
    language: str
    file: str | None
    text: str
    not_run: str | None
    needs: str | None


def blocks(page: Path) -> list[Block]:
    found = []
    comments = r"(?:<!-- not run: ([^\n]+) -->\n|<!-- needs: (\w+) -->\n)?"
    pattern = rf'^{comments}```(\w+)(?: title="([^"]+)")?\n(.*?)^```$'
    text = page.read_text("utf-8")
    for match in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        not_run, needs, language, file, code = match.groups()
        line = text[: match.start()].count("\n") + 1
        found.append(Block(line, language, file, code, not_run, needs))
    assert len(found) == len(re.findall(r"^```\w", text, re.MULTILINE)), (
        f"{page}: a block that cannot be read"
    )
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples name: a few small files."""
    folder = tmp_path_factory.mktemp("examples")
    for name in ("rain", "shots/042", "shot_042"):
        (folder / name).mkdir(parents=True)
    small = picture(seconds=1, size="64x48")
    sound = ["-f", "lavfi", "-i", "sine=d=1"]
    noisy = ["-vf", "noise=alls=40:allf=t", "-pix_fmt", "yuv420p"]
    for name in ("rain.mp4", "rain/one.mp4", "rain/two.mp4", "trailer.mov"):
        ffmpeg(*small, *sound, *noisy, "-c:v", "libx264", str(folder / name))
    ffmpeg(*small, "-pix_fmt", "yuv420p", "-c:v", "ffv1", str(folder / "truth.mkv"))
    for name in ("shots/042", "shot_042"):
        ffmpeg(*small, "-frames:v", "9", str(folder / name / "%04d.png"))
    ffmpeg(*small, "-frames:v", "1", str(folder / "photo.png"))
    ffmpeg(*small, "-frames:v", "1", "-pix_fmt", "gray", str(folder / "mask.png"))
    (folder / "jobs.toml").write_text('[[job]]\ninput = "rain/*.mp4"\noutput = "{stem}_clean.mkv"\n')
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """This environment's programs, stand-ins for missing ones, tiny weights under the shipped names."""
    folder = tmp_path_factory.mktemp("environment")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for name, text in (("ffmpeg", f'#!/bin/sh\nexec "{ffmpeg_executable()}" "$@"\n'), ("x265", X265)):
        if shutil.which(name, path=path) is None:
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
    (folder / "weights").mkdir()
    for name in ("j4r", "j4r-lite"):
        write_tiny_model(folder / "weights", name=name)
    (folder / "sitecustomize.py").write_text(TINY_WEIGHTS.format(package=str(folder)))
    return os.environ | {"PATH": os.pathsep.join([path, str(folder)]), "PYTHONPATH": str(folder)}


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in RUN if blocks(page)], ids=lambda page: page.stem)
def test_examples_run(page: Path, folder: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """In the order of the page, in one folder, as a reader would type them."""
    here = tmp_path / "here"
    shutil.copytree(folder, here)
    for block in blocks(page):
        if block.file is not None:
            (here / block.file).write_text(block.text)
        if block.not_run is not None or block.language in ("ini", "text", "toml", "yaml"):
            continue
        if block.needs is not None and find_spec(block.needs) is None:
            continue
        command = {
            "sh": ["bash", "-euo", "pipefail", "-c", block.text],
            "python": ["vspipe", str(block.file), "."],
        }[block.language]
        done = subprocess.run(
            command,
            cwd=here,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{page}:{block.line}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_prose_are_short(page: Path) -> None:
    text = re.sub(
        r"^```.*?^```$", lambda block: "\n" * block[0].count("\n"), page.read_text("utf-8"), flags=re.M | re.S
    )
    long = [
        f"{page}:{number}: {len(line)} columns"
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > PROSE_COLUMNS and not re.match(r"\||!\[|    |<", line)
    ]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("page", [text for text in TEXTS if text.parent != DOCS], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Those of the site are also looked at by `make docs`, with their anchors."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", ["models.md", "paper.md"])
def test_figures_of_the_models_are_the_published_ones(page: str) -> None:
    published = json.loads((ROOT / "weights" / "metrics.json").read_text("utf-8"))
    text = (DOCS / page).read_text("utf-8").partition("\n## Backwards, too")[0]
    rows = re.findall(r"^\| `(j4r[\w-]*)`(.*\d\d\.\d\d.*)$", text, re.MULTILINE)
    assert sorted(name for name, _ in rows) == models()
    for name, line in rows:
        figures = [f"{published[kind]['mean'][name]['psnr']:.2f}" for kind in ("light", "complex")]
        assert re.findall(r"\d\d\.\d\d", line) == figures, f"{page}: {name}"
        similar = [f"{published[kind]['mean'][name]['ssim']:.4f}" for kind in ("light", "complex")]
        assert re.findall(r"\b0\.\d{4}", line) in ([], similar), f"{page}: {name}"


def test_figures_both_ways_are_the_published_ones() -> None:
    forwards = json.loads((ROOT / "weights" / "metrics.json").read_text("utf-8"))
    both = forwards["bidirectional"]
    text = (DOCS / "models.md").read_text("utf-8").partition("\n## Backwards, too")[2]
    rows = re.findall(r"^\| `(j4r[\w-]*)`(.*)$", text, re.MULTILINE)
    assert sorted(name for name, _ in rows) == list(both["weights"])
    for name, line in rows:
        figures = [
            each[kind]["mean"][name]["psnr"] for kind in ("light", "complex") for each in (forwards, both)
        ]
        medians = (each["real"]["median"][name] for each in (forwards, both))
        filmed = zip(*((of["rain_left"], of["harm"], of["score"]) for of in medians), strict=True)
        figures += [figure for pair in filmed for figure in pair]
        assert re.findall(r"-?\d+\.\d\d", line) == [f"{figure:.2f}" for figure in figures], name


def test_every_page_is_in_the_navigation() -> None:
    named = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text("utf-8")))
    assert named == {str(page.relative_to(DOCS).as_posix()) for page in PAGES}


def test_the_page_of_what_was_tried_is_what_the_tests_say() -> None:
    from scripts.compatibility import PAGE, page, rows

    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m scripts.compatibility"
    assert len({row.test for row in rows()}) >= 60
