"""Images of the film world, through OpenImageIO: OpenEXR, DPX and TIFF.

| File | The network is shown                      | What is written                                      |
|------|-------------------------------------------|------------------------------------------------------|
| EXR  | R, G, B (scene-linear) through sRGB's     | the change brought back through the curve; a sample  |
|      | curve, above 1 too, and mirrored below 0  | that did not change keeps its bits; half stays half  |
| DPX  | its code values as they are, 8 to 16 bits | code values of the same depth                        |
| TIFF | integers as they are, 8 or 16 bits;       | 16 bits at most                                      |
|      | floats (scene-linear) as those of EXR     |                                                      |

Whatever else an EXR or DPX of the input has goes into the output of the same kind: other channels (alpha,
depth and the rest), windows, and what it says of itself.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsj4r.errors import InputError, Vsj4rError
from vsj4r.media.image_facts import ImageHead, aspect_of
from vsj4r.media.room import check_frame_fits

EXR, DPX, TIFF = ".exr", ".dpx", ".tif"
PLATES = (EXR, DPX)
TIFFS = (TIFF, ".tiff")

_RGB = ("R", "G", "B")
_ALPHA = "A"
_KEPT_BYTES = 512 << 20
_DPX_BITS = (8, 10, 12, 16)
_ROOM_BYTES = 1 << 20
_BITS = "oiio:BitsPerSample"
_STRAIGHT = "oiio:UnassociatedAlpha"
_PARTS = "oiio:subimages"
_LOSSY = ("b44", "dwa", "pxr24")
"""Compressions of EXR that give other samples than they got."""
_ASPECT = "PixelAspectRatio"
_FLOATS, _BYTES = ("half", "float", "double"), ("uint8", "int8")

Samples = NDArray[Any]


def is_plate(path: Path) -> bool:
    """Whether ``path`` is one of ``PLATES``, by its name: all that is known of it is read here."""
    return path.suffix.lower() in PLATES


class KeptPlates:
    """All channels of files that were read, until they are written: decoding takes most of the time. At most
    ``_KEPT_BYTES``, the oldest are let go first; nothing unless ``is_wanted``."""

    def __init__(self) -> None:
        self.is_wanted = False
        self._lock = threading.Lock()
        self._kept: OrderedDict[Path, Samples] = OrderedDict()
        self._bytes = 0

    def keep(self, path: Path, channels: Samples) -> None:
        if not self.is_wanted:
            return
        with self._lock:
            self._drop(path)
            self._kept[path] = channels
            self._bytes += channels.nbytes
            while self._bytes > _KEPT_BYTES:
                self._drop(next(iter(self._kept)))

    def take(self, path: Path) -> Samples | None:
        """What is kept of ``path``, once; None where nothing is."""
        with self._lock:
            return self._drop(path)

    def _drop(self, path: Path) -> Samples | None:
        channels = self._kept.pop(path, None)
        if channels is not None:
            self._bytes -= channels.nbytes
        return channels


def plate_head(path: Path) -> ImageHead:
    """What ``path`` says; its depth is that of the clip that it becomes: 8, 16 or 32 (floats).

    Raises:
        InputError: it cannot be read, or has no R, G and B.
    """
    with _open(path) as (_, spec):
        _rgb_of(path, spec)
        place = spec.x - spec.full_x, spec.y - spec.full_y
        size = spec.width, spec.height
        return ImageHead(
            spec.width,
            spec.height,
            8 * _dtype_of(spec).itemsize,
            has_alpha=_ALPHA in spec.channelnames,
            aspect=aspect_of(spec.get_float_attribute(_ASPECT, 1)),
            bits=spec.get_int_attribute(_BITS) or None,
            place=place,
            is_window=place != (0, 0) or size != (spec.full_width, spec.full_height),
            has_whole_numbers="uint" in map(str, (spec.format, *spec.channelformats)),
            is_lossy=spec.get_string_attribute("compression").startswith(_LOSSY),
        )


def read_plate(path: Path, kept: KeptPlates | None = None) -> tuple[Samples, Samples | None]:
    """(H, W, 3): uint8 or uint16 over its full range, or float32 as a display would be given it; and the
    alpha (H, W) of the same kind, None where there is none.

    Raises:
        InputError: it cannot be read.
    """
    channels, spec = _read(path)
    if kept is not None:
        kept.keep(path, channels)
    colour = channels[..., _rgb_of(path, spec)]
    names = list(spec.channelnames)
    alpha = channels[..., names.index(_ALPHA)] if _ALPHA in names else None
    return to_display(colour) if colour.dtype == np.float32 else colour, alpha


def read_tiff_samples(path: Path) -> tuple[Samples, Samples | None]:
    """The first picture of a TIFF as it is stored, of any kind that libtiff decodes: what ``read_plate``
    gives. Grey is three times the same, CMYK becomes RGB, and integers of more than 16 bits lose the rest.

    Raises:
        InputError: it cannot be read.
    """
    with _open(path) as (image, spec):
        stored = str(spec.format)
        dtype = np.float32 if stored in _FLOATS else np.uint8 if stored in _BYTES else np.uint16
        channels = _channels_of(path, image, spec, np.dtype(dtype))
    colours = 3 if spec.nchannels > 2 else 1
    place = spec.alpha_channel if spec.alpha_channel >= 0 else colours  # of grey it may not be named
    alpha = channels[..., place] if spec.nchannels > place else None
    colour = np.broadcast_to(channels[..., :colours], (*channels.shape[:2], 3))
    return to_display(colour) if colour.dtype == np.float32 else colour, alpha


def to_display(linear: Samples) -> Samples:
    """Scene-linear float32 through sRGB's curve (IEC 61966-2-1), above 1 too, and mirrored below 0."""
    size = np.abs(linear, dtype=np.float32)
    curve = np.where(
        size <= 0.0031308,
        size * np.float32(12.92),
        np.float32(1.055) * size ** np.float32(1 / 2.4) - np.float32(0.055),
    )
    return np.copysign(curve, linear).astype(np.float32, copy=False)


def to_light(display: Samples) -> Samples:
    """The inverse of ``to_display``, to rounding."""
    size = np.abs(display, dtype=np.float32)
    linear = np.where(
        size <= 0.0031308 * 12.92,
        size / np.float32(12.92),
        ((size + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4),
    )
    return np.copysign(linear, display).astype(np.float32, copy=False)


def write_plate(
    colour: Samples,
    path: Path,
    *,
    like: Path | None = None,
    kept: KeptPlates | None = None,
    alpha: Samples | None = None,
    profile: bytes = b"",
    bits: int = 16,
    is_light: bool = True,
    aspect: Fraction = Fraction(1),
) -> None:
    """Write (H, W, 3) of ``read_plate``'s kind as the file that ``path``'s suffix names: EXR takes float32,
    the others uint8 and uint16; of uint16 DPX has ``bits`` at least.

    ``aspect``: width of a sample by its height.

    ``like``: the image of the input that it comes from, which gives all else where it is of the same kind,
    from ``kept`` where that has it. ``alpha`` (H, W) of the samples of ``colour``, and the ICC ``profile``,
    are for a file of another kind. Unless it ``is_light``, numbers go into EXR as they are.

    Raises:
        OSError: there is no room for it.
        Vsj4rError: it cannot be written.
    """
    suffix = path.suffix.lower()
    if like is not None and like.suffix.lower() == suffix and suffix in PLATES:
        _save(path, *_changed(colour, like, kept))
        return
    channels = to_light(colour) if suffix == EXR and is_light else colour
    if alpha is not None and suffix == EXR and _has_straight_alpha(like):
        channels = channels * alpha[..., None]
    if alpha is not None:
        channels = np.concatenate([channels, alpha[..., None]], axis=-1)
    spec = _spec_of(channels, "float" if _has_float32(like) else "half")
    if aspect != 1:
        spec.attribute(_ASPECT, float(aspect))
    if suffix == DPX and channels.dtype == np.uint16:
        spec.attribute(_BITS, next(each for each in _DPX_BITS if each >= bits))
    if suffix == TIFF and alpha is not None and _has_straight_alpha(like):
        spec.attribute(_STRAIGHT, 1)
    if suffix == TIFF and profile:
        _say_profile(spec, profile)
    _save(path, channels, spec)


def _changed(colour: Samples, like: Path, kept: KeptPlates | None) -> tuple[Samples, Any]:
    """All channels of ``like``, its colours being ``colour``, and its specification; floats that did not
    change keep their bits."""
    channels, spec = _read(like, None if kept is None else kept.take(like))
    places = _rgb_of(like, spec)
    if colour.dtype == np.float32:
        before = channels[..., places]
        colour = np.where(colour == to_display(before), before, to_light(colour))
    channels[..., places] = colour
    return channels, spec


def _spec_of(channels: Samples, floats: str) -> Any:
    """A specification for (H, W, C); floats are stored as ``floats``."""
    import OpenImageIO

    height, width, count = channels.shape
    kind = floats if channels.dtype == np.float32 else str(channels.dtype)
    return OpenImageIO.ImageSpec(width, height, count, kind)


def _say_profile(spec: Any, profile: bytes) -> None:
    import OpenImageIO

    kind = OpenImageIO.TypeDesc(f"uint8[{len(profile)}]")
    spec.attribute("ICCProfile", kind, np.frombuffer(profile, np.uint8))


def _save(path: Path, channels: Samples, spec: Any) -> None:
    import OpenImageIO

    output = OpenImageIO.ImageOutput.create(str(path))
    if output is None:
        raise Vsj4rError(f"{path.name} cannot be written: {_reason(OpenImageIO.geterror)}")
    done = (
        output.open(str(path), spec) and output.write_image(np.ascontiguousarray(channels)) and output.close()
    )
    if not done:
        with path.open("ab") as file:  # the library does not say that a disk is full, the system does
            file.write(bytes(_ROOM_BYTES))
        raise Vsj4rError(f"{path.name} cannot be written: {_reason(output.geterror)}")


def _has_float32(path: Path | None) -> bool:
    """Whether the image ``path`` is a TIFF with more than half floats hold."""
    if path is None or path.suffix.lower() not in TIFFS:
        return False
    with _open(path) as (_, spec):
        return str(spec.format) in ("float", "double")


def _has_straight_alpha(path: Path | None) -> bool:
    """Whether the colour of the image ``path`` (None: a frame of a video) is not multiplied by its alpha."""
    if path is None or is_plate(path):
        return path is None
    if path.suffix.lower() not in TIFFS:
        return True
    with _open(path) as (_, spec):
        return bool(spec.get_int_attribute(_STRAIGHT))


def _read(path: Path, channels: Samples | None = None) -> tuple[Samples, Any]:
    """All channels (H, W, C), half floats as float32, and the specification; ``channels`` where they are
    known."""
    with _open(path) as (image, spec):
        if channels is not None:
            return channels, spec
        return _channels_of(path, image, spec, _dtype_of(spec)), spec


def _channels_of(path: Path, image: Any, spec: Any, dtype: np.dtype[Any]) -> Samples:
    channels: Samples | None = image.read_image(str(dtype).replace("float32", "float"))
    if channels is None:
        raise InputError(f"image {path} cannot be read: {_reason(image.geterror)}")
    return channels.reshape(spec.height, spec.width, spec.nchannels)


@contextmanager
def _open(path: Path) -> Iterator[tuple[Any, Any]]:
    import OpenImageIO

    as_stored = OpenImageIO.ImageSpec()
    as_stored.attribute(_STRAIGHT, 1)  # colour is not to be multiplied by alpha
    image = OpenImageIO.ImageInput.open(str(path.absolute()), as_stored)
    if image is None:
        raise InputError(f"image {path} cannot be read: {_reason(OpenImageIO.geterror)}")
    try:
        spec = image.spec()
        if spec.deep:
            raise InputError(f"image {path} has deep samples: flatten it first")
        if is_plate(path) and spec.get_int_attribute(_PARTS, 1) > 1:
            raise InputError(f"image {path} has several parts, and one alone would be kept: split them first")
        check_frame_fits(path, spec.width, spec.height * -(-spec.nchannels // 3))
        yield image, spec
    except (UnicodeDecodeError, ValueError, RuntimeError, MemoryError) as error:
        raise InputError(f"image {path} cannot be read: it is damaged") from error
    finally:
        image.close()


def _reason(say: Callable[[], str]) -> str:
    """What the library says, which may quote a damaged file."""
    try:
        return " ".join(say().split()) or "it is damaged"
    except UnicodeDecodeError:
        return "it is damaged"


def _dtype_of(spec: Any) -> np.dtype[Any]:
    names = {"uint8": np.uint8, "uint16": np.uint16, "half": np.float32, "float": np.float32}
    return np.dtype(names.get(str(spec.format), np.float32))


def _rgb_of(path: Path, spec: Any) -> list[int]:
    """Where its R, G and B are."""
    names = list(spec.channelnames)
    if not set(_RGB) <= set(names):
        raise InputError(f"image {path} must have the channels R, G and B, got {', '.join(names)}")
    return [names.index(name) for name in _RGB]
