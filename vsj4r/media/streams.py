"""One stream of a container as a value, and which of several counts.

It is chosen as a player does it: a stream is a picture to show beside the video (a cover, a thumbnail, a
still), or it is a video; of the videos the default one counts, then the largest, then the first. mpv and
ffmpeg have the same order; ffmpeg puts size before the flag.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from av.container import InputContainer
from av.stream import Discard

from vsj4r.frames.matrix import UNSPECIFIED
from vsj4r.media.demuxing import AVI, MOV

PICTURE_FLAGS = frozenset({"attached_pic", "timed_thumbnails", "still_image"})
"""Dispositions of what is shown beside a video: a cover, a thumbnail, a still."""

_LYING = range(5, 9)
"""Orientations in which width and height change places."""
_WHOLE_INDEX = (MOV, AVI)  # their index has every frame


class Picture(NamedTuple):
    """What the choice of an encoder follows from: the bits of a sample, and the transfer (ITU-T H.273)."""

    depth: int
    transfer: int


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
    "interlaced" or "" (unknown). ``sample_rate`` to ``hidden`` are those of sound: ``layout`` is
    ffmpeg's name of where its channels are, ``has_setup`` says whether its decoder is set up by the container
    (AAC of a broadcast is not: each packet says it), and ``hidden`` has the first and the last of packets,
    counted from 0, that an edit list leaves out after the first that is heard (decoders leave out what is
    hidden before it).
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
    transfer: int = UNSPECIFIED
    sample_rate: int = 0
    channels: int = 0
    layout: str = ""
    sample_format: str = ""
    has_setup: bool = True
    hidden: tuple[tuple[int, int], ...] = ()

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
    def shown_size(self) -> tuple[int, int]:
        """Width and height as a player shows them."""
        return (self.height, self.width) if self.orientation in _LYING else (self.width, self.height)

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


def describe_stream(
    container: InputContainer, stream: Any, programs: Mapping[int, tuple[int, ...]]
) -> Stream:
    """``stream`` of PyAV's ``container``; ``programs``: see ``programs.programs_of``."""
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
            "sample_aspect": positive(stream.sample_aspect_ratio),
            "coded_aspect": positive(context.sample_aspect_ratio),
            "rate": positive(stream.average_rate),
            "field_order": _field_order(context.field_order),
            "depth": _depth(context),
            "transfer": int(context.color_trc),
        }
    if stream.type == "audio" and context is not None:
        described |= {
            "sample_rate": context.sample_rate,
            "channels": context.channels,
            "layout": context.layout.name if context.layout else "",
            "sample_format": context.format.name if context.format else "",
            "has_setup": bool(context.extradata),
            "depth": context.bits_per_raw_sample or 0,
            "hidden": _hidden_in(stream),
        }
    return Stream(
        index=stream.index,
        kind=stream.type,
        id=stream.id,
        flags=frozenset(flag.name for flag in stream.disposition if flag.name),
        is_passed_over=stream.discard == Discard.all,
        metadata=dict(stream.metadata),
        programs=programs.get(stream.id, ()),
        time_base=positive(stream.time_base) or Fraction(1),
        start=stream.start_time,
        duration=stream.duration,
        frames=stream.frames or len(stream.index_entries) * (container.format.name in _WHOLE_INDEX),
        **described,
    )


def _hidden_in(stream: Any) -> tuple[tuple[int, int], ...]:
    runs: list[tuple[int, int]] = []
    is_heard = False
    for number, entry in enumerate(stream.index_entries):
        if not entry.is_discard:
            is_heard = True
        elif is_heard and runs and runs[-1][1] == number - 1:
            runs[-1] = runs[-1][0], number
        elif is_heard:
            runs.append((number, number))
    return tuple(runs)


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


def positive(number: Any) -> Fraction | None:
    """A rational of PyAV; None where it is not above 0."""
    if number is None or number.denominator == 0 or number.numerator <= 0:
        return None
    return Fraction(number.numerator, number.denominator)
