"""What else an evaluated frame tells: the rain layer, the occlusion map, and how much there is of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.engine.base import Plane, Step
from vsj4r.engine.native import sums as native
from vsj4r.frames.chroma import double
from vsj4r.frames.formats import Format, Geometry


class Levels(NamedTuple):
    """Means over the frame: ``rain`` of |luma residual|, nominal white being 1; ``occlusion`` of alpha."""

    rain: float
    occlusion: float


def measure_levels(step: Step, geometry: Geometry) -> Levels:
    """Without the padding."""
    visible = step.residual.y[: geometry.height, : geometry.width]
    scale = step.residual.y.shape[0] // step.alpha.shape[0]
    alpha = step.alpha[: -(-geometry.height // scale), : -(-geometry.width // scale)]
    return Levels(_mean_size(visible), float(alpha.mean()))


def _mean_size(values: Floats) -> float:
    """The mean of |values|, a (H, W) plane."""
    total = native.sum_sizes(values)
    return (float(np.abs(values).sum(dtype=np.float64)) if total is None else total) / values.size


def write_rain(
    planes: Sequence[Plane], derained: Sequence[Plane], kind: Format, *, full: bool, into: Sequence[Plane]
) -> None:
    """``into = planes - derained + zero``, ``zero`` being black, of chroma neutral.

    ``into`` may be ``derained``. ``derained + into - zero`` is ``planes``: to rounding in floats; exactly in
    integers, but for samples whose difference leaves the depth and is clipped. Those are brighter in
    ``derained`` by more than ``zero`` (16 codes at 8 bits in limited range, none in full range), or less
    bright by more than ``peak - zero``.
    """
    for index, (plane, clean, target) in enumerate(zip(planes, derained, into, strict=True)):
        if kind.sample == "float":
            difference = np.nan_to_num(np.subtract(plane, clean, dtype=np.float32), nan=0)
            np.copyto(target, difference, casting="same_kind")
        else:
            codes = np.subtract(plane, clean, dtype=np.int32)
            codes += int(kind.codes(index, full=full).zero)
            np.copyto(target, np.clip(codes, 0, kind.peak, out=codes), casting="unsafe")


def write_occlusion(step: Step, kind: Format, into: Plane) -> None:
    """The occlusion probability at luma's resolution: 0 is none, the ``peak`` of ``kind`` certain."""
    height, width = into.shape
    alpha = step.alpha
    scale = step.residual.y.shape[0] // alpha.shape[0]
    while scale % 2 == 0:
        alpha = double(double(alpha, 2 * alpha.shape[0], 0), 2 * alpha.shape[1], 1)
        scale //= 2
    alpha = alpha.repeat(scale, 0).repeat(scale, 1)[:height, :width] if scale > 1 else alpha[:height, :width]
    codes = np.clip(alpha, 0, 1) * np.float32(kind.peak)
    np.copyto(into, codes if kind.sample == "float" else np.rint(codes), casting="unsafe")


def mask_weights(mask: Plane, kind: Format, *, full: bool = True) -> Floats:
    """A mask as shares: 0 for black, 1 for white, clipped; NaN counts as 0. Black is code 0 and
    white ``peak``, or those of limited range where it is not ``full``."""
    codes = kind.codes(0, full=full)
    shares = mask.astype(np.float32)
    shares -= np.float32(codes.zero)
    shares /= np.float32(codes.span)
    return np.clip(np.nan_to_num(shares, copy=False, nan=0, posinf=1, neginf=0), 0, 1, out=shares)
