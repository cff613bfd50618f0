"""What a run reads: a video file, or a folder of images, as a VapourSynth clip with exact timestamps."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import vapoursynth as vs

from vsj4r.errors import InputError, UnsteadyError, Vsj4rError
from vsj4r.media.alpha import ALPHA, with_alpha_of, without_alpha
from vsj4r.media.colours import with_consistent_colours
from vsj4r.media.decoded import IMAGE_CODECS, decode_clip, needs_decoding
from vsj4r.media.image_head import Chunk
from vsj4r.media.images import ImageSet, colours_of, image_clip, look_at_images
from vsj4r.media.index import Index, index_of
from vsj4r.media.probe import GUESSED_RATE, Probe, probe
from vsj4r.media.reading import gaps_in, image_names, is_still, missing_error
from vsj4r.media.survey import Survey, look_through
from vsj4r.media.times import frame_number_times, settle_times, times_at_rate
from vsj4r.words import count_of

if TYPE_CHECKING:  # it writes into sinks, which know of sources' errors
    from vsj4r.media.pipes import Pipe
    from vsj4r.media.steady import Steady

_ERRORS = f"{Vsj4rError.__module__}."
_SOURCE_FILTER = "VideoSource: "
_UNSTEADY = "No frame returned"
_ONE_THREAD = "one-thread"  # what an index keeps of a file that many threads do not always decode alike
_WITH_PROFILE = ("png", "tif")  # images that hold an ICC profile
_BESIDE = {
    "A53_CC": "closed captions",
    "DYNAMIC_HDR_PLUS": "HDR10+ metadata",
    "DOVI_RPU_BUFFER": "Dolby Vision metadata",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read an input. ``fps``: frames a second of one that does not say it (images, raw streams), None
    is 25. ``assume_progressive``: frames that are flagged as interlaced are whole all the same.
    ``one_thread``: decode it slowly, and always alike. ``track``: which of its video streams, counted from
    0; None is the one that a player would play."""

    fps: Fraction | None = None
    assume_progressive: bool = False
    one_thread: bool = False
    track: int | None = None

    @property
    def rate(self) -> Fraction:
        """Of an input that does not say it."""
        return self.fps or GUESSED_RATE

    def check_rate(self, name: object, *, is_said: bool) -> None:
        """Refuse ``fps`` for the input ``name`` if that says its rate.

        Raises:
            InputError: it does.
        """
        if is_said and self.fps is not None:
            raise InputError(
                f"{name} has a rate of its own: --fps is for inputs without (images, raw streams)"
            )

    def guess_of_rate(self, name: object) -> list[str]:
        """The line for an input that does not say its rate, where nobody else does."""
        if self.fps is not None:
            return []
        return [f"{name} does not say its rate: taken as {GUESSED_RATE} frames a second (--fps sets it)"]


@dataclass(frozen=True, slots=True)
class Source:
    """``clip`` as the input has it stored (see ``media.rotation``), and when each frame is shown.

    ``timestamps`` has one entry per frame, in units of ``time_base`` seconds. At most one of ``images``,
    ``probe`` and ``pipe`` is not None: a source is a folder of images, a video, a pipe, or a script.
    ``said``: a line for each thing that the file says wrongly, and what was taken for it. ``index`` keeps
    what was found out about the file. ``has_alpha``: whether the frames carry an alpha channel, see
    ``media.alpha``. ``part``: which frames of the file these are, ``begins_late`` by how
    many seconds the first; None is all of them.
    """

    path: Path
    clip: vs.VideoNode
    time_base: Fraction
    timestamps: Sequence[int]
    images: ImageSet | None = None
    probe: Probe | None = None
    pipe: Pipe | None = None
    index: Index = field(default_factory=Index)
    said: tuple[str, ...] = ()
    has_alpha: bool = False
    part: range | None = None
    begins_late: Fraction = Fraction(0)

    @property
    def image_names(self) -> list[str] | None:
        """File names of a folder's images; None for a video."""
        return None if self.images is None else self.images.names

    def times(self, muxer: str, steady: Steady | None = None) -> tuple[Fraction, Sequence[int]]:
        """Time base and timestamps for an output of ``muxer``, those of ``steady`` if it is to be that: AVI
        and MXF count frames."""
        time_base, stamps, rate = self.time_base, self.timestamps, Fraction(self.clip.fps)
        if steady is not None:
            time_base, stamps, rate = steady.time_base, steady.timestamps, steady.rate
        if muxer not in ("avi", "mxf") or self.pipe is not None:
            return time_base, stamps
        return frame_number_times(time_base, stamps, rate)

    def colours(self, n: int) -> tuple[Chunk, ...]:
        """What image ``n`` says of its colours, for a PNG; nothing of a frame of a video."""
        return () if self.images is None else colours_of(self.images.folder / self.images.names[n])

    def use_one_thread(self) -> None:
        """From now on, whoever opens this file decodes it with one thread."""
        self.index.forget()
        self.index.write(_ONE_THREAD, b"")

    def notes(self, *, image: str | None = None) -> list[str]:
        """A line for what the output lacks of the input; ``image``: of which kind its images are, None for a
        video."""
        if self.images is not None:
            return [*self.said, *_losses_of_images(self.images, image)]
        return [*self.said, *([] if self.probe is None else _losses(self.probe, self.clip))]


def open_source(
    path: Path,
    reading: Reading = Reading(),
    *,
    index: Path | None = None,
    on_probe: Callable[[Probe], None] = lambda found: None,
) -> Source:
    """Open a video file, a folder of images sorted by name, or one image. What decoding it tells is kept in
    the folder ``index``, or in the user's cache. ``on_probe`` is told of a video file before it is decoded.

    Raises:
        InputError: not a video, no video stream, damaged beyond reading, interlaced; images of several
            sizes; it has times of its own and ``reading`` a rate.
        Vsj4rError: nothing there.
    """
    if not path.exists():
        raise missing_error(path)
    if path.is_dir() or is_still(path):
        folder, names = (path, image_names(path)) if path.is_dir() else (path.parent, [path.name])
        images = look_at_images(folder, names)
        times = times_at_rate(reading.rate, len(images.names))
        return Source(
            path,
            image_clip(images, fps=1 / times.time_base),
            times.time_base,
            times.stamps,
            images,
            said=tuple(gaps_in(names)),
            has_alpha=bool(images.translucent),
        )
    found = probe(path, track=reading.track)
    on_probe(found)
    return _open_video(found, reading, _index_of(path, index))


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
    if clip.format is None or not clip.width or not clip.height:
        raise InputError(
            f"{path} changes its format or size in the middle, which is not supported: "
            "cut it into parts there"
        )


def clip_to_rgb(clip: vs.VideoNode, *, floats: bool = False, depth: int | None = None) -> vs.VideoNode:
    """``clip`` as RGB24, or RGB48 above 8 bit (``depth``, or that of the clip); with ``floats`` as RGBS."""
    target = vs.RGB24 if (depth or clip.format.bits_per_sample) == 8 else vs.RGB48
    target = vs.RGBS if floats else target
    return clip if clip.format.id == target else vs.core.resize.Bicubic(clip, format=target)


def frame_error(error: vs.Error) -> Vsj4rError:
    """``error`` of a frame as one of ours; that of the source filter is the input's."""
    text = first_line(error)
    if text.startswith(_SOURCE_FILTER):
        return UnsteadyError(text) if _UNSTEADY in text else InputError(text)
    return InputError(text) if f"{_ERRORS}{InputError.__name__}: {text}" in str(error) else Vsj4rError(text)


def decode_error(path: Path, error: UnsteadyError) -> InputError:
    """``error`` of ``path`` when one thread reads it no better."""
    found = re.search(r"frame number (\d+)", str(error))
    where = f"frame {found[1]} of {path}" if found else str(path)
    return InputError(
        f"{where} cannot be decoded: the file is damaged; "
        "repair it first (ffmpeg -i INPUT -c:v ffv1 repaired.mkv)"
    )


@contextmanager
def frame_errors() -> Iterator[None]:
    """What a frame fails with is one of our errors here.

    Raises:
        Vsj4rError: as ``frame_error`` has it.
    """
    try:
        yield
    except vs.Error as error:
        raise frame_error(error) from error


def first_line(error: BaseException) -> str:
    """The part of a VapourSynth error that a user can read: of a Python traceback, its last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if not lines[0].startswith("Traceback"):
        return lines[0]
    ours, _, text = lines[-1].partition(": ")
    return text if ours.startswith(_ERRORS) else lines[-1]


def _losses_of_images(images: ImageSet, image: str | None) -> list[str]:
    """A line for each thing that ``images`` have, and the output (see ``Source.notes``) has not."""
    total, target = len(images.names), "a video" if image is None else f".{image}"

    def some(count: int) -> str:
        return f"{count} of {total} images"

    lost = []
    if images.depth == 32 and image != "exr":
        clipped = "what is below 0 or above 1 is clipped"
        lost.append(f"EXR is scene-linear: it goes into {target} by sRGB's curve, and {clipped}")
    has_profiles = image in _WITH_PROFILE
    if unfit := images.unfit_profiles + (0 if has_profiles else images.profiled):
        reason = "is not for RGB" if has_profiles else f"cannot go into {target}"
        lost.append(f"the ICC profile of {some(unfit)} {reason}: left out")
    if images.deeper:
        lost.append(f"{some(images.deeper)} have 16 bit: read as 8 bit, like the first")
    if images.cut_short:
        lost.append(f"{some(images.cut_short)} are cut short: the decoder fills in the rest")
    return lost


def _losses(source: Probe, clip: vs.VideoNode) -> list[str]:
    """A line for each thing that the file has with its first frame, and ``clip`` has not."""
    frame = source.first_frame
    if frame is None:
        return []  # BestSource may still read it
    lost = [f"{name} are left out" for kind, name in _BESIDE.items() if kind in frame.side_data]
    off_by = max(frame.width - clip.width, frame.height - clip.height)
    if off_by == 1 and source.video.cropping is None:
        size = f"{frame.width}x{frame.height}"
        lost.append(
            f"{size} cannot be halved for its chroma: the picture is cut to {clip.width}x{clip.height}"
        )
    return lost


def _open_video(found: Probe, reading: Reading, index: Index) -> Source:
    path = found.path
    reading.check_rate(path, is_said=not found.rate_is_guess)
    survey = look_through(found, index, to_the_end=reading.assume_progressive)
    if survey.interlaced_from is not None and not reading.assume_progressive:
        since = f" from frame {survey.interlaced_from} on" if survey.interlaced_from else ""
        raise InputError(
            f"{path} is interlaced{since}: deinterlace it first (bwdif in ffmpeg, or a VapourSynth script); "
            "where only its flags say so (PsF), --assume-progressive"
        )
    said = []
    if survey.damaged:
        damaged = count_of(survey.damaged, "damaged frame")
        said.append(f"{damaged}: the decoder makes up what is missing")
    alone = survey.damaged or reading.one_thread or index.read(_ONE_THREAD) is not None
    clip, stamps, time_base = _open_samples(found, index, survey, threads=1 if alone else 0)
    if len(clip) < survey.frames:
        said.append(f"only {len(clip)} of its {survey.frames} frames can be decoded")
    rate = found.rate or Fraction(clip.fps) or None
    if found.rate_is_guess:
        times = times_at_rate(reading.rate, len(clip))
        said += reading.guess_of_rate("it")
    else:
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
        has_alpha=has_alpha,
    )


def _open_samples(
    found: Probe, index: Index, survey: Survey, *, threads: int
) -> tuple[vs.VideoNode, list[int], Fraction]:
    """The clip, its timestamps and their unit: by BestSource, where it has the samples and all the frames."""
    may_lose = found.video.codec in IMAGE_CODECS
    if not needs_decoding(found):
        try:
            opened = _open_with_bestsource(found, index, threads=threads)
        except InputError:
            if not (may_lose and survey.frames):
                raise
        else:
            if len(opened[0]) >= survey.frames or not may_lose:
                return opened
    return (*decode_clip(found), found.video.time_base)


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
    found: Probe, index: Index, *, threads: int
) -> tuple[vs.VideoNode, list[int], Fraction]:
    """The clip, its timestamps and their unit; ``threads`` 0 is one for each core."""
    path = found.path
    with _ignoring_undeclared_returns():
        try:
            opened: Any = vs.core.bs.VideoSource(
                str(path.absolute()),
                track=found.video.index,
                threads=threads,
                exporttimestamps=1,
                apply_rotation=0,
                **index.arguments(threads),
            )
        except vs.Error as error:
            raise InputError(f"{path} cannot be decoded: {first_line(error)}") from error
        except UnicodeEncodeError as error:
            raise InputError(f"{path} cannot be opened: VapourSynth needs a name in UTF-8") from error
    stamps = opened["timestamps"]
    stamps = [int(stamps)] if isinstance(stamps, int) else [int(stamp) for stamp in stamps]
    clip: vs.VideoNode = opened["clip"]
    check_constant(path, clip)
    if len(stamps) != len(clip):
        raise InputError(f"{path} has {len(clip)} frames but {len(stamps)} timestamps")
    return clip, stamps, Fraction(opened["timebasenum"], opened["timebaseden"])


def left_out_alpha(why: str) -> str:
    """The line for an alpha channel that the output lacks."""
    return f"the alpha channel is left out: the output is opaque ({why})"


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
def _ignoring_undeclared_returns() -> Iterator[None]:
    """BestSource 22 returns the timestamps without declaring them; VapourSynth warns of it on stderr."""
    logger = logging.getLogger("vapoursynth")

    def keep(record: logging.LogRecord) -> bool:
        return "no return value(s) named" not in record.getMessage()

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
