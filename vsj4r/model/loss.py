"""Eq. 15, and the variant that our own configurations train with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vsj4r.model.config import J4RConfig
from vsj4r.model.j4rnet import Estimate
from vsj4r.model.limits import CHROMA_GAIN
from vsj4r.tables import EXACT, Number

_LEAST_RAIN = 3 / 255  # less is noise and coding; of chroma, too, which is multiplied on the grid

Weight = Annotated[Number, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class LossWeights:
    """l_all = l_joint + lambda_d l_detect + lambda_c l_rect + lambda_r l_removal; defaults are the paper's,
    which j4r-paper alone learns from.

    ``joint``: "l2" as printed, or "charbonnier", which does not let a few bright streaks rule the mean.
    ``chroma``: weight of chroma channels against luma's. ``scene``: of what is changed where there is no
    rain, against what is where there is. Where ``lambda_c`` and ``lambda_r`` are 0, the networks that they
    weigh are not evaluated.
    """

    __pydantic_config__ = EXACT

    joint: Literal["l2", "charbonnier"] = "l2"
    lambda_d: Weight = 0.001
    lambda_c: Weight = 0.0001
    lambda_r: Weight = 0.0001
    chroma: Weight = 1.0
    scene: Weight = 1.0


def high_pass(image: Tensor) -> Tensor:
    """E of Eq. 15: the image less its 5x5 mean."""
    return image - F.avg_pool2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), 5, 1)


def loss(
    estimate: Estimate, o: Tensor, b: Tensor, alpha: Tensor, weights: LossWeights, config: J4RConfig
) -> Tensor:
    """The scalar l_all.

    ``o`` and ``b``: rainy and clean frames on the network's grid, (N, frame_channels, h, w).
    ``alpha``: share of each grid pixel under occlusion, (N, 1, h, w) in [0, 1]; half or more is class 1.
    """
    importance = o.new_ones(1, config.frame_channels, 1, 1)
    importance[:, config.scale**2 :] = weights.chroma
    importance /= importance.mean()
    rain = o - b
    if weights.scene != 1:
        least = o.new_full((1, config.frame_channels, 1, 1), _LEAST_RAIN)
        least[:, config.scale**2 :] *= CHROMA_GAIN
        by_place = torch.where(rain.abs() < least, weights.scene, 1.0)
        importance = importance * by_place / by_place.mean((1, 2, 3), keepdim=True)  # alike on any process

    def distance(error: Tensor) -> Tensor:
        error = error.float()
        value = torch.sqrt(error * error + 1e-6) if weights.joint == "charbonnier" else error * error
        return (value * importance).mean()

    total = distance(estimate.residual + rain)
    occluded = alpha[:, 0] >= 0.5
    if weights.lambda_d:
        total = total + weights.lambda_d * F.cross_entropy(estimate.logits.float(), occluded.long())
    if weights.lambda_c and estimate.e_hat is not None:
        total = total + weights.lambda_c * distance(estimate.e_hat - high_pass(b))
    if weights.lambda_r and estimate.s_hat is not None:
        visible = (~occluded)[:, None]  # under an occlusion there is no streak to see (Eq. 3)
        total = total + weights.lambda_r * distance((estimate.s_hat - rain) * visible)
    return total
