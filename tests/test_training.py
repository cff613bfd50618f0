"""Whole training runs, tiny: killed and resumed, shared by two processes, stopped, started from weights."""

from __future__ import annotations

import csv
import os
import pickle
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from tests.cli import children_of  # noqa: E402
from tests.tiny_footage import write_footage, write_recipe  # noqa: E402
from vsj4r.errors import Vsj4rError  # noqa: E402
from vsj4r.lock import hold_lock  # noqa: E402
from vsj4r.model.config import CONFIGS  # noqa: E402
from vsj4r.model.j4rnet import J4RNet  # noqa: E402
from vsj4r.pip_commands import install_extra  # noqa: E402
from vsj4r.publishing.publish import publish  # noqa: E402
from vsj4r.training import checkpoint  # noqa: E402
from vsj4r.training.launch import place_among_ranks  # noqa: E402
from vsj4r.training.ranks import Ranks  # noqa: E402
from vsj4r.training.recipe import load_recipe  # noqa: E402
from vsj4r.training.runlog import FIELDS, RunLog  # noqa: E402
from vsj4r.training.session import train_network  # noqa: E402
from vsj4r.training.trainer import Trainer  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "train.py"
ALONE = Ranks(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_footage(tmp_path_factory.mktemp("data"))


def start(*arguments: object, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [sys.executable, *launcher, str(SCRIPT), *map(str, arguments), "--threads", "1"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What it wrote on stderr."""
    try:
        return process.communicate(timeout=300)[1]
    finally:
        process.kill()


def wait_for_step(process: subprocess.Popen[str], run: Path, step: int) -> None:
    """Until the run's checkpoint is at ``step`` or beyond."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        saved = checkpoint.load_checkpoint(run / "checkpoint.pt")
        if saved is not None and saved["step"] >= step:
            return
        assert process.poll() is None, finish(process)
        time.sleep(0.02)
    pytest.fail(f"step {step} was not reached")


def saved(run: Path, name: str = "checkpoint.pt") -> dict[str, Any]:
    content = checkpoint.load_checkpoint(run / name)
    assert content is not None
    return content


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_equal(a: Any, b: Any) -> None:
    """The same tensors and values, bit for bit, however nested."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, list):
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert a == b


@pytest.mark.slow
def test_a_killed_run_ends_as_an_uninterrupted_one(data: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.toml", steps=12)
    whole = start(recipe, "--data", data, "--run", tmp_path / "whole")
    torn = start(recipe, "--data", data, "--run", tmp_path / "torn")
    wait_for_step(torn, tmp_path / "torn", 3)
    torn.send_signal(signal.SIGSTOP)  # or it may have ended before the second one has begun
    second = start(recipe, "--data", data, "--run", tmp_path / "torn")
    assert "another vsj4r train is at work in" in finish(second)
    assert second.returncode == 1
    torn.send_signal(signal.SIGKILL)
    torn.communicate()
    assert torn.returncode == -signal.SIGKILL
    assert saved(tmp_path / "torn")["step"] < 12
    resumed = start(recipe, "--data", data, "--run", tmp_path / "torn")
    assert "resumed at step" in finish(resumed)
    finish(whole)
    assert "all 12 steps are done already" in finish(
        start(recipe, "--data", data, "--run", tmp_path / "torn")
    )
    assert whole.returncode == resumed.returncode == 0
    a, b = saved(tmp_path / "whole"), saved(tmp_path / "torn")
    assert a["step"] == b["step"] == 12
    for key in ("net", "ema", "optimizer", "best"):
        assert_equal(a[key], b[key])
    best_a, best_b = (saved(tmp_path / run, "best.pt") for run in ("whole", "torn"))
    assert best_a.keys() == best_b.keys()
    for key in best_a.keys() - {"seconds"}:  # one of the two was killed
        assert_equal(best_a[key], best_b[key])
    figures = [
        [(row["step"], row["val_in"], row["val_out"]) for row in rows(tmp_path / r)]
        for r in ("whole", "torn")
    ]
    assert figures[0] == figures[1], "no row is lost or there twice"


@pytest.mark.slow
def test_two_processes_give_the_loss_of_one(data: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.toml", steps=3, batch=4)
    one = start(recipe, "--data", data, "--run", tmp_path / "one")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--")
    two = start(recipe, "--data", data, "--run", tmp_path / "two", launcher=torchrun)
    said = finish(one), finish(two)
    assert one.returncode == two.returncode == 0, said
    assert said[1].count("2 stills, 2 videos") == 1, "only the first process speaks"
    assert "2 videos, no photographed streaks; cpu, 2 processes" in said[1]
    alone, shared = ([row for row in rows(tmp_path / run) if row["loss"]] for run in ("one", "two"))
    assert [row["step"] for row in alone] == [row["step"] for row in shared] == ["3"], (
        "only the first one writes"
    )
    for column in ("loss", "psnr_in", "psnr_out"):
        assert float(shared[0][column]) == pytest.approx(float(alone[0][column]), rel=1e-3), column
    validated = [saved(tmp_path / run, "best.pt")["psnr"] for run in ("one", "two")]
    assert validated[0] == pytest.approx(validated[1], abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_ends(data: Path, tmp_path: Path, number: signal.Signals, code: int) -> None:
    recipe = write_recipe(tmp_path / "recipe.toml", steps=500)
    process = start(recipe, "--data", data, "--run", tmp_path / "run")
    wait_for_step(process, tmp_path / "run", 2)
    process.send_signal(number)
    said = finish(process)
    assert process.returncode == code
    assert said.strip().endswith("stopped, checkpoint saved: the same command goes on from there")
    assert "Traceback" not in said
    assert 2 <= saved(tmp_path / "run")["step"] < 500


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_process_that_makes_clips_is_killed(data: Path, tmp_path: Path) -> None:
    """As the kernel does it where memory is short."""
    recipe = write_recipe(tmp_path / "recipe.toml", steps=500)
    process = start(recipe, "--data", data, "--run", tmp_path / "run", "--workers", 2)
    wait_for_step(process, tmp_path / "run", 2)
    os.kill(children_of(process.pid)[-1], signal.SIGKILL)
    said = finish(process)
    assert process.returncode == 1
    assert "a process that makes clips has failed: " in said
    assert "Traceback" not in said
    assert saved(tmp_path / "run")["step"] >= 2


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    """Zeros in place of a weight, say: torch reads them without a word."""
    path = tmp_path / "checkpoint.pt"
    checkpoint.save_checkpoint(path, {"net": {"w": torch.full((512,), 0.3)}, "step": 3})
    content = path.read_bytes()
    weight = struct.pack("<f", 0.3)
    path.write_bytes(content.replace(weight, bytes(4), 1))
    with pytest.raises(Vsj4rError, match=r"checkpoint\.pt is damaged: the sum of its part .* is another"):
        checkpoint.load_checkpoint(path)


@pytest.mark.parametrize(
    ("environment", "place"),
    [({"WORLD_SIZE": "2"}, (0, 1)), ({"RANK": "x"}, (0, 1)), ({"WORLD_SIZE": "4", "RANK": "3"}, (3, 4))],
)
def test_a_run_is_alone_unless_all_is_said(
    environment: dict[str, str], place: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    whole = {"MASTER_ADDR": "localhost", "MASTER_PORT": "1"} if len(environment) > 1 else {}
    for name, value in (environment | whole).items():
        monkeypatch.setenv(name, value)
    assert place_among_ranks() == place
    if whole:
        monkeypatch.setenv("WORLD_SIZE", "abc")
        with pytest.raises(Vsj4rError, match="must be whole numbers, got RANK=3, WORLD_SIZE=abc"):
            place_among_ranks()


def trainer(recipe: Path, data: Path, run: Path) -> Trainer:
    return Trainer(load_recipe(recipe), data, run, ranks=ALONE, workers=0)


def weights_of(net: J4RNet) -> list[Any]:
    return list(net.state_dict().values())


def test_a_checkpoint_is_read_by_who_holds_the_lock(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it may be replaced by the run that is about to end, and what that has learned is lost."""
    recipe, run = write_recipe(tmp_path / "recipe.toml"), tmp_path / "run"
    run.mkdir()
    monkeypatch.setattr("vsj4r.training.session.Trainer", lambda *_, **__: pytest.fail("it was read"))
    with (
        hold_lock(run / "lock", "busy"),
        pytest.raises(Vsj4rError, match="another vsj4r train is at work in"),
    ):
        train_network(recipe, data, run, threads=1, workers=0, on_step=lambda progress: None)


@pytest.mark.slow
def test_a_run_in_process(data: Path, tmp_path: Path) -> None:
    """Pictures, log and weights of a run; a second run started from them; and what may not be mixed."""
    recipe = write_recipe(tmp_path / "recipe.toml", steps=2)
    first = trainer(recipe, data, tmp_path / "run")
    before = [w.clone() for w in weights_of(first.net)]
    assert first.run()
    assert not all(torch.equal(a, b) for a, b in zip(before, weights_of(first.net), strict=True))
    names = sorted(p.name for p in (tmp_path / "run").iterdir())
    assert names == ["best.pt", "checkpoint.pt", "curves.png", "log.csv", "step_0000002.png"]

    tuned = write_recipe(tmp_path / "tuned.toml", head=f'start = "{tmp_path}/run/checkpoint.pt"')
    second = trainer(tuned, data, tmp_path / "tuned")
    assert second.step == 0
    assert not second.optimizer.state
    assert_equal(weights_of(second.net), list(first.ema.values()))
    assert_equal(list(second.ema.values()), list(first.ema.values()))

    other = tmp_path / "other.toml"
    other.write_text(tuned.read_text().replace('"j4r"', '"j4r-lite"'))
    with pytest.raises(Vsj4rError, match=r"checkpoint\.pt do not fit j4r-lite"):
        trainer(other, data, tmp_path / "new")
    with pytest.raises(Vsj4rError, match="holds a run of j4r, the recipe asks for j4r-lite"):
        trainer(other, data, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", ["loss", "gradient"])
def test_a_step_that_is_not_finite_ends_the_run(spoilt: str, data: Path, tmp_path: Path) -> None:
    """Before it is validated or saved: what the folder holds is of the step before."""
    run = trainer(write_recipe(tmp_path / "recipe.toml", steps=6), data, tmp_path / "run")
    learn, steps = run._learn, iter(range(4))

    def spoiling(*planes: Any) -> Any:
        figures = learn(*planes)
        if next(steps) == 3:
            figures[0 if spoilt == "loss" else 3] = torch.nan
            for weight in run.net.parameters():
                weight.detach().fill_(torch.nan)
        return figures

    run._learn = spoiling  # type: ignore[method-assign]
    with pytest.raises(
        Vsj4rError, match=r"step 4: loss .* gradient of norm .*: learning_rate or clip_norm is too high"
    ):
        run.run()
    content = saved(tmp_path / "run")
    assert content["step"] == 3
    assert all(bool(value.isfinite().all()) for value in (content["net"] | content["ema"]).values())
    assert not (tmp_path / "run" / "best.pt").exists(), "step 4 was to be validated"


@pytest.mark.slow
def test_the_norm_of_the_gradient_is_seen(data: Path, tmp_path: Path) -> None:
    """Weights that are not finite end the run at its first step."""
    run = trainer(write_recipe(tmp_path / "recipe.toml"), data, tmp_path / "run")
    run.net.state_dict()["jrc_net.0.weight"][0] = torch.inf
    with pytest.raises(Vsj4rError, match="step 1: loss nan with a gradient of norm nan"):
        run.run()
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


@pytest.mark.slow
def test_a_run_from_a_gpu_goes_on_here(data: Path, tmp_path: Path) -> None:
    """There the optimizer can be captured in a graph, which a CPU refuses; and the rate was a number once."""
    assert trainer(write_recipe(tmp_path / "recipe.toml", steps=2), data, tmp_path / "run").run()
    content = saved(tmp_path / "run")
    for group in content["optimizer"]["param_groups"]:
        group["capturable"], group["lr"] = True, 1e-3
    checkpoint.save_checkpoint(tmp_path / "run" / "checkpoint.pt", content)
    onward = trainer(write_recipe(tmp_path / "recipe.toml", steps=3), data, tmp_path / "run")
    assert onward.optimizer.state, "its moments were kept"
    assert onward.run()
    assert saved(tmp_path / "run")["step"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_every_recipe_trains(name: str, data: Path, tmp_path: Path) -> None:
    """One step on small clips: every box learns but those whose lambda is 0."""
    text = (ROOT / "scripts" / "recipes" / f"{name}.toml").read_text()
    for key, value in (("patch_px", "32"), ("frames", "3"), ("batch", "1"), ("streaks", '""')):
        text, changed = re.subn(rf"^{key} = .*", f"{key} = {value}", text, flags=re.MULTILINE)
        assert changed == 1
    (tmp_path / "recipe.toml").write_text(text)
    run = trainer(tmp_path / "recipe.toml", data, tmp_path / "run")
    before = {key: value.clone() for key, value in run.net.state_dict().items()}
    run.stop()
    assert not run.run()
    assert run.step == 1
    moved = {
        key.split(".")[0]
        for key, value in run.net.state_dict().items()
        if not torch.equal(value, before[key])
    }
    shaping = {"r_net", "c_net"} if name == "j4r-paper" else set()
    assert moved == {"extractor", "d_net", "f_net", "jrc_net"} | shaping
    assert all(bool(value.isfinite().all()) for value in run.net.state_dict().values())


@pytest.mark.slow
def test_shipped_weights_are_a_start(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    net = J4RNet(CONFIGS["j4r"])
    publish(net, "mine", tmp_path, {})
    weights = checkpoint.starting_weights(str(tmp_path / "mine.onnx"))
    assert_equal(weights, dict(net.state_dict()))
    with pytest.raises(Vsj4rError, match="unknown model 'nothing'"):
        checkpoint.starting_weights("nothing")
    with pytest.raises(Vsj4rError, match=r"start: .*none\.pt does not exist"):
        checkpoint.starting_weights(str(tmp_path / "none.pt"))


def test_what_is_no_checkpoint_is_named(data: Path, tmp_path: Path) -> None:
    garbage = [b"", b"nothing", b"PK\x03\x04 torn", b"\x80\x02", b"hello\n", b"J\x01", pickle.dumps(print)]
    for content in (*garbage, *(bytes([n]) * 9 for n in range(256))):
        (tmp_path / "checkpoint.pt").write_bytes(content)
        with pytest.raises(Vsj4rError, match=r"checkpoint\.pt is not a checkpoint") as refused:
            checkpoint.load_checkpoint(tmp_path / "checkpoint.pt")
        assert "weights_only" not in str(refused.value)
    with pytest.raises(Vsj4rError, match=r"checkpoint\.pt is not a checkpoint"):
        trainer(write_recipe(tmp_path / "r.toml"), data, tmp_path)
    for other in ({"something": 1}, {"net": 3, "step": 4}, {"net": {}, "step": "4"}):
        torch.save(other, tmp_path / "checkpoint.pt")
        with pytest.raises(Vsj4rError, match=r"checkpoint\.pt is not a checkpoint of a run"):
            checkpoint.load_checkpoint(tmp_path / "checkpoint.pt")
    with pytest.raises(Vsj4rError, match="can't be read: Is a directory"):
        checkpoint.load_checkpoint(tmp_path)


def test_no_run_goes_on_from_the_best_weights(data: Path, tmp_path: Path) -> None:
    best = {"model": "j4r", "net": J4RNet(CONFIGS["j4r"]).state_dict(), "step": 2, "psnr": 30.0}
    checkpoint.save_checkpoint(tmp_path / "checkpoint.pt", best)
    with pytest.raises(Vsj4rError, match=r"checkpoint\.pt is a best\.pt, .* name it as start"):
        trainer(write_recipe(tmp_path / "r.toml"), data, tmp_path)


def test_a_run_folder_that_is_none_is_found_before_the_footage_is_read(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    for run in (tmp_path / "run", tmp_path / "run" / "1"):
        with pytest.raises(Vsj4rError, match=r"run folder .* must be a folder, got the file .*run$"):
            trainer(write_recipe(tmp_path / "r.toml"), tmp_path / "no data", run)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
def test_a_full_disk_is_one_line_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save_checkpoint(tmp_path / "checkpoint.pt", {"net": {}, "step": 3})
    part = tmp_path / ".vsj4r-part.pt"
    part.symlink_to("/dev/full")
    monkeypatch.setattr("vsj4r.media.whole._temporary_name", lambda *_: part)
    with pytest.raises(Vsj4rError, match=r"checkpoint\.pt cannot be written: No space left on device"):
        checkpoint.save_checkpoint(tmp_path / "checkpoint.pt", {"net": {}, "step": 4})
    assert saved(tmp_path)["step"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    log = RunLog(tmp_path, 0)
    log.path.unlink()
    log.path.symlink_to("/dev/full")
    with pytest.raises(Vsj4rError, match=r"log\.csv cannot be written: No space left on device"):
        log.write(1, 0.0, 1e-3, loss=0.5)


def test_clips_are_shared_out_evenly(data: Path, tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path / "r.toml", batch=3))
    with pytest.raises(Vsj4rError, match="batch must be a multiple of the 2 processes, got 3"):
        Trainer(recipe, data, tmp_path / "run", ranks=Ranks(0, 2, torch.device("cpu")))


def test_the_log_forgets_what_will_come_again(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0)
    for step in (1, 2, 3):
        log.write(step, 0.0, 1e-3, loss=0.1 / step, psnr_in=20, psnr_out=20 + step)
    log.write(3, 0.0, 1e-3, val_in=20, val_out=25)
    with log.path.open("a") as file:
        file.write("4,0.0,1e")  # torn by a kill
    log = RunLog(tmp_path, 2)
    assert [row["step"] for row in log.rows()] == ["1", "2"]
    log.write(3, 0.0, 1e-3, loss=0.5)
    assert [row["step"] for row in log.rows()] == ["1", "2", "3"]
    assert log.path.read_text().splitlines()[0] == ",".join(FIELDS)
    log.draw()
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_command_line_refuses_in_one_line(data: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.toml")
    empty = tmp_path / "empty"
    (empty / "train" / "stills").mkdir(parents=True)
    for arguments, text in (
        ((tmp_path / "no.toml", "--data", data), "cannot be read: No such file"),
        ((recipe, "--data", empty), "stills must hold pictures of 32 px a side or more, got nothing"),
    ):
        process = start(*arguments, "--run", tmp_path / "run")
        said = finish(process)
        assert process.returncode == 1
        assert said.startswith("vsj4r: ")
        assert text in said
        assert len(said.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_missing_torch_is_one_line(tmp_path: Path) -> None:
    arguments = ["vsj4r", "train", "recipe.toml", "--data", "data", "--run", "run"]
    hidden = f"import sys; sys.modules['torch'] = None; sys.argv = {arguments}"
    code = f"{hidden}\nfrom vsj4r.cli.app import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stderr == f"vsj4r: training needs torch: {install_extra('train')}\n"
