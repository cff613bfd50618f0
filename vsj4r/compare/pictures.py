"""Frames as pictures inside the page."""

from __future__ import annotations

import base64
from fractions import Fraction

import av
import numpy as np
import vapoursynth as vs

from vsj4r.errors import Vsj4rError
from vsj4r.media.frame_errors import first_line
from vsj4r.media.images import frame_array
from vsj4r.media.reading import Image

LARGEST_PX = 1920
QUALITY = 95


def picture_clip(clip: vs.VideoNode) -> vs.VideoNode:
    """``clip`` as RGB24, its longer side at most ``LARGEST_PX``."""
    shrink = min(LARGEST_PX / max(clip.width, clip.height), 1)
    size = {"width": max(round(clip.width * shrink), 1), "height": max(round(clip.height * shrink), 1)}
    if clip.format.id == vs.RGB24 and shrink == 1:
        return clip
    return clip.resize.Bicubic(format=vs.RGB24, **size)


def data_uri(clip: vs.VideoNode, n: int) -> str:
    """Frame ``n`` of ``picture_clip`` as WebP in a data: URI.

    Raises:
        Vsj4rError: the frame cannot be read.
    """
    try:
        with clip.get_frame(n) as frame:
            return f"data:image/webp;base64,{base64.b64encode(_webp(frame_array(frame))).decode('ascii')}"
    except vs.Error as error:
        raise Vsj4rError(first_line(error)) from error


def _webp(image: Image) -> bytes:
    height, width, _ = image.shape
    encoder = av.VideoCodecContext.create("libwebp", "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "bgra"
    encoder.time_base = Fraction(1, 1)
    encoder.options = {"quality": str(QUALITY)}
    opaque = np.dstack([image[..., ::-1], np.full((height, width), 255, np.uint8)])
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(opaque), format="bgra")
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])
