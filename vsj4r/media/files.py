"""A video file, a folder of images or one image, opened as a ``Source``: a clip with exact timestamps."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import vapoursynth as vs

from vsj4r.errors import InputError, Vsj4rError
from vsj4r.media import y4m
from vsj4r.media.alpha import ALPHA, left_out_alpha, with_alpha_of, without_alpha
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

_NOT_KEPT = "Failed to write index"  # by BestSource, for want of room, after it has read the file
_CINEMA_XYZ = "xyz12"
_DOLBYS_OWN = (5, 10)  # profiles of Dolby Vision that may have no base layer for others
_SAYING_HOW_LONG = frozenset({MOV, MATROSKA, "gif", "apng", "webp_anim"})
"""Formats whose files say of a frame how long it is shown."""
_INDEX_PROGRESS = re.compile(r"index progress (\d+)%")


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


def check_constant(path: Path, clip: vs.VideoNode) -> None:
    """Refuse the input ``path`` whose frames differ.

    Raises:
        InputError: in their format or size.
    """
    varies = clip.format is None or clip.format.color_family == vs.UNDEFINED
    if varies or not clip.width or not clip.height:
        raise InputError(
            f"{path} changes its format or size in the middle, which is not supported: "
            "cut it into parts there"
        )


def _open_video(found: Probe, reading: Reading, index: Index, on_look: Callable[[float], None]) -> Source:
    path = found.path
    if found.video.pixel_format.startswith(_CINEMA_XYZ):
        raise InputError(
            f"{path} holds X'Y'Z' of digital cinema, which is not RGB: "
            "convert it first (ffmpeg -i INPUT -pix_fmt gbrp12le -c:v ffv1 -c:a copy rgb.mkv)"
        )
    if _is_dolbys_alone(found.video):
        raise InputError(
            f"{path} is Dolby Vision without a base layer that others can show (profile 5), whose samples "
            "are no YCbCr: convert it first, with an ffmpeg that has libplacebo "
            "(-vf libplacebo=apply_dolbyvision=true)"
        )
    reading.check_rate(path, is_said=not found.rate_is_guess)
    survey = look_through(
        found, index, to_the_end=reading.assume_progressive, on_look=lambda share: on_look(share / 2)
    )
    if survey.interlaced_from is not None and not reading.assume_progressive:
        since = f" from frame {survey.interlaced_from} on" if survey.interlaced_from else ""
        raise InputError(
            f"{path} is interlaced{since}: deinterlace it first (bwdif in ffmpeg, or a VapourSynth script); "
            "where only its flags say so (PsF), --assume-progressive (assume_progressive in a job file)"
        )
    said = []
    missing = y4m.missing_of_y4m(path) if found.format == "yuv4mpegpipe" else found.missing
    if missing:
        said.append(f"the file is cut short: {missing} is missing")
    if survey.damaged:
        damaged = count_of(survey.damaged, "damaged frame")
        said.append(f"{damaged}: the decoder makes up what is missing")
    said += [f"{BESIDE[kind]} are left out" for kind in survey.beside]
    if len(survey.aspects) > 1 and found.video.sample_aspect == found.video.coded_aspect:
        shapes, first = ", then ".join(survey.aspects), survey.aspects[0]
        said.append(f"the shape of its samples changes on the way ({shapes}): all are taken as {first}")
    alone = survey.damaged or reading.one_thread or index.read(ONE_THREAD) is not None
    clip, stamps, time_base = _open_samples(
        found, index, survey, threads=1 if alone else 0, on_look=lambda share: on_look((1 + share) / 2)
    )
    if len(survey.shown_at) == len(clip):
        stamps, time_base = list(survey.shown_at), found.video.time_base
    if len(clip) < survey.frames:
        said.append(f"only {len(clip)} of its {survey.frames} frames can be decoded")
    rate = found.rate or Fraction(clip.fps) or None
    if found.rate_is_guess:
        times = times_at_rate(reading.rate, len(clip))
        said += reading.guess_of_rate("it")
    else:
        times = settle_times(path, time_base, stamps, rate, closes_gaps=found.has_wandering_clock)
        if any(by < 0 for by in times.joints) and _is_heard_on(found):
            times = settle_times(path, time_base, stamps, rate)
    said += times.notes
    if times.rate is not None:
        clip = clip.std.AssumeFPS(fpsnum=times.rate.numerator, fpsden=times.rate.denominator)
    clip = _with_what_the_container_says(clip, found, reading)
    has_alpha = _has_alpha(found, clip)
    if found.video.tag("alpha_mode") == "1":
        said.append(left_out_alpha("ffmpeg decodes none of WebM"))
    shown = _crop_to_shown(clip, found)
    if (shown.width, shown.height) != (clip.width, clip.height):
        of = f"{shown.width}x{shown.height} of {clip.width}x{clip.height}"
        said.append(f"the container says to show {of}: the rest is cut off")
        clip = with_alpha_of(shown, clip, lambda alpha: _crop_to_shown(alpha, found)) if has_alpha else shown
    return Source(
        path,
        clip if has_alpha else without_alpha(clip),
        times.time_base,
        times.stamps,
        probe=found,
        index=index,
        said=tuple(said),
        joints=times.joints,
        is_damaged=bool(survey.damaged),
        has_alpha=has_alpha,
        ends=_end_of_last(found, survey, times),
    )


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
            opened = _open_with_bestsource(found, index, threads=threads, on_look=on_look)
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


def _with_what_the_container_says(clip: vs.VideoNode, found: Probe, reading: Reading) -> vs.VideoNode:
    """``clip`` with tags that fit it, and the container's shape of a sample."""
    try:
        with clip.get_frame(0) as first:
            clip = with_consistent_colours(clip, first)
    except vs.Error as error:
        raise InputError(f"{found.path} cannot be decoded: {first_line(error)}") from error
    aspect = found.video.sample_aspect
    if aspect is not None:
        clip = clip.std.SetFrameProps(_SARNum=aspect.numerator, _SARDen=aspect.denominator)
    return clip.std.SetFieldBased(0) if reading.assume_progressive else clip


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
    if top + bottom >= clip.height or left + right >= clip.width:
        return clip
    return clip.std.Crop(left=left, right=right, top=top, bottom=bottom)


def _open_with_bestsource(
    found: Probe, index: Index, *, threads: int, on_look: Callable[[float], None]
) -> tuple[vs.VideoNode, list[int], Fraction]:
    """The clip, its timestamps and their unit; ``threads`` 0 is one for each core."""
    path = found.path

    def read(**cache: object) -> Any:
        return vs.core.bs.VideoSource(
            str(path.absolute()),
            track=found.video.index,
            threads=threads,
            exporttimestamps=1,
            apply_rotation=0,
            **cache,
        )

    with _hearing_bestsource(on_look):
        try:
            try:
                opened = read(**index.arguments(threads))
            except vs.Error as error:
                if _NOT_KEPT not in str(error):
                    raise
                opened = read(**Index().arguments(threads))
        except vs.Error as error:
            raise InputError(f"{path} cannot be decoded: {first_line(error)}") from error
        except UnicodeEncodeError as error:
            raise InputError(
                f"{path.absolute()} cannot be opened: VapourSynth needs names in UTF-8: rename the file, or "
                "its folder"
            ) from error
    stamps = opened["timestamps"]
    stamps = [int(stamps)] if isinstance(stamps, int) else [int(stamp) for stamp in stamps]
    clip: vs.VideoNode = opened["clip"]
    check_constant(path, clip)
    if len(stamps) != len(clip):
        raise InputError(
            f"{path} has {count_of(len(clip), 'frame')} but {count_of(len(stamps), 'timestamp')}"
        )
    return clip, stamps, Fraction(opened["timebasenum"], opened["timebaseden"])


def _has_alpha(source: Probe, clip: vs.VideoNode) -> bool:
    """Whether the frames of ``clip`` have an alpha channel: every palette has one, which is seldom used.

    WebM keeps the alpha of VP8 and VP9 as a picture of its own, which decoders pass over.
    """
    with clip.get_frame(0) as first:
        alpha: Any = first.props.get(ALPHA)
        if alpha is None or source.first_frame is None or not source.first_frame.has_palette:
            return alpha is not None
        return bool(np.asarray(alpha[0]).min() < 255)


@contextmanager
def _hearing_bestsource(on_look: Callable[[float], None]) -> Iterator[None]:
    """What BestSource says through VapourSynth's log, in this thread: ``on_look`` is told how much of a file
    is indexed, from the second word on: the first is said at once of every file. BestSource 22 returns the
    timestamps without declaring them; the warning of it is kept back."""
    logger, here = logging.getLogger("vapoursynth"), threading.get_ident()
    words: list[int] = []  # per cent
    failures: list[BaseException] = []

    def hear(record: logging.LogRecord) -> bool:
        if record.thread != here:
            return True
        text = record.getMessage()
        progress = _INDEX_PROGRESS.search(text)
        if progress is None:
            return "no return value(s) named" not in text
        words.append(int(progress[1]))
        if len(words) > 1 and not failures:
            try:
                on_look(words[-1] / 100)
            except BaseException as error:  # VapourSynth would only print it
                failures.append(error)
        return False

    level = logger.level
    logger.addFilter(hear)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeFilter(hear)
        logger.setLevel(level)
    if failures:
        raise failures[0]
