"""A quick measurement while training, on a few unseen clips; ``vsj4r eval`` is the full one."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vsj4r.arrays import Pixels
from vsj4r.media.whole import whole_file
from vsj4r.model.j4rnet import J4RNet
from vsj4r.rain import Preset, draw_style, render_rain
from vsj4r.rain.colour import Yuv, rgb_to_yuv420, yuv_to_rgb
from vsj4r.training.datasets import to_tensors
from vsj4r.training.footage import load_videos

FRAMES, SIZE, FIRST_SCORED = 9, 192, 2
LEAST_SQUARE_ERROR = 1e-6  # 60 dB
RAIN_PRESETS: tuple[Preset, ...] = ("light", "complex", "soft")


class _Clip(NamedTuple):
    o_y: Tensor
    o_uv: Tensor
    b_y: Tensor


class Validation:
    """The middle of every validation video under three kinds of rain."""

    def __init__(self, folder: Path) -> None:
        self.clips: list[_Clip] = []
        for index, video in enumerate(load_videos(folder, FRAMES, SIZE)):
            top, left = (np.array(video.shape[1:3]) - SIZE) // 2
            clean = video[:FRAMES, top : top + SIZE, left : left + SIZE]
            for preset in RAIN_PRESETS:
                rng = np.random.default_rng([index, RAIN_PRESETS.index(preset)])
                rain = render_rain(clean, draw_style(rng, preset, min(video.shape[1:3])), rng)
                o, b = (to_tensors(rgb_to_yuv420(clip)) for clip in (rain.rainy, rain.background))
                self.clips.append(_Clip(*o, b[0]))

    @torch.inference_mode()
    def measure(self, net: J4RNet, picture: Path) -> tuple[float, float]:
        """Mean luma PSNR of input and output, dB; ``picture`` gets each last frame, before and after."""
        scores, rows = [], []
        for clip in self.clips:
            luma_only = net.config.planes == "y"
            estimate = net(net.observe(clip.o_y, None if luma_only else clip.o_uv), FRAMES)
            y, uv = net.planes(estimate.residual)
            b_y = (clip.o_y + y).clamp(0, 1)
            b_uv = clip.o_uv if uv is None else clip.o_uv + uv
            errors = (clip.o_y - clip.b_y, b_y - clip.b_y)
            scores.append([float(mean_psnr(error[FIRST_SCORED:])) for error in errors])
            rows.append(np.concatenate([_rgb(clip.o_y[-1], clip.o_uv[-1]), _rgb(b_y[-1], b_uv[-1])], 1))
        _write_png(picture, np.concatenate(rows, 0))
        before, after = np.mean(scores, 0)
        return float(before), float(after)


def mean_psnr(error: Tensor) -> Tensor:
    """Mean over frames of PSNR in dB of an error (N, C, h, w), white being 1: ``vsj4r.psnr`` on tensors, so
    that a training step can run on a card. A frame counts at most 60 dB, or dry clips would hide the rest."""
    mse = error.float().square().flatten(1).mean(1).clamp(min=LEAST_SQUARE_ERROR)
    return (-10 * mse.log10()).mean()


def _rgb(y: Tensor, uv: Tensor) -> Pixels:
    return yuv_to_rgb(Yuv(y[0].numpy(), uv[0].numpy(), uv[1].numpy()))


def _write_png(path: Path, rgb: Pixels) -> None:
    from PIL import Image

    with whole_file(path) as part:
        Image.fromarray(rgb).save(part, format="PNG")
