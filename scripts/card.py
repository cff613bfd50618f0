"""Train on a GPU that can be had for minutes: pack here, train there, take the checkpoints back.

python -m scripts.card pack KIT --data DATA --runs RUNS RECIPE...   one folder of at most 60 MiB
python -m scripts.card train KIT OUT --minutes 9 [--finish]         on the machine with the card
python -m scripts.card take OUT RUNS                                what ``vsj4r train`` goes on from here

A run is named as its recipe. It goes on from RUNS/NAME/checkpoint.pt where there is one. All runs train side
by side; each leaves OUT/NAME.pt every ``checkpoint_every_minutes``, whole at any moment, and OUT/NAME.csv.
With ``--finish`` each schedule is shortened so that its cosine ends within the time.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from vsj4r.errors import Vsj4rError
from vsj4r.media.whole import whole_file
from vsj4r.training.recipe import load_recipe

MOST_MIB = 60
WORKERS = 5  # processes that render rain, for each run: a clip costs a core 8 to 90 ms
STOPPING_S = 25  # between the signal to stop and the end of the time: a step, a validation, a checkpoint
POLL_S = 0.5


def pack(kit: Path, data: Path, runs: Path, recipes: list[Path], wheels: list[Path]) -> None:
    """Write recipes, the footage that they name, checkpoints and wheels into ``kit``.

    Raises:
        Vsj4rError: it would be over ``MOST_MIB``, or a recipe cannot be read.
    """
    shutil.rmtree(kit, ignore_errors=True)
    for recipe in recipes:
        footage = load_recipe(recipe).footage
        for name in {footage.videos, footage.stills, footage.streaks, footage.validation} - {""}:
            shutil.copytree(data / name, kit / "data" / name, dirs_exist_ok=True)
        (kit / recipe.stem).mkdir()
        shutil.copy(recipe, kit / recipe.stem / "recipe.toml")
        for name in ("checkpoint.pt", "log.csv"):
            if (runs / recipe.stem / name).exists():
                shutil.copy(runs / recipe.stem / name, kit / recipe.stem)
    for wheel in wheels:
        (kit / "wheels").mkdir(exist_ok=True)
        shutil.copy(wheel, kit / "wheels")
    size = sum(path.stat().st_size for path in kit.rglob("*") if path.is_file()) / 2**20
    print(f"{kit}: {size:.1f} MiB")
    if size > MOST_MIB:
        raise Vsj4rError(f"{kit} has {size:.1f} MiB, over {MOST_MIB}: take fewer pieces, or smaller ones")


def train(kit: Path, out: Path, minutes: float, *, finish: bool, workers: int) -> int:
    """Train every run of ``kit`` until the time is over or all have ended; how many have failed."""
    began = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    folders = sorted(recipe.parent for recipe in kit.glob("*/recipe.toml"))
    processes = {folder.name: _start(kit, folder, minutes, finish, workers) for folder in folders}
    stop_at, stopping = began + 60 * minutes - STOPPING_S, False
    while any(process.poll() is None for process in processes.values()):
        time.sleep(POLL_S)
        if time.monotonic() > stop_at and not stopping:
            stopping = True
            for process in processes.values():
                process.terminate()
        for folder in folders:
            _bring_out(folder, out)
    failed = 0
    for folder in folders:
        _bring_out(folder, out)
        code = processes[folder.name].returncode
        good = code in (0, 143)  # at its last step, or stopped with a checkpoint
        failed += not good
        said = (folder / "said.txt").read_text("utf-8", "replace").splitlines()
        print(f"{folder.name}: {'ended' if good else f'FAILED with {code}'}", *said[-3:], sep="\n    ")
    return failed


def take(out: Path, runs: Path) -> None:
    """Put each OUT/NAME.pt and NAME.csv where ``vsj4r train --run RUNS/NAME`` goes on from."""
    for brought in sorted(out.glob("*.pt")):
        folder = runs / brought.stem
        folder.mkdir(parents=True, exist_ok=True)
        for source, name in ((brought, "checkpoint.pt"), (brought.with_suffix(".csv"), "log.csv")):
            with whole_file(folder / name) as part:
                shutil.copy(source, part)
        print(f"{folder}: vsj4r train goes on from there")


def _start(kit: Path, folder: Path, minutes: float, finish: bool, workers: int) -> subprocess.Popen[bytes]:
    recipe = folder / "recipe.toml"
    if finish:
        shorten(recipe, folder / "log.csv", 60 * minutes - 2 * STOPPING_S)
    options = {"--data": kit / "data", "--run": folder, "--threads": 1, "--workers": workers}
    command = [sys.executable, "-m", "vsj4r.cli", "train", str(recipe)]
    command += [str(word) for option in options.items() for word in option]
    with (folder / "said.txt").open("wb") as said:
        return subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL)


def shorten(recipe: Path, log: Path, seconds: float) -> None:
    """End the schedule of ``recipe`` in ``seconds``, by the seconds that the last steps took there, where it
    would not have ended before."""
    rows: list[dict[str, str]] = []
    if log.exists():
        with log.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["step_s"]]
    if not rows:
        raise Vsj4rError(f"{log} holds no step, by whose time the rest could be reckoned: train it first")
    steps = int(rows[-1]["step"]) + max(int(seconds / float(rows[-1]["step_s"])), 1)
    steps = min(steps, load_recipe(recipe).schedule.steps)
    text, changed = re.subn(
        r"^steps *= *[\d_]+", f"steps = {steps}", recipe.read_text("utf-8"), flags=re.MULTILINE
    )
    if not changed:
        raise Vsj4rError(f"{recipe} must say its steps, to be shortened")
    recipe.write_text(text, "utf-8")


def _bring_out(folder: Path, out: Path) -> None:
    """Copy checkpoint and log where they are newer than what is there."""
    for name, suffix in (("checkpoint.pt", ".pt"), ("log.csv", ".csv")):
        source, target = folder / name, out / f"{folder.name}{suffix}"
        if not source.exists():
            continue
        if not target.exists() or source.stat().st_mtime_ns > target.stat().st_mtime_ns:
            with whole_file(target) as part:
                shutil.copy2(source, part)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("kit", type=Path)
    packing.add_argument("recipes", type=Path, nargs="+")
    packing.add_argument("--data", type=Path, required=True)
    packing.add_argument("--runs", type=Path, required=True)
    packing.add_argument("--wheels", type=Path, nargs="*", default=[], help="packages that are missing there")
    training = commands.add_parser("train")
    training.add_argument("kit", type=Path)
    training.add_argument("out", type=Path)
    training.add_argument("--minutes", type=float, required=True)
    training.add_argument("--finish", action="store_true")
    training.add_argument("--workers", type=int, default=min(WORKERS, os.cpu_count() or 1))
    taking = commands.add_parser("take")
    taking.add_argument("out", type=Path)
    taking.add_argument("runs", type=Path)
    given = parser.parse_args()
    try:
        match given.command:
            case "pack":
                pack(given.kit, given.data, given.runs, given.recipes, given.wheels)
            case "train":
                return train(given.kit, given.out, given.minutes, finish=given.finish, workers=given.workers)
            case _:
                take(given.out, given.runs)
    except Vsj4rError as error:
        print(f"card: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
