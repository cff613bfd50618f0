"""What a video file is, found out once: it is opened into a value, and the value is handed on.

| What is asked                  | Whose word counts                                                   |
|--------------------------------|---------------------------------------------------------------------|
| which video stream             | `streams.choose_video`                                              |
| which other streams            | those of the same program, where there are programs (MPEG-TS)       |
| shape of a sample              | the container's, then the bitstream's (`Stream.sample_aspect`)      |
| how to turn, show in 3D        | the container's side data (`Stream.side_data`)                      |
| what part is shown             | the container's (`Stream.cropping`), within the bitstream's         |
| transfer                       | the first frame's, of a stream that says two (HLG: VUI and SEI)     |
| frames a second                | the stream's; 25 as a guess where nothing says it (`rate_is_guess`) |
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.format import Flags

from vsj4r.errors import InputError
from vsj4r.frames.matrix import UNSPECIFIED
from vsj4r.media.cut_short import missing_of
from vsj4r.media.demuxing import MATROSKA, READ_ERRORS, open_container, read_error, video_at
from vsj4r.media.first_packets import FirstFrame, FirstPackets
from vsj4r.media.matroska import Arrangement, read_arrangement
from vsj4r.media.programs import programs_of
from vsj4r.media.room import check_frame_fits
from vsj4r.media.streams import Picture, Stream, choose_video, describe_stream, positive

GUESSED_RATE = Fraction(25)
"""Frames a second of a raw stream that does not say it; ffmpeg's guess too."""

_NO_TIMESTAMPS = int(str(Flags.no_timestamps.value))


@dataclass(frozen=True, slots=True)
class Probe:
    """A video file. ``format`` is ffmpeg's name of the demuxer; ``video`` is the stream that counts.

    ``start_seconds`` and ``duration_seconds`` are the container's, None where unknown. ``chapters`` are as
    PyAV gives them. ``covers``: of each cover stream its picture, by index. ``first_frame`` is None where
    ffmpeg decodes none of the first packets. ``missing``: in words what of the file is not there, "" where
    nothing is known.
    ``beyond_chapters``: in words what ``chapters`` lack of those in the file.
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
    missing: str = ""
    beyond_chapters: tuple[str, ...] = ()

    def stream_at(self, index: int) -> Stream:
        """The stream that has ffmpeg's number ``index``."""
        return next(stream for stream in self.streams if stream.index == index)

    @property
    def picture(self) -> Picture:
        return Picture(self.video.depth, self.video.transfer)

    @property
    def has_wandering_clock(self) -> bool:
        """Whether times begin anywhere and may jump, as those of broadcasts and of DVDs do."""
        return self.format in ("mpegts", "mpeg")

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


def main_video(container: InputContainer) -> av.VideoStream | None:
    """The stream that counts where there is nothing beside it but covers: in an output of ours, in a raw
    stream."""
    streams = [describe_stream(container, stream, {}) for stream in container.streams]
    found = choose_video(streams, one_frame=lambda stream: False)
    return None if found is None else video_at(container, found.index)


def video_times(path: Path) -> list[Fraction]:
    """When each frame of the ``main_video`` of ``path`` is shown, in seconds, sorted.

    A packet is a frame; without a time it counts as 0.

    Raises:
        av.FFmpegError: it cannot be read.
    """
    with av.open(str(path.absolute())) as container:
        video = main_video(container)
        if video is None:
            return []
        base = Fraction(video.time_base.numerator, video.time_base.denominator)
        times = (
            packet.dts if packet.pts is None else packet.pts
            for packet in container.demux(video)
            if packet.size
        )
        return [ticks * base for ticks in sorted(ticks or 0 for ticks in times)]


def _describe(path: Path, container: InputContainer, track: int | None) -> Probe:
    is_ts = container.format.name == "mpegts"
    programs = programs_of(path) if is_ts else {}
    streams = tuple(describe_stream(container, stream, programs) for stream in container.streams)
    arranged = read_arrangement(path) if container.format.name == MATROSKA else Arrangement()
    streams = _with_languages(streams, arranged.languages)
    head = FirstPackets(container)
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
    first_frame = head.first_frame(video)
    if first_frame is not None and first_frame.transfer != UNSPECIFIED:
        video = replace(video, transfer=first_frame.transfer)
    return Probe(
        path=path,
        format=container.format.name,
        streams=streams,
        video=video,
        metadata=dict(container.metadata),
        chapters=tuple(container.chapters()),
        start_seconds=_seconds(container.start_time),
        duration_seconds=_length(container, streams),
        rate=rate,
        rate_is_guess=rate_is_guess,
        covers=covers,
        first_frame=first_frame,
        missing=missing_of(path, container),
        beyond_chapters=arranged.chapters,
    )


def _with_languages(streams: tuple[Stream, ...], languages: Sequence[str]) -> tuple[Stream, ...]:
    """``streams`` with those of ``languages``, one for each track, that say more than three letters do."""
    tracks = [stream.index for stream in streams if stream.kind != "attachment" and not stream.is_cover]
    if len(tracks) != len(languages):
        return streams
    told = {index: tag for index, tag in zip(tracks, languages, strict=True) if "-" in tag}
    return tuple(
        replace(stream, metadata={**stream.metadata, "language": told[stream.index]})
        if stream.index in told
        else stream
        for stream in streams
    )


def _length(container: InputContainer, streams: Sequence[Stream]) -> Fraction | None:
    """How long it lasts. Matroska says when it ends, counted from 0 whenever it begins, and counts lines of
    subtitles that have no end of their own."""
    length = _seconds(container.duration)
    if length is None or container.format.name != MATROSKA:
        return length
    ends = [
        _tagged_seconds(stream.tag("duration")) for stream in streams if stream.kind in ("video", "audio")
    ]
    known = [end for end in ends if end]
    begins = _seconds(container.start_time) or Fraction(0)
    if 0 < begins < length:  # mkvmerge counts from there
        length -= begins
    return min(length, max(known, default=length))


def _tagged_seconds(text: str) -> Fraction | None:
    """Of "00:00:10.500000000"; None where it is none."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", text)
    return None if found is None else int(found[1]) * 3600 + int(found[2]) * 60 + Fraction(found[3])


def _rate_of(container: InputContainer, video: Stream) -> tuple[Fraction | None, bool]:
    """Frames a second, and whether that is a guess: a raw stream has no timestamps, and need not say it."""
    if not container.format.flags & _NO_TIMESTAMPS:
        return video.rate, False
    context: Any = container.streams[video.index].codec_context
    stated = positive(context.framerate)
    return stated or GUESSED_RATE, stated is None


def _seconds(microseconds: int | None) -> Fraction | None:
    return None if microseconds is None else Fraction(microseconds, av.time_base)
