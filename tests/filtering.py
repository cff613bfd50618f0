"""``core.j4r.Derain`` with one thread and float precision, and what it must give, by the engine alone."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import vapoursynth as vs

from tests.clips import planes_of
from vsj4r.arrays import Floats
from vsj4r.engine import open_engine
from vsj4r.engine.base import Plane, Tensors
from vsj4r.engine.bidirectional import share_back
from vsj4r.engine.downscaled import downscale_spec
from vsj4r.engine.weights import find_model
from vsj4r.frames.formats import Family, Format, Geometry
from vsj4r.frames.planes import Converter
from vsj4r.frames.segments import Segments

DEFAULTS = {"precision": "f32", "threads": 1, "scene_detect": 0}  # noise has cuts everywhere


def derain(clip: Any, model: str, **arguments: Any) -> Any:
    return vs.core.j4r.Derain(clip, model=model, **DEFAULTS | arguments)


def message(clip: Any, model: str, **arguments: Any) -> str:
    with pytest.raises(vs.Error) as caught:
        derain(clip, model, **arguments)
    return str(caught.value)


def format_of(video: Any) -> Format:
    """VapourSynth's format as ours."""
    families: dict[int, Family] = {vs.GRAY: "gray", vs.RGB: "rgb", vs.YUV: "yuv"}
    sample: Literal["integer", "float"] = "float" if video.sample_type == vs.FLOAT else "integer"
    return Format(
        families[video.color_family],
        sample,
        video.bits_per_sample,
        video.subsampling_w,
        video.subsampling_h,
    )


def reference(
    clip: Any,
    model: str,
    segments: Segments,
    *,
    strength: float = 1.0,
    full: bool = False,
    downscale: int = 1,
) -> list[list[Plane]]:
    """Each output on its own, from fresh states, by the engine alone; both ways without ``downscale``."""
    geometry = Geometry(clip.width, clip.height, format_of(clip.format))
    found = find_model(model)
    convert = Converter(geometry, downscale_spec(found.spec, downscale))
    engine = open_engine(
        found,
        height=convert.padded_height,
        width=convert.padded_width,
        precision="f32",
        threads=1,
        downscale=downscale,
    )
    sources = [planes_of(frame) for frame in clip.frames()]
    tensors = [convert.new_tensors() for _ in sources]
    for planes, into in zip(sources, tensors, strict=True):
        convert.load(planes, full=full, into=into)
    outputs = []
    for n, planes in enumerate(sources):
        state = engine.new_state()
        for i in range(segments.start(n), n + 1):
            step = engine.step(tensors[i], tensors[segments.neighbour(i)], state)
        y, uv = _copy(step.residual)
        if segments.bidirectional:
            state, begin = engine.new_state(), segments.block(n).begin
            for i in range(begin, n - 1, -1):
                step = engine.step(tensors[i], tensors[segments.neighbour_back(i)], state)
            share = share_back(n - segments.start(n) + 1, begin - n + 1)
            ahead, back = (y, uv), _copy(step.residual)
            y, uv = (
                a * np.float32(1 - share) + b * np.float32(share) for a, b in zip(ahead, back, strict=True)
            )
        out = [np.empty_like(plane) for plane in planes]
        convert.add(planes, Tensors(y, uv), strength=strength, full=full, into=out)
        outputs.append(out)
    return outputs


def _copy(frame: Tensors) -> tuple[Floats, Floats]:
    assert frame.uv is not None
    return frame.y.copy(), frame.uv.copy()


def assert_same(frame: Any, planes: list[Plane]) -> None:
    for got, expected in zip(planes_of(frame), planes, strict=True):
        np.testing.assert_array_equal(got, expected)
