"""Frames through the real filter to the CUDA engine on the fake device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.clips import noise_clip, planes_of
from tests.cuda.opening import Opening
from vsj4r.engine import open_engine
from vsj4r.engine.weights import find_model


def differ(a: Any, b: Any) -> float:
    """The largest difference, in codes (floats: in 255ths)."""
    unit = 255 if a.format.sample_type == vs.FLOAT else 1
    return max(
        float(np.abs(x.astype(np.float64) - y).max()) * unit
        for x, y in zip(planes_of(a), planes_of(b), strict=True)
    )


def on_both(clip: Any, **arguments: Any) -> tuple[Any, Any]:
    """``clip`` by the filter on the card and on the CPU, with run-ins."""
    wanted = {
        "model": "j4r-lite",
        "precision": "f32",
        "segment": 4,
        "warmup": 2,
        "scene_detect": 0,
        **arguments,
    }
    cuda = vs.core.j4r.Derain(clip, device="cuda:1", **wanted)
    return cuda, vs.core.j4r.Derain(clip, device="cpu", threads=1, **wanted)


def assert_as_on_the_cpu(cuda: Any, cpu: Any, clip: Any) -> None:
    """Frames of ``on_both``, asked for in any order."""
    for n in (6, 0, 1, 8, 7, 3):
        ours, theirs = cuda.get_frame(n), cpu.get_frame(n)
        tolerance = 256 / 255 if clip.format.bits_per_sample == 16 else 1
        assert differ(ours, theirs) <= tolerance * (1 if clip.format.id != vs.YUV420P16 else 2)
        for name in ("J4RRain", "J4ROcclusion"):
            assert ours.props[name] == pytest.approx(theirs.props[name], rel=1e-3, abs=1e-6)
    assert differ(cuda.get_frame(3), clip.get_frame(3)) > 0, "it does something"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("vs_format", "arguments", "direct"),
    [
        (vs.YUV420P8, {}, True),
        (vs.YUV420P10, {"strength": 0.5, "planes": [0, 2]}, True),
        (vs.YUV420P16, {"num_streams": 3}, True),
        (vs.YUV420P8, {"tile": [16, 24]}, True),
        (vs.YUV420PS, {"planes": [1]}, True),
        (vs.GRAY8, {}, True),
        (vs.GRAYH, {}, True),
        (vs.YUV444P8, {}, False),
        (vs.RGB24, {"tile": [16, 24]}, False),
        (vs.YUV420P8, {"output": ["derained", "rain", "occlusion"], "num_streams": 3}, False),
    ],
)
def test_the_filter_on_cuda_gives_what_it_gives_on_the_cpu(
    opened: list[Opening], vs_format: int, arguments: dict[str, Any], direct: bool
) -> None:
    """In any order, with run-ins, on a size that is padded; by planes or by tensors."""
    clip = noise_clip(width=44, height=28, length=9, vs_format=vs_format).std.BoxBlur()
    cuda, cpu = on_both(clip, **arguments)
    assert opened[0].arguments["index"] == 1
    assert (opened[0].arguments["frames"] is not None) == direct
    assert opened[0].engine.plan.depth == (arguments.get("num_streams", 1) if direct else 1)
    assert opened[0].engine.tile == ((6, 4) if "tile" in arguments else (8, 12))
    assert_as_on_the_cpu(cuda, cpu, clip)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("vs_format", "by", "arguments", "direct"),
    [
        (vs.YUV420P8, 2, {}, True),
        (vs.YUV420P10, 3, {"strength": 0.5, "planes": [0, 2]}, True),
        (vs.YUV420P16, 2, {"num_streams": 3}, True),
        (vs.YUV420P8, 4, {"tile": [64, 96], "num_streams": 2}, True),
        (vs.YUV420PS, 2, {"planes": [1]}, True),
        (vs.GRAY8, 2, {}, True),
        (vs.GRAYH, 3, {"num_streams": 2}, True),
        (vs.RGB24, 2, {}, False),
        (vs.YUV420P8, 2, {"output": ["derained", "rain", "occlusion"]}, False),
    ],
)
def test_reduced_frames_on_cuda_are_those_of_the_cpu(
    opened: list[Opening], vs_format: int, by: int, arguments: dict[str, Any], direct: bool
) -> None:
    """In any order, with run-ins, on a size that is padded; reduced on the card, by planes or by tensors."""
    clip = noise_clip(width=118, height=70, length=9, vs_format=vs_format).std.BoxBlur()
    cuda, cpu = on_both(clip, downscale=by, **arguments)
    assert (opened[0].arguments["frames"] is not None) == direct
    assert opened[0].engine.plan.downscale == by
    assert opened[0].engine.plan.depth == (arguments.get("num_streams", 1) if direct else 1)
    assert_as_on_the_cpu(cuda, cpu, clip)


@pytest.mark.parametrize(
    ("vs_format", "by"), [(vs.YUV420P8, 1), (vs.YUV420P10, 2), (vs.YUV420PS, 2), (vs.RGB24, 1)]
)
def test_both_ways_on_cuda_are_those_of_the_cpu(opened: list[Opening], vs_format: int, by: int) -> None:
    """Frames are reduced on the CPU, where there is something between the two ways and their mean."""
    clip = noise_clip(width=118, height=70, length=9, vs_format=vs_format).std.BoxBlur()
    cuda, cpu = on_both(clip, downscale=by, bidirectional=1, num_streams=3)
    assert (opened[0].engine.plan.downscale, opened[0].engine.plan.depth) == (1, 1)
    assert_as_on_the_cpu(cuda, cpu, clip)


def test_a_mask_takes_the_way_over_tensors(opened: list[Opening]) -> None:
    clip = noise_clip(width=44, height=28, length=3).std.BoxBlur()
    mask = vs.core.std.BlankClip(clip, format=vs.GRAY8, color=128)
    arguments: dict[str, Any] = {"model": "j4r-lite", "precision": "f32", "mask": mask, "scene_detect": 0}
    cuda, cpu = (vs.core.j4r.Derain(clip, device=device, **arguments) for device in ("cuda", "cpu"))
    assert opened[0].arguments["frames"] is None
    assert differ(cuda.get_frame(1), cpu.get_frame(1)) <= 1


def test_strength_by_frame_and_interlaced_frames_are_heeded(opened: list[Opening]) -> None:
    clip = noise_clip(width=44, height=28, length=3).std.BoxBlur()
    arguments: dict[str, Any] = {"model": "j4r-lite", "device": "cuda", "scene_detect": 0}
    still = vs.core.j4r.Derain(clip.std.SetFrameProps(J4RStrength=0.0), **arguments)
    assert differ(still.get_frame(1), clip.get_frame(1)) == 0
    with pytest.raises(vs.Error, match="strength must be between 0 and 1, got J4RStrength 2"):
        vs.core.j4r.Derain(clip.std.SetFrameProps(J4RStrength=2.0), **arguments).get_frame(1)
    with pytest.raises(vs.Error, match="frame 0: clip must be progressive, got _FieldBased 2:"):
        vs.core.j4r.Derain(clip.std.SetFrameProps(_FieldBased=2), **arguments).get_frame(1)
    full, limited = (
        vs.core.j4r.Derain(clip.std.SetFrameProps(_Range=value), **arguments).get_frame(1) for value in (1, 0)
    )
    assert differ(full, limited) > 0


@pytest.mark.parametrize("vs_format", [vs.YUV420P8, vs.RGB24])
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"precision": "f8"}, "precision must be one of auto, f32, bf16, int8, got 'f8'"),
        ({"threads": -1}, r"threads must be 0 \(automatic\) or 1 to 1024, got -1"),
    ],
)
def test_precision_and_threads_are_checked_before_a_card_is_opened(
    opened: list[Opening], vs_format: int, arguments: dict[str, Any], text: str
) -> None:
    clip = noise_clip(width=32, height=32, length=2, vs_format=vs_format)
    with pytest.raises(vs.Error, match=f"Derain: {text}"):
        vs.core.j4r.Derain(clip, device="cuda", **arguments)
    assert not opened


def test_open_engine_takes_the_device(opened: list[Opening]) -> None:
    open_engine(find_model("j4r-lite"), height=32, width=32, device="auto")
    assert [each.arguments for each in opened] == [
        {
            "index": 0, "num_streams": 1, "tile": None, "downscale": 1, "precision": "f16",
            "height": 32, "width": 32, "frames": None,
        }
    ]  # fmt: skip
