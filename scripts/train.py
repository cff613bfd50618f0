"""Train a network from a recipe: python scripts/train.py scripts/recipes/j4r.toml --data DATA --run runs/j4r"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import torch
import typer

from vsj4r.training.recipe import load_recipe
from vsj4r.training.trainer import Trainer


def train(
    recipe: Annotated[Path, typer.Argument(help="TOML recipe")],
    data: Annotated[Path, typer.Option(help="folder that the recipe's footage folders lie in")],
    run: Annotated[Path, typer.Option(help="folder of this run; a run found there is resumed")],
    threads: Annotated[int, typer.Option(help="CPU threads of the training itself")] = 2,
    workers: Annotated[int, typer.Option(help="processes that render rain")] = 1,
) -> None:
    """Train, or go on training, until the recipe's last step."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(threads)
    Trainer(load_recipe(recipe), data, run, workers).run()


if __name__ == "__main__":
    typer.run(train)
