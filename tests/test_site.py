"""The site: it builds without a warning, and a browser that shows it asks no other host for anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def look(site: Path, out: Path, *pages: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.look", str(site), str(out), *pages]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to look with")
def test_a_browser_finds_no_fault(site: Path, tmp_path: Path) -> None:
    """The start page, one with code, one with wide tables; at two widths, light and dark."""
    done = look(site, tmp_path, ".", "use/batch", "experiments/stages")
    assert (done.returncode, done.stdout) == (0, "3 pages, no fault\n"), done.stdout + done.stderr
    assert len(list(tmp_path.glob("*.png"))) == 12


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to look with")
def test_faults_are_found(tmp_path: Path) -> None:
    page = '<body><img src="http://127.0.0.1:9/far.png"><pre style="width: 3000px">wide</pre></body>'
    (tmp_path / "index.html").write_text(page)
    done = look(tmp_path, tmp_path, ".")
    assert done.returncode == 1
    assert "start-light-phone: asks for http://127.0.0.1:9/far.png" in done.stdout
    assert "start-dark-desk: is wider than its window" in done.stdout
