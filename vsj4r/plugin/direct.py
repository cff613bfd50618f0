"""Frames straight to an engine that takes them as they are, and straight back, where nothing else is asked
for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsj4r.engine.base import Feed, FrameEngine, FrameLayout, Plane, State, StepSpec
from vsj4r.frames.formats import Format, Geometry
from vsj4r.frames.layers import Levels
from vsj4r.plugin.arguments import Arguments


def layout_of(
    geometry: Geometry, spec: StepSpec, arguments: Arguments, *, masked: bool
) -> FrameLayout | None:
    """What a ``FrameEngine`` would take of frames of ``geometry``. None where planes pass through arithmetic
    that only ``frames`` has: a mask, other outputs."""
    if masked or arguments.output != ("derained",):
        return None
    return geometry.layout(chroma=spec.planes == "yuv420")


class Direct:
    """The way of a frame without a detour over float planes."""

    def __init__(
        self, engine: FrameEngine, kind: Format, layout: FrameLayout, planes: tuple[int, ...] | None
    ) -> None:
        self.engine = engine
        self._format, self._planes = kind, planes
        self._count = layout.planes

    def source(self, n: int, planes: Sequence[Plane], *, full: bool, matrix: int) -> Feed:
        return Feed(n, planes[: self._count], self._format.frame_codes(full=full, matrix=matrix))

    def begin(self, now: Feed, following: Feed, state: State, *, strength: float | None, full: bool) -> None:
        """``FrameEngine.begin``; without a ``strength`` nothing is to be finished."""
        scales = None if strength is None else self._format.scales(strength, self._planes, full=full)
        self.engine.begin(now, following, state, scales)

    def finish(self, state: State, *, planes: Sequence[Plane], into: Sequence[Plane]) -> Levels:
        """Write the oldest frame that was begun, whose planes are ``planes``, to ``into``.

        Raises:
            Vsj4rError: as ``FrameEngine.finish``.
        """
        written, rain, occlusion = self.engine.finish(state)
        for index, target in enumerate(into):
            np.copyto(target, written[index] if index < self._count else planes[index])
        return Levels(rain, occlusion)
