"""The build hook: every platform's library and wheel are made on this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts import smoke
from scripts.build_hook import MACHINES, TARGETS, WEIGHT_SUFFIXES, target_name
from vsj4r.engine.weights import models

ROOT = Path(__file__).resolve().parent.parent
MAGIC = {"linux": b"\x7fELF", "win": b"MZ", "macos": b"\xcf\xfa\xed\xfe"}


def build_wheel(target: str, folder: Path, source: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(source),
    ]
    env = os.environ | {"VSJ4R_TARGET": target, "PIP_NO_INDEX": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_a_wheel_for_each_platform(target: str, tmp_path: Path) -> None:
    built = build_wheel(target, tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith(f"-py3-none-{TARGETS[target].wheel_platform}.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        folder = "vapoursynth/plugins/j4r"
        library = TARGETS[target].library
        assert sorted(name for name in names if name.startswith(folder)) == sorted(
            [f"{folder}/{library}", f"{folder}/manifest.vs"]
        )
        binary = archive.read(f"{folder}/{library}")
        manifest = archive.read(f"{folder}/manifest.vs").decode()
        native = archive.read(f"vsj4r/engine/native/{TARGETS[target].engine_library}")
    assert binary.startswith(MAGIC[target.partition("-")[0]])
    assert b"VapourSynthPluginInit2" in binary
    assert native.startswith(MAGIC[target.partition("-")[0]])
    assert b"j4r_motion_find" in native
    assert manifest == f"[VapourSynth Manifest V1]\n{Path(library).stem}\n"
    engine = [name for name in names if name.startswith("vsj4r/engine/native/") and not name.endswith(".py")]
    assert engine == [f"vsj4r/engine/native/{TARGETS[target].engine_library}"]
    assert not [name for name in names if name.endswith((".c", ".h")) or "plugin/native" in name]
    assert "vsj4r/py.typed" in names
    weights = {f"vsj4r/weights/{model}{kind}" for model in models() for kind in WEIGHT_SUFFIXES}
    assert {name for name in names if name.startswith("vsj4r/weights/")} == weights
    assert [name for name in names if name.endswith("/licenses/weights/MODEL_CARD.md")]


@pytest.mark.slow
def test_the_source_distribution_gives_the_same_wheel(tmp_path: Path) -> None:
    """Byte by byte that of the checkout, built in another folder, with no index to ask."""
    command = [
        sys.executable,
        "-m",
        "build",
        "--sdist",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    (tree,) = (path for path in tmp_path.iterdir() if path.is_dir())
    for name in ("Makefile", "mkdocs.yml", "CHANGELOG.md", "docs/index.md", "tests/test_build.py"):
        assert (tree / name).is_file(), name
    wheels = []
    for source, folder in ((ROOT, tmp_path / "checkout"), (tree, tmp_path / "sdist")):
        built = build_wheel("linux-x86_64", folder, source)
        assert built.returncode == 0, built.stdout + built.stderr
        (wheel,) = folder.glob("*.whl")
        wheels.append(wheel.read_bytes())
    assert wheels[0] == wheels[1]


def test_all_who_build_or_try_wheels_know_the_same_platforms() -> None:
    (line,) = re.findall(r"^TARGETS := (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line.split() == list(TARGETS)
    tags = {target.wheel_platform.partition(".")[0] for target in TARGETS.values()}
    assert set(smoke.TAGS.values()) == tags


def test_an_unknown_target_is_refused_in_one_line(tmp_path: Path) -> None:
    built = build_wheel("amiga", tmp_path)
    assert built.returncode != 0
    known = ", ".join(TARGETS)
    assert f"vsj4r: VSJ4R_TARGET must be one of {known}, got 'amiga'" in built.stdout + built.stderr


def test_the_default_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VSJ4R_TARGET", raising=False)
    assert target_name() in MACHINES.values()
