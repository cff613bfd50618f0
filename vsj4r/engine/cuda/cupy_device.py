"""A CUDA device by CuPy and torch: pinned memory, kernels and copies are CuPy's, convolutions and graphs
torch's, and both use the same memory and the same streams."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cupy
import numpy as np
import torch

from vsj4r.engine.base import Bytes
from vsj4r.engine.cuda import kernels
from vsj4r.engine.cuda.device import Block, DeviceEvent, DeviceStream, DeviceWork, HostBlock, OutOfMemory
from vsj4r.engine.cuda.kernels import KernelArgument, Size
from vsj4r.engine.cuda.network import Convolution, Fused, relu_after
from vsj4r.engine.cuda.shared import COLLECTOR_PAUSED, EXACT_CONVOLUTIONS

LOG = logging.getLogger("vsj4r")
_HOST_TO_DEVICE, _DEVICE_TO_HOST = 1, 2  # cudaMemcpyKind
_NO_MEMORY = 2  # cudaErrorMemoryAllocation
WARM_UPS = 3
"""Eager steps before a capture, in which libraries make up their minds and take their memory."""


class CupyKernels:
    """Compiled by NVRTC when they are first asked for; CuPy keeps the cubin on disk."""

    def __init__(self) -> None:
        self._compiled: dict[str, Any] = {}

    def launch(self, name: str, grid: Size, block: Size, arguments: Sequence[KernelArgument]) -> None:
        kernel = self._compiled.get(name)
        if kernel is None:
            source = kernels.SOURCE.read_text("utf-8")
            module = cupy.RawModule(code=source, options=kernels.OPTIONS, name_expressions=[name])
            kernel = self._compiled[name] = module.get_function(name)
        kernel(grid, block, tuple(arguments))


class CupyBlock:
    def __init__(self, nbytes: int) -> None:
        self._array = cupy.empty(nbytes, cupy.uint8)
        self.address = int(self._array.data.ptr)
        self.tensor: torch.Tensor = torch.utils.dlpack.from_dlpack(self._array)


class PinnedBlock:
    def __init__(self, nbytes: int) -> None:
        self._memory = cupy.cuda.alloc_pinned_memory(nbytes)
        self._array: Bytes = np.frombuffer(self._memory, np.uint8, nbytes)
        self.address = int(self._memory.ptr)

    def read(self) -> Bytes:
        return self._array

    write = read


class CupyEvent:
    def __init__(self) -> None:
        self.event = cupy.cuda.Event(disable_timing=True)

    def synchronize(self) -> None:
        self.event.synchronize()  # at once if it was never recorded


class CupyStream:
    """One stream, as torch and as CuPy know it."""

    def __init__(self) -> None:
        self.torch = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.cupy = cupy.cuda.Stream.from_external(self.torch)

    def wait(self, event: Any) -> None:
        self.cupy.wait_event(event.event)

    def record(self, event: Any) -> None:
        event.event.record(self.cupy)

    def upload(self, source: Any, target: Any) -> None:
        self._copy(target.address, source.address, len(source.read()), _HOST_TO_DEVICE)

    def download(self, source: Any, target: Any) -> None:
        self._copy(target.address, source.address, len(target.read()), _DEVICE_TO_HOST)

    def run(self, work: DeviceWork, *, reads: Sequence[Block], writes: Sequence[Block]) -> None:
        with torch.cuda.stream(self.torch), self.cupy:
            work()

    def synchronize(self) -> None:
        self.cupy.synchronize()

    def _copy(self, target: int, source: int, nbytes: int, kind: int) -> None:
        cupy.cuda.runtime.memcpyAsync(target, source, nbytes, kind, self.cupy.ptr)


class CupyDevice:
    """``Device`` number ``index`` of those the driver shows."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.kernels = CupyKernels()
        self.torch_device = torch.device("cuda", index)
        with self.active():
            self.name = f"cuda:{index} ({torch.cuda.get_device_name(index)})"
            self._pool = torch.cuda.graph_pool_handle()  # one: graphs of one stream never run at once

    @contextmanager
    def active(self) -> Iterator[None]:
        exact = EXACT_CONVOLUTIONS.held()
        try:
            with cupy.cuda.Device(self.index), torch.cuda.device(self.index), torch.inference_mode(), exact:
                yield
        except (torch.OutOfMemoryError, cupy.cuda.memory.OutOfMemoryError) as error:
            raise OutOfMemory(str(error)) from error
        except cupy.cuda.runtime.CUDARuntimeError as error:
            if error.status == _NO_MEMORY:
                raise OutOfMemory(str(error)) from error
            raise

    def block(self, nbytes: int) -> Block:
        return CupyBlock(nbytes)

    def host(self, nbytes: int) -> HostBlock:
        return PinnedBlock(nbytes)

    def stream(self, name: str) -> DeviceStream:
        return CupyStream()

    def event(self) -> DeviceEvent:
        return CupyEvent()

    def capture(self, stream: Any, work: DeviceWork) -> DeviceWork:
        for _ in range(WARM_UPS):
            stream.run(work, reads=[], writes=[])
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        # thread_local: other filters may allocate on other threads meanwhile
        graphed = torch.cuda.graph(graph, self._pool, stream.torch, "thread_local")
        with COLLECTOR_PAUSED.held(), graphed, stream.cupy:
            work()
        return graph.replay

    def settle(self) -> None:
        torch.cuda.synchronize(self.index)

    def free_bytes(self) -> int:
        return int(torch.cuda.mem_get_info(self.index)[0])

    def release_unused(self) -> None:
        cupy.get_default_memory_pool().free_all_blocks()
        cupy.get_default_pinned_memory_pool().free_all_blocks()
        torch.cuda.empty_cache()


def cudnn_relu_after(conv: Convolution, x: torch.Tensor, z: torch.Tensor | None) -> torch.Tensor:
    """``relu_after`` in one cuDNN kernel."""
    around = ((1, 1), (1, 1), (1, 1), 1)  # stride, padding, dilation, groups
    aten = torch.ops.aten
    given: torch.Tensor
    if z is None:
        given = aten.cudnn_convolution_relu(x, conv.weight, conv.bias, *around)
    else:
        given = aten.cudnn_convolution_add_relu(x, conv.weight, z, 1.0, conv.bias, *around)
    return given


def choose_fused(device: CupyDevice, dtype: torch.dtype) -> Fused:
    """``cudnn_relu_after`` if it gives what torch's own operations give on a test image, else those, with one
    line in the log."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        x = torch.randn(shape, generator=generator).to(device.torch_device, dtype)
        return x.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else x

    with device.active():
        conv = Convolution(random(32, 32, 3, 3) / 16, random(32))
        x, z = random(1, 32, 40, 56), random(1, 32, 40, 56)
        try:
            for other in (None, z):
                expected = relu_after(conv, x, other)
                worst = (cudnn_relu_after(conv, x, other) - expected).abs().max() / expected.abs().max()
                if not worst < 1 / 128:
                    raise RuntimeError(f"they differ by {float(worst):.2g}")
        except RuntimeError as error:
            why = " ".join(str(error).split())
            LOG.warning(
                "%s: cuDNN's fused convolutions do not work here, slower ones do: %s", device.name, why
            )
            return relu_after
    return cudnn_relu_after
