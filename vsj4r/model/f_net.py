"""F-Net, the gated recurrent fusion of frame and memory (Eq. 14)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsj4r.model.blocks import conv3x3


class FNet(nn.Module):
    """One GRU layer with a ReLU read gate, as in the paper; ``bias`` gives each W one, unlike Eq. 14."""

    def __init__(self, channels: int, detector_channels: int, bias: bool = True) -> None:
        super().__init__()
        self.w_z, self.w_r, self.w_h = (conv3x3(channels, channels, bias) for _ in range(3))
        self.u_z, self.u_r, self.u_h = (conv3x3(channels, channels, bias=False) for _ in range(3))
        self.v_z, self.v_r = (conv3x3(detector_channels, channels, bias=False) for _ in range(2))

    def forward(self, f_t: Tensor, h_prev: Tensor, f_4: Tensor) -> Tensor:
        """(N, C, h, w) features and memory, (N, D, h, w) degradation features -> H_t (N, C, h, w)."""
        z = torch.sigmoid(self.w_z(f_t) + self.u_z(h_prev) + self.v_z(f_4))
        r = F.relu(self.w_r(f_t) + self.u_r(h_prev) + self.v_r(f_4))
        h_tilde = torch.tanh(self.w_h(f_t) + self.u_h(r * h_prev))
        return (1 - z) * h_prev + z * h_tilde
