"""What a stream of sound is written with: copied where the container holds it, else encoded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from vsj4r.media.containers import CONTAINERS, Container
from vsj4r.media.extras import Along, Extras
from vsj4r.media.probe import Probe
from vsj4r.media.stream_packets import packets_of
from vsj4r.media.streams import Stream

_SAMPLES = {"u8": "pcm_u8", "s16": "pcm_s16le", "s32": "pcm_s32le", "flt": "pcm_f32le", "dbl": "pcm_f64le"}
"""ffmpeg's sample formats, less the p of those that keep channels apart, and PCM that holds them exactly."""

_OPUS_KBIT_PER_CHANNEL, _AAC_KBIT_PER_CHANNEL = 80, 96
_OPUS_LAYOUTS = "mono|stereo|3.0|quad|5.0|5.1|6.1|7.1"
"""Those of RFC 7845, 5.1.1.2; 5.1(side) of AC-3 and DTS becomes the nearest."""
_OPUS_MOST_PLACED = 8
_MOST_BITS = 24  # of whole samples
_EXACT_ENCODERS = ("flac", "alac", "wavpack")  # ffmpeg's, of whole samples
_GAP_SECONDS = 0.1
_FILL_GAPS = "aresample=async=1"  # gaps of that and more; all else stays as it is


def sound_codec_for(container: Container, stream: Stream) -> str:
    """What ``stream`` of sound is written with into ``container``: "copy", an encoder (the codec's own, which
    changes nothing, where gaps have to be filled), or "" (left out)."""
    is_pcm = stream.codec.startswith("pcm_")
    holds = stream.codec in container.sound and container.sound_rate in (0, stream.sample_rate)
    if holds and not (stream.codec == "aac" and container.muxer == "avi" and not stream.has_setup):
        return stream.codec if is_pcm and container.plain_pcm else "copy"
    if not stream.codec:
        return ""
    other = container.other_pcm if is_pcm else container.other_sound
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
    if codec == "aac":
        options["b"] = f"{_AAC_KBIT_PER_CHANNEL * stream.channels}k"
    if codec == "libopus":
        options["b"] = f"{_OPUS_KBIT_PER_CHANNEL * max(2, stream.channels)}k"
        if stream.channels > _OPUS_MOST_PLACED:
            options["mapping_family"] = "255"  # channels without a place
        else:
            options["filter"] = f"aformat=channel_layouts={_OPUS_LAYOUTS}"
    if codec.startswith("pcm_") and container.plain_pcm:
        options["filter"] = f"{_FILL_GAPS}:first_pts=0" if container.sound_at_once else _FILL_GAPS
    if codec != "copy" and container.sound_rate:
        options["ar"] = str(container.sound_rate)
    return options


def as_long(along: Along, seconds: float) -> Along:
    """The sound ``along``, PCM of ``sound_options``, with silence at its end where it has not ``seconds``."""
    filled = f"{along.options['filter']},apad=whole_dur={seconds:.6f}"
    return replace(along, options={**along.options, "filter": filled})


def cut_within_packets(source: Probe, extras: Extras) -> Extras:
    """``extras`` of a part of ``source``: sound without loss that would be copied, by whole packets, is
    written by its own encoder, which changes no sample."""

    def encoder_of(along: Along) -> str:
        stream = source.stream_at(along.index)
        is_exact = stream.codec.startswith("pcm_") or (
            stream.codec in _EXACT_ENCODERS
            and stream.depth <= _MOST_BITS
            and stream.sample_format.startswith("s")
        )
        return stream.codec if along.codec == "copy" and is_exact else along.codec

    return replace(extras, streams=tuple(replace(along, codec=encoder_of(along)) for along in extras.streams))


def streams_with_gaps(path: Path, streams: Collection[int]) -> set[int]:
    """Those of ``streams`` of sound in the file ``path`` that say nothing for a while. It is read to its end.

    Raises:
        InputError: it cannot be opened.
    """
    ends: dict[int, Fraction] = {}
    found = set()
    for packet, base in packets_of(path, streams):
        index = packet.stream_index
        if packet.pts is not None and packet.duration:
            if packet.pts * base - ends.get(index, packet.pts * base) > _GAP_SECONDS:
                found.add(index)
            ends[index] = (packet.pts + packet.duration) * base
    return found


def encode_copied_sound(
    source: Probe, extras: Extras, suffix: str, why: str, *, codec: str = "", only: int | None = None
) -> Extras:
    """``extras`` of ``source`` with a codec of the container ``suffix`` and a line for each stream of sound
    that it would copy: of this ``codec``, or ``only`` this stream."""

    def is_meant(stream: Stream) -> bool:
        return codec in ("", stream.codec) and only in (None, stream.index)

    container = CONTAINERS[suffix.lower()]
    if container.other_sound == "opus":
        encoder, how = "libopus", "with loss"
    elif "aac" in container.sound and not container.sound_at_once:
        encoder, how = "aac", "with loss"
    else:
        encoder, how = "pcm_s16le", "as 16 bit PCM"
    streams, notes = [], list(extras.notes)
    for along in extras.streams:
        stream = source.stream_at(along.index)
        if along.kind != "audio" or along.codec != "copy" or not is_meant(stream):
            streams.append(along)
            continue
        streams.append(replace(along, codec=encoder, options=sound_options(encoder, stream, container)))
        notes.append(f"audio stream {along.index} ({stream.codec}) is encoded again, {how}: {why}")
    return replace(extras, streams=tuple(streams), notes=tuple(notes))


def _is_24_bit(stream: Stream) -> bool:
    return "24" in stream.codec or stream.codec in ("pcm_bluray", "pcm_dvd", "s302m")
