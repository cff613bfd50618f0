"""The step as two CUDA graphs, used only after their results have equalled the eager step's."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from vsj4r.engine.cuda.device import Device, DeviceStream, DeviceWork, OutOfMemory
from vsj4r.engine.cuda.lane import Lane

LOG = logging.getLogger("vsj4r")
_SLOWER = "so kernels are launched one by one, which is slower"
TOLERANCE = 1 / 256
"""Largest difference between graph and eager, as a share of the largest number: a kernel that is missing
from a graph, or reads what is no longer there, is far beyond it."""


def capture_lane(device: Device, stream: DeviceStream, lane: Lane) -> tuple[DeviceWork, DeviceWork] | None:
    """The lane's two steps as graphs, or None, with one line in the log, where they cannot be had or differ.

    The lane's memory is that of a new one afterwards.

    Raises:
        OutOfMemory: there is no room for them.
    """
    try:
        with device.active():
            return _capture(device, stream, lane)
    except OutOfMemory:
        raise
    except RuntimeError as error:
        why = " ".join(str(error).split())
        LOG.warning("%s: CUDA graphs do not work here, %s: %s", device.name, _SLOWER, why)
        return None
    finally:
        lane.forget()


def _capture(device: Device, stream: DeviceStream, lane: Lane) -> tuple[DeviceWork, DeviceWork] | None:
    graphs: list[DeviceWork] = []
    for parity, eager in enumerate(lane.works()):
        first = _results(device, stream, lane, eager, parity, seed=1)
        graph = device.capture(stream, eager)
        second = _results(device, stream, lane, eager, parity, seed=2)
        for seed, expected in ((2, second), (1, first)):
            got = _results(device, stream, lane, graph, parity, seed=seed)
            if not all(_agree(a, b) for a, b in zip(got, expected, strict=True)):
                LOG.warning("%s: CUDA graphs give other results here, %s", device.name, _SLOWER)
                return None
        graphs.append(graph)
    return graphs[0], graphs[1]


def _results(
    device: Device, stream: DeviceStream, lane: Lane, work: DeviceWork, parity: int, *, seed: int
) -> list[Tensor]:
    """What ``work`` makes of an input that is the same for the same seed."""
    results: list[Tensor] = []

    def fill() -> None:
        generator = torch.Generator().manual_seed(seed)
        for tensor in lane.inputs(parity):
            tensor.copy_(torch.rand(tensor.shape, generator=generator))
        for tensor in lane.results(parity):
            tensor.fill_(float("nan"))  # what a graph forgets to write shows

    blocks = lane.blocks()
    stream.run(fill, reads=[], writes=blocks)
    stream.run(work, reads=blocks, writes=blocks)
    stream.run(lambda: results.extend(x.float().cpu() for x in lane.results(parity)), reads=blocks, writes=[])
    stream.synchronize()
    return results


def _agree(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() <= TOLERANCE * b.abs().max())
