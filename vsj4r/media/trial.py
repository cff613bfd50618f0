"""The first frame written and read again: what does not fit together is known before a night's work."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import av
import vapoursynth as vs

from vsj4r.errors import DiskFullError, InputError, UnsteadyError, Vsj4rError
from vsj4r.media.command import Encode
from vsj4r.media.demuxing import READ_ERRORS
from vsj4r.media.encoders import KNOWN_ENCODERS, ffmpeg_executable
from vsj4r.media.extras import Along
from vsj4r.media.probe import Probe, main_video
from vsj4r.media.process import LOG_LEVEL, environment, is_not_taken, is_warning, without_origin
from vsj4r.media.tags import Tags
from vsj4r.media.unsaid import find_unsaid
from vsj4r.media.video import write_video

_SETTINGS_SECONDS = 120
_SETTINGS_WIDTH, _SETTINGS_HEIGHT = 256, 144
_SECONDS = 0.5
_PACKETS = 50  # at most, until a decoder gives sound
_FEWEST_PACKETS = (
    3  # of sound: of fewer (it ended before the part that is written) a decoder may give nothing
)

# subtitles and data may have their first packet anywhere: ffmpeg would read the source to its end for them
_KINDS = ("audio", "attachment", "video")


def try_out(clip: vs.VideoNode, encode: Encode, suffix: str) -> list[str]:
    """Write the first frame of ``clip``, and the first half second of what goes along, into a file whose name
    ends in ``suffix``, and decode it again. Gives a line for each thing that the file does not say, or has
    otherwise.

    Raises:
        InputError: the first frame cannot be read.
        Vsj4rError: ffmpeg refuses, or what it has written cannot be decoded; it says which stream.
    """
    streams = tuple(along for along in encode.extras.streams if along.kind in _KINDS)
    trouble, lines = _try(clip, encode, streams, suffix)
    if trouble is None:
        return lines
    of_picture = _try(clip, encode, (), suffix).trouble if streams else trouble
    if of_picture is not None:
        if encode.arguments and _try(clip, replace(encode, arguments=()), (), suffix).trouble is None:
            given = shlex.join(encode.arguments)
            raise Vsj4rError(f"--ffmpeg {given!r} is not taken: {of_picture.removeprefix('ffmpeg: ')}")
        way_out = "another encoder" if suffix == ".mkv" else "another encoder, or .mkv"
        codec = encode.encoder.codec
        raise Vsj4rError(f"{codec} cannot be written into {suffix}: {of_picture.rstrip('.')}; try {way_out}")
    for along in streams:
        own = _try(clip, encode, (along,), suffix).trouble
        if own is not None:
            stream = f"{along.kind} stream {along.index}"
            raise Vsj4rError(f"{stream} cannot be written into {suffix}: {own.rstrip('.')}; try .mkv")
    raise Vsj4rError(f"the streams of the input cannot be written into {suffix} together: {trouble}")


def require_hardware(name: str) -> None:
    """Refuse the encoder ``name`` of a graphics card that does not work here.

    Raises:
        Vsj4rError: what it needs, and what ffmpeg says.
    """
    encoder = KNOWN_ENCODERS[name]
    if encoder.needs and (said := try_settings(name, None, ("420", 8), (), "matroska")):
        raise Vsj4rError(
            f"encoder {name} does not work on this machine ({said}): it needs {encoder.needs}; "
            "x264 and x265 need nothing"
        )


@cache
def try_settings(
    name: str, crf: int | None, form: tuple[str, int], options: tuple[tuple[str, str], ...], muxer: str
) -> str:
    """What ffmpeg says against the encoder ``name`` with these settings, found out on a few black frames of
    ``form``, layout and depth; "" when it takes them."""
    encoder = KNOWN_ENCODERS[name]
    given = encoder.form(*form) | encoder.arguments(crf, options, width=_SETTINGS_WIDTH)
    if filters := encoder.upload(*form):
        given["vf"] = filters
    with TemporaryDirectory(prefix="vsj4r-") as folder:
        command = [
            ffmpeg_executable(), "-hide_banner", "-loglevel", LOG_LEVEL, "-nostdin", *encoder.device,
            "-f", "lavfi", "-i", f"color=size={_SETTINGS_WIDTH}x{_SETTINGS_HEIGHT}:duration=0.2",
            "-c:v", encoder.codec,
            *(text for key, value in given.items() for text in (f"-{key}", value)),
            "-f", muxer, f"file:{Path(folder) / 'trial'}",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                check=False,
                cwd=folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                timeout=_SETTINGS_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"it had not ended after {_SETTINGS_SECONDS} s"
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    failed = bool(done.returncode)
    against = [line for line in said if is_not_taken(line) or (failed and not is_warning(line))]
    if against:
        return without_origin(against[0])
    return f"ffmpeg gives no reason; its exit code is {done.returncode}" if failed else ""


class _Outcome(NamedTuple):
    """``trouble``: what went wrong, None where nothing did; ``lines``: one for each thing that the file does
    not say, or has otherwise."""

    trouble: str | None
    lines: list[str]


def _try(clip: vs.VideoNode, encode: Encode, streams: tuple[Along, ...], suffix: str) -> _Outcome:
    """The picture and ``streams``."""
    extras = encode.extras
    begins = float(encode.timestamps[0] * encode.time_base) - encode.origin_seconds
    seconds = max(0.0, begins) + _SECONDS
    is_part = extras.length_seconds is not None  # what comes before it is cut off, here too
    short = replace(
        encode,
        timestamps=encode.timestamps[:1],
        extras=replace(extras, streams=streams, covers=(), length_seconds=seconds if is_part else None),
        arguments=encode.arguments if is_part else (*encode.arguments, "-t", f"{seconds:.6f}"),
    )
    with TemporaryDirectory(prefix="vsj4r-") as folder:
        written = Path(folder) / f"trial{suffix}"
        try:
            write_video(clip[:1], written, short)
        except (DiskFullError, InputError, UnsteadyError):
            raise  # no matter of the output
        except Vsj4rError as error:
            return _Outcome(str(error).replace(str(written), f"the {suffix}"), [])
        with av.open(str(written)) as container:
            video = main_video(container)
            picture = None if video is None else _first_decoded(container, video)
            if not picture:
                return _Outcome("it cannot be decoded", [])
            with clip.get_frame(0) as first:
                lines = find_unsaid(Tags.of(first), picture, encode.encoder, suffix)
            if encode.source is not None:
                lines += _moved_channels(container, streams, encode.source, suffix)
        for position, along in enumerate(streams, start=1):
            if along.kind == "audio" and not _is_heard(
                written, position, along, encode.source, is_part=is_part
            ):
                return _Outcome("it cannot be decoded", [])
    return _Outcome(None, lines)


def _moved_channels(container: Any, streams: tuple[Along, ...], source: Probe, suffix: str) -> list[str]:
    """A line for each of ``streams`` whose channels are others in ``container``, or fewer; none where one of
    the two files does not say where they are."""
    written, lines = {stream.index: stream for stream in container.streams.audio}, []
    for position, along in enumerate(streams, start=1):
        if along.kind != "audio" or position not in written:
            continue
        layouts = source.stream_at(along.index).layout, written[position].codec_context.layout.name
        told, found = (name.partition("(")[0] for name in layouts)  # "(side)" or "(back)" is a nuance
        is_known = told and "mono" not in (told, found) and "channel" not in told + found
        if is_known and told != found:
            lines.append(f"audio stream {along.index}: its channels ({told}) are {found} in {suffix}")
    return lines


def _is_heard(written: Path, position: int, along: Along, source: Probe | None, *, is_part: bool) -> bool:
    """Whether stream ``position`` of ``written`` gives sound, as far as ``along`` does in ``source``."""
    with av.open(str(written)) as container:
        if len(container.streams) <= position:
            return is_part  # which may lie after its end
        if (
            _first_decoded(container, container.streams[position], least=_FEWEST_PACKETS) is not False
            or source is None
        ):
            return True
    with av.open(str(source.path.absolute())) as container:
        return not _first_decoded(container, container.streams[along.index])


def _first_decoded(container: Any, stream: Any, *, least: int = 1) -> Any:
    """The first frame that one of the first packets gives; False where none does, None where there are fewer
    than ``least``."""
    if stream.codec_context is None:
        return False
    packets = 0
    try:
        for packet in container.demux(stream):
            packets += packet.size > 0
            if frames := stream.codec_context.decode(packet):
                return frames[0]
            if packets == _PACKETS:
                return False
    except READ_ERRORS:
        pass
    return False if packets >= least else None
