"""The engine protocol: one recurrent step on float planes, its state explicit.

An engine knows nothing of VapourSynth, of clips or of frame numbers. It is given
tensors whose sides are multiples of ``StepSpec.multiple`` and a state, and gives the
residual back: ``b_t = o_t + residual``. The state is whatever the exported step
declares; nobody outside the engine looks inside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats

Bytes = NDArray[np.uint8]
Plane = NDArray[Any]
"""(H, W) uint8, uint16, float16 or float32 samples; rows may be strided, samples in a row are not."""

SHOWN = (-1.0, 2.0)
"""Between which floats are shown to a network, 0 and 1 being nominal: a highlight of an HDR picture, or a
broken sample of 1e38, changes nothing beside it."""
MOTION_SIDE = 16
"""Luma sides are multiples of it where motion is found: it is a block of the coarsest level."""
_ALIGNMENT = 64  # bytes


@dataclass(frozen=True, slots=True)
class MotionSpec:
    """How a model finds its displacements: ``method`` and ``version`` say which ones they are, to the bit;
    ``scale``: luma pixels along a side of a pixel of its grid."""

    method: str
    version: int
    scale: int


@dataclass(frozen=True, slots=True)
class StepSpec:
    """What a model's step needs, read from the JSON beside its weights.

    ``multiple``: luma sides must be multiples of it. ``lookahead``: 0, or 1 when the step
    also reads frame t + 1. ``planes``: "y" (luma only) or "yuv420". ``whole_frame``: names of tensors inside
    the step that take the whole frame (motion). Where they are given, a result depends on what lies up to
    ``halo_px`` luma pixels around it, and on nothing else. ``motion``: what they are, None where the
    JSON does not say it.
    """

    name: str
    multiple: int
    lookahead: Literal[0, 1]
    planes: Literal["y", "yuv420"]
    halo_px: int = 0
    whole_frame: tuple[str, ...] = ()
    motion: MotionSpec | None = None


class Tensors(NamedTuple):
    """One frame: ``y`` (H, W) luma in [0, 1], full range; ``uv`` (2, H/2, W/2) chroma in
    [-0.5, 0.5], or None where the step is luma only. C-contiguous float32."""

    y: Floats
    uv: Floats | None


def new_tensors(height: int, width: int, *, chroma: bool) -> Tensors:
    """Unset tensors of so many luma samples, each aligned to 64 bytes."""
    uv = _aligned_empty((2, height // 2, width // 2)) if chroma else None
    return Tensors(_aligned_empty((height, width)), uv)


class Step(NamedTuple):
    """What one step gives: the residual, in the units of ``Tensors``, and ``alpha``
    (H/s, W/s), the occlusion probability on the network's own grid (s = its scale).
    The arrays belong to the engine and hold until its next ``step``."""

    residual: Tensors
    alpha: Floats


class State(Protocol):
    """The memory between two frames. A new one stands before the first frame."""

    def reset(self) -> None:
        """Back to before the first frame."""


BLOCK_FRAMES = 24
"""The most frames that are gone through backwards before the first of them is given."""


class BidirectionalState(State, Protocol):
    """The state of an engine that goes through frames backwards, too."""

    def turn(self, *, backward: bool) -> None:
        """Step backwards or forwards from now on. Backwards, ``o_next`` is the frame before.

        On the way back the residuals of the last ``BLOCK_FRAMES`` are remembered. On the way forward
        the last of those left is taken up, and the step gives the mean of both, weighted by how much each
        has seen. So a block of frames is gone through backwards first, down to its first one. Turning
        backwards clears the backward memory and all that was remembered.
        """


class Engine(Protocol):
    """A compiled step for one frame size. ``step`` may come from any thread, one at a time.

    ``precision``: what the convolutions are computed in, "f32", "bf16", "f16" or "int8".
    """

    spec: StepSpec
    precision: str

    def new_state(self) -> State: ...

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        """Evaluate frame t and move ``state`` on; if it raises, ``state`` is as it was.

        ``o_next`` is frame t + 1, or ``o_t`` again where there is none (clip end, scene
        cut); None only for a model without look-ahead.
        """


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """``height`` x ``width`` samples of luma and, with ``chroma``, two planes of it, all of ``dtype``: uint8,
    uint16, float16 or float32. ``peak``: the largest code of integers. ``ssw``, ``ssh``: log2 of how much
    narrower and lower chroma is; 4:2:0 where nothing is said. ``rgb``: the three are R, G and B. In one block
    of memory, rows begin at multiples of 64 bytes."""

    height: int
    width: int
    dtype: np.dtype[Any]
    chroma: bool
    peak: int = 0
    ssw: int = 1
    ssh: int = 1
    rgb: bool = False

    @property
    def planes(self) -> int:
        return 3 if self.chroma else 1

    @property
    def is_420(self) -> bool:
        """Whether its planes are those of a network's own layout: 4:2:0, or luma alone."""
        return not self.chroma or (self.ssw, self.ssh) == (1, 1)

    @property
    def chroma_sides(self) -> tuple[int, int]:
        """(height, width) of a plane of chroma, rounded up."""
        return -(-self.height // (1 << self.ssh)), -(-self.width // (1 << self.ssw))

    @property
    def y_pitch(self) -> int:
        return round_up(self.width * self.dtype.itemsize, _ALIGNMENT)

    @property
    def uv_pitch(self) -> int:
        return round_up(self.chroma_sides[1] * self.dtype.itemsize, _ALIGNMENT)

    @property
    def u_offset(self) -> int:
        """0: there is no chroma."""
        return self.height * self.y_pitch if self.chroma else 0

    @property
    def v_offset(self) -> int:
        return self.u_offset + self.chroma_sides[0] * self.uv_pitch if self.chroma else 0

    @property
    def nbytes(self) -> int:
        luma = self.height * self.y_pitch
        return luma + (2 * self.chroma_sides[0] * self.uv_pitch if self.chroma else 0)

    @property
    def places(self) -> list[tuple[int, int, tuple[int, int]]]:
        """Of each plane: where it begins, bytes from row to row, and (height, width)."""
        luma = (0, self.y_pitch, (self.height, self.width))
        if not self.chroma:
            return [luma]
        return [
            luma,
            *((offset, self.uv_pitch, self.chroma_sides) for offset in (self.u_offset, self.v_offset)),
        ]

    def views(self, block: Bytes) -> list[Plane]:
        """The planes as arrays on a block of ``nbytes``."""
        return [
            np.ndarray(shape, self.dtype, block, offset, (pitch, self.dtype.itemsize))
            for offset, pitch, shape in self.places
        ]


@dataclass(frozen=True, slots=True)
class FrameCodes:
    """How the codes of a frame mean light: value = (code - zero) / span. Floats mean themselves. R, G and B
    are coded as luma is; ``kr`` and ``kb`` are what R and B have of it (H.273)."""

    y_zero: float = 0.0
    y_span: float = 1.0
    uv_zero: float = 0.0
    uv_span: float = 1.0
    kr: float = 0.0
    kb: float = 0.0


class Scales(NamedTuple):
    """Codes by which a plane changes for a residual of 1, by plane: strength times span."""

    y: float = 1.0
    u: float = 1.0
    v: float = 1.0


class Feed(NamedTuple):
    """A frame to be fed. ``key``: frames of one key are the same, and are uploaded once; None is like no
    other. ``planes``: [y], [y, u, v] or [r, g, b], rows strided as they like."""

    key: int | None
    planes: Sequence[Plane]
    codes: FrameCodes


@runtime_checkable
class FrameEngine(Protocol):
    """An engine that takes frames of a ``FrameLayout`` as they are and gives them back derained, later: up to
    ``depth`` of a state may be begun before the first of them is finished. Calls as for ``Engine``."""

    spec: StepSpec
    precision: str

    @property
    def depth(self) -> int: ...

    def new_state(self) -> State: ...

    def begin(self, now: Feed, following: Feed | None, state: State, scales: Scales | None) -> None:
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
            Vsj4rError: a residual that is not finite; ``state`` is to be reset.
        """


def round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _aligned_empty(shape: tuple[int, ...]) -> Floats:
    size = int(np.prod(shape)) * 4
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    skip = -memory.ctypes.data % _ALIGNMENT
    return memory[skip : skip + size].view(np.float32).reshape(shape)
