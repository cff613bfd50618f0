"""Frames straight to an engine that takes them as they are, and straight back, where nothing else is asked
for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsj4r.engine import open_frame_engine
from vsj4r.engine.base import State, StepSpec
from vsj4r.engine.cuda.layout import Codes, FrameEngine, FrameLayout, Scales, Source
from vsj4r.frames.formats import Format, Geometry, Plane
from vsj4r.frames.layers import Levels
from vsj4r.plugin.arguments import Arguments


def open_direct(geometry: Geometry, spec: StepSpec, arguments: Arguments, *, masked: bool) -> Direct | None:
    """None where the device is the CPU, and where planes pass through arithmetic that only ``frames`` has:
    RGB, chroma that is not 4:2:0, a mask, other outputs.

    Raises:
        Vsj4rError: as ``open_engine``.
    """
    kind = geometry.format
    chroma = spec.planes == "yuv420" and kind.family == "yuv"
    if masked or arguments.output != ("derained",) or kind.family == "rgb":
        return None
    if chroma and (kind.ssw, kind.ssh) != (1, 1):
        return None
    layout = FrameLayout(geometry.height, geometry.width, kind.dtype, chroma, kind.peak)
    height, width = geometry.padded(spec.multiple)
    engine = open_frame_engine(
        arguments.model,
        layout,
        height=height,
        width=width,
        device=arguments.device,
        precision=arguments.precision,
        num_streams=arguments.num_streams,
        tile=arguments.tile_px,
    )
    return None if engine is None else Direct(engine, kind, layout, arguments.planes)


class Direct:
    """The way of a frame without a detour over float planes."""

    def __init__(
        self, engine: FrameEngine, kind: Format, layout: FrameLayout, planes: tuple[int, ...] | None
    ) -> None:
        self.engine = engine
        self._format, self._planes = kind, planes
        self._count = 3 if layout.chroma else 1

    def source(self, n: int, planes: Sequence[Plane], *, full: bool) -> Source:
        y, uv = (self._format.codes(plane, full=full) for plane in (0, 1))
        return Source(n, planes[: self._count], Codes(y.zero, y.span, uv.zero, uv.span))

    def begin(
        self, now: Source, following: Source, state: State, *, strength: float | None, full: bool
    ) -> None:
        """``FrameEngine.begin``; without a ``strength`` nothing is to be finished."""
        scales = None if strength is None else self._scales(strength, full)
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

    def _scales(self, strength: float, full: bool) -> Scales:
        wanted = range(3) if self._planes is None else self._planes
        y, u, v = (
            strength * self._format.codes(plane, full=full).span if plane in wanted else 0.0
            for plane in range(3)
        )
        return Scales(y, u, v)
