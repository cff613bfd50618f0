"""What a stream of sound is written with: copied where the container holds it, else encoded."""

from __future__ import annotations

from dataclasses import replace

from vsj4r.media.containers import CONTAINERS, Container
from vsj4r.media.extras import Extras
from vsj4r.media.probe import Probe
from vsj4r.media.streams import Stream

_SAMPLES = {"u8": "pcm_u8", "s16": "pcm_s16le", "s32": "pcm_s32le", "flt": "pcm_f32le", "dbl": "pcm_f64le"}
"""ffmpeg's sample formats, less the p of those that keep channels apart, and PCM that holds them exactly."""

_OPUS_KBIT_PER_CHANNEL, _AAC_KBIT_PER_CHANNEL = 80, 96
_OPUS_LAYOUTS = "mono|stereo|3.0|quad|5.0|5.1|6.1|7.1"
"""Those of RFC 7845, 5.1.1.2; 5.1(side) of AC-3 and DTS becomes the nearest."""
_OPUS_MOST_PLACED = 8
_MOST_BITS = 24  # of whole samples


def sound_codec_for(container: Container, stream: Stream) -> str:
    """What ``stream`` of sound is written with into ``container``: "copy", an encoder, or "" (left out)."""
    if stream.codec in container.sound and container.sound_rate in (0, stream.sample_rate):
        return "copy"
    if not stream.codec:
        return ""
    other = container.other_pcm if stream.codec.startswith("pcm_") else container.other_sound
    match other:
        case "opus":
            return "libopus"
        case "pcm, 48 kHz":
            is_short = stream.sample_format.removesuffix("p") in ("u8", "s16")
            return "pcm_s16le" if is_short else "pcm_s24le"
        case "pcm":
            samples = stream.sample_format.removesuffix("p")
            return "pcm_s24le" if samples == "s32" and _is_24_bit(stream) else _SAMPLES.get(samples, "")
        case _:
            return other


def sound_change(codec: str, stream: Stream, container: Container) -> str:
    """In words what becomes of ``stream`` of sound that the encoder ``codec`` writes into ``container``."""
    if codec == "libopus" or container.sound_rate not in (0, stream.sample_rate):
        return "with loss"
    samples = stream.sample_format.removesuffix("p")
    if codec in ("flac", "alac", "pcm_s24le", "pcm_s16le"):
        if samples in ("flt", "dbl"):
            return f"rounded to {_MOST_BITS} bits, clipped above full scale"
        if stream.depth > _MOST_BITS:
            return f"rounded to {_MOST_BITS} bits"
    return "without loss"


def sound_options(codec: str, stream: Stream, container: Container) -> dict[str, str]:
    """ffmpeg's options for ``stream`` of sound, written with ``codec`` into ``container``."""
    options = {}
    if codec == "libopus":
        options["b"] = f"{_OPUS_KBIT_PER_CHANNEL * max(2, stream.channels)}k"
        if stream.channels > _OPUS_MOST_PLACED:
            options["mapping_family"] = "255"  # channels without a place
        else:
            options["filter"] = f"aformat=channel_layouts={_OPUS_LAYOUTS}"
    if codec != "copy" and container.sound_rate:
        options["ar"] = str(container.sound_rate)
    return options


def encode_copied_sound(source: Probe, extras: Extras, suffix: str, why: str, *, only: str = "") -> Extras:
    """``extras`` of ``source`` with a codec of the container ``suffix`` and a line for each stream of sound
    that it would copy; ``only``: of this codec."""
    streams, notes, takes_aac = [], list(extras.notes), "aac" in CONTAINERS[suffix.lower()].sound
    for along in extras.streams:
        stream = source.stream_at(along.index)
        if along.kind != "audio" or along.codec != "copy" or only not in ("", stream.codec):
            streams.append(along)
            continue
        options = {"b": f"{_AAC_KBIT_PER_CHANNEL * stream.channels}k"} if takes_aac else along.options
        streams.append(replace(along, codec="aac" if takes_aac else "pcm_s16le", options=options))
        how = "with loss" if takes_aac else "as 16 bit PCM"
        notes.append(f"audio stream {along.index} ({stream.codec}) is encoded again, {how}: {why}")
    return replace(extras, streams=tuple(streams), notes=tuple(notes))


def _is_24_bit(stream: Stream) -> bool:
    return "24" in stream.codec or stream.codec in ("pcm_bluray", "pcm_dvd", "s302m")
