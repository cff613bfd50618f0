"""Raw frames with their timestamps, as NUT: y4m has no timestamps, and ffmpeg reads NUT from a pipe."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import IO, Any

import av
import numpy as np
import vapoursynth as vs

from vsj4r.media.alpha import ALPHA
from vsj4r.media.pixels import AS_RGB, chroma_of, pixel_format

BUFFER_BYTES = 1 << 20


_GBR = (1, 2, 0)
"""In what order ffmpeg has the planes of RGB."""


class NutWriter:
    """Gives jobs that write frames of ``clip`` (such as ``pixels.clip_to_yuv`` gives) to a stream; with
    ``alpha`` that of each frame too. ``rate``: frames a second that the stream says, whatever their times
    are."""

    def __init__(
        self, clip: vs.VideoNode, *, time_base: Fraction, rate: Fraction, alpha: bool = False
    ) -> None:
        chroma = str(chroma_of(clip))
        self._pixel_format = pixel_format(chroma, clip.format.bits_per_sample, alpha=alpha)
        self._order = _GBR if chroma == AS_RGB else range(3)
        self._alpha = alpha
        self._size = clip.width, clip.height
        self._rate = rate
        self._time_base = time_base
        self._container: av.container.OutputContainer | None = None

    def frame(self, frame: vs.VideoFrame, timestamp: int) -> Callable[[IO[bytes]], None]:
        """The job that writes ``frame``, shown at ``timestamp`` time bases; the samples are copied now."""
        planes = b"".join(np.ascontiguousarray(np.asarray(frame[plane])).data for plane in self._order)
        if self._alpha:
            alpha: Any = frame.props[ALPHA]
            planes += np.ascontiguousarray(np.asarray(alpha[0])).tobytes()

        def write(stream: IO[bytes]) -> None:
            container = self._container = self._container or self._open(stream)
            packet = av.Packet(planes)
            packet.stream = container.streams.video[0]
            packet.time_base = self._time_base
            packet.pts = packet.dts = timestamp
            packet.is_keyframe = True
            container.mux(packet)

        return write

    def end(self, stream: IO[bytes]) -> None:
        """The last job."""
        if self._container is not None:
            self._container.close()

    def _open(self, stream: IO[bytes]) -> av.container.OutputContainer:
        container = av.open(stream, "w", format="nut", buffer_size=BUFFER_BYTES)
        video = container.add_stream("rawvideo", rate=self._rate)
        video.width, video.height = self._size
        video.pix_fmt = self._pixel_format
        video.time_base = self._time_base
        return container
