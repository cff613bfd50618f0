"""What every step of training computes, whoever takes it: the loss of a batch, the average of the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vsj4r.model.j4rnet import Estimate, J4RNet, Observation
from vsj4r.model.loss import LossWeights, loss
from vsj4r.training.datasets import TrainingClip
from vsj4r.training.ranks import trains_in_bfloat16


class Evaluated(NamedTuple):
    """``loss``: the scalar, with its graph. ``error``: o - b, ``residual``: what the network adds to o; both
    on its grid, (T * N, frame_channels, h, w)."""

    loss: Tensor
    error: Tensor
    residual: Tensor


def evaluate_batch(
    net: J4RNet,
    batch: TrainingClip,
    frames: int,
    weights: LossWeights,
    forward: Callable[..., Estimate],
) -> Evaluated:
    """The loss of ``batch``, clips of ``frames`` frames on the device of ``net``; ``forward`` is ``net``, or
    what shares it among processes."""
    device = batch.o_y.device
    has_chroma = net.config.planes == "yuv420"
    with torch.autocast(device.type, torch.bfloat16, enabled=trains_in_bfloat16(device)):
        seen = net.observe(batch.o_y, batch.o_uv if has_chroma else None)
        clip = Observation(seen.o.contiguous(memory_format=torch.channels_last), seen.l)
        shaping = bool(weights.lambda_c or weights.lambda_r)
        estimate = forward(clip, frames, shaping=shaping)
    b = net.observe(batch.b_y, batch.b_uv if has_chroma else None).o
    alpha = F.avg_pool2d(batch.alpha, net.config.scale)
    value = loss(estimate, seen.o, b, alpha, weights, net.config)
    return Evaluated(value, seen.o - b, estimate.residual)


def average_share(ema: float, step: int) -> float:
    """The share of the weights after ``step`` steps in their average: 1 - ``ema``, more at the beginning."""
    return 1 - min(ema, (step + 1) / (step + 10))


@torch.no_grad()
def average_weights(average: dict[str, Tensor], net: J4RNet, share: float | Tensor) -> None:
    """Move ``average`` towards the weights of ``net``, in place."""
    for name, now in net.state_dict().items():
        average[name].lerp_(now, share)
