"""The CUDA engine on a real card."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from vsj4r.engine.base import FrameLayout
from vsj4r.engine.cuda.cupy_device import CupyDevice, choose_fused
from vsj4r.engine.cuda.engine import CudaEngine, CudaFrameEngine, Options
from vsj4r.engine.cuda.selftest import SelfTest, self_test
from vsj4r.engine.weights import Model


def open_cuda(
    model: Model,
    *,
    index: int,
    height: int,
    width: int,
    precision: str = "f16",
    num_streams: int = 1,
    tile: tuple[int, int] | None = None,
    downscale: int = 1,
    frames: FrameLayout | None = None,
) -> CudaEngine | CudaFrameEngine:
    """An engine on device ``index``: for ``frames``, or for tensors where that is None. ``num_streams``:
    frames in flight; ``tile`` as in ``Options``, ``downscale`` as in ``CudaLanes``."""
    device = CupyDevice(index)
    dtype = torch.float16 if precision == "f16" else torch.float32
    options = Options(depth=num_streams, fused=choose_fused(device, dtype), tile=tile)
    if frames is None:
        return CudaEngine(
            model, height=height, width=width, device=device, precision=precision, downscale=downscale,
            options=options,
        )  # fmt: skip
    return CudaFrameEngine(
        model, height=height, width=width, device=device, precision=precision, frames=frames,
        downscale=downscale, options=options,
    )  # fmt: skip


def check_card(index: int) -> Iterator[SelfTest]:
    """The self-test on device ``index``, with what an engine there would use."""
    device = CupyDevice(index)
    yield from self_test(device, fused=choose_fused(device, torch.float16))
