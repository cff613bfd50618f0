"""What is left to do before a release is found."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts import release
from vsj4r import __version__


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(release, "ROOT", tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("heading", "left"),
    [
        (f"## {__version__} (2026-12-01)", None),
        (f"## {__version__} (unreleased)", "the date of the release in place of '(unreleased)'"),
        ("## 0.0.9 (2026-12-01)", f"write '## {__version__} (YYYY-MM-DD)'"),
    ],
)
def test_the_changelog_has_a_dated_heading(checkout: Path, heading: str, left: str | None) -> None:
    (checkout / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n- A line.\n")
    if left is None:
        assert release.version() == f"{__version__} of 2026-12-01"
    else:
        with pytest.raises(release.UndoneError) as undone:
            release.version()
        assert left in str(undone.value)


def test_what_is_not_committed_is_named(checkout: Path) -> None:
    (checkout / "forgotten.txt").write_text("")
    with pytest.raises(release.UndoneError, match=r"forgotten\.txt"):
        release.committed()
