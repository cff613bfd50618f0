"""The figures on paper of docs/cuda-proofs.md: python scripts/roofline.py

The least that a frame costs, if a card always worked at its peak: multiplications of the convolutions at
the rate of its tensor cores in fp16 (dense), or its memory moving what each of them reads and writes once,
whichever takes longer; then copies over PCIe. No card reaches its peak: measure.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from vsj4r.model.config import CONFIGS
from vsj4r.model.j4rnet import Aligned, J4RNet

HEIGHT, WIDTH = 1080, 1920
FRAME_BYTES = HEIGHT * WIDTH * 3 // 2
HALF = 2


class Card(NamedTuple):
    """By the maker's data sheets: TFLOP/s of dense fp16 tensor cores (fp32 accumulation), GB/s of memory
    and of PCIe in one direction."""

    name: str
    teraflops: float
    memory: float
    pcie: float


CARDS = [
    Card("RTX 2080 Ti", 54, 616, 16),
    Card("RTX 3060", 25, 360, 32),
    Card("RTX 4090", 165, 1008, 32),
    Card("RTX 5090", 210, 1792, 64),
    Card("A100 80 GB", 312, 2039, 32),
    Card("H100 SXM", 990, 3350, 64),
]


def convolutions(name: str) -> tuple[float, float]:
    """TFLOP and GB of the convolutions of a frame, activations in fp16, each read and written once."""
    config = CONFIGS[name]
    height, width = HEIGHT // config.scale, WIDTH // config.scale
    moved = 0

    def count(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal moved
        moved += HALF * (inputs[0].numel() + output.numel())

    with torch.device("meta"):
        net = J4RNet(config).eval()
        for module in net.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.register_forward_hook(count)
        o = torch.empty(1, config.frame_channels, height, width)
        neighbours = torch.empty(1, 2 * config.frame_channels, height, width)
        memory = torch.empty(1, config.channels, height, width)
        with FlopCounterMode(display=False) as flops, torch.no_grad():
            net.reconstruct(o, Aligned(memory, neighbours))
    return flops.get_total_flops() / 1e12, moved / 1e9


def search(name: str) -> float:
    """GB that the motion search moves, about: 9 candidates a pixel in fp32, passed through memory some six
    times, to two neighbours, on the network's grid and, for scale 2, the one above it."""
    config = CONFIGS[name]
    pixels = HEIGHT * WIDTH / config.scale**2
    return 2 * 6 * 9 * 4 * pixels * (1.25 if config.scale == 2 else 1) / 1e9


def main() -> None:
    """Print a table for each model."""
    for name in ("j4r", "j4r-lite"):
        work, moved = convolutions(name)
        found = search(name)
        table = Table(
            "card", "arithmetic", "memory", "motion", "copies", "at least",
            title=f"{name}: {work:.3f} TFLOP, {moved:.2f} GB, motion {found:.2f} GB; ms a 1080p frame",
        )  # fmt: skip
        for card in CARDS:
            arithmetic, memory = 1e3 * work / card.teraflops, 1e3 * moved / card.memory
            motion, copies = 1e3 * found / card.memory, 1e3 * FRAME_BYTES / 1e9 / card.pcie
            least = max(arithmetic, memory) + motion
            table.add_row(card.name, *(f"{ms:.2f}" for ms in (arithmetic, memory, motion, copies, least)))
        Console().print(table)


if __name__ == "__main__":
    main()
