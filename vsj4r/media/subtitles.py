"""Subtitles: what keeps their times on the way into another container, and into a part of the film."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from typing import Any

from av.stream import Discard

from vsj4r.media.containers import CONTAINERS, Container
from vsj4r.media.demuxing import MOV, READ_ERRORS, open_container
from vsj4r.media.extras import Extras
from vsj4r.media.probe import Probe
from vsj4r.media.streams import Stream

_ENCODERS = {"subrip": "srt", "ass": "ass", "mov_text": "mov_text", "webvtt": "webvtt"}
"""Of text, ffmpeg's names: the codec, and what writes it."""
_LONGEST_PICTURE_SECONDS = 60
"""A line of text may be a sign that stays for a whole scene: those are looked for from the beginning."""
_STAYING = ("pgssub", "dvbsub")
"""Decoders of pictures that stay until another packet comes."""
_BEHIND_SECONDS = 5  # by which streams of a file may lie apart
_FINE_TICKS = "setts=time_base=1/200000"
"""In microseconds MP4 has no gap of more than 36 minutes, so of three hours. Where the ticks of another
stream are finer (sound: 1/192000 s), ffmpeg ends a line too early, and moves on those that overlap it."""
_UNTIL_THE_NEXT = (
    "setts=duration='if(gte(DURATION*TB,4294967),5/TB,DURATION)'"  # which ffmpeg gives as 2^32 - 1 ms
)
_IS_SHOWN = "lt(PTS,0)*gt(PTS+DURATION,0)"
_FROM_ZERO = (
    f"setts=pts='if({_IS_SHOWN},0,PTS)':dts='if({_IS_SHOWN},0,DTS)'"
    f":duration='if({_IS_SHOWN},PTS+DURATION,DURATION)'"
)


def subtitle_options(codec: str, stream: Stream, container: Container) -> dict[str, str]:
    """ffmpeg's options for the subtitles ``stream``, written with ``codec`` into ``container``."""
    if codec == "mov_text":
        return {"bsf": _FINE_TICKS}
    if stream.codec == "dvd_subtitle" and container.of_quicktime:
        return {"bsf": _UNTIL_THE_NEXT}
    return {}


def cut_lines(source: Probe, extras: Extras, suffix: str, begins: float, ends: float) -> Extras:
    """``extras`` of a part of ``source`` between two times in seconds. Lines end with it. Of those that are
    on the screen where it begins ffmpeg copies none, so their streams are encoded anew; pictures are lost,
    with a line.

    Raises:
        InputError: the file cannot be opened.
    """
    subtitles = {along.index: along for along in extras.streams if along.kind == "subtitle"}
    if not subtitles:
        return extras
    notes = list(extras.notes)
    for index, lines in _shown_at(source, subtitles.keys(), begins).items():
        along, stream = subtitles[index], source.stream_at(index)
        codec = _ENCODERS.get(stream.codec, "") if along.codec == "copy" else along.codec
        where = "is on the screen where the part begins"
        if not codec:
            notes.append(f"what {where} of subtitle stream {index} ({stream.codec}) is left out")
            continue
        if along.codec == "copy":
            notes.append(f"subtitle stream {index} ({stream.codec}) is encoded again: a line of it {where}")
        if codec == "mov_text" and lines > 1:
            notes.append(f"of {lines} lines that are on the screen where the part begins {suffix} shows one")
        options = subtitle_options(codec, stream, CONTAINERS[suffix.lower()])
        subtitles[index] = replace(along, codec=codec, options=options, packets=(*along.packets, _FROM_ZERO))
    last = f"({ends - begins:.6f})"
    until = f"setts=duration='if(gt((PTS+DURATION)*TB,{last}),max({last}/TB-PTS,0),DURATION)'"
    streams = tuple(
        replace(subtitles[along.index], packets=(*subtitles[along.index].packets, until))
        if along.kind == "subtitle"
        else along
        for along in extras.streams
    )
    return replace(extras, streams=streams, notes=tuple(notes))


def _shown_at(source: Probe, subtitles: Collection[int], seconds: float) -> dict[int, int]:
    """Which of ``subtitles`` of the file ``source`` have something on the screen at ``seconds``: how many
    lines."""
    texts = {index for index in subtitles if source.stream_at(index).codec in _ENCODERS}
    until: dict[int, list[float]] = {index: [] for index in subtitles}
    with open_container(source.path) as container:
        watched = set(subtitles) if source.format == MOV else {source.video.index, *subtitles}
        for stream in container.streams:
            if stream.index not in watched:
                stream.discard = Discard.all
        with suppress(*READ_ERRORS):
            if not texts:
                container.seek(int(max(0.0, seconds - _LONGEST_PICTURE_SECONDS) * 1_000_000))
            for packet in container.demux([container.streams[index] for index in sorted(watched)]):
                if packet.pts is None:
                    continue
                index, begins = packet.stream_index, float(packet.pts * packet.time_base)
                if begins > seconds + _BEHIND_SECONDS:
                    break
                if index in until and begins < seconds:
                    lasts = _seconds_shown(packet)
                    if lasts is None:
                        continue
                    if index not in texts:
                        until[index].clear()  # a picture takes away the one before
                    until[index].append(begins + lasts)
    shown = {index: sum(end > seconds for end in ends) for index, ends in sorted(until.items())}
    return {index: lines for index, lines in shown.items() if lines}


def _seconds_shown(packet: Any) -> float | None:
    """For how long what ``packet`` holds stays on the screen, None where it changes nothing. Pictures of
    discs and broadcasts have no end of their own: a later packet takes them away, and holds none."""
    decoder = packet.stream.codec_context
    if decoder.name not in _STAYING:
        return float((packet.duration or 0) * packet.time_base)
    try:
        shown = decoder.decode2(packet)
    except READ_ERRORS:
        return None
    if shown is None:
        return None
    return float(shown.end_display_time) / 1000 if shown.rects else 0.0
