"""Folders of images: read as an RGB clip, written as PNG."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsj4r.errors import Vsj4rError
from vsj4r.media import reading

Image = NDArray[Any]  # (H, W, 3) RGB, uint8 or uint16


def check_replaced(folder: Path, names: Collection[str]) -> None:
    """Refuse a folder to write ``names`` into where other images would then be among them.

    Raises:
        Vsj4rError: it holds an image of another name.
    """
    kept = sorted(set(reading.images_in(folder)) - set(names)) if folder.is_dir() else []
    if kept:
        more = f" and {len(kept) - 1} more" if len(kept) > 1 else ""
        raise Vsj4rError(
            f"output {folder} holds {kept[0]}{more}, which would stay among the new images: "
            "remove the old ones, or name a new folder"
        )


def read_image(path: Path) -> Image:
    """(H, W, 3) RGB as it is shown (EXIF may turn it): uint8, or uint16 over its full range where the file
    has more than 8 bits.

    Raises:
        Vsj4rError: the file cannot be read as an image.
    """
    return reading.decoded(path, _rgb)


def _rgb(frame: av.VideoFrame) -> Image:
    deep = max(component.bits for component in frame.format.components) > 8
    return reading.upright(frame.to_ndarray(format="rgb48le" if deep else "rgb24"), frame)


def has_alpha(path: Path) -> bool:
    """Whether an image has an alpha channel, or translucent colours of a palette, which ``read_image`` leaves
    out.

    Raises:
        Vsj4rError: the file cannot be read as an image.
    """
    return reading.decoded(path, _is_translucent)


def _is_translucent(frame: av.VideoFrame) -> bool:
    if frame.format.name == "pal8":
        return bool(frame.to_ndarray(format="rgba")[..., 3].min() < 255)
    return any(component.is_alpha for component in frame.format.components)


def image_clip(folder: Path, names: list[str], *, fps: int) -> vs.VideoNode:
    """The images as an RGB24 or RGB48 clip, each read when its frame is asked for.

    The first image sets size and depth; one of another size fails when its turn comes.
    """
    first = read_image(folder / names[0])
    height, width, _ = first.shape
    depth = first.dtype
    rgb = vs.RGB24 if depth == np.uint8 else vs.RGB48
    blank = vs.core.std.BlankClip(
        width=width, height=height, format=rgb, length=len(names), fpsnum=fps, fpsden=1, keep=True
    )

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        image = read_image(folder / names[n])
        if image.shape != first.shape:
            got = f"{image.shape[1]}x{image.shape[0]}"
            raise Vsj4rError(f"image {folder / names[n]} must be {width}x{height} like the first, got {got}")
        if image.dtype != depth:
            image = _to_depth(image, depth)
        return _filled(f, image)

    return vs.core.std.ModifyFrame(blank, blank, fill)


def array_clip(images: Image, *, fps: int) -> vs.VideoNode:
    """(T, H, W, 3) uint8 as an RGB24 clip; the array is kept, not copied."""
    frames, height, width, _ = images.shape
    blank = vs.core.std.BlankClip(
        width=width, height=height, format=vs.RGB24, length=frames, fpsnum=fps, fpsden=1, keep=True
    )

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        return _filled(f, images[n])

    return vs.core.std.ModifyFrame(blank, blank, fill)


def write_png(frame: vs.VideoFrame, path: Path) -> None:
    """Write an RGB24 or RGB48 frame."""
    write_rgb(rgb_array(frame), path)


def rgb_array(frame: vs.VideoFrame) -> Image:
    """A copy of an RGB24 or RGB48 frame."""
    return np.stack([np.asarray(frame[plane]) for plane in range(3)], axis=-1)


def write_rgb(image: Image, path: Path) -> None:
    """Write (H, W, 3) RGB, uint8 or uint16, as PNG of that depth."""
    deep = image.dtype == np.uint16
    pixel_format = "rgb48be" if deep else "rgb24"  # PNG is big-endian
    encoder = av.VideoCodecContext.create("png", "w")
    encoder.height, encoder.width = image.shape[:2]
    encoder.pix_fmt = pixel_format
    encoder.time_base = Fraction(1, 1)
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb48le" if deep else "rgb24")
    packets = [*encoder.encode(picture.reformat(format=pixel_format)), *encoder.encode(None)]
    path.write_bytes(b"".join(bytes(packet) for packet in packets))


def _filled(f: vs.VideoFrame, image: Image) -> vs.VideoFrame:
    filled = f.copy()
    for plane in range(3):
        np.copyto(np.asarray(filled[plane]), image[..., plane])
    return filled


def _to_depth(image: Image, depth: np.dtype[Any]) -> Image:
    return image.astype(np.uint16) * np.uint16(257) if depth == np.uint16 else (image >> 8).astype(np.uint8)
