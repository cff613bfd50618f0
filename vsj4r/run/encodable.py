"""A clip as an encoder and a container take it."""

from __future__ import annotations

from pathlib import Path

import vapoursynth as vs

from vsj4r.frames.matrix import BT2020, UNSPECIFIED
from vsj4r.media.alpha import deepen_alpha, left_out_alpha, with_alpha_of, without_alpha
from vsj4r.media.colours import with_matrix
from vsj4r.media.command import Encode
from vsj4r.media.containers import CONTAINERS, Container, container_for
from vsj4r.media.encoders import ENCODERS, KNOWN_ENCODERS, Encoder, encoder_for
from vsj4r.media.image_sink import kind_for, takes_floats, takes_grey
from vsj4r.media.pixels import (
    AS_RGB,
    SUBSAMPLING,
    bits_of,
    chroma_for,
    chroma_of,
    clip_to_grey,
    clip_to_rgb,
    clip_to_yuv,
)
from vsj4r.media.plates import PLATES
from vsj4r.media.png_colours import words_for
from vsj4r.media.rotation import is_turned, turn_output_upright
from vsj4r.media.sources import Source
from vsj4r.media.steady import Steady
from vsj4r.media.tags import Tags
from vsj4r.media.y4m import has_word
from vsj4r.run.settings import RunSettings, check_encoder

_IN_ORDER = (("bf", "0"),)
"""For AVI, which has but the times of decoding: with B-frames those are others, and sound is late by them."""
_MASTER_RGB_BITS = 10
"""Of YUV that RGB of 8 bits comes back from."""


def make_encodable(
    clip: vs.VideoNode,
    source: Source,
    suffix: str,
    encoder_name: str,
    settings: RunSettings,
    *,
    is_matte: bool = False,
) -> tuple[vs.VideoNode, list[str]]:
    """``clip``, lying as ``source`` does, as the encoder and an output with ``suffix`` take it, with its
    alpha where they have that; and a line for each thing that this changed. A matte has no alpha."""
    notes = []
    encoder, wants_alpha = KNOWN_ENCODERS[encoder_name], source.has_alpha and not is_matte
    if not CONTAINERS[suffix.lower()].turns and is_turned(source.clip):
        notes.append(f"{suffix} cannot store a rotation: the picture is written upright")
        clip = turn_output_upright(clip, source=source.clip, has_alpha=wants_alpha)
    if not encoder.full_range or encoder.square_in:
        notes += _losses_of_tags(source.clip, encoder_name, suffix.lower())
    if source.pipe is not None and source.pipe.head.size != (clip.width, clip.height):
        width, height = source.pipe.head.size
        notes.append(f"{width}x{height} becomes {clip.width}x{clip.height}: chroma has half the size")
    chroma, alpha = _layout_of(clip, source, encoder, settings.chroma, wants_alpha=wants_alpha)
    if wants_alpha and not alpha:
        keep = " and ".join(name for name, each in ENCODERS.items() if each.alpha)
        notes.append(left_out_alpha(f"{encoder_name} takes none here; {keep} keep it"))
    bits = _wanted_bits(clip, encoder, chroma)
    depth = encoder.depth_of(chroma, settings.depth or bits, alpha=alpha)
    stored = min(bits, source.images.bits) if source.images else bits
    if settings.depth is None and depth < stored:
        notes.append(f"{encoder_name} has no {stored} bit: the output has {depth} bit")
    wide = clip.format.color_family == vs.RGB and chroma != AS_RGB and encoder.matrix is None
    encoded, conversion = clip_to_yuv(clip, chroma, depth=depth, wide=wide and _is_wide(source))
    if conversion is not None:
        notes.append(conversion)
    if encoder.matrix is not None and clip.format.color_family == vs.YUV:
        encoded, is_converted = with_matrix(encoded, encoder.matrix, source.clip)
        if is_converted:
            notes.append(f"{encoder_name} says BT.709 of every picture: samples are converted to its matrix")
    is_chosen = clip.format.color_family == vs.RGB and settings.chroma is None
    if is_chosen and chroma == "444" and not encoder.is_master:
        notes.append("not every player shows 4:4:4: chroma 420, as preset web has it, plays everywhere")
    if not alpha:
        return without_alpha(encoded), notes
    return _with_deep_alpha(encoded, clip, depth), notes


def _is_wide(source: Source) -> bool:
    """Whether its colours are those of BT.2020."""
    with source.clip.get_frame(0) as first:
        return int(first.props.get("_Primaries", UNSPECIFIED)) == BT2020


def _with_deep_alpha(encoded: vs.VideoNode, clip: vs.VideoNode, depth: int) -> vs.VideoNode:
    """``encoded`` with the alpha of ``clip``, both of ``depth`` bits: they go to ffmpeg as one picture."""
    if encoded.format.bits_per_sample != depth:
        encoded = encoded.resize.Point(format=encoded.format.replace(bits_per_sample=depth).id)
    width, height = encoded.width, encoded.height

    def fit(alpha: vs.VideoNode) -> vs.VideoNode:
        if (width, height) != (alpha.width, alpha.height):  # as clip_to_yuv has it
            alpha = alpha.resize.Bicubic(width=width, height=height, src_width=width, src_height=height)
        return deepen_alpha(alpha, depth)

    return with_alpha_of(encoded, clip, fit)


def _layout_of(
    clip: vs.VideoNode, source: Source, encoder: Encoder, chroma: str | None, *, wants_alpha: bool
) -> tuple[str, bool]:
    """The layout of the samples, and whether there is alpha: where nobody names a ``chroma``, alpha comes
    first."""
    if chroma is not None:
        return chroma, wants_alpha and chroma in encoder.alpha
    if wants_alpha and encoder.alpha:
        return chroma_for(clip, tuple(encoder.alpha)), True
    return chroma_for(clip, encoder.chroma, is_grey=_is_grey(clip, source)), False


def _is_grey(clip: vs.VideoNode, source: Source) -> bool:
    """Whether all images of ``source`` are grey, which are RGB in ``clip``, or that is."""
    return clip.format.color_family == vs.GRAY or (source.images is not None and source.images.is_grey)


def _wanted_bits(clip: vs.VideoNode, encoder: Encoder, chroma: str) -> int:
    """The bits that lose nothing of ``clip`` in the layout ``chroma``."""
    bits = bits_of(clip)
    if clip.format.color_family == vs.RGB and chroma != AS_RGB and encoder.is_master:
        return max(bits, encoder.depth_of(chroma, _MASTER_RGB_BITS))
    return bits


def chosen_encoder(source: Source, container: Container, settings: RunSettings) -> tuple[str, list[str]]:
    """What ``encoder_for`` says of ``source``.

    Raises:
        MistakesError: ``settings`` ask for what that encoder has not.
    """
    name, notes = encoder_for(settings.encoder, source.picture, container, settings.depth)
    check_encoder(settings, name)
    return name, notes


def encode_for(
    settings: RunSettings,
    source: Source,
    encoder_name: str,
    container: Container,
    steady: Steady | None,
    *,
    into: Container | None = None,
) -> Encode:
    """How the frames of ``source`` are encoded; what goes along with them is to be added. ``into``: where the
    packets of ``container`` go afterwards."""
    time_base, timestamps, last_seconds = source.times(container, steady)
    in_order = _IN_ORDER if (into or container).counts_frames else ()
    return Encode(
        container=container,
        encoder=KNOWN_ENCODERS[encoder_name],
        time_base=time_base,
        timestamps=timestamps,
        rate=source.rate_beside(time_base, timestamps),
        last_seconds=last_seconds,
        crf=settings.crf,
        depth=settings.depth,
        options=(*in_order, *settings.options),
    )


def working_depth(source: Source, output: Path, settings: RunSettings, *, to_folder: bool) -> int | None:
    """The bits that the filter is to work in: those of the settings, or of a master that has more than
    ``source``.

    Raises:
        MistakesError: see ``chosen_encoder``.
    """
    if to_folder or output.suffix.lower() not in CONTAINERS:
        return settings.depth
    encoder = KNOWN_ENCODERS[chosen_encoder(source, container_for(output), settings)[0]]
    if settings.depth is not None or not encoder.is_master:
        return settings.depth
    chroma, alpha = _layout_of(source.clip, source, encoder, settings.chroma, wants_alpha=source.has_alpha)
    return encoder.depth_of(chroma, _wanted_bits(source.clip, encoder, chroma), alpha=alpha)


def _losses_of_tags(clip: vs.VideoNode, encoder_name: str, suffix: str) -> list[str]:
    """A line for each thing that ``clip`` says of its picture, and the encoder cannot say."""
    encoder, notes = KNOWN_ENCODERS[encoder_name], []
    with clip.get_frame(0) as first:
        said = Tags.of(first)
    if not encoder.full_range and said.full_range and clip.format.color_family != vs.RGB:
        notes.append(f"{encoder.codec} has no full range: the output has limited range")
    if suffix in encoder.square_in and said.aspect != 1:
        shape = f"{said.aspect.numerator}:{said.aspect.denominator}"
        notes.append(
            f"{encoder_name} in {suffix} cannot say that samples are {shape}: they are shown as square ones "
            "(prores and ffv1 say it)"
        )
    return notes


def kind_of_images(source: Source, settings: RunSettings) -> str:
    """What the images of ``source`` become."""
    return settings.image or kind_for(source)


def keep_plates(source: Source, kind: str) -> None:
    """From now on what is decoded of ``source`` is kept until it is written as an image of ``kind``, if that
    takes more of it than its colours. To be said before its first frame is asked for."""
    if source.images is not None:
        source.images.kept.is_wanted = f".{kind}" in PLATES


def make_images(
    clip: vs.VideoNode, source: Source, kind: str, depth: int | None, *, is_matte: bool
) -> tuple[vs.VideoNode, list[str]]:
    """``clip``, lying as ``source`` does, as images of ``kind`` take it, and what that changed. ``depth``
    None is its own."""
    floats = takes_floats(kind)
    notes = []
    if floats and (source.images is None or source.images.depth < 32) and not is_matte:
        notes.append("EXR is scene-linear: the picture goes there by the inverse of sRGB's curve")
    if kind != "png" and not is_matte and source.pipe is None:
        with source.clip.get_frame(0) as first:
            colours = words_for(first.props)
        if colours:
            notes.append(f".{kind} cannot say {colours}: it is shown as sRGB is (PNG says it)")
    has_alpha = source.has_alpha and not is_matte
    if _is_grey(clip, source) and takes_grey(kind) and not has_alpha:
        shown = clip_to_grey(clip, depth=depth)
    else:
        shown = clip_to_rgb(clip, floats=floats, depth=depth)
    return turn_output_upright(shown, source=source.clip, has_alpha=has_alpha), notes


def make_y4m(clip: vs.VideoNode, source: Source, chroma: str | None) -> tuple[vs.VideoNode, list[str]]:
    """``clip``, lying as ``source`` does, as y4m takes it, and what that changed."""
    notes = []
    if is_turned(source.clip):
        notes.append("y4m cannot store a rotation: the picture is written upright")
        clip = turn_output_upright(clip, source=source.clip)
    if source.has_alpha:
        notes.append(left_out_alpha("y4m has none"))
    known = has_word(clip) and (clip.format.sample_type == vs.INTEGER or source.pipe is not None)
    if known and chroma in (None, chroma_of(clip)):
        return clip, notes
    encoded, conversion = clip_to_yuv(
        clip, chroma or chroma_for(clip, tuple(SUBSAMPLING), is_grey=_is_grey(clip, source))
    )
    return encoded, notes if conversion is None else [*notes, conversion]
