"""J4R-Net's step as the engine runs it: the module's own alignment, its convolutions fused with what
follows them, the gates of the GRU in one kernel each, everything on cells of a multiple of 8 channels,
written into given memory (so that a graph can be captured)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsj4r.engine.cuda import kernels
from vsj4r.engine.cuda.cell_tiles import CellSpan, split_cells
from vsj4r.engine.cuda.grid import GROUP, Grid
from vsj4r.engine.cuda.kernels import Kernels
from vsj4r.errors import Vsj4rError
from vsj4r.model.f_net import FNet
from vsj4r.model.j4rnet import J4RNet, J4RState, Observation
from vsj4r.model.limits import Limits, limits_of

FIGURES = 3


class Found(NamedTuple):
    """What a step writes beside its memory: ``residual`` in cells, ``alpha`` (h, w) float32, and
    ``figures`` (FIGURES,) float32: mean |luma residual| and mean alpha where the picture is, and the sum of
    |residual|, which is not finite if any residual is not."""

    residual: Tensor
    alpha: Tensor
    figures: Tensor


class Convolution(NamedTuple):
    weight: Tensor
    bias: Tensor | None

    def plain(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, padding=1)


Fused = Callable[[Convolution, Tensor, Tensor | None], Tensor]
"""max(0, convolution of x + z), z None for nothing."""


def relu_after(conv: Convolution, x: Tensor, z: Tensor | None) -> Tensor:
    y = conv.plain(x)
    return F.relu_(y if z is None else y.add_(z))


class CudaStep:
    """One recurrent step of ``net`` on a grid. ``picture``: visible luma samples (height, width). ``fused``:
    how a convolution with a ReLU is computed. ``tile``, which may be set: cells of a tile of the
    convolutions, (height, width), at first the whole grid."""

    def __init__(
        self,
        net: J4RNet,
        grid: Grid,
        picture: tuple[int, int],
        *,
        device: torch.device,
        kernels: Kernels,
        fused: Fused = relu_after,
    ) -> None:
        self.net, self.grid = net, grid
        self.tile = grid.height, grid.width
        self.dtype = torch.float16 if grid.cell == np.float16 else torch.float32
        self._kernels, self._fused, self._device = kernels, fused, device
        self._margin = net.config.radius
        frames = 1 + net.config.lookback + net.config.lookahead
        stem, *blocks = net.extractor
        head, *rest = net.jrc_net
        self._extractor = [self._conv(stem, inputs=frames), *self._blocks(blocks)]
        self._d_net = [self._conv(getattr(net.d_net, f"w_{i}")) for i in (1, 2, 3, 4)]
        self._gates = [self._gate(layer) for layer in net.f_net if isinstance(layer, FNet)]
        self._head = [self._conv(head), *self._blocks(rest)]
        self._last = self._conv(rest[-1], outputs=frames)
        limits = limits_of(net.config, spare=self._spare)
        self._limits = Limits(*(limit.to(device, self.dtype) for limit in limits))
        self._visible = self._visible_mask(picture)
        scale = 1 << grid.shift
        self._cells = tuple(-(-side // scale) for side in picture)
        self._pixels = picture[0] * picture[1]

    def matching(self, luma: Tensor) -> Tensor:
        """The luma that motion is found in, of (H, W) float32."""
        return self.net.observe(luma[None, None], None).l

    def run(
        self, now: Observation, following: Observation | None, before: J4RState, after: J4RState, found: Found
    ) -> None:
        """Frame t and frame t + 1 in cells, the memory ``before``: write ``after`` and ``found``."""
        motion = self.net.motion(now, following, before)
        aligned = self.net.align(now, following, before, motion)
        shown = now.o if aligned.neighbours is None else torch.cat((now.o, aligned.neighbours), 1)
        for rows in split_cells(now.o.shape[2], self.tile[0], self._margin):
            for columns in split_cells(now.o.shape[3], self.tile[1], self._margin):
                self._tile((shown, aligned.h_prev), (rows, columns), after.h, found)
        after.b_prev.copy_(self._limits.restore(now.o, found.residual))
        after.l_prev.copy_(now.l)
        after.seen.fill_(1)
        self._measure(found)

    def _tile(
        self, whole: tuple[Tensor, Tensor], place: tuple[CellSpan, CellSpan], h: Tensor, found: Found
    ) -> None:
        """``whole``: the frame beside its neighbours, and the aligned memory."""
        (top, bottom, row, rows), (left, right, column, columns) = place
        cut = (..., slice(top, bottom), slice(left, right))
        inner = (..., slice(row - top, row - top + rows), slice(column - left, column - left + columns))
        outer = (..., slice(row, row + rows), slice(column, column + columns))
        parts = (x[cut].contiguous(memory_format=torch.channels_last) for x in whole)
        residual, logits, h_t = self._reconstruct(*parts)
        found.residual[outer] = residual[inner]
        h[outer] = h_t[inner]
        found.alpha[outer] = logits[inner].float().softmax(1)[0, 1]

    def _reconstruct(self, shown: Tensor, h_prev: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        f_t = self._chain(self._extractor, self._limits.show(shown))
        layers = [x.contiguous(memory_format=torch.channels_last) for x in h_prev.chunk(len(self._gates), 1)]
        w_1, w_2, w_3, w_4 = self._d_net
        logits = w_2.plain(w_1.plain(torch.cat((f_t, layers[-1]), 1)))
        f_4 = w_4.plain(w_3.plain(logits.softmax(1)))
        memory: list[Tensor] = []
        for gate, h_layer in zip(self._gates, layers, strict=True):
            memory.append(self._gru(gate, memory[-1] if memory else f_t, h_layer, f_4))
        residual = self.net.residual(self._last.plain(self._chain(self._head, memory[-1])), shown)
        return residual, logits, torch.cat(memory, 1)

    def _chain(self, convolutions: list[Convolution], x: Tensor) -> Tensor:
        """A convolution, then residual blocks (Eq. 11)."""
        x = self._fused(convolutions[0], x, None)
        for w_in, w_mid in zip(convolutions[1::2], convolutions[2::2], strict=True):
            x = self._fused(w_mid, self._fused(w_in, x, None), x)
        return x

    def _gru(self, gate: tuple[Convolution, Convolution], x: Tensor, h_prev: Tensor, f_4: Tensor) -> Tensor:
        """Eq. 14: z and r by one convolution."""
        gates = gate[0].plain(torch.cat((x, h_prev, f_4), 1)).contiguous(memory_format=torch.channels_last)
        shape = self.grid.cell, h_prev.shape[2] * h_prev.shape[3], h_prev.shape[1]
        read, h_t = torch.empty_like(h_prev), torch.empty_like(h_prev)
        pointers = gates.data_ptr(), h_prev.data_ptr()
        kernels.gru_read(self._kernels, *shape, *pointers, read.data_ptr())
        candidate = gate[1].plain(torch.cat((x, read), 1)).contiguous(memory_format=torch.channels_last)
        kernels.gru_write(
            self._kernels, *shape, pointers[0], candidate.data_ptr(), pointers[1], h_t.data_ptr()
        )
        return h_t

    def _measure(self, found: Found) -> None:
        luma = found.residual[:, : self.grid.lumas].float().abs()
        height, width = self._cells
        found.figures[0] = torch.where(self._visible, luma, luma.new_zeros(())).sum() / self._pixels
        found.figures[1] = found.alpha[:height, :width].mean()
        found.figures[2] = found.residual.float().abs().sum()

    # Weights as the kernels like them

    def _conv(self, conv: nn.Module, *, inputs: int = 0, outputs: int = 0) -> Convolution:
        """``inputs``: how many frames it reads, whose cells have channels that mean nothing; ``outputs``: how
        many such cells it writes."""
        weight: Tensor = conv.get_parameter("weight")
        bias: Tensor | None = conv.get_parameter("bias") if conv.bias is not None else None
        if inputs:
            frames = weight.view(weight.shape[0], inputs, self.grid.used, 3, 3)
            weight = F.pad(frames, (0, 0, 0, 0, 0, self._spare)).flatten(1, 2)
        if outputs:
            cells = weight.view(outputs, self.grid.used, *weight.shape[1:])
            weight = F.pad(cells, (0, 0, 0, 0, 0, 0, 0, self._spare)).flatten(0, 1)
            if bias is not None:
                bias = F.pad(bias.view(outputs, self.grid.used), (0, self._spare)).flatten()
        return self._convolution(weight, bias)

    def _convolution(self, weight: Tensor, bias: Tensor | None) -> Convolution:
        placed = weight.detach().to(self._device, self.dtype).contiguous(memory_format=torch.channels_last)
        return Convolution(placed, None if bias is None else bias.detach().to(self._device, self.dtype))

    @property
    def _spare(self) -> int:
        return self.grid.channels - self.grid.used

    def _blocks(self, layers: list[nn.Module]) -> Iterator[Convolution]:
        for layer in layers:
            if hasattr(layer, "w_in"):
                yield self._conv(layer.get_submodule("w_in"))
                yield self._conv(layer.get_submodule("w_mid"))

    def _gate(self, net: FNet) -> tuple[Convolution, Convolution]:
        z = torch.cat((net.w_z.weight, net.u_z.weight, net.v_z.weight), 1)
        r = torch.cat((net.w_r.weight, net.u_r.weight, net.v_r.weight), 1)
        bias = None
        if net.w_z.bias is not None and net.w_r.bias is not None:
            bias = torch.cat((net.w_z.bias, net.w_r.bias))
        candidate = torch.cat((net.w_h.weight, net.u_h.weight), 1)
        return self._convolution(torch.cat((z, r)), bias), self._convolution(candidate, net.w_h.bias)

    def _visible_mask(self, picture: tuple[int, int]) -> Tensor:
        mask = torch.zeros(1, 1, *self.grid.luma_shape, dtype=torch.bool, device=self._device)
        mask[..., : picture[0], : picture[1]] = True
        return F.pixel_unshuffle(mask.to(torch.uint8), 1 << self.grid.shift).bool()


def check_channels(net: J4RNet) -> None:
    """Raises:
    Vsj4rError: the gates take 8 numbers at once.
    """
    if net.config.channels % GROUP:
        raise Vsj4rError(
            f"device cuda needs channels that are a multiple of {GROUP}, got {net.config.channels}"
        )
