"""Training on a card that is there for minutes, run here on the CPU for a few steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from scripts.card import shorten  # noqa: E402
from tests.tiny_footage import write_footage, write_recipe  # noqa: E402
from vsj4r.errors import Vsj4rError  # noqa: E402
from vsj4r.training.recipe import load_recipe  # noqa: E402


def card(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.card", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_two_runs_go_there_and_back(tmp_path: Path) -> None:
    data = write_footage(tmp_path / "data")
    recipes = [write_recipe(tmp_path / f"{name}.toml", steps=3) for name in ("first", "second")]
    kit, runs = tmp_path / "kit", tmp_path / "runs"

    packed = card("pack", kit, *recipes, "--data", data, "--runs", runs)
    assert packed.returncode == 0, packed.stderr
    trained = card("train", kit, tmp_path / "out", "--minutes", 5, "--workers", 0)
    assert trained.returncode == 0, trained.stdout
    assert "first: ended" in trained.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "first.csv", "first.pt", "second.csv", "second.pt",
    }  # fmt: skip
    assert card("take", tmp_path / "out", runs).returncode == 0
    assert torch.load(runs / "second" / "checkpoint.pt", weights_only=False)["step"] == 3

    # packed again, it goes on
    long = write_recipe(tmp_path / "first.toml", steps=5)
    assert card("pack", kit, long, "--data", data, "--runs", runs).returncode == 0
    assert card("train", kit, tmp_path / "more", "--minutes", 5, "--workers", 0).returncode == 0
    assert torch.load(tmp_path / "more" / "first.pt", weights_only=False)["step"] == 5


def test_a_schedule_ends_with_the_time(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "mine.toml", steps=100_000)
    (tmp_path / "log.csv").write_text("step,hours,step_s\n50,0.1,0.4\n100,0.2,0.5\n100,0.2,\n")
    shorten(recipe, tmp_path / "log.csv", 60)
    assert load_recipe(recipe).schedule.steps == 100 + 120
    recipe.write_text('model = "j4r"\n[schedule]\nsteps = 1_00\n')
    shorten(recipe, tmp_path / "log.csv", 60)
    assert load_recipe(recipe).schedule.steps == 100, "it would have ended before"
    with pytest.raises(Vsj4rError, match="holds no step"):
        shorten(recipe, tmp_path / "none.csv", 60)
    recipe.write_text('model = "j4r"\n')
    with pytest.raises(Vsj4rError, match="must say its steps"):
        shorten(recipe, tmp_path / "log.csv", 60)


@pytest.mark.slow
def test_what_stops_it_is_said(tmp_path: Path) -> None:
    data = write_footage(tmp_path / "data")
    recipe = write_recipe(
        tmp_path / "bad.toml", steps=2, extra="learning_rate = 1e-3", head='start = "no.pt"'
    )
    assert card("pack", tmp_path / "kit", recipe, "--data", data, "--runs", tmp_path).returncode == 0
    trained = card("train", tmp_path / "kit", tmp_path / "out", "--minutes", 2, "--workers", 0)
    assert trained.returncode == 1
    assert "bad: FAILED with 1" in trained.stdout
    assert "no.pt" in trained.stdout

    (data / "train" / "stills" / "huge.png").write_bytes(bytes(61 << 20))
    packed = card("pack", tmp_path / "kit", recipe, "--data", data, "--runs", tmp_path)
    assert packed.returncode == 1
    assert "over 60: take fewer pieces" in packed.stderr
