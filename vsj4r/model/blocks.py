"""The pieces every box of Figure 4 is made of."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def conv3x3(in_channels: int, out_channels: int, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)


class ResidualBlock(nn.Module):
    """Eq. 11: f_mid = max(0, W_in * f_in + b_in); f_out = max(0, W_mid * f_mid + b_mid + f_in)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.w_in = conv3x3(channels, channels)
        self.w_mid = conv3x3(channels, channels)

    def forward(self, f_in: Tensor) -> Tensor:
        f_mid = F.relu(self.w_in(f_in))
        return F.relu(self.w_mid(f_mid) + f_in)


class SingleFrameCNN(nn.Sequential):
    """Figure 5, the architecture that the extractor, R-Net, C-Net and JRC-Net share: a convolution,
    residual blocks and, where ``out_channels`` is given, a convolution to the image."""

    def __init__(self, in_channels: int, channels: int, blocks: int, out_channels: int | None = None) -> None:
        layers: list[nn.Module] = [conv3x3(in_channels, channels), nn.ReLU()]
        layers += [ResidualBlock(channels) for _ in range(blocks)]
        if out_channels is not None:
            layers.append(conv3x3(channels, out_channels))
        super().__init__(*layers)
