"""Frames as they are to a step on a CPU, reduced or not: what ``frames.planes`` and ``DownscaledEngine`` do
one after the other, to the bit, without planes of floats on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.engine.base import (
    BidirectionalState,
    Engine,
    Feed,
    FrameLayout,
    Plane,
    Scales,
    State,
    Step,
    Tensors,
    new_tensors,
)
from vsj4r.engine.downscaled import downscale_spec
from vsj4r.engine.native.frames import FramePlanes
from vsj4r.engine.resampling import rain_near
from vsj4r.engine.tensor_cache import TensorCache
from vsj4r.errors import Vsj4rError

_HELD = 3
"""Frames as the step takes them: one, the one after it, and one of another state."""


@dataclass(slots=True)
class CpuFrameState:
    """The state of the step; and ``planes`` of a frame that is finished and not taken, with its ``levels``:
    the means of |luma residual|, NaN where a residual is not finite, and of alpha."""

    inner: State
    planes: list[Plane]
    levels: tuple[float, float] | None = None

    def reset(self) -> None:
        self.inner.reset()
        self.levels = None

    def turn(self, *, backward: bool) -> None:
        """See ``BidirectionalState``."""
        cast("BidirectionalState", self.inner).turn(backward=backward)


class CpuFrameEngine:
    """``FrameEngine`` for frames of ``layout``, padded to ``by`` times the ``height`` x ``width`` luma
    samples that ``engine`` takes."""

    depth = 1

    def __init__(
        self, engine: Engine, layout: FrameLayout, *, height: int, width: int, by: int, threads: int
    ) -> None:
        self.spec = downscale_spec(engine.spec, by)
        self.precision = engine.precision
        self._engine, self._layout, self._by = engine, layout, by
        self._chroma = engine.spec.planes == "yuv420"
        self._small = height, width
        self._planes = FramePlanes(layout, height=height, width=width, by=by, threads=threads)
        self._held = TensorCache([self._new_tensors() for _ in range(_HELD)])

    def new_state(self) -> CpuFrameState:
        planes = [np.empty(shape, self._layout.dtype) for *_, shape in self._layout.places]
        return CpuFrameState(self._engine.new_state(), planes)

    def begin(self, now: Feed, following: Feed | None, state: State, scales: Scales | None) -> None:
        """See ``FrameEngine.begin``."""
        own = self._own(state)
        small = self._load(now)
        ahead = self._load(following) if self.spec.lookahead and following is not None else None
        step = self._engine.step(small, ahead, own.inner)
        if scales is not None:
            change = step.residual
            rain = self._rain_of(change) if self._by > 1 else []
            total = self._planes.restore(now, small, change, scales, rain=rain, into=own.planes)
            own.levels = total / (self._layout.height * self._layout.width), self._occlusion(step)

    def waiting(self, state: State) -> int:
        """See ``FrameEngine.waiting``."""
        return int(self._own(state).levels is not None)

    def finish(self, state: State) -> tuple[list[Plane], float, float]:
        """See ``FrameEngine.finish``."""
        own = self._own(state)
        if own.levels is None:
            raise ValueError("nothing was begun that is to be finished")
        (rain, occlusion), own.levels = own.levels, None
        if not math.isfinite(rain):
            raise Vsj4rError("the network's result must be finite, got NaN or infinity")
        return own.planes, rain, occlusion

    def _own(self, state: State) -> CpuFrameState:
        if not isinstance(state, CpuFrameState):
            raise ValueError("the state belongs to another engine")
        return state

    def _new_tensors(self) -> Tensors:
        """Chroma is 0, and stays so where frames have none."""
        tensors = new_tensors(*self._small, chroma=self._chroma)
        if tensors.uv is not None:
            tensors.uv.fill(0)
        return tensors

    def _load(self, feed: Feed) -> Tensors:
        def load(into: Tensors) -> None:
            self._planes.load(feed, into)

        if feed.key is not None:
            return self._held.get(feed.key, load)
        tensors = self._new_tensors()
        load(tensors)
        return tensors

    def _rain_of(self, change: Tensors) -> list[Floats]:
        has_chroma = self._layout.chroma and change.uv is not None
        return [rain_near(change.y, halved=halved) for halved in (False, True)[: 1 + has_chroma]]

    def _occlusion(self, step: Step) -> float:
        """The mean of alpha, without the padding."""
        scale = self._by * step.residual.y.shape[0] // step.alpha.shape[0]
        height, width = (-(-side // scale) for side in (self._layout.height, self._layout.width))
        return float(step.alpha[:height, :width].mean())
