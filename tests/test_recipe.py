"""Recipes: every shipped one loads, and what cannot be is refused before anything starts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

pytest.importorskip("torch")

from vsj4r.errors import Vsj4rError
from vsj4r.model.config import CONFIGS
from vsj4r.model.loss import LossWeights
from vsj4r.training.recipe import Clips, Footage, LearningSchedule, load_recipe

ROOT = Path(__file__).resolve().parent.parent
RECIPES = sorted((ROOT / "scripts" / "recipes").glob("*.toml"))


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_load(path: Path) -> None:
    assert path.stem.startswith(load_recipe(path).model)


def test_there_is_a_recipe_for_each_network() -> None:
    assert {path.stem for path in RECIPES} >= CONFIGS.keys()


def test_the_papers_recipe_has_the_papers_loss() -> None:
    (path,) = (path for path in RECIPES if path.stem == "j4r-paper")
    assert load_recipe(path).loss == LossWeights("l2", 0.001, 0.0001, 0.0001) == LossWeights()


def test_the_short_recipe_of_the_documentation_has_the_loss_of_the_last_stage(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "training.md").read_text("utf-8").split("```toml\n")[1].split("```")[0]
    short = load_recipe(write(tmp_path, text))
    assert short.loss == load_recipe(ROOT / "scripts" / "recipes" / f"{short.model}-long.toml").loss


def test_what_is_not_said_is_the_default(tmp_path: Path) -> None:
    recipe = load_recipe(
        write(tmp_path, 'model = "j4r"\n[clips]\nframes = 15\n[schedule]\nlearning_rate = 1\n')
    )
    assert recipe.start == ""
    assert recipe.clips == Clips(frames=15)
    assert recipe.schedule == LearningSchedule(learning_rate=1.0)
    assert isinstance(recipe.schedule.learning_rate, float)
    assert recipe.footage == Footage()


def test_a_gradient_need_not_be_clipped_and_notepad_may_write_a_recipe(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, '\ufeffmodel = "j4r"\n[schedule]\nclip_norm = inf\n'))
    assert recipe.schedule == LearningSchedule(clip_norm=math.inf)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "model must be one of j4r, j4r-lite, j4r-hq, j4r-paper, got None"),
        ('model = "unet"', "model must be one of j4r, j4r-lite, j4r-hq, j4r-paper, got 'unet'"),
        ("model = j4r", "is not TOML"),
        ('model = "j4r"\nstart = 3', "start must be a path or the name of a model, got 3"),
        ('model = "j4r"\n[optimizer]', "unknown key 'optimizer'; known keys: model, start, footage, clips"),
        ('model = "j4r"\nclips = 3', r"\[clips\] must be a table, got 3"),
        (
            'model = "j4r"\n[clips]\nframe = 3',
            r"unknown key 'frame' in \[clips\]; known keys: frames, patch_px",
        ),
        ('model = "j4r"\n[clips]\nframes = 7.5', "frames must be of type int, got 7.5"),
        ('model = "j4r"\n[clips]\nframes = true', "frames must be of type int, got True"),
        ('model = "j4r"\n[clips]\nframes = 1', "frames must be at least 2, got 1"),
        ('model = "j4r"\n[clips]\npatch_px = 8', "patch_px must be at least 16, got 8"),
        ('model = "j4r"\n[clips]\npatch_px = 100', "patch_px must be a multiple of 16, got 100"),
        ('model = "j4r"\n[schedule]\nsteps = 0', "steps must be at least 1, got 0"),
        ('model = "j4r"\n[schedule]\nlearning_rate = -1', "learning_rate must be more than 0, got -1"),
        ('model = "j4r"\n[schedule]\nlearning_rate = nan', "learning_rate must be at most 1, got nan"),
        ('model = "j4r"\n[schedule]\nlearning_rate = 0', "learning_rate must be more than 0, got 0"),
        ('model = "j4r"\n[schedule]\nlearning_rate = inf', "learning_rate must be at most 1, got inf"),
        (
            f'model = "j4r"\n[schedule]\nlearning_rate = {"9" * 400}',
            r"learning_rate must be less than 2\*\*63",
        ),
        ('model = "j4r"\n[schedule]\nclip_norm = 0', "clip_norm must be more than 0, got 0"),
        ('model = "j4r"\n[schedule]\nclip_norm = nan', "clip_norm must be more than 0, got nan"),
        ('model = "j4r"\n[schedule]\nema = 1.5', "ema must be at most 1, got 1.5"),
        ('model = "j4r"\n[schedule]\ncheckpoint_every_minutes = inf', "must be finite, got inf"),
        ('model = "j4r"\n[loss]\nchroma = inf', r"\[loss\]: chroma must be finite, got inf"),
        (f'model = "j4r"\n[clips]\nseed = {2**63}', r"seed must be less than 2\*\*63"),
        ('model = ["j4r"]', r"model must be one of j4r, j4r-lite, j4r-hq, j4r-paper, got \['j4r'\]"),
        ('model = "j4r"\n[footage]\nvalidation = ""', "must name validation, got ''"),
        (
            'model = "j4r"\n[footage]\nvalidation = "./train/video"',
            "validation must be other footage than videos, got ./train/video for both",
        ),
        ('model = "j4r"\n[loss]\njoint = "l3"', "joint must be one of l2, charbonnier, got 'l3'"),
        ('model = "j4r"\n[footage]\nvideos = ""\nstills = ""', "must name videos or stills, got neither"),
        ('model = "j4r"\n[clips]\nrain = "photo"', r'rain = "photo" needs \[footage\] streaks'),
    ],
)
def test_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(Vsj4rError, match=message) as refused:
        load_recipe(write(tmp_path, text))
    assert "recipe.toml" in str(refused.value)


def test_a_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, 'model = "j4r"\n\n[clips]\nframes = 7\nbatch = 0\n[schedule]\nsteps = -1\n')
    with pytest.raises(Vsj4rError) as refused:
        load_recipe(path)
    assert str(refused.value) == f"recipe {path}:5: [clips]: batch must be at least 1, got 0 (and 1 more)"
    path.write_text('model = "j4r"\nstart = \n')
    with pytest.raises(Vsj4rError) as refused:
        load_recipe(path)
    said = "Invalid value in column 9: the file is not TOML"
    assert str(refused.value) == f"recipe {path}:2: {said}"


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000], ids=["deep", "digits"])
def test_toml_beyond_what_python_reads_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Vsj4rError, match=r"recipe .* is (nested too deeply|not TOML)"):
        load_recipe(write(tmp_path, text))


def test_a_recipe_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Vsj4rError, match="cannot be read: No such file"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Vsj4rError, match="is not TOML"):
        load_recipe(tmp_path / "bytes.toml")
