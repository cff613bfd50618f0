"""F-Net, the gated recurrent fusion of frame and memory (Eq. 14)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsj4r.model.blocks import conv3x3


class FNet(nn.Module):
    """One GRU layer with a ReLU read gate, as in the paper.

    The three W (and the two U, V of the gates) of Eq. 14 are one convolution each, their outputs
    side by side; ``w`` holds the biases.
    """

    def __init__(self, channels: int, detector_channels: int) -> None:
        super().__init__()
        self.w = conv3x3(channels, 3 * channels)  # W_z, W_r, W_h
        self.u_gates = conv3x3(channels, 2 * channels, bias=False)  # U_z, U_r
        self.u_h = conv3x3(channels, channels, bias=False)
        self.v_gates = conv3x3(detector_channels, 2 * channels, bias=False)  # V_z, V_r

    def forward(self, f_t: Tensor, h_prev: Tensor, f_4: Tensor) -> Tensor:
        """(N, C, h, w) features and memory, (N, D, h, w) degradation features -> H_t (N, C, h, w)."""
        w_z, w_r, w_h = self.w(f_t).chunk(3, 1)
        gates_z, gates_r = (self.u_gates(h_prev) + self.v_gates(f_4)).chunk(2, 1)
        z = torch.sigmoid(w_z + gates_z)
        r = F.relu(w_r + gates_r)
        h_tilde = torch.tanh(w_h + self.u_h(r * h_prev))
        return (1 - z) * h_prev + z * h_tilde
