"""A training step as one CUDA graph: thousands of small kernels, launched together."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

EAGER_CALLS = 3
"""Calls before the capture, in which libraries choose their algorithms and allocate their memory."""


class Replayed:
    """``work``, captured after a few calls and replayed from then on (whole-network capture,
    https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).

    A recurrent network takes its frames one after the other: launched one by one, its kernels keep the GPU
    waiting. ``work`` takes tensors, always of the same shapes, and returns one on ``device``; it neither
    copies from the host nor waits for the device, and what changes from call to call lies in tensors. What a
    call returns is valid until the next call.
    """

    def __init__(self, work: Callable[..., Tensor], device: torch.device) -> None:
        self._work, self._device, self._calls = work, device, 0
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: list[Tensor] = []
        self._output: Tensor | None = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        if self._graph is None and self._calls == EAGER_CALLS:
            self._capture(inputs)
        self._calls += 1
        if self._graph is None or self._output is None:
            return self._eagerly(inputs)
        for held, given in zip(self._inputs, inputs, strict=True):
            held.copy_(given)
        self._graph.replay()
        return self._output

    def _eagerly(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """On the stream that the capture will use."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            output = self._work(*(given.to(self._device) for given in inputs))
        current.wait_stream(self._stream)
        return output

    def _capture(self, inputs: tuple[Tensor, ...]) -> None:
        """This computes nothing."""
        self._inputs = [torch.empty_like(given, device=self._device) for given in inputs]
        graph = torch.cuda.CUDAGraph()
        # thread_local: other threads may use the device meanwhile
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            self._output = self._work(*self._inputs)
        self._graph = graph
