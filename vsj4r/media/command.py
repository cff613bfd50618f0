"""The ffmpeg command line of one output: the picture from stdin, everything else from the source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import ffmpeg

from vsj4r.media.containers import Container
from vsj4r.media.encoders import Encoder, ffmpeg_executable
from vsj4r.media.extras import Extras
from vsj4r.media.probe import Probe
from vsj4r.media.process import LOG_LEVEL
from vsj4r.media.tags import Tags
from vsj4r.media.times import rate_of_frames, usual_step

_LOCAL_ONLY = {"protocol_whitelist": "file,pipe,crypto,data"}  # a playlist may name any address
_FILTER_OPTIONS = ("-vf", "-filter:v", "-filter:v:0")
_WITHOUT_VALUE = frozenset(
    {
        "accurate_seek", "an", "auto_conversion_filters", "autorotate", "autoscale", "benchmark",
        "benchmark_all", "bitexact", "copy_unknown", "copyinkf", "copyts", "debug_ts", "dn", "dump",
        "find_stream_info", "fix_sub_duration", "force_fps", "hex", "hide_banner", "ignore_unknown", "n",
        "print_graphs", "psnr", "qphist", "re", "recast_media", "report", "seek_timestamp", "shortest", "sn",
        "start_at_zero", "stats", "stdin", "vn", "vstats", "xerror", "y",
    }
)  # fmt: skip
"""ffmpeg's options that are on or off; all others have a value."""
_MORE_TAGS = "use_metadata_tags"  # MP4's and QuickTime's way of writing tags of any name


@dataclass(frozen=True, slots=True)
class Encode:
    """How to write a video. ``timestamps``: one per frame, in units of ``time_base`` seconds;
    ``rate``: frames a second that are said beside them, of the whole video where this is a part;
    ``last_seconds``: for how long the last frame is shown, None is as long as others.

    ``source``: the file whose metadata, chapters and ``extras`` go along. ``options``: of the encoder, over
    its own. ``arguments``: more output options for ffmpeg, which runs in ``folder``. ``crf`` None is
    the encoder's default, ``depth`` None the depth of the frames where the encoder has it.
    """

    container: Container
    encoder: Encoder
    time_base: Fraction
    timestamps: Sequence[int]
    rate: Fraction
    last_seconds: Fraction | None = None
    crf: int | None = None
    depth: int | None = None
    source: Probe | None = None
    extras: Extras = field(default_factory=Extras)
    options: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def ahead(self) -> int:
        """What is added to all timestamps in ffmpeg's pipe, which can hold none below 0."""
        return max(0, -self.timestamps[0])

    @property
    def origin_seconds(self) -> float:
        """What is taken off all times of the source: the output's 0 is there."""
        begins = float(self.timestamps[0] * self.time_base)
        if self.container.of_quicktime and begins < self.extras.start_seconds:
            return begins
        return self.extras.start_seconds

    @property
    def picture_origin_seconds(self) -> float:
        """What is taken off all of ``timestamps``."""
        if self.container.only_with_picture:
            return float(self.timestamps[0] * self.time_base)
        return self.origin_seconds


def encode_command(
    output: Path,
    tags: Tags,
    encode: Encode,
    *,
    bits: int,
    chroma: str,
    alpha: bool,
    width: int,
    covers: Path,
) -> list[str]:
    """Arguments as a list, for no shell: frames of ``bits`` bits and ``width`` columns, as NUT on stdin,
    become ``output``.

    ``covers`` is the folder that holds the cover pictures. The user's own arguments come last, so they win;
    the user's filters follow those that tag frames.
    """
    encoder = encode.encoder
    given = _Given.of(encode.arguments)
    depth = encoder.depth_of(chroma, encode.depth or bits, alpha=alpha)
    options: dict[str, str | int] = {
        "c:v:0": encoder.codec,
        **encoder.form(chroma, depth, alpha=alpha),
        "filter:v:0": ",".join(filter(None, (tags.filters(), *given.filters, encoder.upload(chroma, depth)))),
        "color_range:v:0": "pc" if tags.full_range and encoder.full_range else "tv",
        "fps_mode:v:0": "passthrough",
        "enc_time_base:v:0": "demux",
        **encoder.arguments(encode.crf, encode.options, width=width),
    }
    return _command(output, tags, encode, "nut", options, given, covers, device=encoder.device)


def copy_command(
    output: Path, tags: Tags, encode: Encode, *, packets: str, late: Fraction, covers: Path
) -> list[str]:
    """The same for a picture that is encoded already: its packets in the format ``packets`` on stdin, all of
    them ``late`` by so many seconds, which is mended here."""
    if not encode.encoder.full_range:
        tags = replace(tags, full_range=False)
    options: dict[str, str | int] = {"c:v:0": "copy", **tags.copy_options()}
    if encode.container.says_rate:
        options["r:v:0"] = str(encode.rate)
    return _command(output, tags, encode, packets, options, _Given.of(encode.arguments), covers, late=late)


@dataclass(frozen=True, slots=True)
class _Given:
    """The user's arguments: the picture's filters, MP4's flags, and the others."""

    filters: tuple[str, ...]
    movflags: tuple[str, ...]
    others: tuple[str, ...]

    @classmethod
    def of(cls, arguments: tuple[str, ...]) -> _Given:
        filters, movflags, others, left = [], [], [], iter(arguments)
        for argument in left:
            if argument in _FILTER_OPTIONS:
                filters.append(next(left, ""))
            elif argument == "-movflags":
                movflags.append(next(left, ""))
            else:
                others.append(argument)
        return cls(tuple(filters), tuple(movflags), tuple(others))


def stray_argument(arguments: Iterable[str]) -> str | None:
    """The first of ``arguments`` that is neither an option nor the value of one: to ffmpeg it would be the
    name of another file to write."""
    left = iter(arguments)
    for argument in left:
        name = argument.removeprefix("-").partition(":")[0]
        if name == argument.partition(":")[0]:
            return argument
        if not _WITHOUT_VALUE.intersection((name, name.removeprefix("no"))):
            next(left, None)
    return None


def _command(
    output: Path,
    tags: Tags,
    encode: Encode,
    pipe_format: str,
    picture: dict[str, str | int],
    given: _Given,
    covers: Path,
    *,
    device: tuple[str, ...] = (),
    late: Fraction = Fraction(0),
) -> list[str]:
    extras, container = encode.extras, encode.container
    ahead = float(encode.ahead * encode.time_base)
    pipe = {
        "format": pipe_format,
        **_placement(-encode.picture_origin_seconds - ahead),
        **tags.input_options(),
    }
    streams = [ffmpeg.input("pipe:0", **pipe)["v:0"]]
    options: dict[str, str | int] = {"format": container.muxer, **picture}
    if times := _set_times(encode, late):
        options["bsf:v:0"] = times
    if encode.encoder.mp4_tag and container.of_quicktime:
        options["tag:v:0"] = encode.encoder.mp4_tag
    if container.muxer == "avi" or "r:v:0" in picture:  # where a rate is said, times would count frames
        options["time_base:v:0"] = f"{encode.time_base.numerator}/{encode.time_base.denominator}"
    if container.only_with_picture:
        options["ss"] = "0"
    if extras.length_seconds is not None:
        options["t"] = f"{extras.length_seconds:.6f}"
        if not extras.keeps_priming:
            options["ss"] = "0"
    if encode.source is not None:
        reading = _placement(-encode.origin_seconds)
        reading |= {
            f"bsf:{along.index}": ",".join(along.packets) for along in extras.streams if along.packets
        }
        reading |= {
            f"guess_layout_max:{along.index}": 0  # channels without a place are not given one
            for along in extras.streams
            if along.codec.startswith("pcm_") and not container.placed_pcm
        }
        source = ffmpeg.input(f"file:{encode.source.path.absolute()}", **reading)
        # the second one matches nothing, but makes the source an input, for its chapters
        streams += [source[str(along.index)] for along in extras.streams] or [source["a:99?"]]
        for position, along in enumerate(extras.streams, start=1):
            options[f"c:{position}"] = along.codec
            options |= {f"{name}:{position}": value for name, value in along.options.items()}
        options["map_chapters"] = 1  # ffmpeg-python numbers the inputs as ``streams`` has them
    *built, name = ffmpeg.compile(
        ffmpeg.output(*streams, f"file:{output.absolute()}", **options),
        cmd=[
            ffmpeg_executable(),
            "-hide_banner",
            "-loglevel",
            LOG_LEVEL,
            "-nostdin",
            "-n",
            *device,
            "-copyts",
        ],
    )
    return [*built, *_repeat_options(encode, given, covers), name]


def _set_times(encode: Encode, late: Fraction) -> str:
    """What of the picture's times no pipe can say: that its packets are not ``late``, and how long the last
    frame is shown. "": nothing.

    MP4 and MOV last until the last packet has, by the times of decoding, and until the last frame has been
    shown, whatever packet that is. Where frames are not all shown for as long, both are to be the same: no
    packet lasts beyond that, and the last one is decoded as long before it is shown as the first.
    """
    late_seconds = float(late)
    ticks = f"round({late_seconds:.9f}/TB)"
    pts, dts = f"pts=PTS-{ticks}", f"dts=DTS-{ticks}"
    of_quicktime = encode.container.of_quicktime
    is_steady = not of_quicktime or rate_of_frames(encode.time_base, encode.timestamps) is not None
    if encode.last_seconds is None and is_steady:
        return f"setts={pts}:{dts}" if late else ""
    last, step = encode.timestamps[-1], usual_step(encode.timestamps)
    lasts = step * encode.time_base if encode.last_seconds is None else encode.last_seconds
    shown = float(last * encode.time_base) - encode.picture_origin_seconds + late_seconds
    is_last_shown = f"gt(PTS*TB,{shown - float(step * encode.time_base / 2):.9f})"
    left = f"round({shown + float(lasts):.9f}/TB)-PTS"
    if not of_quicktime:
        return f"setts={pts}:{dts}:duration='if({is_last_shown},{left},DURATION)'"
    is_last = f"eq(N,{len(encode.timestamps) - 1})"
    dts = f"dts='if({is_last},max(DTS,PTS-STARTPTS+STARTDTS),DTS)-{ticks}'"
    return f"setts={pts}:{dts}:duration='if({is_last}+{is_last_shown},{left},min(DURATION,{left}))'"


def _placement(offset: float) -> dict[str, Any]:
    """Options of an input whose times are ``offset`` seconds later here: microseconds, and none too few, or
    what begins at 0 would be cut off there."""
    microseconds = ceil(offset * 1e6 - 1e-3)
    return {**_LOCAL_ONLY, "itsoffset": f"{microseconds}us"} if microseconds else dict(_LOCAL_ONLY)


def _repeat_options(encode: Encode, given: _Given, covers: Path) -> list[str]:
    """What ffmpeg-python cannot say, for it has each option once: tags, attached files, the user's own."""
    extras = encode.extras
    arguments = ["-map_metadata:g", "-1", "-map_metadata:s", "-1"]  # each tag is named below
    arguments += _tags("", extras.tags)
    described = [(extras.video_tags, extras.video_flags)]
    described += [(along.tags, along.flags) for along in extras.streams]
    for position, (tags, flags) in enumerate(described):
        arguments += _tags(f":s:{position}", tags)
        if encode.source is not None:
            arguments += [f"-disposition:{position}", "+".join(flags) or "0"]
    for number, cover in enumerate(extras.covers):
        arguments += ["-attach", f"file:{covers / str(number)}"]
        named = {"filename": cover.filename, "mimetype": cover.mimetype}
        arguments += _tags(f":s:{len(described) + number}", named)
    movflags = [*given.movflags, *([_MORE_TAGS] if extras.more_tags else [])]
    if movflags:
        arguments += ["-movflags", "+".join(movflags)]
    return [*arguments, *given.others]


def _tags(of: str, tags: Mapping[str, str]) -> list[str]:
    return [argument for name, value in tags.items() for argument in (f"-metadata{of}", f"{name}={value}")]
