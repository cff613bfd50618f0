"""A clip as an encoder and a container take it."""

from __future__ import annotations

import vapoursynth as vs

from vsj4r.media.containers import CONTAINERS
from vsj4r.media.encoders import Encoder
from vsj4r.media.image_sink import takes_floats
from vsj4r.media.pixels import SUBSAMPLING, chroma_for, chroma_of, to_yuv
from vsj4r.media.rotation import is_turned, upright
from vsj4r.media.sources import Source, to_rgb
from vsj4r.media.tags import Tags
from vsj4r.media.y4m import has_word

MASTER_RGB_BITS = 10
"""Of YUV that RGB of 8 bits comes back from."""


def make_encodable(
    clip: vs.VideoNode, source: Source, suffix: str, encoder: Encoder, chroma: str | None = None
) -> tuple[vs.VideoNode, list[str]]:
    """``clip``, lying as ``source`` does, as ``encoder`` and an output with ``suffix`` take it; and what that
    changed. ``chroma`` None is as much as there is, where the encoder takes it."""
    notes = []
    if not CONTAINERS[suffix.lower()].turns and is_turned(source.clip):
        notes.append(f"{suffix} cannot say how to turn the picture: it is written upright")
        clip = turn_output_upright(clip, source=source.clip)
    if not encoder.full_range and _is_full_range(source.clip):
        notes.append(f"{encoder.codec} has no full range: the output has limited range")
    chroma = chroma or chroma_for(clip, encoder.chroma, is_master=encoder.is_master)
    bits = encoder.depth_for(MASTER_RGB_BITS) if encoder.is_master else 0
    encoded, conversion = clip_to_yuv(clip, chroma, rgb_bits=bits)
    return encoded, notes if conversion is None else [*notes, conversion]


def _is_full_range(clip: vs.VideoNode) -> bool:
    with clip.get_frame(0) as first:
        return clip.format.color_family != vs.RGB and Tags.of(first).full_range


def imageable(
    clip: vs.VideoNode, source: Source, kind: str, depth: int | None, *, is_matte: bool
) -> tuple[vs.VideoNode, list[str]]:
    """``clip``, lying as ``source`` does, as images of ``kind`` take it, and what that changed. ``depth``
    None is its own."""
    floats = takes_floats(kind)
    notes = []
    if floats and (source.images is None or source.images.depth < 32) and not is_matte:
        notes.append("EXR is scene-linear: the picture goes there by the inverse of sRGB's curve")
    return upright(to_rgb(clip, floats=floats, depth=depth), source=source.clip), notes


def nameable(clip: vs.VideoNode, source: Source, chroma: str | None) -> tuple[vs.VideoNode, list[str]]:
    """``clip``, lying as ``source`` does, as y4m takes it, and what that changed."""
    notes = []
    if is_turned(source.clip):
        notes.append("y4m cannot say how to turn the picture: it is written upright")
        clip = turn_output_upright(clip, source=source.clip)
    known = has_word(clip) and (clip.format.sample_type == vs.INTEGER or source.pipe is not None)
    if known and chroma in (None, chroma_of(clip)):
        return clip, notes
    rgb = clip.format.color_family == vs.RGB
    encoded, conversion = clip_to_yuv(
        clip, chroma or ("444" if rgb else chroma_for(clip, tuple(SUBSAMPLING)))
    )
    return encoded, notes if conversion is None else [*notes, conversion]
