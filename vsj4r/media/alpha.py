"""The alpha channel of a picture. It is not derained: it goes along with each frame as the property
``_Alpha`` (BestSource's word too), a frame of full range that lies as the picture does.

VapourSynth's filters pass the property on as it is, so whoever turns, crops or deepens a picture does the
same to its alpha.
"""

from __future__ import annotations

from collections.abc import Callable

import vapoursynth as vs

ALPHA = "_Alpha"


def without_alpha(clip: vs.VideoNode) -> vs.VideoNode:
    """``clip``, opaque."""
    return clip.std.RemoveFrameProps(ALPHA)


def with_alpha_of(
    clip: vs.VideoNode,
    other: vs.VideoNode,
    change: Callable[[vs.VideoNode], vs.VideoNode] = lambda alpha: alpha,
) -> vs.VideoNode:
    """``clip`` with the alpha of ``other``, a clip as long that has one, after a ``change``."""
    return clip.std.ClipToProp(change(other.std.PropToClip(prop=ALPHA)), prop=ALPHA)


def deepen_alpha(alpha: vs.VideoNode, bits: int) -> vs.VideoNode:
    """``alpha`` as integers of ``bits`` bits: nothing stays nothing, all stays all."""
    kind = alpha.format
    if kind.sample_type == vs.INTEGER and kind.bits_per_sample == bits:
        return alpha
    grey = vs.core.query_video_format(vs.GRAY, vs.INTEGER, bits, 0, 0)
    return alpha.std.SetFrameProps(_Range=vs.RANGE_FULL).resize.Point(format=grey.id, range_s="full")


def left_out_alpha(why: str) -> str:
    """The line for an alpha channel that the output lacks."""
    return f"the alpha channel is left out: the output is opaque ({why})"
