"""Frames of whole samples to a step that sees them reduced, on a CPU: what ``frames.planes`` and
``DownscaledEngine`` do one after the other, to the bit, without planes of floats as large as the frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

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
)
from vsj4r.engine.downscaled import downscale_spec
from vsj4r.engine.native.frames import Change, ReducedFrames
from vsj4r.engine.native.library import library
from vsj4r.engine.resampling import LIMITS, phases_of, rain_near
from vsj4r.engine.tensor_cache import TensorCache
from vsj4r.errors import Vsj4rError

_HELD = 3
"""Small frames: a frame, the one after it, and one of another state."""


def takes_frames(layout: FrameLayout) -> bool:
    """Whether the compiled library is there, and for such samples."""
    return library() is not None and layout.dtype.kind == "u"


@dataclass(slots=True)
class ReducedState:
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


class ReducedFrameEngine:
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
        self._frames = ReducedFrames(width, by, phases_of(by), LIMITS, threads)
        self._held = TensorCache([self._new_tensors() for _ in range(_HELD)])

    def new_state(self) -> ReducedState:
        planes = [np.empty(shape, self._layout.dtype) for *_, shape in self._layout.places]
        return ReducedState(self._engine.new_state(), planes)

    def begin(self, now: Feed, following: Feed | None, state: State, scales: Scales | None) -> None:
        """See ``FrameEngine.begin``."""
        own = self._own(state)
        small = self._shrink(now)
        ahead = self._shrink(following) if self.spec.lookahead and following is not None else None
        step = self._engine.step(small, ahead, own.inner)
        if scales is not None:
            rain = self._restore(now, small, step.residual, scales, into=own.planes)
            own.levels = rain, self._occlusion(step)

    def waiting(self, state: State) -> int:
        """See ``FrameEngine.waiting``."""
        return int(self._own(state).levels is not None)

    def finish(self, state: State) -> tuple[list[Plane], float, float]:
        """See ``FrameEngine.finish``."""
        own = self._own(state)
        if own.levels is None:
            raise ValueError("nothing was begun that is to be finished")
        (rain, occlusion), own.levels = own.levels, None
        if math.isnan(rain):
            raise Vsj4rError("the network's result must be finite, got NaN or infinity")
        return own.planes, rain, occlusion

    def _own(self, state: State) -> ReducedState:
        if not isinstance(state, ReducedState):
            raise ValueError("the state belongs to another engine")
        return state

    def _new_tensors(self) -> Tensors:
        """Chroma is 0 where frames have none."""
        height, width = self._small
        uv = np.zeros((2, height // 2, width // 2), np.float32) if self._chroma else None
        return Tensors(np.empty((height, width), np.float32), uv)

    def _shrink(self, feed: Feed) -> Tensors:
        codes = feed.codes

        def load(into: Tensors) -> None:
            self._frames.shrink(feed.planes[0], codes.y_zero, codes.y_span, into.y)
            if into.uv is not None:
                for plane, small in zip(feed.planes[1:], into.uv, strict=False):  # none of a grey frame
                    self._frames.shrink(plane, codes.uv_zero, codes.uv_span, small)

        if feed.key is not None:
            return self._held.get(feed.key, load)
        small = self._new_tensors()
        load(small)
        return small

    def _restore(
        self, feed: Feed, small: Tensors, change: Tensors, scales: Scales, *, into: Sequence[Plane]
    ) -> float:
        """Write ``feed`` with ``change``. Gives the mean size of luma's; NaN where one is not finite."""
        codes, layout = feed.codes, self._layout
        found = small.y, change.y, rain_near(change.y)
        changes = [Change(feed.planes[0], codes.y_zero, codes.y_span, *found, scales.y, into[0])]
        if layout.chroma and small.uv is not None and change.uv is not None:
            rain = rain_near(change.y, halved=True)
            of_chroma = zip(feed.planes[1:], small.uv, change.uv, (scales.u, scales.v), into[1:], strict=True)
            for plane, shrunk, changed, scale, target in of_chroma:
                found = shrunk, changed, rain
                changes.append(Change(plane, codes.uv_zero, codes.uv_span, *found, scale, target))
        sizes = self._frames.restore(changes, layout.peak)
        return sizes[0] / (layout.height * layout.width) if np.isfinite(sizes).all() else math.nan

    def _occlusion(self, step: Step) -> float:
        """The mean of alpha, without the padding."""
        scale = self._by * step.residual.y.shape[0] // step.alpha.shape[0]
        height, width = (-(-side // scale) for side in (self._layout.height, self._layout.width))
        return float(step.alpha[:height, :width].mean())
