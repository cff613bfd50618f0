"""What a video file is, found out once: it is opened into a value, and the value is handed on.

Which stream counts is decided here, in `choose_video`, as a player decides it: a stream is a picture to show
beside the video (a cover, a thumbnail, a still), or it is a video; of the videos the default one counts,
then the largest, then the first. mpv and ffmpeg have the same order; ffmpeg puts size before the flag.

| What is asked                  | Whose word counts                                                   |
|--------------------------------|---------------------------------------------------------------------|
| which video stream             | `choose_video`                                                      |
| which other streams            | those of the same program, where there are programs (MPEG-TS)       |
| shape of a sample              | the container's, then the bitstream's (`Stream.sample_aspect`)      |
| how to turn, show in 3D        | the container's side data (`Stream.side_data`)                      |
| what part is shown             | the container's (`Stream.cropping`), within the bitstream's         |
| frames a second                | the stream's; 25 as a guess where nothing says it (`rate_is_guess`) |
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.format import Flags
from av.sidedata.sidedata import Type
from av.stream import Discard

from vsj4r.errors import InputError
from vsj4r.media.programs import programs_of
from vsj4r.media.room import check_frame_fits

READ_ERRORS = (av.error.FFmpegError, OSError, ValueError, IndexError, OverflowError)
"""What PyAV raises for a file that it cannot read."""

_UNSPECIFIED = 2  # of ITU-T H.273

GUESSED_RATE = Fraction(25)
"""Frames a second of a raw stream that does not say it; ffmpeg's guess too."""

_NO_TIMESTAMPS = int(str(Flags.no_timestamps.value))
PICTURE_FLAGS = frozenset({"attached_pic", "timed_thumbnails", "still_image"})
"""Dispositions of what is shown beside a video: a cover, a thumbnail, a still."""

_LOOK_PACKETS = 4000  # at most, to see which streams have a second frame
_LOOK_BYTES = 64 << 20
_FIRST_FRAME_PACKETS = 100  # at most, until a decoder gives a frame

# PyAV 19 crashes in `frame.side_data` of a PNG with an ICC profile, so it is asked only of frames of codecs
# that carry what is looked for.
_SIDE_DATA_CODECS = frozenset({"h264", "hevc", "vvc", "av1", "vp9", "mpeg2video", "mpeg1video"})


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream, as its container describes it.

    ``index`` is ffmpeg's number. ``codec`` is ffmpeg's name, "" where it has no decoder for it.
    ``flags``: names of the dispositions (default, forced, attached_pic ...). ``start`` and
    ``duration`` are in units of ``time_base`` seconds, None where unknown; ``frames`` is 0 where
    unknown. ``programs``: numbers of the MPEG-TS programs that it belongs to. ``side_data``: the
    bytes of ffmpeg's structures, by ffmpeg's names (display_matrix, stereo_3d, spherical,
    frame_cropping, mastering_display_metadata, content_light_level, dovi_conf, icc_profile ...).

    ``width`` to ``rate`` are 0, "" or None where the stream is no video. ``sample_aspect`` is the
    container's word where it has one, else the bitstream's (``coded_aspect``); None where neither says it.
    ``depth`` is bits a sample, ``transfer`` ITU-T H.273's number. ``field_order`` is "progressive",
    "interlaced" or "" (unknown). ``sample_rate`` to ``sample_format`` are those of sound.
    """

    index: int
    kind: str
    codec: str
    id: int = 0
    codec_tag: str = ""
    profile: str = ""
    flags: frozenset[str] = frozenset()
    is_passed_over: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[int, ...] = ()
    time_base: Fraction = Fraction(1)
    start: int | None = None
    duration: int | None = None
    frames: int = 0
    side_data: Mapping[str, bytes] = field(default_factory=dict)
    width: int = 0
    height: int = 0
    pixel_format: str = ""
    sample_aspect: Fraction | None = None
    coded_aspect: Fraction | None = None
    rate: Fraction | None = None
    field_order: str = ""
    depth: int = 0
    transfer: int = _UNSPECIFIED
    sample_rate: int = 0
    channels: int = 0
    sample_format: str = ""

    @property
    def is_picture(self) -> bool:
        """Whether its flags say that it is shown beside a video: a cover, a thumbnail, a still."""
        return bool(self.flags & PICTURE_FLAGS)

    @property
    def is_cover(self) -> bool:
        return "attached_pic" in self.flags

    @property
    def start_seconds(self) -> Fraction | None:
        return None if self.start is None else self.start * self.time_base

    @property
    def display_matrix(self) -> tuple[int, ...] | None:
        """Nine numbers in row order (16.16 and 2.30 fixed point); None where the container says nothing."""
        return self._numbers("display_matrix", "=9i")

    @property
    def orientation(self) -> int:
        """How the container turns the picture, as EXIF numbers it: 1 (as stored) to 8, in quarter turns."""
        if self.display_matrix is None:
            return 1
        a, b, _, c, d = self.display_matrix[:5]  # (x, y) is shown at (ax + cy, bx + dy)
        lies = abs(b) > abs(a)
        if lies:
            a, d = c, b
        return {(False, False): 1, (False, True): 2, (True, True): 3, (True, False): 4}[
            d < 0, a < 0
        ] + 4 * lies

    @property
    def cropping(self) -> tuple[int, ...] | None:
        """Pixels that the container hides at the top, bottom, left and right; None where it says nothing."""
        return self._numbers("frame_cropping", "<4I")

    def tag(self, name: str) -> str:
        """The tag ``name``, in lower case, however the container writes it; "" where there is none."""
        return next((value for key, value in self.metadata.items() if key.lower() == name), "")

    def _numbers(self, name: str, layout: str) -> tuple[int, ...] | None:
        content = self.side_data.get(name, b"")
        if len(content) < struct.calcsize(layout):
            return None
        return struct.unpack_from(layout, content)


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """The first frame that a decoder gives. ``side_data``: by ffmpeg's names in upper case (A53_CC,
    DYNAMIC_HDR_PLUS, DOVI_RPU_BUFFER ...)."""

    width: int
    height: int
    pixel_format: str
    has_alpha: bool
    has_palette: bool
    is_interlaced: bool
    side_data: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Probe:
    """A video file. ``format`` is ffmpeg's name of the demuxer; ``video`` is the stream that counts.

    ``start_seconds`` and ``duration_seconds`` are the container's, None where unknown. ``chapters`` are as
    PyAV gives them. ``covers``: of each cover stream its picture, by index. ``first_frame`` is None where
    ffmpeg decodes none of the first packets.
    """

    path: Path
    format: str
    streams: tuple[Stream, ...]
    video: Stream
    metadata: Mapping[str, str]
    chapters: tuple[Any, ...]
    start_seconds: Fraction | None
    duration_seconds: Fraction | None
    rate: Fraction | None
    rate_is_guess: bool
    covers: Mapping[int, bytes]
    first_frame: FirstFrame | None

    @property
    def others(self) -> list[Stream]:
        """The streams beside ``video`` that a player would show with it: those of its program."""
        return [stream for stream in self.streams if stream.index != self.video.index and self._with(stream)]

    @property
    def other_programs(self) -> list[Stream]:
        """The streams that belong to other programs only."""
        return [stream for stream in self.streams if not self._with(stream)]

    def _with(self, stream: Stream) -> bool:
        ours = self.video.programs
        return not ours or not stream.programs or bool(set(ours) & set(stream.programs))


def probe(path: Path, *, track: int | None = None) -> Probe:
    """Open the video file ``path`` and describe it. Reads its head and decodes one frame. ``track``: the
    video stream that counts, counted from 0 and without covers; None: `choose_video` decides.

    Raises:
        InputError: it cannot be read, or has no such video stream.
    """
    with open_container(path) as container:
        try:
            return _describe(path, container, track)
        except READ_ERRORS as error:
            raise read_error(path, error) from error


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """The file ``path``, opened by PyAV. What the body raises is the body's.

    Raises:
        InputError: it cannot be opened as a video.
    """
    try:
        container = av.open(str(path.absolute()))
    except READ_ERRORS as error:
        raise read_error(path, error) from error
    with container:
        yield container


def read_error(path: Path, error: BaseException) -> InputError:
    """``error`` as that of the video ``path``."""
    return InputError(f"{path} cannot be read as a video: {reason_of(error)}")


def reason_of(error: BaseException) -> str:
    """What ``error`` says, without the name of a file; its class where it says nothing."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def choose_video(streams: Iterable[Stream], *, one_frame: Callable[[Stream], bool]) -> Stream | None:
    """The video stream that a player would play; None where there is none.

    ``one_frame`` tells whether a stream has a single frame; it is asked only where several could be meant.
    """
    known = [stream for stream in streams if stream.kind == "video" and stream.codec and not stream.is_cover]
    moving = [stream for stream in known if not stream.is_picture] or known
    if len(moving) > 1:
        moving = [stream for stream in moving if not one_frame(stream)] or moving
    return max(
        moving,
        key=lambda stream: ("default" in stream.flags, stream.width * stream.height, -stream.index),
        default=None,
    )


def main_video(container: InputContainer) -> av.VideoStream | None:
    """The stream that counts of an output of ours, in which there is nothing beside it but covers."""
    streams = [_describe_stream(container, stream, {}) for stream in container.streams]
    found = choose_video(streams, one_frame=lambda stream: False)
    return None if found is None else video_at(container, found.index)


def video_at(container: InputContainer, index: int) -> av.VideoStream:
    """The video stream that has ffmpeg's number ``index``."""
    return next(stream for stream in container.streams.video if stream.index == index)


def _describe(path: Path, container: InputContainer, track: int | None) -> Probe:
    is_ts = container.format.name == "mpegts"
    programs = programs_of(path) if is_ts else {}
    streams = tuple(_describe_stream(container, stream, programs) for stream in container.streams)
    head = _Head(container)
    video = choose_video(streams, one_frame=head.has_one_frame)
    if track is not None:
        tracks = [stream for stream in streams if stream.kind == "video" and not stream.is_cover]
        if track >= len(tracks) or not tracks[track].codec:
            raise InputError(f"{path} has no video track {track}: its last one is {len(tracks) - 1}")
        video = tracks[track]
    if video is None:
        unknown = any(stream.kind == "video" and not stream.is_cover for stream in streams)
        raise InputError(f"{path} has no video {'that ffmpeg can decode' if unknown else 'stream'}")
    check_frame_fits(path, video.width, video.height)
    covers = {
        stream.index: picture
        for stream in streams
        if stream.is_cover and (picture := head.first_packet(stream.index)) is not None
    }
    rate, rate_is_guess = _rate_of(container, video)
    return Probe(
        path=path,
        format=container.format.name,
        streams=streams,
        video=video,
        metadata=dict(container.metadata),
        chapters=tuple(container.chapters()),
        start_seconds=_seconds(container.start_time),
        duration_seconds=_seconds(container.duration),
        rate=rate,
        rate_is_guess=rate_is_guess,
        covers=covers,
        first_frame=head.first_frame(video),
    )


def _describe_stream(
    container: InputContainer, stream: Any, programs: Mapping[int, tuple[int, ...]]
) -> Stream:
    context = stream.codec_context
    described: dict[str, Any] = {"codec": stream.name or "" if stream.type == "data" else ""}
    if context is not None:
        described = {
            "codec": context.codec.canonical_name,
            "codec_tag": _codec_tag(context),
            "profile": context.profile or "",
            "side_data": context.coded_side_data,
        }
    if stream.type == "video" and context is not None:
        described |= {
            "width": context.width,
            "height": context.height,
            "pixel_format": context.pix_fmt or "",
            "sample_aspect": _positive(stream.sample_aspect_ratio),
            "coded_aspect": _positive(context.sample_aspect_ratio),
            "rate": _positive(stream.average_rate),
            "field_order": _field_order(context.field_order),
            "depth": _depth(context),
            "transfer": int(context.color_trc),
        }
    if stream.type == "audio" and context is not None:
        described |= {
            "sample_rate": context.sample_rate,
            "channels": context.channels,
            "sample_format": context.format.name if context.format else "",
        }
    return Stream(
        index=stream.index,
        kind=stream.type,
        id=stream.id,
        flags=frozenset(flag.name for flag in stream.disposition if flag.name),
        is_passed_over=stream.discard == Discard.all,
        metadata=dict(stream.metadata),
        programs=programs.get(stream.id, ()),
        time_base=_positive(stream.time_base) or Fraction(1),
        start=stream.start_time,
        duration=stream.duration,
        frames=stream.frames or len(stream.index_entries) * (container.format.name in _WHOLE_INDEX),
        **described,
    )


_WHOLE_INDEX = ("mov,mp4,m4a,3gp,3g2,mj2", "avi")  # their index has every frame


def _codec_tag(context: Any) -> str:
    """The four letters of the container, "" where they are none."""
    try:
        tag = str(context.codec_tag or "")
    except UnicodeDecodeError:
        return ""
    return tag if tag.isprintable() else ""


def _depth(context: Any) -> int:
    """Bits of a sample, 0 where the format of pixels is unknown."""
    kind = context.format
    return max((component.bits for component in kind.components), default=0) if kind else 0


def _field_order(order: int) -> str:
    """From ffmpeg's AVFieldOrder."""
    return {0: "", 1: "progressive"}.get(int(order), "interlaced")


def _rate_of(container: InputContainer, video: Stream) -> tuple[Fraction | None, bool]:
    """Frames a second, and whether that is a guess: a raw stream has no timestamps, and need not say it."""
    if not container.format.flags & _NO_TIMESTAMPS:
        return video.rate, False
    context: Any = container.streams[video.index].codec_context
    stated = _positive(context.framerate)
    return stated or GUESSED_RATE, stated is None


def _positive(number: Any) -> Fraction | None:
    """A rational of PyAV; None where it is not above 0."""
    if number is None or number.denominator == 0 or number.numerator <= 0:
        return None
    return Fraction(number.numerator, number.denominator)


def _seconds(microseconds: int | None) -> Fraction | None:
    return None if microseconds is None else Fraction(microseconds, av.time_base)


class _Head:
    """The first packets of a container, read no further than they are needed."""

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
                return _describe_frame(video, frames[0])
        try:
            frames = context.decode(None)
        except READ_ERRORS:
            return None
        return _describe_frame(video, frames[0]) if frames else None

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


def _describe_frame(video: Stream, frame: av.VideoFrame) -> FirstFrame:
    side_data: dict[str, bytes] = {}
    if video.codec in _SIDE_DATA_CODECS:
        kept: Any = frame.side_data
        side_data = {kind.name: bytes(kept[kind]) for kind in kept if isinstance(kind, Type)}
    return FirstFrame(
        width=frame.width,
        height=frame.height,
        pixel_format=frame.format.name,
        has_alpha=any(component.is_alpha for component in frame.format.components),
        has_palette=frame.format.has_palette,
        is_interlaced=frame.interlaced_frame,
        side_data=side_data,
    )
