"""Where the planes of a frame lie in one block of memory, and what the network's grid is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vsj4r.engine.base import Engine, State

Bytes = NDArray[np.uint8]
Plane = NDArray[Any]

_ALIGNMENT = 64
GROUP = 8
"""Channels that the kernels read and write at once."""


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """``height`` x ``width`` samples of luma and, with ``chroma``, 4:2:0 planes of half the sides (rounded
    up), all of ``dtype``: uint8, uint16, float16 or float32. ``peak``: the largest code of integers. Rows
    begin at multiples of 64 bytes."""

    height: int
    width: int
    dtype: np.dtype[Any]
    chroma: bool
    peak: int = 0

    @property
    def half(self) -> tuple[int, int]:
        return (self.height + 1) // 2, (self.width + 1) // 2

    @property
    def y_pitch(self) -> int:
        return _rounded(self.width * self.dtype.itemsize, _ALIGNMENT)

    @property
    def uv_pitch(self) -> int:
        return _rounded(self.half[1] * self.dtype.itemsize, _ALIGNMENT)

    @property
    def u_offset(self) -> int:
        """0: there is no chroma."""
        return self.height * self.y_pitch if self.chroma else 0

    @property
    def v_offset(self) -> int:
        return self.u_offset + self.half[0] * self.uv_pitch if self.chroma else 0

    @property
    def nbytes(self) -> int:
        luma = self.height * self.y_pitch
        return luma + (2 * self.half[0] * self.uv_pitch if self.chroma else 0)

    def views(self, block: Bytes) -> list[Plane]:
        """The planes as arrays on a block of ``nbytes``: [y] or [y, u, v]."""
        places = [(0, self.y_pitch, (self.height, self.width))]
        if self.chroma:
            places += [(offset, self.uv_pitch, self.half) for offset in (self.u_offset, self.v_offset)]
        return [
            np.ndarray(shape, self.dtype, block, offset, (pitch, self.dtype.itemsize))
            for offset, pitch, shape in places
        ]


@dataclass(frozen=True, slots=True)
class Grid:
    """The network's grid: ``height`` x ``width`` cells of ``1 << shift`` luma samples a side. ``chroma``:
    the model reads it, times ``gain``. ``cell``: float16 or float32. Channels lie side by side, as
    tensor cores like it."""

    height: int
    width: int
    shift: int
    chroma: bool
    gain: float
    cell: np.dtype[Any]

    @property
    def lumas(self) -> int:
        return 1 << (2 * self.shift)

    @property
    def used(self) -> int:
        """Channels that mean something: 6 for scale 2 in 4:2:0."""
        return self.lumas + (self.lumas // 2 if self.chroma else 0)

    @property
    def channels(self) -> int:
        return _rounded(self.used, GROUP)

    @property
    def cells_shape(self) -> tuple[int, ...]:
        return self.height, self.width, self.channels

    @property
    def luma_shape(self) -> tuple[int, int]:
        return self.height << self.shift, self.width << self.shift


@dataclass(frozen=True, slots=True)
class Codes:
    """How the codes of a frame mean light: value = (code - zero) / span. Floats mean themselves."""

    y_zero: float = 0.0
    y_span: float = 1.0
    uv_zero: float = 0.0
    uv_span: float = 1.0


@dataclass(frozen=True, slots=True)
class Scales:
    """Codes by which a plane changes for a residual of 1, by plane: strength times span."""

    y: float = 1.0
    u: float = 1.0
    v: float = 1.0


class Source(NamedTuple):
    """A frame to be fed. ``key``: frames of one key are the same, and are uploaded once; None is like no
    other. ``planes``: [y] or [y, u, v], rows strided as they like."""

    key: int | None
    planes: Sequence[Plane]
    codes: Codes


class FrameEngine(Engine, Protocol):
    """An engine that takes frames as they are and gives them back derained, later: up to ``depth`` of a state
    may be begun before the first of them is finished."""

    @property
    def depth(self) -> int: ...

    def begin(self, now: Source, following: Source | None, state: State, scales: Scales | None) -> None:
        """Feed a frame, without waiting for what comes out of it; ``following`` is frame t + 1, or ``now``
        again. ``scales`` None: nobody wants it, and it is not to be finished.

        Raises:
            Vsj4rError: no room; ``state`` is as it was.
        """

    def waiting(self, state: State) -> int:
        """How many frames were begun and are not finished."""

    def finish(self, state: State) -> tuple[list[Plane], float, float]:
        """Wait for the oldest frame that was begun: its planes, derained, which hold until the state's next
        ``begin``, and the means of |luma residual| and alpha.

        Raises:
            Vsj4rError: a residual that is no number; ``state`` is to be reset.
        """


def _rounded(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
