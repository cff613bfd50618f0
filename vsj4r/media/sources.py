"""What a run reads: a video file, or a folder of images, as a VapourSynth clip with exact timestamps."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsj4r.errors import Vsj4rError
from vsj4r.frames.matrix import usual_matrix
from vsj4r.media.image_head import Chunk
from vsj4r.media.images import ImageSet, colours_of, image_clip, look_at_images
from vsj4r.media.probe import Probe, probe
from vsj4r.media.reading import absent, image_names
from vsj4r.media.times import all_known, counted

_OPAQUE = "the alpha channel is left out: the output is opaque"
_BESIDE = {
    "A53_CC": "closed captions",
    "DYNAMIC_HDR_PLUS": "HDR10+ metadata",
    "DOVI_RPU_BUFFER": "Dolby Vision metadata",
}
IMAGES_FPS = 25  # a folder of images has no rate of its own


@dataclass(frozen=True, slots=True)
class Source:
    """``clip`` as the input has it stored (``rotation.upright`` turns it), and when each frame is shown.

    ``timestamps`` has one entry per frame, in units of ``time_base`` seconds. One of ``images`` and
    ``probe`` is None: a source is a folder of images, or a video.
    """

    path: Path
    clip: vs.VideoNode
    time_base: Fraction
    timestamps: list[int]
    images: ImageSet | None = None
    probe: Probe | None = None

    @property
    def image_names(self) -> list[str] | None:
        """File names of a folder's images; None for a video."""
        return None if self.images is None else self.images.names

    def times(self, muxer: str) -> tuple[Fraction, list[int]]:
        """Time base and timestamps for an output of ``muxer``: AVI counts frames."""
        if muxer != "avi":
            return self.time_base, self.timestamps
        return counted(self.time_base, self.timestamps, Fraction(self.clip.fps))

    def colours(self, n: int) -> tuple[Chunk, ...]:
        """What image ``n`` says of its colours, for a PNG; nothing of a frame of a video."""
        return () if self.images is None else colours_of(self.path / self.images.names[n])

    def notes(self, *, into_images: bool = False) -> list[str]:
        """A line for what ``clip`` lacks of the input; ``into_images``: the output is a folder of PNG."""
        if self.images is not None:
            return _lost_of_images(self.images, into_images=into_images)
        return [] if self.probe is None else _lost(self.probe, self.clip)


def open_source(path: Path, *, index: Path | None = None) -> Source:
    """Open a video file, or a folder of images sorted by name. BestSource's index is kept in ``index``.

    Raises:
        Vsj4rError: nothing there, not a video, no video stream, damaged, or interlaced.
    """
    if path.is_dir():
        images = look_at_images(path, image_names(path))
        clip = image_clip(images, fps=IMAGES_FPS)
        return Source(path, clip, Fraction(1, IMAGES_FPS), list(range(len(images.names))), images)
    if not path.is_file():
        raise absent(path)
    source = _open_video(probe(path), index)
    try:
        first = source.clip.get_frame(0)
    except vs.Error as error:
        raise Vsj4rError(f"{path} cannot be decoded: {first_line(error)}") from error
    if first.props.get("_FieldBased", 0):
        raise Vsj4rError(
            f"{path} is interlaced: deinterlace it first (bwdif in ffmpeg, or a VapourSynth script)"
        )
    return source


def to_rgb(clip: vs.VideoNode) -> vs.VideoNode:
    """``clip`` as RGB24, or RGB48 above 8 bit."""
    target = vs.RGB24 if clip.format.bits_per_sample == 8 else vs.RGB48
    return clip if clip.format.id == target else vs.core.resize.Bicubic(clip, format=target)


def with_known_matrix(clip: vs.VideoNode) -> vs.VideoNode:
    """``clip`` with its ``usual_matrix`` where none is tagged. RGB needs none."""
    if clip.format.color_family == vs.RGB:
        return clip
    if clip.get_frame(0).props.get("_Matrix", vs.MATRIX_UNSPECIFIED) != vs.MATRIX_UNSPECIFIED:
        return clip
    return clip.std.SetFrameProps(_Matrix=usual_matrix(clip.height))


def first_line(error: BaseException) -> str:
    """The part of a VapourSynth error that a user can read: of a Python traceback, its last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if not lines[0].startswith("Traceback"):
        return lines[0]
    return lines[-1].removeprefix(f"{Vsj4rError.__module__}.{Vsj4rError.__qualname__}: ")


def _lost_of_images(images: ImageSet, *, into_images: bool) -> list[str]:
    """A line for each thing that images have, and the output has not."""
    total = len(images.names)

    def some(count: int) -> str:
        return f"{count} of {total} images"

    lost = [_OPAQUE] if images.translucent else []
    unfit = images.unfit_profiles if into_images else images.unfit_profiles + images.profiled
    if unfit:
        reason = "is not for RGB" if into_images else "cannot go into a video"
        lost.append(f"the ICC profile of {some(unfit)} {reason}: left out")
    if images.deeper:
        lost.append(f"{some(images.deeper)} have 16 bit: read as 8 bit, like the first")
    if images.cut_short:
        lost.append(f"{some(images.cut_short)} are cut short: the decoder makes up the rest of them")
    return lost


def _lost(source: Probe, clip: vs.VideoNode) -> list[str]:
    """A line for each thing that the file has with its first frame, and ``clip`` has not."""
    # WebM keeps the alpha of VP8 and VP9 as a picture of its own, which decoders pass over
    alpha = "_Alpha" in clip.get_frame(0).props or source.video.tag("alpha_mode") == "1"
    lost = [_OPAQUE] if alpha else []
    frame = source.first_frame
    if frame is None:
        return lost  # BestSource may still read it
    lost += [f"{name} are left out" for kind, name in _BESIDE.items() if kind in frame.side_data]
    if max(frame.width - clip.width, frame.height - clip.height) == 1:
        size = f"{frame.width}x{frame.height}"
        lost.append(f"{size} is odd for its subsampling: it is cut to {clip.width}x{clip.height}")
    return lost


def _open_video(found: Probe, index: Path | None) -> Source:
    path = found.path
    cache = {} if index is None else {"cachepath": str(index)}
    with _undeclared_returns_ignored():
        try:
            opened: Any = vs.core.bs.VideoSource(
                str(path.absolute()), track=found.video.index, exporttimestamps=1, apply_rotation=0, **cache
            )
        except vs.Error as error:
            raise Vsj4rError(f"{path} cannot be decoded: {first_line(error)}") from error
        except UnicodeEncodeError as error:
            raise Vsj4rError(f"{path} cannot be opened: VapourSynth needs a name in UTF-8") from error
    time_base = Fraction(opened["timebasenum"], opened["timebaseden"])
    stamps = opened["timestamps"]
    stamps = [int(stamps)] if isinstance(stamps, int) else [int(stamp) for stamp in stamps]
    clip: vs.VideoNode = opened["clip"]
    if clip.format is None or not clip.width or not clip.height:
        raise Vsj4rError(f"{path} changes its format or size on the way: that is not supported")
    if len(stamps) != len(clip):
        raise Vsj4rError(f"{path} has {len(clip)} frames but {len(stamps)} timestamps")
    time_base, timestamps = all_known(path, time_base, stamps, Fraction(clip.fps))
    return Source(path, clip, time_base, timestamps, probe=found)


@contextmanager
def _undeclared_returns_ignored() -> Iterator[None]:
    """BestSource 22 returns the timestamps without declaring them; VapourSynth warns of it on stderr."""
    logger = logging.getLogger("vapoursynth")

    def keep(record: logging.LogRecord) -> bool:
        return "no return value(s) named" not in record.getMessage()

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
