"""A part of a source as a source of its own, and what of the source's other streams goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vsj4r.errors import InputError
from vsj4r.media.containers import CONTAINERS
from vsj4r.media.demuxing import MOV
from vsj4r.media.extras import Extras
from vsj4r.media.joints import filter_moving, find_joints
from vsj4r.media.muxing import find_extras
from vsj4r.media.probe import Probe
from vsj4r.media.sound import as_long, cut_within_packets, encode_copied_sound, streams_with_gaps
from vsj4r.media.sources import Source
from vsj4r.media.steady import Steady
from vsj4r.media.subtitles import cut_lines
from vsj4r.media.times import usual_step
from vsj4r.media.trim import Trim, find_part, later_timecode
from vsj4r.words import count_of

_NOTICED_SECONDS = 0.05  # between sound and picture
_PREROLL_SECONDS = 0.05  # of packets before the first that is heard
_SCRIPT_LACKS = "a script has a picture at one rate: sound, subtitles and chapters are not copied"


def part_of(source: Source, trim: Trim) -> Source:
    """The frames of ``source`` that ``trim`` means.

    Raises:
        InputError: there are none.
    """
    part = find_part(trim, source.timestamps, source.time_base, ends=source.ends)
    if not part.frames:
        raise InputError(
            f"{source.path} has {count_of(len(source.clip), 'frame')}, numbered from 0: none is in the trim"
        )
    late = (part.stamps[0] - source.timestamps[0]) * source.time_base
    if part.frames == range(len(source.clip)) and not late and part.ends == source.ends_at:
        return source
    frames = slice(part.frames.start, part.frames.stop)
    clip = source.clip if source.pipe else source.clip[frames]  # what the first says, all of a pipe's say
    images = source.images and replace(source.images, names=source.images.names[frames])
    return replace(
        source,
        clip=clip,
        timestamps=part.stamps,
        images=images,
        part=part.frames,
        begins_late=late,
        ends=part.ends,
    )


def missing_of_trim(source: Source, trim: Trim) -> list[str]:
    """The line for a ``trim`` that ends later than ``source`` does; how long a pipe is nobody knows."""
    end, frames = trim[1], len(source.clip)
    if end is None or source.pipe:
        return []
    if isinstance(end, int):
        return (
            [f"the trim ends at frame {end}: there are {count_of(frames, 'frame')}"] if end > frames else []
        )
    lasts = (source.ends_at - source.timestamps[0]) * source.time_base
    if end <= lasts + usual_step(source.timestamps) * source.time_base:
        return []
    return [f"the trim ends at {end:g} s: the input lasts {float(lasts):.3f} s"]


def extras_of(source: Source, suffix: str, steady: Steady | None = None) -> Extras:
    """What of ``source`` goes along into an output whose name ends in ``suffix``, cut as the picture is.
    ``steady``: the constant rate that the output gets, None where it keeps its own."""
    if source.probe is None:
        is_script = source.images is None and source.pipe is None
        begins = float(source.timestamps[0] * source.time_base)
        return Extras(notes=(_SCRIPT_LACKS,) if is_script else (), start_seconds=begins)
    container = CONTAINERS[suffix.lower()]
    extras = _with_whole_sound(source, find_extras(source.probe, suffix), suffix)
    extras = _with_time_codes(source, _moved_at_joints(source, extras), steady)
    begins, ends = float(source.timestamps[0] * source.time_base), float(source.ends_at * source.time_base)
    if source.part is not None:
        extras = cut_within_packets(source.probe, cut_lines(source.probe, extras, suffix, begins, ends))
        extras = replace(extras, start_seconds=begins, length_seconds=ends - begins)
        if not (source.part.start or source.begins_late):
            extras = _with_priming(extras)
    elif container.only_with_picture:
        frame = float(usual_step(source.timestamps) * source.time_base)
        lost = _sound_beside(source.probe, extras, suffix, begins, ends, frame)
        extras = replace(extras, start_seconds=begins, notes=(*extras.notes, *lost))
    elif source.probe.format == MOV and not container.hides_beginnings:
        extras = _without_hidden_sound(extras)
    if container.sound_at_once:
        extras = _with_sound_at_once(source.probe, extras, suffix)
    if container.only_with_picture:
        sound = (
            as_long(each, ends - begins + 1) if each.kind == "audio" else each for each in extras.streams
        )
        extras = replace(extras, streams=tuple(sound))
    return extras


def _with_time_codes(source: Source, extras: Extras, steady: Steady | None) -> Extras:
    """``extras``, the time codes moved on to the first frame of ``source``, and to the rate of ``steady``."""
    counted, into = source.counted_rate, None if steady is None else steady.rate
    later = round(source.begins_late * counted)
    if not later and into is None:
        return extras

    def moved(tags: Mapping[str, str]) -> dict[str, str]:
        return {
            name: later_timecode(value, later, counted, into=into) if name.lower() == "timecode" else value
            for name, value in tags.items()
        }

    return replace(
        extras,
        streams=tuple(replace(along, tags=moved(along.tags)) for along in extras.streams),
        tags=moved(extras.tags),
        video_tags=moved(extras.video_tags),
    )


def _without_hidden_sound(extras: Extras) -> Extras:
    """``extras`` less the packets of copied sound that an edit list hides before the file's beginning; the
    last of them a decoder needs."""
    before = f"noise=drop='lt(pts*tb,-{_PREROLL_SECONDS})'"
    streams = (
        replace(along, packets=(*along.packets, before))
        if along.kind == "audio" and along.codec == "copy"
        else along
        for along in extras.streams
    )
    return replace(extras, streams=tuple(streams))


def _with_priming(extras: Extras) -> Extras:
    """``extras`` of a part that begins where the file does, with the packets of copied sound before that: its
    first samples come out of them. Sound that is encoded is cut to the sample, so then nothing is before."""
    if any(along.kind == "audio" and along.codec != "copy" for along in extras.streams):
        return extras
    return replace(_without_hidden_sound(extras), keeps_priming=True)


def _with_sound_at_once(source: Probe, extras: Extras, suffix: str) -> Extras:
    """``extras`` with the sound encoded anew that begins later than the output, or has a gap: silence is put
    there."""
    copied = [along.index for along in extras.streams if along.kind == "audio" and along.codec == "copy"]
    gaps = streams_with_gaps(source.path, copied) if copied else set()
    for index in copied:
        starts = source.stream_at(index).start_seconds
        late = 0.0 if starts is None else float(starts) - extras.start_seconds
        if late > _NOTICED_SECONDS or index in gaps:
            how = f"begins {late:.2f} s late" if late > _NOTICED_SECONDS else "has a gap"
            why = f"it {how}, which {suffix} cannot say"
            extras = encode_copied_sound(source, extras, suffix, why, only=index)
    return extras


def _with_whole_sound(source: Source, extras: Extras, suffix: str) -> Extras:
    """``extras`` with the sound encoded anew that ffmpeg cannot copy: AAC of a damaged broadcast, and what it
    would have to cut by times of the file that are not the output's (see ``media.joints``)."""
    if source.probe is None:
        return extras
    if source.part is not None and source.joints:
        return encode_copied_sound(source.probe, extras, suffix, "its clock is set in the middle")
    if source.is_damaged and source.probe.has_wandering_clock:
        return encode_copied_sound(source.probe, extras, suffix, "the file is damaged", codec="aac")
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
            streams.append(replace(along, packets=(*along.packets, filter_moving(packets, source.joints))))
            continue
        streams.append(along)
        if along.kind in ("audio", "subtitle"):
            notes.append(
                f"{along.kind} stream {along.index} may be out of step: its clock is set "
                f"{count_of(len(packets), 'time')}, the picture's {count_of(len(source.joints), 'time')}"
            )
    return replace(extras, streams=tuple(streams), notes=tuple(notes))


def _sound_beside(
    source: Probe, extras: Extras, suffix: str, begins: float, ends: float, frame: float
) -> list[str]:
    """Lines for sound of more than a ``frame`` before a picture that ``begins`` and ``ends`` then, seconds,
    or after it, which ``suffix`` does not hold."""
    heard = {along.index for along in extras.streams if along.kind == "audio"}
    if not heard:
        return []
    starts = [stream.start_seconds for stream in source.streams if stream.index in heard]
    beside = {"before": max((begins - float(start) for start in starts if start is not None), default=0.0)}
    if source.duration_seconds is not None:
        beside["after"] = float(source.duration_seconds + (source.start_seconds or 0)) - ends
    return [
        f"{suffix} has no sound without a picture: {seconds:.2f} s {where} it are left out"
        for where, seconds in beside.items()
        if seconds > frame
    ]
