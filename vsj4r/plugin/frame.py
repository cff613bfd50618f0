"""A frame as the native filter hands it over."""

from __future__ import annotations

from typing import NamedTuple

from vsj4r.engine.base import Plane
from vsj4r.frames.formats import Format, Geometry

RANGE_FULL, RANGE_LIMITED = 1, 0

Planes = tuple[memoryview, memoryview | None, memoryview | None]
RawFrame = tuple[Planes, tuple[int, int, int], int, int, int, int, float | str | None]


class Frame(NamedTuple):
    """Valid during the call only.

    ``planes`` is the memory of each plane, None beyond the first of GRAY; ``strides`` in bytes; ``range`` 1
    full, 0 limited, -1 not stated; ``matrix`` _Matrix and ``scene_change`` _SceneChangePrev, -1 when absent;
    ``field_based`` the frame property, 0 when absent; ``strength`` J4RStrength, a text where it is no
    number, None when absent.
    """

    planes: Planes
    strides: tuple[int, int, int]
    range: int
    matrix: int
    field_based: int
    scene_change: int
    strength: float | str | None

    def views(self, geometry: Geometry) -> list[Plane]:
        """The planes as arrays on the frame's own memory."""
        return geometry.views(self.planes, self.strides)

    def is_full(self, kind: Format) -> bool:
        """Where a frame does not say, RGB is full and all else limited, as everywhere in VapourSynth."""
        return self.range == RANGE_FULL if self.range >= 0 else kind.family == "rgb"
