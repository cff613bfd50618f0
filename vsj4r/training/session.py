"""``vsj4r train`` without its command line: one run from recipe to last step, stopped by signals."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import torch

from vsj4r.lock import hold_lock
from vsj4r.training.ranks import join_ranks
from vsj4r.training.recipe import load_recipe
from vsj4r.training.runlog import Progress
from vsj4r.training.trainer import Trainer


def train_network(
    recipe: Path, data: Path, run: Path, *, threads: int, workers: int, on_step: Callable[[Progress], None]
) -> signal.Signals | None:
    """Train, or continue a run. Returns None at the recipe's last step, else the signal that stopped the run.

    SIGINT and SIGTERM end it after the current step, with a checkpoint; a second one at once, without.
    ``threads``: 0 is all cores but those of the ``workers``.

    Raises:
        Vsj4rError: recipe, footage or run folder can't be used.
    """
    loaded = load_recipe(recipe)
    torch.set_num_threads(threads or max(1, torch.get_num_threads() - workers))
    with join_ranks() as ranks, ExitStack() as held:

        def lock() -> None:
            held.enter_context(hold_lock(run / "lock", f"another vsj4r train is at work in {run}"))

        begins = not run.is_dir()  # a folder is made for footage that can be used
        if ranks.first and not begins:
            lock()  # before its checkpoint is read
        trainer = Trainer(loaded, data, run, ranks=ranks, workers=workers, on_step=on_step)
        received: list[int] = []

        def stop(number: int, frame: FrameType | None) -> None:
            if received:
                raise KeyboardInterrupt
            received.append(number)
            trainer.stop()

        if ranks.first and begins:
            lock()
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            if trainer.run():
                return None
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return signal.Signals(received[0]) if received else signal.SIGINT  # another process was asked to stop
