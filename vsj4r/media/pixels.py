"""What goes to an encoder: integer YUV of 8 to 16 bit, in 4:2:0, 4:2:2 or 4:4:4."""

from __future__ import annotations

from typing import Any

import vapoursynth as vs

SUBSAMPLING = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}
"""log2 of how much narrower and lower chroma is."""


def chroma_of(clip: vs.VideoNode) -> str | None:
    """The key of ``SUBSAMPLING`` by which ``clip`` goes to an encoder as it is; None: it does not."""
    kind = clip.format
    if kind.color_family != vs.YUV or kind.sample_type != vs.INTEGER or kind.bits_per_sample > 16:
        return None
    layouts = {layout: chroma for chroma, layout in SUBSAMPLING.items()}
    return layouts.get((kind.subsampling_w, kind.subsampling_h))


def pixel_format(chroma: str, depth: int) -> str:
    """ffmpeg's name."""
    return f"yuv{chroma}p" if depth == 8 else f"yuv{chroma}p{depth}le"


def chroma_for(clip: vs.VideoNode, known: tuple[str, ...], *, is_master: bool = False) -> str:
    """Of ``known`` the one with the least chroma that loses nothing of ``clip``, or the one with the most.

    RGB is taken for 4:2:0, which is what players expect of it, but for 4:4:4 in a master.
    """
    kind = clip.format
    width, height = kind.subsampling_w, kind.subsampling_h
    if kind.color_family != vs.YUV and not (is_master and kind.color_family == vs.RGB):
        width = height = 1
    enough = [each for each in known if SUBSAMPLING[each][0] <= width and SUBSAMPLING[each][1] <= height]
    return max(enough, key=_shrink_log2) if enough else min(known, key=_shrink_log2)


def clip_to_yuv(clip: vs.VideoNode, chroma: str, *, rgb_bits: int = 0) -> tuple[vs.VideoNode, str | None]:
    """``clip`` as integer YUV of the same depth (at most 16 bit; of RGB, at least ``rgb_bits``), and one line
    that says what changed.

    Where chroma has half the size, an odd width or height gets its last column or row repeated.
    RGB becomes BT.709 of limited range, which players expect.
    """
    if chroma_of(clip) == chroma:
        return clip, None
    source = clip.format
    depth = min(source.bits_per_sample, 16) if source.sample_type == vs.INTEGER else 16
    if source.color_family == vs.RGB:
        depth = max(depth, rgb_bits)
    across, down = SUBSAMPLING[chroma]
    target = vs.core.query_video_format(vs.YUV, vs.INTEGER, depth, across, down)
    width, height = clip.width + clip.width % (1 + across), clip.height + clip.height % (1 + down)
    arguments: dict[str, Any] = {"format": target.id}
    if source.color_family == vs.RGB:
        arguments |= {"matrix_s": "709", "range_s": "limited"}
    if (width, height) != (clip.width, clip.height):
        arguments |= {"width": width, "height": height, "src_width": width, "src_height": height}
    note = f"{source.name} {clip.width}x{clip.height} is converted to {target.name} {width}x{height}"
    if source.color_family == vs.GRAY and source.sample_type == vs.INTEGER:
        return _with_neutral_chroma(clip, target, width, height), note
    return vs.core.resize.Bicubic(clip, **arguments), note


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
