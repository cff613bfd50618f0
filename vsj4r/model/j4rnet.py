"""J4R-Net (Figure 4): one frame at a time, ``step``, or a clip from its start, ``forward``; same weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsj4r.model.alignment import displacement, halve_luma, matching_luma, warp
from vsj4r.model.blocks import SingleFrameCNN
from vsj4r.model.config import J4RConfig
from vsj4r.model.d_net import DNet
from vsj4r.model.f_net import FNet
from vsj4r.model.light import light_ratio, relight, relight_levels
from vsj4r.model.limits import CHROMA_GAIN, Limits, limits_of


class Observation(NamedTuple):
    """A frame on the network's grid: ``o`` (N, frame_channels, h, w), chroma times ``CHROMA_GAIN``, and
    ``l``, the luma that motion is found in (N, 1, h, w)."""

    o: Tensor
    l: Tensor  # noqa: E741


class J4RState(NamedTuple):
    """The memory after frame t: ``h`` (N, gru_layers * C, h, w), the frame without its rain, the luma that
    motion is found in, and ``seen`` (1, 1, 1, 1), 1 once there was a frame. All zeros stand before the first
    frame."""

    h: Tensor
    b_prev: Tensor
    l_prev: Tensor
    seen: Tensor


class View(NamedTuple):
    """Frame t against one beside it: where each of its pixels lies there (``displacement``), and how much
    brighter it is (``light_ratio``)."""

    motion: Tensor
    light: Tensor

    def bring(self, frame: Tensor) -> Tensor:
        """That frame, moved to frame t and under its light."""
        return relight(warp(frame, self.motion), self.light)


class Motion(NamedTuple):
    """Frame t against frame t - 1 and frame t + 1; None where the step does not look there."""

    back: View | None
    ahead: View | None


class Aligned(NamedTuple):
    """What a step takes from other frames, moved to frame t: ``h_prev`` (N, gru_layers * C, h, w) and
    ``neighbours`` (N, n * frame_channels, h, w), O_{t+1} before B_{t-1}, None where there are none."""

    h_prev: Tensor
    neighbours: Tensor | None


class Estimate(NamedTuple):
    """What the network estimates of frames: ``residual`` (N, frame_channels, h, w), b = o + residual, and
    the ``logits`` (N, 2, h, w) of D-Net. ``s_hat`` of R-Net and ``e_hat`` of C-Net only where asked for."""

    residual: Tensor
    logits: Tensor
    s_hat: Tensor | None = None
    e_hat: Tensor | None = None


class J4RNet(nn.Module):
    def __init__(self, config: J4RConfig) -> None:
        super().__init__()
        self.config = config
        c, image = config.channels, config.frame_channels
        seen = image * (1 + config.lookback + config.lookahead)
        self.extractor = SingleFrameCNN(seen, c, config.extractor_blocks)
        self.d_net = DNet(c, config.detector_channels)
        self.f_net = nn.ModuleList(
            FNet(c, config.detector_channels, config.gru_bias) for _ in range(config.gru_layers)
        )
        self.jrc_net = SingleFrameCNN(c, c, config.head_blocks, seen)
        self.r_net = SingleFrameCNN(c, c, config.head_blocks, image)
        self.c_net = SingleFrameCNN(c, c, config.head_blocks, image)
        for name, limit in limits_of(config)._asdict().items():
            self.register_buffer(f"_{name}", limit, persistent=False)

    # Planes to the network's grid and back

    def observe(self, y: Tensor, uv: Tensor | None) -> Observation:
        """``y`` (N, 1, H, W) in [0, 1]; ``uv`` (N, 2, H/2, W/2) in [-0.5, 0.5], None for planes "y"."""
        scale = self.config.scale
        o = F.pixel_unshuffle(y, scale)
        if uv is not None:
            o = torch.cat((o, CHROMA_GAIN * F.pixel_unshuffle(uv, scale // 2)), 1)
        if self.config.align == "none":
            return Observation(o, y)
        l_t = matching_luma(y)
        return Observation(o, halve_luma(l_t) if scale == 4 else l_t)

    def planes(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """The inverse for images: (N, frame_channels, h, w) -> y (N, 1, H, W), uv (N, 2, H/2, W/2)."""
        scale = self.config.scale
        y = F.pixel_shuffle(image[:, : scale**2], scale)
        if self.config.planes == "y":
            return y, None
        return y, F.pixel_shuffle(image[:, scale**2 :], scale // 2) / CHROMA_GAIN

    # The boxes of Figure 4

    def _fuse(self, f_t: Tensor, h_prev: Tensor) -> tuple[Tensor, Tensor]:
        """F_t and the aligned memory of all layers -> H_t of all layers, logits of D-Net."""
        layers = h_prev.chunk(self.config.gru_layers, 1)
        degradation = self.d_net(f_t, layers[-1])
        memory: list[Tensor] = []
        for f_net, h_layer in zip(self.f_net, layers, strict=True):
            memory.append(f_net(memory[-1] if memory else f_t, h_layer, degradation.f_4))
        return torch.cat(memory, 1), degradation.logits

    @property
    def _limits(self) -> Limits:
        return Limits(*(self.get_buffer(f"_{name}") for name in Limits._fields))

    def _top(self, h: Tensor) -> Tensor:
        return h[:, -self.config.channels :]

    def residual(self, out: Tensor, shown: Tensor) -> Tensor:
        """B_t - O_t of JRC-Net's output. ``shown``: O_t and the neighbours moved to it, side by side.

        What rain hides in O_t a neighbour may show: beside the residual itself, JRC-Net says how much of the
        difference to each neighbour is to be taken over.
        """
        frames = 1 + self.config.lookback + self.config.lookahead
        (o, *neighbours), (residual, *shares) = shown.chunk(frames, 1), out.chunk(frames, 1)
        if self.config.output == "background":
            residual = residual - o
        for share, neighbour in zip(shares, neighbours, strict=True):
            residual = residual + share * (neighbour - o)
        return residual

    # One frame

    def new_state(self, like: Observation) -> J4RState:
        n, _, h, w = like.o.shape
        memory = like.o.new_zeros(n, self.config.gru_layers * self.config.channels, h, w)
        return J4RState(
            memory, torch.zeros_like(like.o), torch.zeros_like(like.l), like.o.new_zeros(1, 1, 1, 1)
        )

    def step(
        self,
        now: Observation,
        following: Observation | None,
        state: J4RState | None = None,
        motion: Motion | None = None,
        *,
        shaping: bool = False,
    ) -> tuple[Estimate, J4RState]:
        """Frame t, frame t + 1 (t again at the end; None without look-ahead), state -> estimate, state.

        ``motion``: where it has been found already. ``shaping`` also evaluates R-Net and C-Net, which only
        shape the training.
        """
        state = self.new_state(now) if state is None else state
        motion = self.motion(now, following, state) if motion is None else motion
        aligned = self.align(now, following, state, motion)
        estimate, h_t = self.reconstruct(now.o, aligned, shaping=shaping)
        b_t = self._limits.restore(now.o, estimate.residual)
        return estimate, J4RState(h_t, b_t, now.l, torch.ones_like(state.seen))

    def motion(self, now: Observation, following: Observation | None, state: J4RState) -> Motion:
        """How frames t - 1 and t + 1 are displaced and lit; it takes the whole frame, for both are of it."""
        if self.config.align == "none":
            return Motion(None, None)
        l_prev = torch.where(state.seen > 0, state.l_prev, now.l)
        ahead = None if following is None else self._view(now.l, following.l)
        return Motion(self._view(now.l, l_prev), ahead)

    def _view(self, l_t: Tensor, l_ref: Tensor) -> View:
        light = light_ratio(l_t, l_ref)
        return View(displacement(l_t, relight_levels(l_ref, light), self.config.scale), light)

    def align(
        self, now: Observation, following: Observation | None, state: J4RState, motion: Motion
    ) -> Aligned:
        """What the step looks at beside frame t, moved to where it is in frame t.

        From here on a pixel depends on its surroundings alone, so a frame may be taken in overlapping tiles.
        """
        if motion.back is None:
            return Aligned(state.h, None)
        neighbours = []
        if following is not None and motion.ahead is not None:
            neighbours.append(motion.ahead.bring(following.o))
        if self.config.lookback:
            neighbours.append(torch.where(state.seen > 0, motion.back.bring(state.b_prev), now.o))
        return Aligned(warp(state.h, motion.back.motion), torch.cat(neighbours, 1) if neighbours else None)

    def reconstruct(self, o: Tensor, aligned: Aligned, *, shaping: bool = False) -> tuple[Estimate, Tensor]:
        """The convolutions of one step: frame t and what was aligned to it -> estimate, H_t."""
        shown = o if aligned.neighbours is None else torch.cat((o, aligned.neighbours), 1)
        f_t = self.extractor(shown if self.config.planes == "y" else self._limits.show(shown))
        h_t, logits = self._fuse(f_t, aligned.h_prev)
        estimate = Estimate(self.residual(self.jrc_net(self._top(h_t)), shown), logits)
        if shaping:
            e_hat = self.c_net(self._top(aligned.h_prev))
            estimate = estimate._replace(s_hat=self.r_net(f_t), e_hat=e_hat)
        return estimate, h_t

    # A clip

    def forward(self, clip: Observation, length: int, *, shaping: bool = False) -> Estimate:
        """A clip of ``length`` frames from its start, time-major: ``o`` (T * N, frame_channels, h, w)."""
        frames = [Observation(*parts) for parts in zip(*(x.chunk(length) for x in clip), strict=True)]
        state: J4RState | None = None
        estimates: list[Estimate] = []
        for now, following in zip(frames, frames[1:] + frames[-1:], strict=True):
            estimate, state = self.step(
                now, following if self.config.lookahead else None, state, shaping=shaping
            )
            estimates.append(estimate)
        return Estimate(*map(_join, zip(*estimates, strict=True)))


def _join(parts: tuple[Tensor | None, ...]) -> Any:
    """One field of the estimates of single frames for all frames; None stays None."""
    present = [part for part in parts if part is not None]
    return torch.cat(present) if present else None
