"""``vsj4r export``: from a run to a model that the filter takes."""

from __future__ import annotations

import errno
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli import assert_refused, vsj4r
from tests.tiny_footage import write_footage, write_recipe
from vsj4r import __version__
from vsj4r.engine.weights import find_model, models
from vsj4r.errors import Vsj4rError

torch = pytest.importorskip("torch")

from vsj4r.model.config import CONFIGS  # noqa: E402
from vsj4r.model.j4rnet import J4RNet  # noqa: E402
from vsj4r.publishing.publish import publish  # noqa: E402
from vsj4r.publishing.trained_run import read_run  # noqa: E402
from vsj4r.training import checkpoint  # noqa: E402
from vsj4r.training.ranks import Ranks  # noqa: E402
from vsj4r.training.recipe import load_recipe  # noqa: E402
from vsj4r.training.trainer import Trainer  # noqa: E402

ALONE = Ranks(0, 1, torch.device("cpu"))


@pytest.mark.slow
def test_a_run_becomes_a_model(tmp_path: Path) -> None:
    run = tmp_path / "best.pt"
    weights = J4RNet(CONFIGS["j4r-lite"]).state_dict()
    checkpoint.save_checkpoint(run, {"model": "j4r-lite", "net": weights, "step": 7, "psnr": 30.0})
    arguments = ("export", "mine", "--from", run, "--folder", tmp_path)
    done = vsj4r(*arguments)
    assert done.returncode == 0, done.stderr
    assert find_model(str(tmp_path / "mine.onnx")).spec.lookahead == 1
    described = json.loads((tmp_path / "mine.json").read_text())
    assert described["training"] == {"steps": 7, "psnr": 30.0, "version": __version__}
    assert_refused(vsj4r(*arguments), 1, "mine.safetensors exists already: --overwrite replaces it", tmp_path)
    again = vsj4r("export", "mine", "--folder", tmp_path, "--overwrite")
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "mine.json").read_text()) == described


@pytest.mark.slow
def test_a_model_that_is_exported_anew_stays_what_it_was(tmp_path: Path) -> None:
    shipped = find_model("j4r-lite")
    for kind in (".onnx", ".safetensors", ".json"):
        shutil.copy(shipped.onnx.with_suffix(kind), tmp_path)
    before = json.loads((tmp_path / "j4r-lite.json").read_text())
    done = vsj4r("export", "j4r-lite", "--folder", tmp_path, "--overwrite")
    assert done.returncode == 0, done.stderr
    after = json.loads((tmp_path / "j4r-lite.json").read_text())
    assert after["int8"] == before["int8"]
    assert after["training"] == before["training"]
    weights = tmp_path / "j4r-lite.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    done = vsj4r("export", "j4r-lite", "--folder", tmp_path, "--overwrite")
    assert_refused(done, 1, f"{weights} is damaged: its sha256 is", tmp_path)


@pytest.mark.slow
def test_export_tells_what_a_run_has_saved(tmp_path: Path) -> None:
    """The hours of its training and, of the weights that were validated, their PSNR."""
    recipe = load_recipe(write_recipe(tmp_path / "tiny.toml", steps=4))
    run = tmp_path / "run"
    trainer = Trainer(recipe, write_footage(tmp_path / "data"), run, ranks=ALONE, workers=0)
    assert trainer.run()
    hours = {"steps": 4, "hours": round(trainer.seconds / 3600, 3)}
    assert read_run(run / "checkpoint.pt", "mine")[1] == hours
    assert read_run(run / "best.pt", "mine")[1] == {**hours, "psnr": round(trainer.best, 3)}


@pytest.mark.parametrize("name", models())
def test_shipped_models_say_how_they_were_trained(name: str) -> None:
    described = json.loads(find_model(name).onnx.with_suffix(".json").read_text())
    assert described["training"].keys() >= {"steps", "hours", "version"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("other",), "other.onnx does not exist: name a checkpoint with --from"),
        (("figures", "--overwrite"), "figures.json does not describe a model"),
        (("other", "--from", "none.pt"), "none.pt does not exist"),
        (("other", "--from", "text.pt"), "text.pt is not a checkpoint"),
        (("", "--from", "text.pt"), "NAME must be a name (--folder says where), got ''"),
        (("a/", "--from", "text.pt"), "NAME must be a name (--folder says where), got 'a/'"),
        ((".", "--from", "text.pt"), "NAME must be a name (--folder says where), got '.'"),
        (("other.onnx", "--from", "text.pt"), "NAME must be without .onnx, which is added: got other.onnx"),
        (("other", "--from", "nameless.pt"), "nameless.pt does not say its model: name one of j4r, "),
        (("j4r", "--from", "nameless.pt"), "the weights of nameless.pt do not fit j4r"),
        (("other", "--folder", "nowhere"), "no folder {cwd}/nowhere to write other.safetensors into"),
    ],
)
def test_what_cannot_be_exported_is_refused(tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    (tmp_path / "text.pt").write_text("no checkpoint")
    (tmp_path / "figures.json").write_text("{}")
    (tmp_path / "figures.onnx").touch()
    checkpoint.save_checkpoint(tmp_path / "nameless.pt", {"net": {}, "step": 7})
    code = 2 if text.startswith("NAME") else 1
    assert_refused(vsj4r("export", *arguments, cwd=tmp_path), code, text.format(cwd=tmp_path), tmp_path)
    assert [path.name for path in tmp_path.glob("*.onnx*")] == ["figures.onnx"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"recipe": "j4r"}, "does not say its model"),
        ({"model": ["j4r"]}, "does not say its model"),
        ({"model": "j4r", "psnr": "high"}, "the weights of best.pt do not fit j4r"),
        ({"model": "j4r", "seconds": None}, "the weights of best.pt do not fit j4r"),
        ({"model": "j4r", "ema": "x"}, "the weights of best.pt do not fit j4r"),
        ({"model": "j4r", "ema": {3: 4}}, "the weights of best.pt do not fit j4r"),
    ],
    ids=str,
)
def test_a_checkpoint_that_holds_anything_is_refused(
    tmp_path: Path, content: dict[str, object], text: str
) -> None:
    checkpoint.save_checkpoint(tmp_path / "best.pt", {"net": {}, "step": 7, **content})
    with pytest.raises(Vsj4rError, match=text.replace("best.pt", r".*best\.pt")):
        read_run(tmp_path / "best.pt", "mine")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["safetensors", "onnx", "json"])
def test_a_full_disk_is_one_line_and_replaces_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = io.open

    def full(path: object, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if ".vsj4r-" in str(path) and str(path).endswith(kind) and "w" in mode:
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, mode, *rest, **options)  # type: ignore[call-overload]

    monkeypatch.setattr("io.open", full)
    monkeypatch.setattr("builtins.open", full)
    (tmp_path / "mine.json").write_text("before")
    with pytest.raises(Vsj4rError, match=r"mine\.json cannot be written: No space left on device"):
        publish(J4RNet(CONFIGS["j4r-lite"]), "mine", tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]
    assert (tmp_path / "mine.json").read_text() == "before"


@pytest.mark.slow
def test_weights_that_give_no_numbers_replace_nothing(tmp_path: Path) -> None:
    weights = J4RNet(CONFIGS["j4r-lite"]).state_dict()
    weights["jrc_net.3.weight"][0] = torch.nan
    checkpoint.save_checkpoint(
        tmp_path / "best.pt", {"model": "j4r-lite", "net": weights, "step": 7, "psnr": 30.0}
    )
    (tmp_path / "mine.onnx").write_text("before")
    done = vsj4r("export", "mine", "--from", "best.pt", "--overwrite", cwd=tmp_path)
    assert_refused(done, 1, "mine: the weights give values that are not finite", tmp_path)
    assert (tmp_path / "mine.onnx").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "mine.onnx"]
