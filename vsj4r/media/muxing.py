"""What goes into the output beside the picture: the source's other streams, per container."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

from vsj4r.errors import Vsj4rError
from vsj4r.media.probe import Probe, Stream, main_video

# file name suffix -> ffmpeg muxer
CONTAINERS = {
    ".mkv": "matroska",
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".webm": "webm",
    ".avi": "avi",
    ".nut": "nut",
    ".ts": "mpegts",
}

_TEXT = frozenset({"subrip", "ass", "mov_text", "webvtt", "text"})
_BITMAP = frozenset({"dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle"})

# muxer -> subtitle codec -> what ffmpeg's -c:s is; absent: cannot be kept
_SUBTITLES = {
    "matroska": dict.fromkeys(_TEXT | _BITMAP, "copy") | {"mov_text": "srt", "text": "srt"},
    "mp4": dict.fromkeys(_TEXT, "mov_text") | {"mov_text": "copy", "dvd_subtitle": "copy"},
    "mov": dict.fromkeys(_TEXT, "mov_text") | {"mov_text": "copy"},
    "webm": dict.fromkeys(_TEXT, "webvtt") | {"webvtt": "copy"},
    "nut": dict.fromkeys((_TEXT - {"subrip", "webvtt"}) | _BITMAP, "copy"),
    "mpegts": {"dvb_subtitle": "copy"},
    "avi": {},
}

# muxer -> sound that it writes so that it is found again; absent: ffmpeg says what it does not take
_SOUND = {
    "mpegts": frozenset({"mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "truehd", "opus", "s302m"}),
}

_VIDEO_METADATA = ("language", "title", "timecode")


@dataclass(frozen=True, slots=True)
class Cover:
    """A cover picture: a video stream of one packet in MP4, an attachment in Matroska."""

    filename: str
    mimetype: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Extras:
    """What goes along. ``streams``: (index in the source, ffmpeg codec), in the source's order.

    ``covers``: pictures to attach. ``start_seconds``: what is taken off all timestamps (transport
    streams start anywhere); ``length_seconds``: if not None, what is before and after that is cut off.
    ``video_metadata``: language, title and time code of the video stream. ``dispositions``: ffmpeg's words
    for what the picture and each of ``streams`` is for (default, forced ...).
    ``dropped``: one phrase for each stream that the container cannot hold.
    """

    streams: list[tuple[int, str]] = field(default_factory=list)
    covers: list[Cover] = field(default_factory=list)
    start_seconds: float = 0.0
    length_seconds: float | None = None
    video_metadata: dict[str, str] = field(default_factory=dict)
    dispositions: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def left_out(self, suffix: str) -> list[str]:
        """A line for each stream that an output with ``suffix`` cannot hold."""
        return [f"{suffix} cannot hold {stream}: left out" for stream in self.dropped]


def container_for(output: Path) -> str:
    """ffmpeg's muxer for the name of ``output``.

    Raises:
        Vsj4rError: an unknown suffix.
    """
    suffix = output.suffix.lower()
    if suffix not in CONTAINERS:
        raise Vsj4rError(
            f"unknown type of output {output.name!r}: known are {', '.join(CONTAINERS)}; "
            "for a folder of PNG images end the name with /"
        )
    return CONTAINERS[suffix]


def find_extras(source: Probe, muxer: str) -> Extras:
    """Plan what of ``source`` goes along into ``muxer``."""
    main = source.video
    wandering = source.format in ("mpegts", "mpeg")
    extras = Extras(
        start_seconds=float(source.start_seconds or 0) if wandering else 0.0,
        video_metadata={
            key.lower(): value for key, value in main.metadata.items() if key.lower() in _VIDEO_METADATA
        },
        dispositions=[_disposition(main)],
    )
    for stream in source.streams:
        if stream.index == main.index or (stream.kind == "data" and _is_written_anew(source, stream)):
            continue
        if muxer == "matroska" and stream.is_cover and stream.index in source.covers:
            extras.covers.append(_cover(source, stream, {cover.filename for cover in extras.covers}))
            continue
        codec = _codec_in(muxer, stream)
        if codec:
            extras.streams.append((stream.index, codec))
            extras.dispositions.append(_disposition(stream))
        else:
            name = stream.metadata.get("filename") or stream.codec or "unknown"
            extras.dropped.append(f"{stream.kind} stream {stream.index} ({name})")
    return extras


def video_times(path: Path) -> list[Fraction]:
    """When each frame of the first video stream of ``path`` is shown, in seconds, sorted.

    A packet is a frame; without a time it counts as 0.
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


def _codec_in(muxer: str, stream: Stream) -> str:
    """ffmpeg's codec to keep ``stream`` with; "" where the container cannot hold it."""
    match stream.kind:
        case "audio":
            held = _SOUND.get(muxer)
            return "copy" if held is None or stream.codec in held else ""
        case "subtitle":
            return _SUBTITLES[muxer].get(stream.codec, "")
        case "attachment":
            return "copy" if muxer == "matroska" else ""
        case "video":
            return "copy" if stream.is_cover and muxer in ("mp4", "mov") else ""
        case _:
            return ""


def _disposition(stream: Stream) -> str:
    return "+".join(stream.flags) or "0"


def _cover(source: Probe, stream: Stream, taken: set[str]) -> Cover:
    kind = {"mjpeg": "jpeg"}.get(stream.codec, stream.codec or "png")
    name = Path(stream.metadata.get("filename", "")).name or f"cover.{kind.replace('jpeg', 'jpg')}"
    return Cover(
        filename=f"{stream.index}-{name}" if name in taken else name,
        mimetype=stream.metadata.get("mimetype", f"image/{kind}"),
        content=source.covers[stream.index],
    )


def _is_written_anew(source: Probe, stream: Stream) -> bool:
    """Time codes and chapter titles are data streams in MP4; ffmpeg makes them from the metadata."""
    return "timecode" in stream.metadata or (stream.codec == "bin_data" and bool(source.chapters))
