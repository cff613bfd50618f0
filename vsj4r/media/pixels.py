"""What goes to an encoder: integer YUV of 8 to 16 bit, in 4:2:0, 4:2:2 or 4:4:4, or RGB of 8 to 16 bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import vapoursynth as vs

SUBSAMPLING = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}
"""log2 of how much narrower and lower chroma is."""

AS_RGB = "rgb"
"""In place of a key of ``SUBSAMPLING``: red, green and blue, as they are."""


def chroma_of(clip: vs.VideoNode) -> str | None:
    """The key of ``SUBSAMPLING``, or ``AS_RGB``, by which ``clip`` goes to an encoder as it is; None: it does
    not."""
    kind = clip.format
    if kind.sample_type != vs.INTEGER or kind.bits_per_sample > 16 or kind.color_family == vs.GRAY:
        return None
    if kind.color_family == vs.RGB:
        return AS_RGB
    layouts = {layout: chroma for chroma, layout in SUBSAMPLING.items()}
    return layouts.get((kind.subsampling_w, kind.subsampling_h))


def bits_of(clip: vs.VideoNode) -> int:
    """The bits of integers that hold the samples of ``clip``: 16 for floats."""
    return min(clip.format.bits_per_sample, 16) if clip.format.sample_type == vs.INTEGER else 16


def pixel_format(chroma: str, depth: int, *, alpha: bool = False) -> str:
    """ffmpeg's name of planes."""
    planes = f"gbr{'a' * alpha}p" if chroma == AS_RGB else f"yuv{'a' * alpha}{chroma}p"
    return planes if depth == 8 else f"{planes}{depth}le"


def chroma_for(clip: vs.VideoNode, known: Sequence[str], *, is_grey: bool = False) -> str:
    """Of ``known`` the one with the least chroma that loses nothing of ``clip``, or the one with the most.

    RGB stays what it is, or becomes 4:4:4; grey becomes 4:2:0, as does RGB that ``is_grey``.
    """
    kind = clip.format
    if kind.color_family == vs.RGB and AS_RGB in known:
        return AS_RGB
    is_grey = is_grey or kind.color_family == vs.GRAY
    width, height = (1, 1) if is_grey else (kind.subsampling_w, kind.subsampling_h)
    layouts = [each for each in known if each != AS_RGB]
    enough = [each for each in layouts if SUBSAMPLING[each][0] <= width and SUBSAMPLING[each][1] <= height]
    return max(enough, key=_shrink_log2) if enough else min(layouts, key=_shrink_log2)


def clip_to_yuv(
    clip: vs.VideoNode, chroma: str, *, depth: int = 0, wide: bool = False
) -> tuple[vs.VideoNode, str | None]:
    """``clip`` as integer YUV of the layout ``chroma``, of its own depth (at most 16 bit) or ``depth`` where
    that is more, and one line that says what changed. ``AS_RGB``: as RGB.

    Where chroma has half the size, an odd width or height gets its last column or row repeated.
    RGB becomes BT.709 of limited range, which players expect, or where it is ``wide`` BT.2020.
    """
    if chroma_of(clip) == chroma:
        return clip, None
    source = clip.format
    depth = max(bits_of(clip), depth)
    if chroma == AS_RGB:
        target = vs.core.query_video_format(vs.RGB, vs.INTEGER, depth, 0, 0)
        note = f"{source.name} is converted to {target.name}"
        return vs.core.resize.Point(clip, format=target.id), note
    across, down = SUBSAMPLING[chroma]
    target = vs.core.query_video_format(vs.YUV, vs.INTEGER, depth, across, down)
    width, height = clip.width + clip.width % (1 + across), clip.height + clip.height % (1 + down)
    arguments: dict[str, Any] = {"format": target.id}
    if source.color_family == vs.RGB:
        arguments |= {"matrix_s": "2020ncl" if wide else "709", "range_s": "limited"}
    if (width, height) != (clip.width, clip.height):
        arguments |= {"width": width, "height": height, "src_width": width, "src_height": height}
    note = f"{source.name} is converted to {target.name}"
    if (width, height) != (clip.width, clip.height):
        note = f"{source.name} {clip.width}x{clip.height} is converted to {target.name} {width}x{height}"
    if source.color_family == vs.GRAY and source.sample_type == vs.INTEGER:
        return _with_neutral_chroma(clip, target, width, height), note
    return vs.core.resize.Bicubic(clip, **arguments), note


def clip_to_rgb(clip: vs.VideoNode, *, floats: bool = False, depth: int | None = None) -> vs.VideoNode:
    """``clip`` as RGB24, or RGB48 above 8 bit (``depth``, or that of the clip); with ``floats`` as RGBS."""
    target = vs.RGB24 if (depth or clip.format.bits_per_sample) == 8 else vs.RGB48
    target = vs.RGBS if floats else target
    return clip if clip.format.id == target else vs.core.resize.Bicubic(clip, format=target)


def clip_to_grey(clip: vs.VideoNode, *, depth: int | None = None) -> vs.VideoNode:
    """``clip``, GRAY or RGB of a grey picture, as GRAY8, or GRAY16 above 8 bit (``depth``, or that of the
    clip), of full range."""
    target = vs.GRAY8 if (depth or clip.format.bits_per_sample) == 8 else vs.GRAY16
    if clip.format.color_family == vs.RGB:
        clip = clip.std.ShufflePlanes(1, vs.GRAY).std.SetFrameProps(_Range=vs.RANGE_FULL)
    return clip.resize.Point(format=target, range_s="full")


def _with_neutral_chroma(grey: vs.VideoNode, target: vs.VideoFormat, width: int, height: int) -> vs.VideoNode:
    """Luma to the bit, and of its own range, which `resize` would make limited."""
    if (width, height) != (grey.width, grey.height):
        grey = grey.resize.Bicubic(width=width, height=height, src_width=width, src_height=height)
    middle = 1 << (target.bits_per_sample - 1)
    blank = vs.core.std.BlankClip(
        format=target.id, width=width, height=height, length=len(grey), color=[0, middle, middle], keep=True
    )
    return vs.core.std.ShufflePlanes([grey, blank, blank], [0, 1, 2], vs.YUV)


def _shrink_log2(chroma: str) -> int:
    return sum(SUBSAMPLING[chroma])
