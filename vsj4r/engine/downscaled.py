"""A step on frames of a fraction of their size: large rain is small again, as the network has learned it.

What the network finds is enlarged and freed of the edges of rain (``engine.resampling``). What the small
frames do not show, fine detail, comes from the frame itself.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from vsj4r.arrays import Floats
from vsj4r.engine.base import Engine, State, Step, StepSpec, Tensors, new_tensors
from vsj4r.engine.resampling import enlarge_change, phases_of, rain_near, shrink_plane

NETWORK_LINES = 480
"""Lines that networks which align by motion do well at, about: docs/experiments/size.md."""

DOWNSCALE_MAX = 8


def choose_downscale(height: int, width: int, *, aligns: bool) -> int:
    """By how much frames of ``height`` x ``width`` luma samples are reduced, unless somebody says it.

    ``aligns``: whether the network aligns by motion; frames of one that does not are left as they are.
    """
    return min(max(1, round(min(height, width) / NETWORK_LINES)), DOWNSCALE_MAX) if aligns else 1


def downscale_spec(spec: StepSpec, by: int) -> StepSpec:
    """``spec`` of a step on frames that are reduced ``by`` as much, to even sides too."""
    multiple = spec.multiple if by == 1 else math.lcm(spec.multiple, 2)
    return replace(spec, multiple=multiple * by, halo_px=spec.halo_px * by)


def plan_downscale(spec: StepSpec, height: int, width: int, asked: int = 0) -> tuple[int, StepSpec]:
    """By how much frames of ``height`` x ``width`` luma samples are reduced, ``asked`` or, for 0, by their
    size; and ``spec`` for them."""
    by = asked or choose_downscale(height, width, aligns=spec.motion is not None)
    return by, downscale_spec(spec, by)


class DownscaledEngine:
    """``Engine`` for frames whose sides are ``by`` times those of ``engine``, which evaluates them.

    ``alpha`` stays on the network's own grid.
    """

    def __init__(self, engine: Engine, by: int) -> None:
        self.spec = downscale_spec(engine.spec, by)
        self.precision = engine.precision
        self._engine, self._by, self._phases = engine, by, phases_of(by)
        self._buffers: _Buffers | None = None

    def new_state(self) -> State:
        return self._engine.new_state()

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        """See ``Engine.step``."""
        if self._buffers is None:
            (height, width), by, chroma = o_t.y.shape, self._by, o_t.uv is not None
            self._buffers = _Buffers(
                new_tensors(height // by, width // by, chroma=chroma),
                new_tensors(height // by, width // by, chroma=chroma),
                new_tensors(height, width, chroma=chroma),
            )
        small, residual = self._shrink(o_t, self._buffers.now), self._buffers.residual
        following = None
        if o_next is not None:
            following = small if o_next is o_t else self._shrink(o_next, self._buffers.following)
        step = self._engine.step(small, following, state)
        change = step.residual
        self._enlarge(o_t.y, small.y, change.y, rain_near(change.y), residual.y)
        if o_t.uv is not None and small.uv is not None and change.uv is not None and residual.uv is not None:
            rain = rain_near(change.y, halved=True)
            for planes in zip(o_t.uv, small.uv, change.uv, residual.uv, strict=True):
                plane, shrunk, changed, into = planes
                self._enlarge(plane, shrunk, changed, rain, into)
        return Step(residual, step.alpha)

    def _shrink(self, frame: Tensors, into: Tensors) -> Tensors:
        shrink_plane(frame.y, self._by, into.y)
        if frame.uv is not None and into.uv is not None:
            for plane, small in zip(frame.uv, into.uv, strict=True):
                shrink_plane(plane, self._by, small)
        return into

    def _enlarge(self, plane: Floats, small: Floats, change: Floats, rain: Floats, into: Floats) -> None:
        enlarge_change(plane, small, change, rain, self._phases, into)


class _Buffers(NamedTuple):
    now: Tensors
    following: Tensors
    residual: Tensors
