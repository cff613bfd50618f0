"""Folders of images: read as an RGB clip, written as PNG with the colours' meaning kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import vapoursynth as vs

from vsj4r.errors import InputError, Vsj4rError
from vsj4r.frames.matrix import UNSPECIFIED
from vsj4r.media.alpha import ALPHA
from vsj4r.media.image_facts import Chunk, ImageHead
from vsj4r.media.image_head import read_head
from vsj4r.media.plates import KeptPlates, is_plate, plate_head
from vsj4r.media.png_colours import props_of
from vsj4r.media.png_head import with_colours
from vsj4r.media.reading import (
    Image,
    image_to_floats,
    images_in,
    read_image,
    read_translucent,
    to_8_bit,
    to_16_bit,
)
from vsj4r.media.streams import Picture


def check_replaced(folder: Path, names: Collection[str]) -> None:
    """Refuse a folder to write ``names`` into where other images would then be among them.

    Raises:
        Vsj4rError: it holds an image of another name.
    """
    kept = sorted(set(images_in(folder)) - set(names)) if folder.is_dir() else []
    if kept:
        more = f" and {len(kept) - 1} more" if len(kept) > 1 else ""
        raise Vsj4rError(
            f"output {folder} holds {kept[0]}{more}, which would stay among the new images: "
            "remove the old ones, or name a new folder"
        )


@dataclass(frozen=True, slots=True)
class ImageSet:
    """The images ``names`` of ``folder``, all of ``width`` x ``height`` px as they are shown, read as RGB of
    ``depth`` bits (8, 16, or 32 for floats), which the first one has; so are the ``bits`` that are stored of
    a sample, and its ``aspect``. ``is_grey``: all are, and opaque, and so is what is written of them.

    ``kept`` are those that are read and not yet written, of kinds where that saves time.
    The rest counts them: with more bits than that, with an alpha channel, with an ICC profile, with one that
    is not for RGB (grey, where all are that), cut short, with more than one page, of ``strange`` colours (PQ,
    BT.2020, HDR10), that are another part of their display window than the whole, with a channel of whole
    numbers of 32 bits, with ``others`` than colour and alpha, compressed with loss.
    ``colours``: what the first one says of its own.
    """

    folder: Path
    names: list[str]
    width: int
    height: int
    depth: int
    aspect: Fraction
    bits: int
    is_grey: bool
    deeper: int
    translucent: int
    profiled: int
    unfit_profiles: int
    cut_short: int
    paged: int
    strange: int
    windows: int
    whole_numbers: int
    others: int
    lossy: int
    colours: tuple[Chunk, ...]
    kept: KeptPlates = field(default_factory=KeptPlates, compare=False)

    @property
    def picture(self) -> Picture:
        return Picture(self.depth, props_of(self.colours).get("_Transfer", UNSPECIFIED))


_DEPTHS = (8, 16, 32)  # of clips
_SHALLOW = {1: "gray", 3: "rgb24", 4: "rgba"}
_DEEP = {1: "gray16", 3: "rgb48", 4: "rgba64"}
"""ffmpeg's names of samples of 8 and of 16 bits, by the number of channels."""


def look_at_images(folder: Path, names: list[str]) -> ImageSet:
    """Read the head of every image: what is wrong with one is known before the first is worked on.

    Raises:
        Vsj4rError: one cannot be read, or has another size than the first; all of those are counted; or
            shows another part of its display window.
    """
    heads = [_head_of(folder / name) for name in names]
    first = heads[0]
    others = [
        (name, head)
        for name, head in zip(names, heads, strict=True)
        if (head.width, head.height) != (first.width, first.height)
    ]
    if others:
        name, head = others[0]
        more = f" (and {len(others) - 1} more of another size)" if len(others) > 1 else ""
        raise Vsj4rError(
            f"image {folder / name} must be {first.width}x{first.height} like the first, "
            f"got {head.width}x{head.height}{more}"
        )
    for name, head in zip(names, heads, strict=True):
        if head.place != first.place:
            raise Vsj4rError(
                f"image {folder / name} must have its data window at {first.place} of the display window, as "
                f"the first, got {head.place}: give all of them one window first"
            )
    depth = next(depth for depth in _DEPTHS if first.depth <= depth)
    own, is_grey = props_of(first.colours), all(head.is_grey and not head.has_alpha for head in heads)
    profiled = sum(head.fits(as_grey=is_grey) for head in heads)
    return ImageSet(
        folder,
        names,
        first.width,
        first.height,
        depth=depth,
        aspect=first.aspect,
        bits=first.bits or depth,
        is_grey=is_grey,
        deeper=sum(head.depth > 8 for head in heads) if first.depth <= 8 else 0,
        translucent=sum(head.has_alpha for head in heads),
        profiled=profiled,
        unfit_profiles=sum(head.profile is not None for head in heads) - profiled,
        cut_short=sum(head.is_cut_short for head in heads),
        paged=sum(head.has_pages for head in heads),
        strange=sum(props_of(head.colours) != own for head in heads),
        windows=sum(head.is_window for head in heads),
        whole_numbers=sum(head.has_whole_numbers for head in heads),
        others=sum(head.has_others for head in heads),
        lossy=sum(head.is_lossy for head in heads),
        colours=first.colours,
    )


def _head_of(path: Path) -> ImageHead:
    """Its head; of a format that only the decoder knows, what the decoder makes of it."""
    if is_plate(path):
        return plate_head(path)
    head = read_head(path)
    if head is not None:
        if head.depth > _DEPTHS[-1]:
            raise InputError(
                f"image {path} says that it has {head.depth} bits a sample: nothing decodes that"
            )
        return head
    image = read_image(path)
    return ImageHead(image.shape[1], image.shape[0], 8 * image.itemsize)


def image_clip(images: ImageSet, *, fps: Fraction) -> vs.VideoNode:
    """``images`` as an RGB24, RGB48 or RGBS clip, each read when its frame is asked for; all with alpha, if
    one has it."""
    convert = {8: to_8_bit, 16: to_16_bit, 32: image_to_floats}[images.depth]

    def read(n: int) -> Image:
        path = images.folder / images.names[n]
        image, alpha = read_translucent(path, images.kept)
        if image.shape[:2] != (images.height, images.width):
            got = f"{image.shape[1]}x{image.shape[0]}"
            raise InputError(f"image {path} must be {images.width}x{images.height}, got {got}")
        if not images.translucent:
            return convert(image)
        opaque = np.full(image.shape[:2], 255, np.uint8)
        return np.dstack([convert(image), convert(opaque if alpha is None else alpha)])

    clip = rgb_clip(
        read,
        frames=len(images.names),
        width=images.width,
        height=images.height,
        depth=images.depth,
        fps=fps,
        has_alpha=bool(images.translucent),
    )
    props = props_of(images.colours)
    if images.aspect != 1:
        props |= {"_SARNum": images.aspect.numerator, "_SARDen": images.aspect.denominator}
    return clip.std.SetFrameProps(**props) if props else clip


def array_clip(images: Image, *, fps: int) -> vs.VideoNode:
    """(T, H, W, 3) uint8 as an RGB24 clip; the array is kept, not copied."""
    frames, height, width, _ = images.shape
    return rgb_clip(
        lambda n: images[n], frames=frames, width=width, height=height, depth=8, fps=Fraction(fps)
    )


def rgb_clip(
    read: Callable[[int], Image],
    *,
    frames: int,
    width: int,
    height: int,
    depth: int,
    fps: Fraction,
    has_alpha: bool = False,
) -> vs.VideoNode:
    """A clip of ``frames`` frames, RGB of 8, 16 or 32 (floats) bits ``depth``: ``read`` gives each, (H, W, 3)
    of that depth, when it is asked for; with an alpha channel (H, W, 4)."""

    def blank(kind: int) -> vs.VideoNode:
        return vs.core.std.BlankClip(
            width=width,
            height=height,
            format=kind,
            length=frames,
            fpsnum=fps.numerator,
            fpsden=fps.denominator,
            keep=True,
        )

    def fill(n: int, f: Any) -> vs.VideoFrame:
        image = read(n)
        filled: vs.VideoFrame = (f[0] if has_alpha else f).copy()
        for plane in range(3):
            np.copyto(np.asarray(filled[plane]), image[..., plane])
        if has_alpha:
            alpha: vs.VideoFrame = f[1].copy()
            np.copyto(np.asarray(alpha[0]), image[..., 3])
            filled.props[ALPHA] = alpha
        return filled

    colour = blank({8: vs.RGB24, 16: vs.RGB48, 32: vs.RGBS}[depth])
    grey = blank({8: vs.GRAY8, 16: vs.GRAY16, 32: vs.GRAYS}[depth]).std.SetFrameProps(_Range=vs.RANGE_FULL)
    return vs.core.std.ModifyFrame(colour, [colour, grey] if has_alpha else colour, fill)


def colours_of(path: Path, *, as_grey: bool = False) -> tuple[Chunk, ...]:
    """What the image ``path`` says of its colours, for a PNG of RGB, or of grey.

    Raises:
        Vsj4rError: it cannot be read.
    """
    head = read_head(path)
    return () if head is None else head.chunks(as_grey=as_grey)


def frame_array(frame: vs.VideoFrame) -> Image:
    """A copy of a frame whose planes are of one size, (H, W, planes)."""
    return np.stack([np.asarray(plane) for plane in frame], axis=-1)


def write_png(
    image: Image, path: Path, colours: Iterable[Chunk] = (), *, aspect: Fraction = Fraction(1)
) -> None:
    """Write (H, W, 1) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16, as PNG of that depth;
    ``colours`` say what its numbers mean, ``aspect`` is the width of a sample by its height."""
    deep, channels = image.dtype == np.uint16, image.shape[2]
    kind = (_DEEP if deep else _SHALLOW)[channels]
    encoder = av.VideoCodecContext.create("png", "w")
    encoder.height, encoder.width = image.shape[:2]
    encoder.pix_fmt = f"{kind}be" if deep else kind  # PNG is big-endian
    encoder.time_base = Fraction(1, 1)
    encoder.sample_aspect_ratio = aspect
    samples = np.ascontiguousarray(image[..., 0] if channels == 1 else image)
    picture = av.VideoFrame.from_ndarray(samples, format=f"{kind}le" if deep else kind)
    packets = [*encoder.encode(picture.reformat(format=encoder.pix_fmt)), *encoder.encode(None)]
    path.write_bytes(with_colours(b"".join(bytes(packet) for packet in packets), colours))
