"""Lift what a network gives where it finds nothing, by a part of a code of 8 bits.

python -m scripts.centre runs/NAME/checkpoint.pt 0.37 runs/centred.pt

A young network takes a little light from everything, in case it is rain: by more than half a code, a picture
of 8 bits is darker by one. The bias of the last convolution's luma is where that stands; with the checkpoint
alone the script says what it is. ``vsj4r export --from runs/centred.pt`` goes on from there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import Tensor

from vsj4r.errors import Vsj4rError
from vsj4r.model.config import CONFIGS
from vsj4r.training.checkpoint import load_checkpoint, save_checkpoint

SPAN = 219
"""Codes of 8 bit luma, limited range."""


def lift_luma(weights: dict[str, Tensor], scale: int, codes: float) -> dict[str, Tensor]:
    """``weights`` of a network on a grid of ``scale``, with ``codes`` more in its residual of luma."""
    name = last_bias(weights)
    lifted = weights[name].clone()
    lifted[: scale**2] += codes / SPAN
    return {**weights, name: lifted}


def last_bias(weights: dict[str, Tensor]) -> str:
    """The bias of JRC-Net's last convolution, whose first channels are luma of the residual."""
    names = [name for name in weights if name.startswith("jrc_net.") and name.count(".") == 2]
    return max((name for name in names if name.endswith(".bias")), key=lambda name: int(name.split(".")[1]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="a .pt of a run")
    parser.add_argument("codes", type=float, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    arguments = parser.parse_args()
    saved = load_checkpoint(arguments.checkpoint)
    if saved is None:
        raise Vsj4rError(f"{arguments.checkpoint} does not exist")
    weights, scale = saved["ema"], CONFIGS[saved["recipe"]["model"]].scale
    bias = weights[last_bias(weights)][: scale**2].mean()
    print(f"{float(bias) * SPAN:.3f} codes where nothing is found")
    if arguments.out is not None:
        saved["ema"] = lift_luma(weights, scale, arguments.codes)
        save_checkpoint(arguments.out, saved)


if __name__ == "__main__":
    main()
