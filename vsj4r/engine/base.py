"""The engine protocol: one recurrent step on float planes, its state explicit.

An engine knows nothing of VapourSynth, of clips or of frame numbers. It is given
tensors whose sides are multiples of ``StepSpec.multiple`` and a state, and gives the
residual back: ``b_t = o_t + residual``. The state is whatever the exported step
declares; nobody outside the engine looks inside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StepSpec:
    """What a model's step needs, read from the JSON beside its weights.

    ``multiple``: luma sides must be multiples of it. ``lookahead``: 0, or 1 when the step
    also reads frame t + 1. ``planes``: "y" (luma only) or "yuv420". ``whole_frame``: names of tensors inside
    the step that take the whole frame (motion). Where they are given, a result depends on what lies up to
    ``halo_px`` luma pixels around it, and on nothing else.
    """

    name: str
    multiple: int
    lookahead: Literal[0, 1]
    planes: Literal["y", "yuv420"]
    halo_px: int = 0
    whole_frame: tuple[str, ...] = ()


class Tensors(NamedTuple):
    """One frame: ``y`` (H, W) luma in [0, 1], full range; ``uv`` (2, H/2, W/2) chroma in
    [-0.5, 0.5], or None where the step is luma only. C-contiguous float32."""

    y: Floats
    uv: Floats | None


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


class Engine(Protocol):
    """A compiled step for one frame size. ``step`` may come from any thread, one at a time.

    ``precision``: what the convolutions are computed in, "f32", "bf16" or "f16".
    """

    spec: StepSpec
    precision: str

    def new_state(self) -> State: ...

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        """Evaluate frame t and move ``state`` on; if it raises, ``state`` is as it was.

        ``o_next`` is frame t + 1, or ``o_t`` again where there is none (clip end, scene
        cut); None only for a model without look-ahead.
        """
