"""Subtitles: what keeps their times on the way into another container, and into a part of the film."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vsj4r.media.containers import CONTAINERS, Container
from vsj4r.media.demuxing import READ_ERRORS, open_container
from vsj4r.media.extras import Extras
from vsj4r.media.probe import Probe
from vsj4r.media.streams import Stream

_ENCODERS = {"subrip": "srt", "ass": "ass", "mov_text": "mov_text", "webvtt": "webvtt"}
"""Of text, ffmpeg's names: the codec, and what writes it."""
_LONGEST_LINE_SECONDS = 60
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


def keep_shown_lines(source: Probe, extras: Extras, suffix: str, seconds: float) -> Extras:
    """``extras`` of a part of ``source`` that begins at ``seconds``, with the lines that are on the screen
    then: ffmpeg copies none of those, so their streams are encoded anew. Pictures are lost, with a line.

    Raises:
        InputError: the file cannot be opened.
    """
    subtitles = {along.index: along for along in extras.streams if along.kind == "subtitle"}
    if not subtitles:
        return extras
    notes = list(extras.notes)
    for index in _shown_at(source.path, source.video.index, subtitles.keys(), seconds):
        along, stream = subtitles[index], source.stream_at(index)
        codec = _ENCODERS.get(stream.codec, "") if along.codec == "copy" else along.codec
        where = "is on the screen where the part begins"
        if not codec:
            notes.append(f"what {where} of subtitle stream {index} ({stream.codec}) is left out")
            continue
        if along.codec == "copy":
            notes.append(f"subtitle stream {index} ({stream.codec}) is encoded again: a line of it {where}")
        options = subtitle_options(codec, stream, CONTAINERS[suffix.lower()])
        subtitles[index] = replace(along, codec=codec, options=options, packets=(*along.packets, _FROM_ZERO))
    streams = tuple(subtitles.get(along.index, along) for along in extras.streams)
    return replace(extras, streams=streams, notes=tuple(notes))


def _shown_at(path: Path, video: int, subtitles: Collection[int], seconds: float) -> list[int]:
    """Which of ``subtitles`` in the file ``path`` have a line that began before ``seconds`` and lasts."""
    found = set()
    with open_container(path) as container:
        chosen = [stream for stream in container.streams if stream.index in (video, *subtitles)]
        with suppress(*READ_ERRORS):
            container.seek(int(max(0.0, seconds - _LONGEST_LINE_SECONDS) * 1_000_000))
            for packet in container.demux(chosen):
                if packet.pts is None:
                    continue
                begins = float(packet.pts * packet.time_base)
                if packet.stream_index == video:
                    if begins > seconds + _BEHIND_SECONDS:
                        break
                elif begins < seconds < begins + float((packet.duration or 0) * packet.time_base):
                    found.add(packet.stream_index)
    return sorted(found)
