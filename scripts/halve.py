"""Begin j4r-lite from a trained network of j4r's shape: what that does on a frame of half the size.

python -m scripts.halve j4r-free runs/half.pt

Both have the same channels inside. The first convolution reads means of four samples instead of samples, the
last ones give four samples the same, and of the residual blocks every second one is left out. The result is
what a recipe's ``start`` takes.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch
from torch import Tensor

from vsj4r.model.config import CONFIGS
from vsj4r.model.j4rnet import J4RNet
from vsj4r.training.checkpoint import save_checkpoint, starting_weights

LARGE, QUICK = CONFIGS["j4r"], CONFIGS["j4r-lite"]


def halve_weights(large: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of j4r's shape to weights of j4r-lite's."""
    shapes = {name: tensor.shape for name, tensor in J4RNet(QUICK).state_dict().items()}
    quick: dict[str, Tensor] = {}
    for name in shapes:
        weights = large[_name_in_large(name)]
        if name == "extractor.0.weight":
            weights = _each_frame(weights, 1) / 4
        elif weights.shape != shapes[name]:
            weights = _each_frame(weights, 0)
        quick[name] = weights
    return quick


def _name_in_large(name: str) -> str:
    """The parameter of the large network that stands in the place of the quick one's."""
    found = re.fullmatch(r"(extractor|jrc_net|r_net|c_net)\.(\d+)(\..+)", name)
    if found is None:
        return name
    net, place, rest = found[1], int(found[2]), found[3]
    blocks = [
        config.extractor_blocks if net == "extractor" else config.head_blocks for config in (LARGE, QUICK)
    ]
    kept = [0, 1, *(2 + block for block in _kept_blocks(*blocks)), 2 + blocks[0]]
    return f"{net}.{kept[place]}{rest}"


def _kept_blocks(many: int, few: int) -> range:
    """``few`` of ``many`` blocks, evenly spread, the last one among them."""
    apart = many // few
    return range(apart - 1, many, apart)


def _each_frame(weights: Tensor, dim: int) -> Tensor:
    """Channels of whole frames, each repeated for the samples that it stands for."""
    frames = torch.split(weights, LARGE.frame_channels, dim)
    index = torch.tensor(_channels())
    return torch.cat([frame.index_select(dim, index) for frame in frames], dim)


def _channels() -> list[int]:
    """For each channel of a frame on j4r-lite's grid, the one on j4r's that has the same place in a frame
    of half the size."""
    places = [place * LARGE.scale // QUICK.scale for place in range(QUICK.scale)]
    luma = [row * LARGE.scale + column for row in places for column in places]
    u, v = LARGE.scale**2, LARGE.scale**2 + 1
    samples = (QUICK.scale // 2) ** 2
    return [*luma, *[u] * samples, *[v] * samples]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("start", help="a .pt of a run, or the name of a model")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    save_checkpoint(arguments.out, {"net": halve_weights(starting_weights(arguments.start)), "step": 0})


if __name__ == "__main__":
    main()
