"""A part of a source as a source of its own, and what of the source's other streams goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from vsj4r.errors import InputError
from vsj4r.media.containers import CONTAINERS
from vsj4r.media.extras import Extras
from vsj4r.media.joints import find_joints, moved_on
from vsj4r.media.muxing import find_extras
from vsj4r.media.probe import Probe
from vsj4r.media.sound import encode_copied_sound
from vsj4r.media.sources import Source
from vsj4r.media.steady import Steady
from vsj4r.media.subtitles import keep_shown_lines
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


def extras_of(source: Source, suffix: str, steady: Steady | None = None) -> Extras:
    """What of ``source`` goes along into an output whose name ends in ``suffix``, cut as the picture is.
    ``steady``: the constant rate that the output gets, None where it keeps its own."""
    if source.probe is None:
        is_script = source.images is None and source.pipe is None
        return Extras(notes=(_SCRIPT_LACKS,) if is_script else ())
    extras = _with_whole_sound(source, find_extras(source.probe, suffix), suffix)
    extras = _moved_at_joints(source, extras)
    stamps, base = source.timestamps, source.time_base
    frame = (stamps[-1] - stamps[0]) / max(1, len(stamps) - 1) if len(stamps) > 1 else 1
    own_rate = source.probe.rate or Fraction(source.clip.fps)

    def move_time_code(tags: Mapping[str, str]) -> dict[str, str]:
        later, into = round(source.begins_late * own_rate), None if steady is None else steady.rate
        if not later and into is None:
            return dict(tags)
        return {
            name: later_timecode(value, later, own_rate, into=into) if _is_code(name) else value
            for name, value in tags.items()
        }

    extras = replace(
        extras,
        streams=tuple(replace(along, tags=move_time_code(along.tags)) for along in extras.streams),
        tags=move_time_code(extras.tags),
        video_tags=move_time_code(extras.video_tags),
    )
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
    return replace(
        keep_shown_lines(source.probe, extras, suffix, float(stamps[0] * base)),
        start_seconds=float(stamps[0] * base),
        length_seconds=float((stamps[-1] - stamps[0] + frame) * base),
    )


def _with_whole_sound(source: Source, extras: Extras, suffix: str) -> Extras:
    """``extras`` with the sound encoded anew that ffmpeg cannot copy: AAC of a damaged broadcast, and what it
    would have to cut by times of the file that are not the output's (see ``media.joints``)."""
    if source.probe is None:
        return extras
    if source.part is not None and source.joints:
        return encode_copied_sound(source.probe, extras, suffix, "its clock is set in the middle")
    if source.is_damaged and source.probe.has_wandering_clock:
        return encode_copied_sound(source.probe, extras, suffix, "the file is damaged", only="aac")
    return extras


def _moved_at_joints(source: Source, extras: Extras) -> Extras:
    """``extras`` moved on where the picture is, see ``media.joints``."""
    if not source.joints:
        return extras
    found = find_joints(source.path, [along.index for along in extras.streams])
    streams, notes = [], list(extras.notes)
    for along in extras.streams:
        packets = found[along.index]
        if len(packets) == len(source.joints):
            streams.append(replace(along, packets=(*along.packets, moved_on(packets, source.joints))))
            continue
        streams.append(along)
        if along.kind == "audio":
            notes.append(
                f"audio stream {along.index} may be out of step: its clock is set "
                f"{count_of(len(packets), 'time')}, the picture's {count_of(len(source.joints), 'time')}"
            )
    return replace(extras, streams=tuple(streams), notes=tuple(notes))


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
