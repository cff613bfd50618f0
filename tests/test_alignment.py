"""Motion between rainy frames, and what is moved by it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import Tensor  # noqa: E402

from vsj4r.model.alignment import BLOCK, COARSEST, displacement, matching_luma, warp  # noqa: E402
from vsj4r.model.config import CONFIGS  # noqa: E402
from vsj4r.training.recipe import PATCH_MULTIPLE  # noqa: E402


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-7, 6)])
@pytest.mark.parametrize("scale", [2, 4])
def test_displacement_finds_a_shift_under_rain(shift: tuple[int, int], scale: int) -> None:
    """A picture of fine and coarse texture, moved by whole grid pixels, streaks on both frames."""
    generator = torch.Generator().manual_seed(3)
    octaves = [4, 8, 16, 32, 40]
    picture = torch.zeros(1, 1, 320, 480)
    for octave in octaves:
        texture = torch.rand(1, 1, 320 // octave, 480 // octave, generator=generator)
        picture += F.interpolate(texture, (320, 480), mode="bilinear") * octave / sum(octaves)
    dy, dx = (s * scale for s in shift)
    window = picture[..., 40:-40, 40:-40]
    moved = picture[..., 40 - dy : 320 - 40 - dy, 40 - dx : 480 - 40 - dx]

    def rainy(frame: Tensor) -> Tensor:
        streaks = (torch.rand(1, 1, frame.shape[2] // 16, frame.shape[3], generator=generator) < 0.1).float()
        wet: Tensor = (frame + 0.5 * streaks.repeat_interleave(16, 2)).clamp(max=1)
        return wet

    def luma(frame: Tensor) -> Tensor:
        half: Tensor = F.avg_pool2d(matching_luma(rainy(frame)), scale // 2)
        return half

    flow = displacement(luma(window), luma(moved), scale)
    edge = 40 // scale
    inside = flow[0, :, edge:-edge, edge:-edge]
    right = (inside == torch.tensor(shift).view(2, 1, 1)).all(0).float().mean()
    assert right > 0.99


def test_sides_are_multiples_of_a_block_of_the_coarsest_level() -> None:
    """The figure stands in three places, two of which must not need torch."""
    aligned = {config.multiple for config in CONFIGS.values() if config.align == "motion"}
    assert aligned == {COARSEST * BLOCK} == {PATCH_MULTIPLE}


def test_warp_takes_whole_pixels_and_clamps() -> None:
    x = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).view(2, 3, 4, 5)
    flow = torch.zeros(2, 2, 4, 5, dtype=torch.long)
    flow[0, 0], flow[1, 1] = 1, -2
    out = warp(x, flow)
    assert torch.equal(out[0, :, :3], x[0, :, 1:])
    assert torch.equal(out[0, :, 3], x[0, :, 3])
    assert torch.equal(out[1, :, :, 2:], x[1, :, :, :3])
    assert torch.equal(out[1, :, :, 0], x[1, :, :, 0])
