"""Weights to begin training with: a network that gives each frame back as it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import nn

from vsj4r.model.blocks import ResidualBlock
from vsj4r.model.f_net import FNet
from vsj4r.model.j4rnet import J4RNet

OPEN = 5.0
"""Update gate before its sigmoid: 0.993 of frame t, the rest of H_{t-1}."""
SMALL = 0.125
"""Of the picture inside H_t: tanh is a straight line there, to half a percent."""


@torch.no_grad()
def begin_with_frame(net: J4RNet) -> None:
    """Let B_t be O_t, so that training does not have to learn the picture before it learns the rain.

    With residual output JRC-Net's last convolution is 0. With the background itself as output the picture,
    luma alone (what is negative stops at the first ReLU), is led from box to box by the first channels of
    each, and one more, always bright, opens their update gate; all others stay random.
    """
    first, head, last = (cast(nn.Conv2d, x) for x in (net.extractor[0], net.jrc_net[0], net.jrc_net[-1]))
    _silence(last, last.out_channels)
    if net.config.output == "residual":
        return
    picture = always = net.config.frame_channels
    led = picture + 1
    _silence(first, led)
    _lead(first, picture, 1.0)
    cast(torch.Tensor, first.bias)[always] = 1.0
    size = 1.0  # of the channels led, against the extractor's
    for f_net in cast(Iterable[FNet], net.f_net):
        for gate in (f_net.w_z, f_net.u_z, f_net.v_z, f_net.u_h):
            _silence(gate, led)
        f_net.w_z.weight[:led, always, 1, 1] = OPEN / size
        _lead(f_net.w_h, led, SMALL / size)
        size = SMALL
    _lead(head, picture, 1 / size)
    _lead(last, picture, 1.0)
    for block in (*net.extractor, *net.jrc_net):
        if isinstance(block, ResidualBlock):
            _silence(block.w_mid, led)


def _lead(layer: nn.Conv2d, channels: int, gain: float) -> None:
    """Let each of the first output channels be ``gain`` times the same input channel."""
    _silence(layer, channels)
    for c in range(channels):
        layer.weight[c, c, 1, 1] = gain


def _silence(layer: nn.Conv2d, channels: int) -> None:
    """Let the first output channels be 0."""
    nn.init.zeros_(layer.weight[:channels])
    if layer.bias is not None:
        nn.init.zeros_(layer.bias[:channels])
