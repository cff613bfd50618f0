"""The clips that are compared, opened and checked: they may differ in nothing but what they show."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import vapoursynth as vs

from vsj4r.engine.base import SHOWN
from vsj4r.errors import Vsj4rError
from vsj4r.media.alpha import without_alpha
from vsj4r.media.colours import with_known_matrix
from vsj4r.media.files import open_source
from vsj4r.media.pixels import clip_to_yuv
from vsj4r.media.reading import check_same_names
from vsj4r.media.rotation import turn_output_upright
from vsj4r.media.sources import Reading, Source
from vsj4r.media.times import rate_of_frames
from vsj4r.words import count_of

LABELS = ("before", "after", "ground truth")
_RATES_DIFFER = Fraction(1, 100)  # 25 and 24 do; 24 and 23.976, which containers confuse, do not


@dataclass(frozen=True, slots=True)
class Side:
    """One of the clips: ``label`` is one of ``LABELS``, ``clip`` stands upright and has a matrix."""

    label: str
    source: Source
    clip: vs.VideoNode

    @property
    def name(self) -> str:
        """The path as it was given, fit to be written: what is not UTF-8 in it is replaced."""
        return os.fsencode(self.source.path).decode("utf-8", "replace")

    @property
    def rate(self) -> Fraction | None:
        """Frames a second; None where there is none: images, one frame, and a varying rate."""
        source = self.source
        return None if source.images is not None else rate_of_frames(source.time_base, source.timestamps)


def open_sides(before: Path, after: Path, truth: Path | None) -> list[Side]:
    """The two clips, or three with a ground truth, in the order of ``LABELS``.

    Raises:
        Vsj4rError: one cannot be opened, or differs in its size, its length or its rate from the first.
    """
    paths = [before, after, *([truth] if truth is not None else [])]
    for path in paths[1:]:
        check_same_names(before, path)
    sides = [_open(label, path) for label, path in zip(LABELS, paths, strict=False)]
    first = sides[0]
    for other in sides[1:]:
        if _shape(first) != _shape(other):
            raise Vsj4rError(
                f"what is compared must have the same frames: {first.source.path} has {_shape(first)}, "
                f"{other.source.path} has {_shape(other)}"
            )
        if first.rate and other.rate and abs(other.rate / first.rate - 1) > _RATES_DIFFER:
            raise Vsj4rError(
                f"what is compared must have the same rate: {first.source.path} has "
                f"{float(first.rate):g} frames a second, {other.source.path} has {float(other.rate):g}"
            )
    return sides


def choose_timed_side(sides: list[Side]) -> Side:
    """The one whose timestamps count: the first video, for images have none of their own."""
    return next((side for side in sides if side.source.image_names is None), sides[0])


def match_formats(sides: list[Side]) -> list[vs.VideoNode]:
    """All as YUV (or GRAY) with the matrix and the range of the first that is no RGB, so that equal pictures
    have equal numbers. RGB becomes YUV444PS; where all are RGB, of BT.709 and limited range."""
    looks = (_look(side.clip) for side in sides if side.clip.format.color_family != vs.RGB)
    matrix, range_ = next(looks, (vs.MATRIX_BT709, vs.RANGE_LIMITED))
    return [_with_look(side.clip, matrix, range_) for side in sides]


def in_yuv420(sides: list[Side], depth: int) -> list[vs.VideoNode]:
    """``match_formats``, in 4:2:0 of ``depth`` bits; odd sizes become even by a repeated row or column."""
    target = vs.core.query_video_format(vs.YUV, vs.INTEGER, depth, 1, 1)
    clips = [clip_to_yuv(clip, "420")[0] for clip in match_formats(sides)]
    return [clip if clip.format.id == target.id else clip.resize.Bicubic(format=target.id) for clip in clips]


def _look(clip: vs.VideoNode) -> tuple[int, int]:
    """Matrix and range."""
    with clip.get_frame(0) as first:
        return int(first.props["_Matrix"]), int(first.props.get("_Range", vs.RANGE_LIMITED))


def _with_look(clip: vs.VideoNode, matrix: int, range_: int) -> vs.VideoNode:
    if clip.format.color_family == vs.RGB:
        return clip.resize.Bicubic(format=vs.YUV444PS, matrix=matrix, range=range_)
    if _look(clip) == (matrix, range_):
        return clip
    if clip.format.color_family == vs.GRAY:  # it is luma of any matrix
        return clip.resize.Bicubic(range=range_).std.SetFrameProps(_Matrix=matrix)
    return clip.resize.Bicubic(matrix=matrix, range=range_)


def _open(label: str, path: Path) -> Side:
    source = open_source(path, Reading(assume_progressive=True))  # what is compared is not changed
    opaque = finite(without_alpha(with_known_matrix(source.clip)))
    return Side(label, source, turn_output_upright(opaque, source=source.clip))


def finite(clip: vs.VideoNode) -> vs.VideoNode:
    """``clip`` with 0 for each sample that is no number, as the filter has it, and an end to those beyond all
    numbers."""
    if clip.format.sample_type != vs.FLOAT:
        return clip

    def clean(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        cleaned = f.copy()
        for plane in range(cleaned.format.num_planes):
            samples = np.asarray(cleaned[plane])
            np.nan_to_num(samples, copy=False, nan=0, posinf=SHOWN[1], neginf=-SHOWN[1])
        return cleaned

    return clip.std.ModifyFrame(clip, clean)


def _shape(side: Side) -> str:
    clip = side.clip
    return f"{count_of(len(clip), 'frame')} of {clip.width}x{clip.height}"
