"""Videos that the source filter cannot give, or not all of (RGB of fewer than 8 bits, raw sensor data, images
with a damaged ICC profile), decoded to RGB by PyAV.

Frame n is the nth that the decoder gives from the start of the file: exact by construction. Going back means
beginning anew; what was decoded last is kept, for frames are asked for a little out of order.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator
from contextlib import closing

import av
import vapoursynth as vs

from vsj4r.errors import InputError
from vsj4r.media.demuxing import READ_ERRORS, open_container, video_at
from vsj4r.media.images import rgb_clip
from vsj4r.media.probe import GUESSED_RATE, Probe
from vsj4r.media.reading import Image
from vsj4r.media.times import NO_TIME

IMAGE_CODECS = frozenset({"png", "apng", "mjpeg", "tiff", "webp", "webp_anim"})
"""Those whose frames may have an ICC profile: BestSource loses a frame whose profile is damaged."""

_KEPT_FRAMES = 24


def needs_decoding(source: Probe) -> bool:
    """Whether the samples of ``source`` are of a kind that BestSource refuses."""
    if source.first_frame is None:
        return False
    layout = av.VideoFormat(source.first_frame.pixel_format)
    if layout.has_palette:
        return False
    return layout.name.startswith("bayer") or layout.components[0].bits < 8


def decode_clip(source: Probe) -> tuple[vs.VideoNode, list[int]]:
    """``source`` as an RGB24 clip (RGB48 above 8 bits) and its timestamps, in the time base of its stream;
    AV_NOPTS_VALUE where a frame has none.

    Raises:
        InputError: nothing of it can be decoded, or frames differ in size.
    """
    deep = max(part.bits for part in av.VideoFormat(_pixel_format(source)).components) > 8
    stamps, sizes = [], set()
    with closing(_frames(source)) as frames:
        for frame in frames:
            stamps.append(NO_TIME if frame.pts is None else frame.pts)
            sizes.add((frame.width, frame.height))
    if not stamps:
        raise InputError(f"{source.path} cannot be decoded")
    if len(sizes) > 1:
        raise InputError(
            f"{source.path} changes its size in the middle, which is not supported: cut it into parts there"
        )
    ((width, height),) = sizes
    reader = _Reader(source, "rgb48le" if deep else "rgb24")
    clip = rgb_clip(
        reader.frame,
        frames=len(stamps),
        width=width,
        height=height,
        depth=16 if deep else 8,
        fps=source.rate or GUESSED_RATE,
    )
    return clip, stamps


def _pixel_format(source: Probe) -> str:
    return source.video.pixel_format if source.first_frame is None else source.first_frame.pixel_format


class _Reader:
    """Frames of a file by their number."""

    def __init__(self, source: Probe, layout: str) -> None:
        self._source, self._layout = source, layout
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Image] = OrderedDict()
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._next = 0

    def frame(self, n: int) -> Image:
        """(H, W, 3) of frame ``n``.

        Raises:
            InputError: the file has fewer frames than it had.
        """
        with self._lock:
            if n not in self._kept:
                self._decode_to(n)
            return self._kept[n]

    def _decode_to(self, n: int) -> None:
        if n < self._next or self._next == 0:
            self._frames, self._next = _frames(self._source), 0
        while self._next <= n:
            frame = next(self._frames, None)
            if frame is None:
                raise InputError(f"{self._source.path} has no frame {n} any more: it has changed")
            if self._next > n - _KEPT_FRAMES:
                self._kept[self._next] = frame.to_ndarray(format=self._layout)
            self._next += 1
        while len(self._kept) > _KEPT_FRAMES:
            self._kept.popitem(last=False)


def _frames(source: Probe) -> Generator[av.VideoFrame]:
    """All that can be decoded; a damaged packet costs its own frame."""
    with open_container(source.path) as container:
        video = video_at(container, source.video.index)
        try:
            for packet in container.demux(video):
                try:
                    decoded = video.decode(packet)
                except READ_ERRORS:
                    continue
                yield from decoded
        except READ_ERRORS:
            return
