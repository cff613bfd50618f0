"""Tensors on blocks of a device: a packed frame, and the memory of a recurrence."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vsj4r.engine.cuda.device import Block, Device
from vsj4r.engine.cuda.grid import Grid
from vsj4r.model.j4rnet import J4RState, Observation


class Cells:
    """A packed frame: ``observation`` on ``blocks``, and the slot of the ring where its samples lie.
    ``matching``: (h, w) of the luma that motion is found in, here and below."""

    def __init__(self, device: Device, grid: Grid, matching: tuple[int, int]) -> None:
        o, self.o_block = cell_tensor(device, (1, grid.channels, grid.height, grid.width), grid)
        l, self.l_block = float_tensor(device, (1, 1, *matching))  # noqa: E741
        self.observation = Observation(o, l)
        self.blocks = [self.o_block, self.l_block]
        self.key: int | None = None
        self.slot = -1


class Memory:
    """What a step leaves for the next: ``state`` on ``blocks``, h with ``channels``."""

    def __init__(self, device: Device, grid: Grid, channels: int, matching: tuple[int, int]) -> None:
        h, h_block = cell_tensor(device, (1, channels, grid.height, grid.width), grid)
        b_prev, b_block = cell_tensor(device, (1, grid.channels, grid.height, grid.width), grid)
        l_prev, l_block = float_tensor(device, (1, 1, *matching))
        seen, seen_block = float_tensor(device, (1, 1, 1, 1))
        self.state = J4RState(h, b_prev, l_prev, seen)
        self.blocks = [h_block, b_block, l_block, seen_block]

    def clear(self) -> None:
        """As before the first frame."""
        for tensor in self.state:
            tensor.zero_()


def cell_tensor(device: Device, shape: tuple[int, int, int, int], grid: Grid) -> tuple[Tensor, Block]:
    """A tensor of cells, (1, C, h, w), channels side by side in memory."""
    _, channels, height, width = shape
    block = device.block(channels * height * width * grid.cell.itemsize)
    flat = block.tensor.view(torch.float16 if grid.cell == np.float16 else torch.float32)
    return flat.view(1, height, width, channels).permute(0, 3, 1, 2), block


def float_tensor(device: Device, shape: tuple[int, ...]) -> tuple[Tensor, Block]:
    """A tensor of float32."""
    block = device.block(4 * int(np.prod(shape)))
    return block.tensor.view(torch.float32).view(shape), block
