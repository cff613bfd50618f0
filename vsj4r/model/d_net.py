"""D-Net, the degradation classification network (Eq. 12-13)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vsj4r.model.blocks import conv3x3


class Degradation(NamedTuple):
    """``logits`` f_{t,2} (N, 2, h, w): channel 1 is occlusion; ``f_4`` (N, D, h, w)."""

    logits: Tensor
    f_4: Tensor

    @property
    def alpha(self) -> Tensor:
        """The occlusion probability (N, 1, h, w)."""
        return self.logits.softmax(1)[:, 1:]


class DNet(nn.Module):
    """[F_t, H_{t-1}] -> the class of each pixel (streak or occlusion) -> features of it."""

    def __init__(self, channels: int, detector_channels: int) -> None:
        super().__init__()
        self.w_1 = conv3x3(2 * channels, detector_channels)
        self.w_2 = conv3x3(detector_channels, 2)
        self.w_3 = conv3x3(2, detector_channels)
        self.w_4 = conv3x3(detector_channels, detector_channels)

    def forward(self, f_t: Tensor, h_prev: Tensor) -> Degradation:
        f_0 = torch.cat((f_t, h_prev), 1)
        f_1 = self.w_1(f_0)
        f_2 = self.w_2(f_1)
        alpha_hat = f_2.softmax(1)  # Eq. 12
        f_4 = self.w_4(self.w_3(alpha_hat))  # Eq. 13
        return Degradation(f_2, f_4)
