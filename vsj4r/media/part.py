"""A part of a source as a source of its own, and what of the source's other streams goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from vsj4r.errors import InputError
from vsj4r.media.containers import CONTAINERS
from vsj4r.media.muxing import Extras, find_extras
from vsj4r.media.probe import Probe
from vsj4r.media.sources import Source
from vsj4r.media.trim import Trim, frames_between, later_timecode
from vsj4r.words import count_of

_SCRIPT_LACKS = "a script has a picture at one rate: sound, subtitles and chapters are not copied"


def part_of(source: Source, trim: Trim) -> Source:
    """The frames of ``source`` that ``trim`` means.

    Raises:
        InputError: there are none.
    """
    part = frames_between(trim, source.timestamps, source.time_base)
    if not part:
        raise InputError(
            f"{source.path} has {count_of(len(source.clip), 'frame')}, numbered from 0: none is in the trim"
        )
    if part == range(len(source.clip)):
        return source
    frames = slice(part.start, part.stop)
    clip = source.clip if source.pipe else source.clip[frames]  # what the first says, all of a pipe's say
    images = source.images and replace(source.images, names=source.images.names[frames])
    stamps = source.timestamps[frames]
    late = (stamps[0] - source.timestamps[0]) * source.time_base
    return replace(source, clip=clip, timestamps=stamps, images=images, part=part, begins_late=late)


def extras_of(source: Source, suffix: str) -> Extras:
    """What of ``source`` goes along into an output whose name ends in ``suffix``, cut as the picture is."""
    if source.probe is None:
        is_script = source.images is None and source.pipe is None
        return Extras(notes=(_SCRIPT_LACKS,) if is_script else ())
    extras = find_extras(source.probe, suffix)
    stamps, base = source.timestamps, source.time_base
    frame = (stamps[-1] - stamps[0]) / max(1, len(stamps) - 1) if len(stamps) > 1 else 1
    if source.part is None:
        if not CONTAINERS[suffix.lower()].only_with_picture:
            return extras
        begins, ends = float(stamps[0] * base), float((stamps[-1] + frame) * base)
        early, late = _sound_beside(source.probe, extras, begins, ends)
        lost = [
            f"{suffix} has no sound without a picture: {seconds:.2f} s {where} it are left out"
            for seconds, where in ((early, "before"), (late, "after"))
            if seconds > float(frame * base)
        ]
        return replace(extras, start_seconds=begins, notes=(*extras.notes, *lost))
    rate = source.probe.rate or Fraction(source.clip.fps)

    def move_time_code(tags: Mapping[str, str]) -> dict[str, str]:
        return {
            name: later_timecode(value, round(source.begins_late * rate), rate) if _is_code(name) else value
            for name, value in tags.items()
        }

    return replace(
        extras,
        streams=tuple(replace(along, tags=move_time_code(along.tags)) for along in extras.streams),
        tags=move_time_code(extras.tags),
        video_tags=move_time_code(extras.video_tags),
        start_seconds=float(stamps[0] * base),
        length_seconds=float((stamps[-1] - stamps[0] + frame) * base),
    )


def _sound_beside(source: Probe, extras: Extras, begins: float, ends: float) -> tuple[float, float]:
    """Seconds of sound before a picture that ``begins`` and ``ends`` then, and after it; 0 where there is no
    sound, or nothing is known."""
    heard = {along.index for along in extras.streams if along.kind == "audio"}
    if not heard:
        return 0.0, 0.0
    starts = [stream.start_seconds for stream in source.streams if stream.index in heard]
    early = max((begins - float(start) for start in starts if start is not None), default=0.0)
    if source.duration_seconds is None:
        return early, 0.0
    return early, float(source.duration_seconds + (source.start_seconds or 0)) - ends


def _is_code(name: str) -> bool:
    return name.lower() == "timecode"
