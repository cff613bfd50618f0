"""Encoders by a short name, and the ffmpeg arguments each one stands for."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import imageio_ffmpeg

from vsj4r.errors import Vsj4rError
from vsj4r.frames.matrix import BT709
from vsj4r.media.colours import HDR_TRANSFERS
from vsj4r.media.containers import Container
from vsj4r.media.pixels import AS_RGB, pixel_format
from vsj4r.media.streams import Picture

_NARROW = 64
_ANSWERS_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Encoder:
    """``depths`` and ``chroma``: what it takes. ``crf``: the default, None where it means nothing;
    ``crf_most``: the largest.

    ``bits_per_pixel``: what to expect at most of rainless 4:2:0, to see whether a disk will do.
    ``packet_muxer``: a streamable format that carries its packets. ``full_range``: whether it has that.
    ``narrow``: more options for frames of less than ``_NARROW`` columns. ``mp4_tag``: what MP4
    and MOV call it, where players do not all know ffmpeg's word.
    ``is_master``: made to be worked on, so that YUV of RGB has 10 bits at least. ``profiles``: what the
    encoder is told for each layout and depth, where it must be. ``alpha``: the depths that it has with an
    alpha channel, by layout. ``pixels``: ffmpeg's names of its pixels where they are not planes, by layout,
    depth and whether there is alpha. ``quality``: its options that take the crf, times ``quality_scale``.
    ``needs``: what a machine must have for it, "" is nothing. ``device``: options of ffmpeg that open that;
    frames are then uploaded to it. ``square_in``: containers that ffmpeg tells of square samples with it,
    whatever they are. ``matrix``: the only one that its bitstream says of YUV, whatever is given (ITU-T
    H.273), None where it says any.
    """

    codec: str
    crf: int | None
    depths: tuple[int, ...]
    bits_per_pixel: float
    options: dict[str, str] = field(default_factory=dict)
    packet_muxer: str = "nut"
    chroma: tuple[str, ...] = ("420", "422", "444")
    full_range: bool = True
    narrow: tuple[tuple[str, str], ...] = ()
    mp4_tag: str = ""
    is_master: bool = False
    profiles: Mapping[tuple[str, int], str] = field(default_factory=dict)
    alpha: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    pixels: Mapping[tuple[str, int, bool], str] = field(default_factory=dict)
    quality: tuple[str, ...] = ("crf",)
    quality_scale: int = 1
    needs: str = ""
    device: tuple[str, ...] = ()
    square_in: tuple[str, ...] = ()
    matrix: int | None = None
    crf_most: int = 51

    def depth_of(self, chroma: str, depth: int, *, alpha: bool = False) -> int:
        """Of the depths that it has for the layout ``chroma`` the smallest that loses nothing of ``depth``
        bits, or the largest there is."""
        if alpha:
            depths: Iterable[int] = self.alpha[chroma]
        elif self.profiles:
            depths = [bits for layout, bits in self.profiles if layout == chroma]
        else:
            depths = self.depths
        depths = tuple(depths)
        return min((bits for bits in depths if bits >= depth), default=max(depths))

    def form(self, chroma: str, depth: int, *, alpha: bool = False) -> dict[str, str]:
        """Options for a picture of ``chroma`` and a ``depth`` that ``depth_of`` has given."""
        profile = self.profiles.get((chroma, depth))
        pixels = {} if self.device else {"pix_fmt:v:0": self._pixels(chroma, depth, alpha)}
        return {**pixels, **({"profile:v:0": profile} if profile else {})}

    def upload(self, chroma: str, depth: int) -> str:
        """The filters that bring such a picture to its device; "" where none have to."""
        return f"format={self._pixels(chroma, depth, False)},hwupload" if self.device else ""

    def _quality(self, crf: int | None) -> dict[str, str]:
        crf = self.crf if crf is None else crf
        return {} if crf is None else dict.fromkeys(self.quality, str(crf * self.quality_scale))

    def arguments(self, crf: int | None, given: Iterable[tuple[str, str]], *, width: int) -> dict[str, str]:
        """Options for the quality ``crf`` (None is the default) and frames of ``width`` columns, with those
        ``given`` over them."""
        return {**self._quality(crf), **self._with_options(given, width)}

    def _pixels(self, chroma: str, depth: int, alpha: bool) -> str:
        return self.pixels.get((chroma, depth, alpha)) or pixel_format(chroma, depth, alpha=alpha)

    def _with_options(self, given: Iterable[tuple[str, str]], width: int) -> dict[str, str]:
        """Its own with those ``given`` over them; lists of parameters are added to."""
        options = dict(self.options)
        for name, value in (*(self.narrow if width < _NARROW else ()), *given):
            both = name.endswith("-params") and name in options
            options[name] = f"{options[name]}:{value}" if both else value
        return options


ENCODERS = {
    "x264": Encoder("libx264", 17, (8, 10), 0.3, {"preset": "medium"}),
    "x265": Encoder(
        "libx265",
        19,
        (8, 10, 12),
        0.2,
        {"preset": "medium", "x265-params": "log-level=error"},
        narrow=(("x265-params", "asm=0"),),  # AVX2 of imageio-ffmpeg 0.8.1 ends on frames of 48 columns
        mp4_tag="hvc1",  # Apple's know no other
    ),
    "svtav1": Encoder("libsvtav1", 24, (8, 10), 0.2, {"preset": "6"}, chroma=("420",), crf_most=63),
    "vp9": Encoder("libvpx-vp9", 24, (8, 10, 12), 0.2, {"b:v": "0", "row-mt": "1"}, crf_most=63),
    "ffv1": Encoder(
        "ffv1",
        None,
        (8, 9, 10, 12, 14, 16),
        8,
        {"level": "3", "slicecrc": "1"},
        chroma=("420", "422", "444", AS_RGB),
        is_master=True,
        alpha={
            "420": (8, 9, 10, 16),
            "422": (8, 9, 10, 12, 16),
            "444": (8, 9, 10, 12, 16),
            AS_RGB: (8, 10, 12, 14, 16),
        },
        pixels={(AS_RGB, 8, False): "bgr0", (AS_RGB, 8, True): "bgra"},
    ),
    "prores": Encoder(
        "prores_ks",
        None,
        (10,),
        5,
        {"vendor": "apl0"},
        packet_muxer="mov",
        chroma=("422", "444"),
        full_range=False,
        is_master=True,
        alpha={"444": (10,)},
    ),
    "dnxhr": Encoder(
        "dnxhd",
        None,
        (8, 10),
        5,
        packet_muxer="mov",
        chroma=("422", "444"),
        full_range=False,
        is_master=True,
        profiles={("422", 8): "dnxhr_hq", ("422", 10): "dnxhr_hqx", ("444", 10): "dnxhr_444"},
        square_in=(".mxf",),
        matrix=BT709,
    ),
}

_SEMI_PLANAR = {("420", 8, False): "nv12", ("420", 10, False): "p010le"}


def _hardware() -> dict[str, Encoder]:
    """Encoders of graphics cards, by ffmpeg's names. Each kind of card has three: H.264 of 8 bits, HEVC and
    AV1 of 8 and 10."""
    kinds: dict[str, dict[str, Any]] = {
        "nvenc": {
            "options": {"preset": "p5", "rc": "vbr", "b:v": "0"},
            "quality": ("cq",),
            "pixels": {("420", 10, False): "p010le"},
            "needs": "an NVIDIA card that has an encoder, and its driver",
        },
        "qsv": {
            "options": {"preset": "slow"},
            "quality": ("global_quality",),
            "pixels": _SEMI_PLANAR,
            "needs": "an Intel graphics device and its driver (oneVPL)",
        },
        "vaapi": {
            "options": {"rc_mode": "CQP"},
            "quality": ("global_quality",),
            "pixels": _SEMI_PLANAR,
            "needs": "Linux and a graphics device with a VA-API driver",
            "device": ("-init_hw_device", "vaapi=card", "-filter_hw_device", "card"),
        },
        "amf": {
            "options": {"rc": "cqp", "quality": "quality"},
            "quality": ("qp_i", "qp_p"),
            "pixels": {("420", 10, False): "p010le"},
            "needs": "an AMD card and its driver (AMF)",
        },
    }
    codecs: dict[str, tuple[int, tuple[int, ...], str]] = {
        "h264": (21, (8,), ""),
        "hevc": (23, (8, 10), "hvc1"),
        "av1": (28, (8, 10), ""),
    }
    found = {}
    for kind, details in kinds.items():
        for codec, (crf, depths, tag) in codecs.items():
            name = f"{codec}_{kind}"
            has_steps_of_4 = codec == "av1" and kind in ("vaapi", "amf")  # of 255, where others have 63
            found[name] = Encoder(
                name,
                crf,
                depths,
                0.3,
                chroma=("420",),
                mp4_tag=tag,
                crf_most=63 if codec == "av1" else 51,
                quality_scale=4 if has_steps_of_4 else 1,
                **details,
            )
    return found


HARDWARE_ENCODERS = _hardware()
HARDWARE = ("nvenc", "qsv", "vaapi", "amf")
"""Kinds of cards: a name for the one of their encoders that fits the input."""

KNOWN_ENCODERS = ENCODERS | HARDWARE_ENCODERS

AUTO = "auto"
"""In place of an encoder's name: the one that fits the input."""

_HDR_ENCODER = "x265"


def encoder_for(
    name: str, picture: Picture | None, container: Container, depth: int | None = None
) -> tuple[str, list[str]]:
    """The encoder that ``name`` is, or that AUTO or a kind of card stands for, and a line where that is not
    the usual one, or where HDR gets too few bits.

    WebM holds no H.264: AV1. MXF is for masters: DNxHR. HDR of 10 bit and more is HEVC: hardware that plays
    it decodes no H.264 of 10 bit. Cards have H.264 of 8 bit alone. ``picture`` is the input's, None where
    it is not known yet; ``depth`` is that of the output, None is the input's.
    """
    found = _encoder_name(name, picture, container, depth)
    if picture is None or not _is_deep_hdr(picture):
        return found, []
    kind = f"the input is {picture.depth} bit HDR ({HDR_TRANSFERS[picture.transfer]})"
    if min(depth or picture.depth, max(KNOWN_ENCODERS[found].depths)) < 10:
        return found, [f"{kind}: 8 bits of it show bands, and nothing is tone-mapped"]
    if name == AUTO and found == _HDR_ENCODER:
        return found, [f"{kind}: written with {found} (HEVC), unless an encoder is named"]
    return found, []


def _encoder_name(name: str, picture: Picture | None, container: Container, depth: int | None) -> str:
    if name in HARDWARE:
        is_deep = (depth or (picture.depth if picture else 8)) > 8
        codec = "hevc" if is_deep and container.hevc else "h264" if container.h264 else "av1"
        return f"{codec}_{name}"
    if name != AUTO:
        return name
    is_hdr = picture is not None and _is_deep_hdr(picture)
    return _HDR_ENCODER if is_hdr and container.hevc else container.encoder


def usual_encoders(container: Container) -> tuple[str, ...]:
    """What AUTO stands for in ``container``, by the input."""
    return (container.encoder, _HDR_ENCODER) if container.hevc else (container.encoder,)


def _is_deep_hdr(picture: Picture) -> bool:
    return picture.transfer in HDR_TRANSFERS and picture.depth >= 10


def find_encoder(name: str) -> Encoder:
    """The encoder ``name``, which the installed ffmpeg has.

    Raises:
        Vsj4rError: not in the table, or not in this ffmpeg.
    """
    if name not in KNOWN_ENCODERS:
        raise Vsj4rError(f"unknown encoder {name!r}: known are {', '.join((*ENCODERS, *HARDWARE))}")
    encoder = KNOWN_ENCODERS[name]
    if re.search(rf"^ V\S{{5}} {re.escape(encoder.codec)} ", ffmpeg_says("-encoders"), re.MULTILINE) is None:
        raise Vsj4rError(
            f"encoder {name} needs {encoder.codec}, which {ffmpeg_executable()} lacks: "
            "let IMAGEIO_FFMPEG_EXE name an ffmpeg that has it, or take another encoder"
        )
    return encoder


def ffmpeg_executable() -> str:
    """Path of ffmpeg: the one inside imageio-ffmpeg, or IMAGEIO_FFMPEG_EXE.

    Raises:
        Vsj4rError: this platform's imageio-ffmpeg has none, and none is on PATH.
    """
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise Vsj4rError(str(error)) from error


def has_filter(name: str) -> bool:
    """Whether this ffmpeg has the filter ``name``.

    Raises:
        Vsj4rError: ffmpeg does not run.
    """
    return re.search(rf"^ \S+ {re.escape(name)} ", ffmpeg_says("-filters"), re.MULTILINE) is not None


def known_options(encoder: Encoder) -> frozenset[str]:
    """Names of the options of ``encoder`` and of those that all video encoders share.

    Raises:
        Vsj4rError: ffmpeg does not run.
    """
    of_all = ffmpeg_says("-h", "full").partition("\nAVCodecContext AVOptions:")[2].partition("AVOptions:")[0]
    help_ = ffmpeg_says("-h", f"encoder={encoder.codec}") + of_all
    return frozenset(re.findall(r"^  -(\S+) +<\S+> +E.{2}V", help_, re.MULTILINE))


def ffmpeg_says(*options: str) -> str:
    """What ffmpeg prints for one of its informative options, such as -version.

    Raises:
        Vsj4rError: it does not run.
    """
    return _ask_ffmpeg(ffmpeg_executable(), *options)


@cache
def _ask_ffmpeg(executable: str, *options: str) -> str:
    try:
        return subprocess.run(
            [executable, "-hide_banner", *options],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=_ANSWERS_WITHIN_S,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Vsj4rError(f"ffmpeg does not run: {error}") from error
