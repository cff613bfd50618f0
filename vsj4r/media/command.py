"""The ffmpeg command line of one output: the picture from stdin, everything else from the source."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from vsj4r.media.encoders import Encoder, ffmpeg_executable
from vsj4r.media.muxing import Extras
from vsj4r.media.pixels import pixel_format
from vsj4r.media.probe import Probe
from vsj4r.media.tags import Tags

_LOCAL_ONLY = {"protocol_whitelist": "file,pipe,crypto,data"}  # a playlist may name any address
_FILTER_OPTIONS = ("-vf", "-filter:v", "-filter:v:0")


@dataclass(frozen=True, slots=True)
class Encode:
    """How to write a video. ``timestamps``: one per frame, in units of ``time_base`` seconds.

    ``source``: the file whose metadata, chapters and ``extras`` go along. ``options``: of the encoder, over
    its own. ``arguments``: more output options for ffmpeg, which runs in ``folder``. ``crf`` None is
    the encoder's default, ``depth`` None the depth of the frames where the encoder has it.
    """

    muxer: str
    encoder: Encoder
    time_base: Fraction
    timestamps: list[int]
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


def encode_command(
    output: Path, tags: Tags, encode: Encode, *, bits: int, chroma: str, covers: Path
) -> list[str]:
    """Arguments as a list, for no shell: frames of ``bits`` bits as NUT on stdin become ``output``.

    ``covers`` is the folder that holds the cover pictures. The user's own arguments come last, so they win;
    the user's filters follow those that tag frames.
    """
    encoder = encode.encoder
    filters, arguments = _filters_of(encode.arguments)
    options: dict[str, str | int] = {
        "c:v:0": encoder.codec,
        "pix_fmt:v:0": pixel_format(chroma, encode.depth or encoder.depth_for(bits)),
        "filter:v:0": ",".join(filter(None, (tags.filters(), *filters))),
        "color_range:v:0": "pc" if tags.full_range and encoder.full_range else "tv",
        "fps_mode:v:0": "passthrough",
        "enc_time_base:v:0": "demux",
        **encoder.with_options(encode.options),
    }
    crf = encoder.crf if encode.crf is None else encode.crf
    if crf is not None:
        options["crf"] = crf
    return _command(output, tags, replace(encode, arguments=arguments), "nut", options, covers)


def copy_command(
    output: Path, tags: Tags, encode: Encode, *, packets: str, late: int, covers: Path
) -> list[str]:
    """The same for a picture that is encoded already: its packets in the format ``packets`` on stdin, all of
    them ``late`` by so many units of ``time_base``, which is mended here."""
    if not encode.encoder.full_range:
        tags = replace(tags, full_range=False)
    options: dict[str, str | int] = {"c:v:0": "copy", **tags.copy_options()}
    if late:
        ticks = f"round({float(late * encode.time_base):.9f}/TB)"
        options["bsf:v:0"] = f"setts=pts=PTS-{ticks}:dts=DTS-{ticks}"
    return _command(output, tags, encode, packets, options, covers)


def _filters_of(arguments: tuple[str, ...]) -> tuple[list[str], tuple[str, ...]]:
    """The picture's filters among ``arguments``, and the rest."""
    filters, rest, left = [], [], iter(arguments)
    for argument in left:
        if argument in _FILTER_OPTIONS:
            filters.append(next(left, ""))
        else:
            rest.append(argument)
    return filters, tuple(rest)


def _command(
    output: Path,
    tags: Tags,
    encode: Encode,
    pipe_format: str,
    picture: dict[str, str | int],
    covers: Path,
) -> list[str]:
    extras = encode.extras

    def placed(offset: float) -> dict[str, Any]:
        return {**_LOCAL_ONLY, "itsoffset": f"{offset:.6f}"} if offset else dict(_LOCAL_ONLY)

    ahead = float(encode.ahead * encode.time_base)
    pipe = {"format": pipe_format, **placed(-extras.start_seconds - ahead), **tags.input_options()}
    streams = [ffmpeg.input("pipe:0", **pipe)["v:0"]]
    options: dict[str, str | int] = {"format": encode.muxer, **picture}
    if encode.encoder.mp4_tag and encode.muxer in ("mp4", "mov"):
        options["tag:v:0"] = encode.encoder.mp4_tag
    if encode.muxer == "avi":
        options["time_base:v:0"] = f"{encode.time_base.numerator}/{encode.time_base.denominator}"
    if extras.length_seconds is not None:
        options |= {"ss": "0", "t": f"{extras.length_seconds:.6f}"}
    if encode.source is not None:
        source = ffmpeg.input(f"file:{encode.source.path.absolute()}", **placed(-extras.start_seconds))
        for position, (index, codec) in enumerate(extras.streams, start=1):
            streams.append(source[str(index)])
            options[f"c:{position}"] = codec
        if not extras.streams:
            streams.append(source["a:99?"])  # matches none, but makes it an input, for its metadata
    command: list[str] = ffmpeg.compile(
        ffmpeg.output(*streams, f"file:{output.absolute()}", **options),
        cmd=[ffmpeg_executable(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-copyts"],
    )
    inputs = [command[place + 1] for place, argument in enumerate(command) if argument == "-i"]
    along = str(1 - inputs.index("pipe:0"))
    kept = ["-map_metadata", along, "-map_chapters", along] if encode.source is not None else []
    for position, cover in enumerate(extras.covers, start=1 + len(extras.streams)):
        kept += ["-attach", f"file:{covers / cover.filename}"]
        kept += [f"-metadata:s:{position}", f"mimetype={cover.mimetype}"]
    for position, disposition in enumerate(extras.dispositions):
        kept += [f"-disposition:{position}", disposition]
    for key, value in extras.video_metadata.items():
        kept += ["-metadata:s:v:0", f"{key}={value}"]  # ffmpeg-python cannot repeat an option
    return [*command[:-1], *kept, *encode.arguments, command[-1]]
