"""The processes of one run: alone, or several under torchrun that share every step's clips."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed

from vsj4r.training.launch import place_among_ranks


@dataclass(frozen=True, slots=True)
class Ranks:
    """Process ``rank`` of ``world``, computing on ``device``."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """The process that writes, validates and reports."""
        return self.rank == 0

    def mean(self, figures: list[float]) -> list[float]:
        """Each figure's mean over all processes; the same on every one of them."""
        if self.world == 1:
            return figures
        summed = torch.tensor(figures, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(summed)
        return (summed / self.world).tolist()


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """This process among those that torchrun started, alone where it started none; a GPU each, if any."""
    _, world = place_among_ranks()
    gpu = torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    if world == 1:
        yield Ranks(0, 1, device)
        return
    torch.distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        yield Ranks(torch.distributed.get_rank(), world, device)
    finally:
        torch.distributed.destroy_process_group()


def trains_in_bfloat16(device: torch.device) -> bool:
    """Only on a CPU with bfloat16 instructions: on others it would only cost precision. A GPU
    trains in torch's default, TF32 convolutions where it has them, as the shipped weights were trained."""
    if device.type != "cpu":
        return False
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16") or has.get("bf16"))
