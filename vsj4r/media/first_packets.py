"""The first packets of a container, and the first frame that is decoded from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
from av.container import InputContainer

from vsj4r.media.demuxing import READ_ERRORS
from vsj4r.media.streams import Stream

_LOOK_PACKETS = 4000  # at most, to see which streams have a second frame
_LOOK_BYTES = 64 << 20
_FIRST_FRAME_PACKETS = 100  # at most, until a decoder gives a frame


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """The first frame that a decoder gives. ``transfer`` is ITU-T H.273's number."""

    width: int
    height: int
    pixel_format: str
    has_alpha: bool
    has_palette: bool
    is_interlaced: bool
    transfer: int


class FirstPackets:
    """Of ``container``, read no further than they are needed."""

    def __init__(self, container: InputContainer) -> None:
        self._container = container
        self._rest = container.demux()
        self._packets: dict[int, list[Any]] = {stream.index: [] for stream in container.streams}
        self._bytes = self._count = 0

    def has_one_frame(self, stream: Stream) -> bool:
        """Whether no second packet of ``stream`` is among the first of the file."""
        if stream.frames:
            return stream.frames == 1
        while len(self._packets[stream.index]) < 2 and self._read():
            pass
        return len(self._packets[stream.index]) < 2

    def first_packet(self, index: int) -> bytes | None:
        while not self._packets[index] and self._read():
            pass
        return bytes(self._packets[index][0]) if self._packets[index] else None

    def first_frame(self, video: Stream) -> FirstFrame | None:
        """What ffmpeg decodes first; a damaged start may give nothing."""
        context: Any = self._container.streams[video.index].codec_context
        place = 0
        while place < _FIRST_FRAME_PACKETS:
            packets = self._packets[video.index]
            if place == len(packets) and not self._read():
                break
            if place == len(packets):
                continue
            try:
                frames = context.decode(packets[place])
            except READ_ERRORS:
                frames = []
            place += 1
            if frames:
                return _describe_frame(frames[0])
        try:
            frames = context.decode(None)
        except READ_ERRORS:
            return None
        return _describe_frame(frames[0]) if frames else None

    def _read(self) -> bool:
        """Take one more packet; False at the end of the file, or of what is looked at."""
        if self._count >= _LOOK_PACKETS or self._bytes >= _LOOK_BYTES:
            return False
        try:
            packet = next(self._rest, None)
        except READ_ERRORS:
            return False
        if packet is None:
            return False
        self._count += 1
        if packet.size:
            self._bytes += packet.size
            self._packets[packet.stream.index].append(packet)
        return True


def _describe_frame(frame: av.VideoFrame) -> FirstFrame:
    return FirstFrame(
        width=frame.width,
        height=frame.height,
        pixel_format=frame.format.name,
        has_alpha=any(component.is_alpha for component in frame.format.components),
        has_palette=frame.format.has_palette,
        is_interlaced=frame.interlaced_frame,
        transfer=int(frame.color_trc),
    )
