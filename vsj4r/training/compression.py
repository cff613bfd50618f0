"""Rain as a camera's file holds it: H.264 after the rain, so that streaks come with blocks and ringing."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from vsj4r.rain.colour import Yuv

CRF = 18, 28
PRESETS = "ultrafast", "veryfast"
MIDDLES = np.float32(0), np.float32(128), np.float32(128)  # 8-bit code of 0 in each plane


def draw_compression(rng: np.random.Generator) -> dict[str, str]:
    """Options of x264, from hardly visible to a phone's."""
    crf = int(rng.integers(CRF[0], CRF[1] + 1))
    return {"crf": str(crf), "preset": PRESETS[int(rng.integers(len(PRESETS)))], "threads": "1"}


def compress(frames: Yuv, options: dict[str, str]) -> Yuv:
    """Full-range 4:2:0 float32 planes, ``y`` (T, H, W) and ``u``, ``v`` (T, H/2, W/2), coded and decoded."""
    coded = io.BytesIO()
    length, height, width = frames.y.shape
    with av.open(coded, "w", format="nut") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for t in range(length):
            picture = av.VideoFrame(width, height, "yuv420p")
            for plane, values, middle in zip(picture.planes, frames, MIDDLES, strict=True):
                _fill(plane, np.rint(values[t] * 255) + middle)
            picture.pts, picture.time_base = t, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    coded.seek(0)
    with av.open(coded, "r", format="nut") as decoder:
        pictures = list(decoder.decode(video=0))
    y, u, v = (
        np.stack([(_read(picture.planes[k]) - middle) / np.float32(255) for picture in pictures])
        for k, middle in enumerate(MIDDLES)
    )
    return Yuv(y, u, v)


def _fill(plane: av.video.plane.VideoPlane, values: NDArray[np.floating]) -> None:
    rows = np.zeros((plane.height, plane.line_size), np.uint8)
    rows[:, : plane.width] = values.clip(0, 255)
    plane.update(rows.tobytes())


def _read(plane: av.video.plane.VideoPlane) -> NDArray[np.float32]:
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width].astype(np.float32)
