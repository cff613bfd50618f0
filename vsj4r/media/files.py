"""A video file, a folder of images or one image, opened as a ``Source``: a clip with exact timestamps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import vapoursynth as vs

from vsj4r.errors import InputError, Vsj4rError
from vsj4r.media import y4m
from vsj4r.media.alpha import ALPHA, left_out_alpha, with_alpha_of, without_alpha
from vsj4r.media.bestsource import open_with_bestsource
from vsj4r.media.colours import with_consistent_colours
from vsj4r.media.decoded import IMAGE_CODECS, decode_clip, needs_decoding
from vsj4r.media.demuxing import MATROSKA, MOV, READ_ERRORS, read_error
from vsj4r.media.frame_errors import first_line
from vsj4r.media.images import image_clip, look_at_images
from vsj4r.media.index import Index, index_of
from vsj4r.media.joints import find_joints
from vsj4r.media.probe import Probe, probe, video_times
from vsj4r.media.reading import find_images, gaps_in, missing_error
from vsj4r.media.sources import AS_IT_SAYS, ONE_THREAD, Reading, Source
from vsj4r.media.streams import Stream
from vsj4r.media.survey import BESIDE, Survey, look_through
from vsj4r.media.times import Times, settle_times, times_at_rate, usual_step
from vsj4r.words import count_of

_CINEMA_XYZ = "xyz12"
_DOLBYS_OWN = (5, 10)  # profiles of Dolby Vision that may have no base layer for others
_SAYING_HOW_LONG = frozenset({MOV, MATROSKA, "gif", "apng", "webp_anim"})
"""Formats whose files say of a frame how long it is shown."""


def open_source(
    path: Path,
    reading: Reading = AS_IT_SAYS,
    *,
    index: Path | None = None,
    on_probe: Callable[[Probe], None] = lambda found: None,
    on_look: Callable[[float], None] = lambda share: None,
) -> Source:
    """Open a video file, a folder of images sorted by name, or one image. What decoding it tells is kept in
    the folder ``index``, or in the user's cache. ``on_probe`` is told of a video file before it is decoded;
    ``on_look`` now and then of the share, 0 to 1, of what decoding a long one takes; what it raises ends it.

    Raises:
        InputError: not a video, no video stream, damaged beyond reading, interlaced; images of several
            sizes; it has times of its own and ``reading`` a rate.
        Vsj4rError: nothing there.
    """
    if not path.exists():
        raise missing_error(path)
    if (still := find_images(path)) is not None:
        images = look_at_images(*still)
        times = times_at_rate(reading.rate, len(images.names))
        return Source(
            path,
            image_clip(images, fps=1 / times.time_base),
            times.time_base,
            times.stamps,
            images,
            said=tuple(gaps_in(images.names)),
            has_alpha=bool(images.translucent),
        )
    found = probe(path, track=reading.track)
    on_probe(found)
    return _open_video(found, reading, _index_of(path, index), on_look)


def _index_of(path: Path, folder: Path | None) -> Index:
    try:
        return index_of(path, folder)
    except OSError as error:
        raise Vsj4rError(f"{path} cannot be read: {error.strerror or error}") from error


def _open_video(found: Probe, reading: Reading, index: Index, on_look: Callable[[float], None]) -> Source:
    path = found.path
    _check_colours(found)
    reading.check_rate(path, is_said=not found.rate_is_guess)
    missing = y4m.missing_of_y4m(path) if found.format == "yuv4mpegpipe" else found.missing
    survey = look_through(
        found, index, to_the_end=reading.assume_progressive, on_look=lambda share: on_look(share / 2)
    )
    if not reading.assume_progressive:
        _check_progressive(path, survey)
    if not survey.frames and not survey.damaged:
        raise InputError(f"{path} has a video stream without a frame: cut it again, at a key frame")
    alone = survey.damaged or reading.one_thread or index.read(ONE_THREAD) is not None
    clip, stamps, time_base = _open_samples(
        found, index, survey, threads=1 if alone else 0, on_look=lambda share: on_look((1 + share) / 2)
    )
    if len(survey.shown_at) == len(clip):
        stamps, time_base = list(survey.shown_at), found.video.time_base
    times = _times_of(found, reading, clip, stamps, time_base)
    if times.rate is not None:
        clip = clip.std.AssumeFPS(fpsnum=times.rate.numerator, fpsden=times.rate.denominator)
    clip, colours = _with_what_the_container_says(clip, found, reading)
    has_alpha = _has_alpha(found, clip)
    shown = _crop_to_shown(clip, found)
    lacks = _lacks(found, missing, survey, len(clip))
    said = (*lacks, *times.notes, *colours, *_left_out(found, clip, shown))
    if has_alpha and shown is not clip:
        shown = with_alpha_of(shown, clip, lambda alpha: _crop_to_shown(alpha, found))
    return Source(
        path,
        shown if has_alpha else without_alpha(shown),
        times.time_base,
        times.stamps,
        probe=found,
        index=index,
        said=said,
        joints=times.joints,
        is_damaged=bool(survey.damaged),
        has_alpha=has_alpha,
        ends=_end_of_last(found, survey, times),
    )


def _check_colours(found: Probe) -> None:
    """Refuse samples that are neither RGB nor YCbCr."""
    if found.video.pixel_format.startswith(_CINEMA_XYZ):
        raise InputError(
            f"{found.path} holds X'Y'Z' of digital cinema, which is not RGB: "
            "convert it first (ffmpeg -i INPUT -pix_fmt gbrp12le -c:v ffv1 -c:a copy rgb.mkv)"
        )
    if _is_dolbys_alone(found.video):
        raise InputError(
            f"{found.path} is Dolby Vision without a base layer that others can show (profile 5), whose "
            "samples are no YCbCr: convert it first, with an ffmpeg that has libplacebo "
            "(-vf libplacebo=apply_dolbyvision=true)"
        )


def _check_progressive(path: Path, survey: Survey) -> None:
    if survey.interlaced_from is None:
        return
    since = f" from frame {survey.interlaced_from} on" if survey.interlaced_from else ""
    raise InputError(
        f"{path} is interlaced{since}: deinterlace it first (bwdif in ffmpeg, or a VapourSynth script); "
        "where only its flags say so (PsF), --assume-progressive (assume_progressive in a job file)"
    )


def _lacks(found: Probe, missing: str, survey: Survey, frames: int) -> Iterator[str]:
    """A line for each thing that the file lacks, of which so much is ``missing``, or its ``frames`` which are
    decoded."""
    if missing:
        yield f"the file is cut short: {missing} is missing"
    if survey.damaged:
        yield f"{count_of(survey.damaged, 'damaged frame')}: the decoder makes up what is missing"
    for kind in survey.beside:
        yield f"{BESIDE[kind]} are left out"
    if len(survey.aspects) > 1 and found.video.sample_aspect == found.video.coded_aspect:
        shapes, first = ", then ".join(survey.aspects), survey.aspects[0]
        yield f"the shape of its samples changes on the way ({shapes}): all are taken as {first}"
    if frames < survey.frames:
        yield f"only {frames} of its {survey.frames} frames can be decoded"


def _left_out(found: Probe, clip: vs.VideoNode, shown: vs.VideoNode) -> Iterator[str]:
    """A line for each thing of the picture that ``shown`` lacks."""
    if found.video.tag("alpha_mode") == "1":
        yield left_out_alpha("ffmpeg decodes none of WebM")
    if shown is not clip:
        of = f"{shown.width}x{shown.height} of {clip.width}x{clip.height}"
        yield f"the container says to show {of}: the rest is cut off"


def _times_of(
    found: Probe, reading: Reading, clip: vs.VideoNode, stamps: list[int], time_base: Fraction
) -> Times:
    if found.rate_is_guess:
        return replace(times_at_rate(reading.rate, len(clip)), notes=reading.guess_of_rate("it"))
    rate = found.rate or Fraction(clip.fps) or None
    times = settle_times(found.path, time_base, stamps, rate, closes_gaps=found.has_wandering_clock)
    if any(by < 0 for by in times.joints) and _is_heard_on(found):
        return settle_times(found.path, time_base, stamps, rate)
    return times


def _end_of_last(found: Probe, survey: Survey, times: Times) -> Fraction | None:
    """When the last frame has been shown, in units of ``times``, where the container says that it is held; a
    shorter one is an encoder's haste. MP4 and MOV say how long the track is; what they say of a frame is the
    time until the next one is decoded."""
    if found.format not in _SAYING_HOW_LONG:
        return None
    video, last = found.video, times.stamps[-1]
    if found.format == MOV and video.duration:
        ends = ((video.start_seconds or 0) + video.duration * video.time_base) / times.time_base
    else:
        ends = last + survey.last_lasts * video.time_base / times.time_base
    return ends if ends - last > usual_step(times.stamps) else None


def _is_dolbys_alone(video: Stream) -> bool:
    """Whether its samples are Dolby Vision's own IPT, by its configuration (ffmpeg's
    AVDOVIDecoderConfigurationRecord: profile and base layer's compatibility are bytes 2 and 7)."""
    record = video.side_data.get("dovi_conf", b"")
    return len(record) > 7 and record[2] in _DOLBYS_OWN and record[7] == 0


def _open_samples(
    found: Probe, index: Index, survey: Survey, *, threads: int, on_look: Callable[[float], None]
) -> tuple[vs.VideoNode, list[int], Fraction]:
    """The clip, its timestamps and their unit: by BestSource, where it has the samples and all the frames."""
    may_lose = found.video.codec in IMAGE_CODECS
    if not needs_decoding(found):
        try:
            opened = open_with_bestsource(found, index, threads=threads, on_look=on_look)
        except InputError:
            if not (may_lose and survey.frames):
                raise
        else:
            if len(opened[0]) >= survey.frames or not may_lose:
                return _with_repeated_fields(found, *opened)
    return (*decode_clip(found), found.video.time_base)


def _is_heard_on(found: Probe) -> bool:
    """Whether the file has sound whose clock is never set: where the picture has a gap, none is closed."""
    heard = [stream.index for stream in found.others if stream.kind == "audio"]
    return bool(heard) and not any(find_joints(found.path, heard).values())


def _with_repeated_fields(
    found: Probe, clip: vs.VideoNode, stamps: list[int], time_base: Fraction
) -> tuple[vs.VideoNode, list[int], Fraction]:
    """The same, with the times that follow from the fields which a raw stream of MPEG-2 says to repeat (2:3
    pulldown), of which BestSource tells nothing."""
    is_raw = found.format == "mpegvideo" and found.video.codec == "mpeg2video"
    try:
        times = video_times(found.path) if is_raw else []
    except READ_ERRORS as error:
        raise read_error(found.path, error) from error
    if len(set(times)) != len(clip):
        return clip, stamps, time_base
    return clip, [int((time - times[0]) / time_base) for time in times], time_base


def _with_what_the_container_says(
    clip: vs.VideoNode, found: Probe, reading: Reading
) -> tuple[vs.VideoNode, list[str]]:
    """``clip`` with tags that fit it, and the container's shape of a sample; a line for what that changed."""
    try:
        with clip.get_frame(0) as first:
            clip, notes = with_consistent_colours(clip, first)
    except vs.Error as error:
        raise InputError(f"{found.path} cannot be decoded: {first_line(error)}") from error
    aspect = found.video.sample_aspect
    if aspect is not None:
        clip = clip.std.SetFrameProps(_SARNum=aspect.numerator, _SARDen=aspect.denominator)
    return clip.std.SetFieldBased(0) if reading.assume_progressive else clip, notes


def _crop_to_shown(clip: vs.VideoNode, found: Probe) -> vs.VideoNode:
    """``clip`` without what the container hides at its sides, as far as subsampling can tell; all of it where
    nothing would be left."""
    kind = clip.format
    top, bottom, left, right = (
        hidden >> shift << shift
        for hidden, shift in zip(
            found.video.cropping or (0, 0, 0, 0),
            (kind.subsampling_h, kind.subsampling_h, kind.subsampling_w, kind.subsampling_w),
            strict=True,
        )
    )
    if not any((top, bottom, left, right)) or top + bottom >= clip.height or left + right >= clip.width:
        return clip
    return clip.std.Crop(left=left, right=right, top=top, bottom=bottom)


def _has_alpha(source: Probe, clip: vs.VideoNode) -> bool:
    """Whether the frames of ``clip`` have an alpha channel: every palette has one, which is seldom used.

    WebM keeps the alpha of VP8 and VP9 as a picture of its own, which decoders pass over.
    """
    with clip.get_frame(0) as first:
        alpha: Any = first.props.get(ALPHA)
        if alpha is None or source.first_frame is None or not source.first_frame.has_palette:
            return alpha is not None
        return bool(np.asarray(alpha[0]).min() < 255)
