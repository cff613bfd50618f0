"""What only a card can show. FAIL_WITHOUT_CUDA=1 makes a failure of each test that finds none."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.clips import bytes_of, noise_clip, planes_of

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def device() -> Any:
    from vsj4r.engine.cuda.cupy_device import CupyDevice

    return CupyDevice(0)


def test_kernels_are_numpys_to_the_bit(device: Any) -> None:
    from vsj4r.engine.cuda.selftest import check_packing, check_reducing

    for check in (check_packing(device), check_reducing(device)):
        assert check.passed, check.detail


@pytest.mark.parametrize("model", ["j4r", "j4r-lite"])
def test_graphs_give_what_eager_gives(device: Any, model: str) -> None:
    import torch

    from vsj4r.engine.cuda.cupy_device import choose_fused, cudnn_relu_after
    from vsj4r.engine.cuda.selftest import check_graphs
    from vsj4r.engine.weights import find_model

    fused = choose_fused(device, torch.float16)
    assert fused is cudnn_relu_after, "the fused convolutions work here"
    check = check_graphs(device, find_model(model), fused)
    assert check.passed, check.detail


@pytest.mark.parametrize("model", ["j4r", "j4r-lite"])
@pytest.mark.parametrize("precision", ["f32", "f16"])
def test_a_hundred_frames_are_the_cpus(device: Any, model: str, precision: str) -> None:
    from vsj4r.engine.cuda.selftest import check_against_cpu
    from vsj4r.engine.weights import find_model

    check = check_against_cpu(device, find_model(model), precision, frames=100)
    assert check.passed, check.detail


@pytest.mark.parametrize("downscale", [1, 2])
@pytest.mark.parametrize("num_streams", [1, 3])
@pytest.mark.parametrize("vs_format", [vs.YUV420P8, vs.YUV420P10, vs.YUV420PS, vs.GRAYH, vs.RGB24])
def test_the_filter(vs_format: int, num_streams: int, downscale: int) -> None:
    """As on the CPU within rounding, and the same bits in any order."""
    clip = noise_clip(width=130, height=70, length=12, vs_format=vs_format).std.BoxBlur()
    arguments = {"model": "j4r-lite", "precision": "f32", "segment": 4, "warmup": 2, "scene_detect": 0}
    arguments["downscale"] = downscale
    cuda = vs.core.j4r.Derain(clip, device="cuda", num_streams=num_streams, **arguments)
    cpu = vs.core.j4r.Derain(clip, device="cpu", **arguments)
    forwards = [bytes_of(cuda.get_frame(n)) for n in range(12)]
    again = vs.core.j4r.Derain(clip, device="cuda", num_streams=num_streams, **arguments)
    assert [bytes_of(again.get_frame(n)) for n in reversed(range(12))] == forwards[::-1]
    unit = 1 if clip.format.sample_type == vs.INTEGER else 1 / 255
    for n in (0, 5, 11):
        for a, b in zip(planes_of(cuda.get_frame(n)), planes_of(cpu.get_frame(n)), strict=True):
            difference = np.abs(a.astype(np.float64) - b)
            assert np.quantile(difference, 0.999) <= unit * (clip.format.bits_per_sample > 8) * 4 + unit


def test_memory_that_runs_out_is_a_line_and_nothing_is_held() -> None:
    """Twice what is free cannot be had; then all is free again, and a small clip goes through.

    All but 1 GiB is taken first: a clip for the whole of a large card keeps the host busy for minutes.
    """
    import cupy
    import torch

    def free_bytes() -> int:
        gc.collect()
        torch.cuda.empty_cache()
        cupy.get_default_memory_pool().free_all_blocks()
        return int(torch.cuda.mem_get_info(0)[0])

    taken = torch.empty(max(free_bytes() - (1 << 30), 0), dtype=torch.uint8, device="cuda")
    try:
        free = free_bytes()
        side = int((free / 40) ** 0.5) // 2 * 2
        huge = vs.core.std.BlankClip(format=vs.YUV420P8, width=side * 2, height=side, length=2)
        with pytest.raises(vs.Error, match=r"Derain: memory of cuda:0 .* must be about \d+ MiB"):
            vs.core.j4r.Derain(huge, device="cuda").get_frame(0)
        assert free_bytes() > free - (256 << 20), "libraries' own memory aside"
    finally:
        del taken
        torch.cuda.empty_cache()
    clip = noise_clip(width=64, height=64, length=2)
    vs.core.j4r.Derain(clip, device="cuda").get_frame(0)
