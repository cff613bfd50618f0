"""Engines on the fake device, and what they give."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cuda.fake_device import FakeDevice
from vsj4r.arrays import Floats
from vsj4r.engine.base import Tensors
from vsj4r.engine.cuda.engine import CudaEngine, Options
from vsj4r.engine.cuda.selftest import moving_clip
from vsj4r.engine.weights import Model

HEIGHT, WIDTH = 48, 64


def rainy_clip(length: int, height: int = HEIGHT, width: int = WIDTH) -> list[Tensors]:
    return moving_clip(length, height, width)


def residuals(engine: Any, clip: list[Tensors], state: Any = None) -> list[list[Floats]]:
    """[y, uv, alpha] of every frame, the last one looking ahead at itself."""
    state = engine.new_state() if state is None else state
    found = []
    for t, o_t in enumerate(clip):
        step = engine.step(o_t, clip[min(t + 1, len(clip) - 1)], state)
        planes = [plane for plane in step.residual if plane is not None]
        found.append([plane.copy() for plane in (*planes, step.alpha)])
    return found


def worst(a: list[list[Floats]], b: list[list[Floats]]) -> float:
    return max(
        float(np.abs(x - y).max()) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)
    )


def small_engine(device: FakeDevice, model: Model, **options: Any) -> CudaEngine:
    return CudaEngine(
        model, height=HEIGHT, width=WIDTH, device=device, precision="f32",
        options=Options(**{"graphs": False, **options}),
    )  # fmt: skip
