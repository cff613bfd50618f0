"""The ffmpeg command line of one encode: frames from stdin, everything else from the source."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import ffmpeg
import vapoursynth as vs

from vsj4r.encode.encoders import Encoder, ffmpeg_executable
from vsj4r.encode.muxing import Extras


def encode_command(
    output: Path,
    *,
    clip: vs.VideoNode,
    encoder: Encoder,
    crf: int | None,
    muxer: str,
    source: Path | None,
    extras: Extras,
    arguments: list[str],
) -> list[str]:
    """Arguments as a list, for no shell. ``source``: whose streams, metadata and chapters go along.

    ``arguments`` are the user's own and come last, so they win.
    """
    frames = ffmpeg.input("pipe:0", format="nut", **_offset(extras))
    streams = [frames["v:0"]]
    depth = encoder.depth_for(clip.format.bits_per_sample)
    options: dict[str, str | int | list[str]] = {
        "format": muxer,
        "c:v:0": encoder.codec,
        "pix_fmt:v:0": encoder.pixel_formats[depth],
        "filter:v:0": colour_filter(clip),
        "fps_mode:v:0": "passthrough",
        "enc_time_base:v:0": "demux",
        **encoder.options,
    }
    quality = encoder.crf if crf is None else crf
    if quality is not None:
        options["crf"] = quality
    if extras.video_metadata:
        options["metadata:s:v:0"] = [f"{key}={value}" for key, value in extras.video_metadata.items()]
    if source is not None:
        original = ffmpeg.input(f"file:{source.absolute()}", **_offset(extras))
        for position, (index, codec) in enumerate(extras.streams, start=1):
            streams.append(original[str(index)])
            options[f"c:{position}"] = codec
        if not extras.streams:
            streams.append(original["a:99?"])  # matches none, but makes the source an input for its metadata
    command: list[str] = ffmpeg.compile(
        ffmpeg.output(*streams, f"file:{output.absolute()}", **options),
        cmd=[ffmpeg_executable(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-copyts"],
    )
    inputs = [command[place + 1] for place, argument in enumerate(command) if argument == "-i"]
    along = str(1 - inputs.index("pipe:0"))
    kept = ["-map_metadata", along, "-map_chapters", along] if source is not None else []
    return [*command[:-1], *kept, *arguments, command[-1]]


def colour_filter(clip: vs.VideoNode) -> str:
    """ffmpeg filters that put the colour tags and the aspect ratio of the first frame on the stream.

    VapourSynth's numbers are those of ITU-T H.273, and so are ffmpeg's.
    """
    props = clip.get_frame(0).props
    full_range = int(props.get("_Range", vs.RANGE_LIMITED)) == vs.RANGE_FULL
    tags = [f"range={'pc' if full_range else 'tv'}"]
    for name, prop in (
        ("color_primaries", "_Primaries"),
        ("color_trc", "_Transfer"),
        ("colorspace", "_Matrix"),
    ):
        value = int(props.get(prop, 2))
        if value != 2:  # unspecified
            tags.append(f"{name}={value}")
    if "_ChromaLocation" in props:
        tags.append(f"chroma_location={int(props['_ChromaLocation']) + 1}")
    aspect = Fraction(int(props.get("_SARNum", 0)) or 1, int(props.get("_SARDen", 0)) or 1)
    return f"setparams={':'.join(tags)},setsar={aspect.numerator}/{aspect.denominator}"


def _offset(extras: Extras) -> dict[str, str]:
    return {"itsoffset": f"{-extras.start_seconds:.6f}"} if extras.start_seconds else {}
