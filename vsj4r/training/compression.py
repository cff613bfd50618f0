"""Rain as a camera's file holds it: H.264 after the rain, so that streaks come with blocks and ringing."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np

from vsj4r.rain.colour import Yuv

CRF = 18, 28
X264_PRESETS = "ultrafast", "veryfast"
MIDDLES = np.float32(0), np.float32(128), np.float32(128)  # 8-bit code of 0 in each plane


def draw_compression(rng: np.random.Generator) -> dict[str, str]:
    """Options of x264, from hardly visible to a phone's.

    Without mbtree: with it, the same frames give other bits from one call to the next, on one thread too, and
    a clip would not be a function of its number any more (docs/experiments/training.md).
    """
    crf, preset = int(rng.integers(CRF[0], CRF[1] + 1)), X264_PRESETS[int(rng.integers(len(X264_PRESETS)))]
    return {"crf": str(crf), "preset": preset, "threads": "1", "x264-params": "mbtree=0"}


def compress(frames: Yuv, options: dict[str, str]) -> Yuv:
    """Full-range 4:2:0 float32 planes, ``y`` (T, H, W) and ``u``, ``v`` (T, H/2, W/2), coded and decoded."""
    length, height, width = frames.y.shape
    codes = [np.rint(plane * 255) + middle for plane, middle in zip(frames, MIDDLES, strict=True)]
    flat = np.concatenate([plane.reshape(length, -1) for plane in codes], 1).clip(0, 255).astype(np.uint8)
    coded = io.BytesIO()
    with av.open(coded, "w", format="nut") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for t, planes in enumerate(flat):
            picture = av.VideoFrame.from_ndarray(planes.reshape(-1, width), format="yuv420p")
            picture.pts, picture.time_base = t, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    coded.seek(0)
    with av.open(coded, "r", format="nut") as decoder:
        decoded = np.stack([picture.to_ndarray() for picture in decoder.decode(video=0)])
    samples = decoded.reshape(length, -1).astype(np.float32)
    ends = height * width, height * width * 5 // 4
    y, u, v = (
        ((plane - middle) / np.float32(255)).reshape(like.shape)
        for plane, middle, like in zip(np.split(samples, ends, 1), MIDDLES, frames, strict=True)
    )
    return Yuv(y, u, v)
