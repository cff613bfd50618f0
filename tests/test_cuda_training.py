"""Training on a card. FAIL_WITHOUT_CUDA=1 makes a failure of each test that finds none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from tests.tiny_footage import write_footage, write_recipe  # noqa: E402
from vsj4r.errors import Vsj4rError  # noqa: E402
from vsj4r.training import checkpoint, trainer  # noqa: E402
from vsj4r.training.ranks import Ranks  # noqa: E402
from vsj4r.training.recipe import load_recipe  # noqa: E402
from vsj4r.training.replay import EAGER_CALLS, Replayed  # noqa: E402
from vsj4r.training.runlog import Progress  # noqa: E402

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("one_torch_thread")]
STEPS = EAGER_CALLS + 5


def train(folder: Path, run: str, device: str, steps: int = STEPS) -> list[float]:
    """The mean loss so far after each step."""
    losses: list[float] = []

    def told(progress: Progress) -> None:
        losses.append(progress.loss)

    recipe = load_recipe(write_recipe(folder / "recipe.toml", steps=steps, head='start = "j4r"'))
    ranks = Ranks(0, 1, torch.device(device))
    assert trainer.Trainer(recipe, folder, folder / run, ranks=ranks, workers=0, on_step=told).run()
    return losses


def averaged(run: Path) -> dict[str, Any]:
    saved = checkpoint.load_checkpoint(run / "checkpoint.pt")
    assert saved is not None
    ema: dict[str, Any] = saved["ema"]
    return ema


def apart(a: dict[str, Any], b: dict[str, Any]) -> float:
    """Root of the summed squares of all differences."""
    return math.sqrt(sum(float((value - b[name]).square().sum()) for name, value in a.items()))


def test_a_replay_computes_with_what_it_is_given() -> None:
    """Inputs, and tensors that are filled between the calls."""
    device = torch.device("cuda")
    rate, sums = torch.zeros((), device=device), [torch.zeros(3, device=device) for _ in range(2)]

    def work(into: Any, given: Any) -> Any:
        into.add_(rate * given.to(device))
        return into.sum()

    replayed = Replayed(lambda given: work(sums[0], given), device)
    for n in range(EAGER_CALLS + 3):
        rate.fill_(n + 0.5)
        given = torch.tensor([1.0, 2.0, 3.0]) * n
        assert replayed(given).item() == work(sums[1], given).item(), n
        assert torch.equal(given, torch.tensor([1.0, 2.0, 3.0]) * n)


def test_a_replayed_step_learns_what_an_eager_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as sums in another order allow: Adam makes a step of a whole rate of the smallest gradient."""
    write_footage(tmp_path)
    replayed = train(tmp_path, "replayed", "cuda")
    monkeypatch.setattr(trainer, "Replayed", lambda work, device: work)
    eager = train(tmp_path, "eager", "cuda")
    assert replayed == pytest.approx(eager, rel=0.02)
    a, b = averaged(tmp_path / "replayed"), averaged(tmp_path / "eager")
    assert apart(a, b) < 0.2 * apart(b, checkpoint.starting_weights("j4r"))


def test_a_replayed_step_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    write_footage(tmp_path)
    recipe = load_recipe(write_recipe(tmp_path / "recipe.toml", steps=STEPS))

    def spoil(progress: Progress) -> None:
        if progress.step == STEPS - 2:
            run.net.state_dict()["jrc_net.0.weight"][0] = torch.inf

    ranks = Ranks(0, 1, torch.device("cuda"))
    run = trainer.Trainer(recipe, tmp_path, tmp_path / "run", ranks=ranks, workers=0, on_step=spoil)
    with pytest.raises(Vsj4rError, match=f"step {STEPS - 1}: loss nan with a gradient of norm nan"):
        run.run()


@pytest.mark.parametrize(("first", "then"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_run_goes_on_on_another_device(tmp_path: Path, first: str, then: str) -> None:
    write_footage(tmp_path)
    train(tmp_path, "run", first)
    went_on = train(tmp_path, "run", then, STEPS + EAGER_CALLS + 2)
    assert len(went_on) == EAGER_CALLS + 2
    saved = checkpoint.load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert saved is not None
    assert saved["step"] == STEPS + EAGER_CALLS + 2
    assert all(bool(value.isfinite().all()) for value in saved["net"].values())
