"""The ffmpeg command line of one encode: frames from stdin, everything else from the source."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import ffmpeg
import vapoursynth as vs

from vsj4r.encode.encoders import Encoder, ffmpeg_executable
from vsj4r.encode.muxing import Extras
from vsj4r.encode.rotation import rotation_of

_UNSPECIFIED = 2  # H.273


@dataclass(frozen=True, slots=True)
class Encode:
    """How to write a video. ``timestamps``: one per frame, in units of ``time_base`` seconds.

    ``source``: the file whose metadata, chapters and ``extras`` go along. ``arguments``: more output
    options for ffmpeg. ``crf`` None is the encoder's default.
    """

    muxer: str
    encoder: Encoder
    time_base: Fraction
    timestamps: list[int]
    crf: int | None = None
    source: Path | None = None
    extras: Extras = field(default_factory=Extras)
    arguments: tuple[str, ...] = ()


def encode_command(output: Path, first: vs.VideoFrame, encode: Encode, *, covers: Path) -> list[str]:
    """Arguments as a list, for no shell: NUT on stdin becomes ``output``.

    Depth, colours and rotation are those of ``first``; ``covers`` is the folder that holds the cover
    pictures. The user's own arguments come last, so they win.
    """
    offset = encode.extras.start_seconds
    shift = {"itsoffset": f"{-offset:.6f}"} if offset else {}
    streams = [ffmpeg.input("pipe:0", format="nut", **shift, **rotation_of(first).ffmpeg_options())["v:0"]]
    encoder = encode.encoder
    options: dict[str, str | int] = {
        "format": encode.muxer,
        "c:v:0": encoder.codec,
        "pix_fmt:v:0": encoder.pixel_formats[encoder.depth_for(first.format.bits_per_sample)],
        "filter:v:0": colour_filter(first),
        "fps_mode:v:0": "passthrough",
        "enc_time_base:v:0": "demux",
        **encoder.options,
    }
    crf = encoder.crf if encode.crf is None else encode.crf
    if crf is not None:
        options["crf"] = crf
    if encode.source is not None:
        source = ffmpeg.input(f"file:{encode.source.absolute()}", **shift)
        for position, (index, codec) in enumerate(encode.extras.streams, start=1):
            streams.append(source[str(index)])
            options[f"c:{position}"] = codec
        if not encode.extras.streams:
            streams.append(source["a:99?"])  # matches none, but makes it an input, for its metadata
    command: list[str] = ffmpeg.compile(
        ffmpeg.output(*streams, f"file:{output.absolute()}", **options),
        cmd=[ffmpeg_executable(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-copyts"],
    )
    inputs = [command[place + 1] for place, argument in enumerate(command) if argument == "-i"]
    along = str(1 - inputs.index("pipe:0"))
    kept = ["-map_metadata", along, "-map_chapters", along] if encode.source is not None else []
    for position, cover in enumerate(encode.extras.covers, start=1 + len(encode.extras.streams)):
        kept += ["-attach", f"file:{covers / cover.filename}"]
        kept += [f"-metadata:s:{position}", f"mimetype={cover.mimetype}"]
    for key, value in encode.extras.video_metadata.items():
        kept += ["-metadata:s:v:0", f"{key}={value}"]  # ffmpeg-python cannot repeat an option
    return [*command[:-1], *kept, *encode.arguments, command[-1]]


def colour_filter(frame: vs.VideoFrame) -> str:
    """ffmpeg filters that put the colour tags and the pixel aspect ratio of ``frame`` on the stream.

    VapourSynth's numbers are those of ITU-T H.273, and so are ffmpeg's.
    """
    props = frame.props
    full_range = int(props.get("_Range", vs.RANGE_LIMITED)) == vs.RANGE_FULL
    tags = [f"range={'pc' if full_range else 'tv'}"]
    for name, prop in (
        ("color_primaries", "_Primaries"),
        ("color_trc", "_Transfer"),
        ("colorspace", "_Matrix"),
    ):
        value = int(props.get(prop, _UNSPECIFIED))
        if value != _UNSPECIFIED:
            tags.append(f"{name}={value}")
    if "_ChromaLocation" in props:
        tags.append(f"chroma_location={int(props['_ChromaLocation']) + 1}")
    aspect = Fraction(int(props.get("_SARNum", 0)) or 1, int(props.get("_SARDen", 0)) or 1)
    return f"setparams={':'.join(tags)},setsar={aspect.numerator}/{aspect.denominator}"
