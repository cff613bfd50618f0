"""The head of a y4m stream (yuv4mpeg2): what it says of its frames.

| Word after C                        | Frames                                                         |
|-------------------------------------|----------------------------------------------------------------|
| 420 420jpeg 420mpeg2 420paldv       | 4:2:0 of 8 bits, chroma where the word puts it                 |
| 411 422 440 444 410                 | of 8 bits                                                      |
| any of these with pN, N 9 to 16     | of N bits, two bytes a sample, lowest first                    |
| any of these with ph or ps          | half and single floats, as vspipe writes them                  |
| mono monoN                          | luma alone                                                     |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import vapoursynth as vs

from vsj4r.errors import InputError
from vsj4r.media.cut_short import missing_share

MAGIC = b"YUV4MPEG2"
FRAME = b"FRAME"
LONGEST_LINE = 4096
"""Bytes of a head, or of the line before a frame."""

_LARGEST = (1 << 31) - 1  # of what a rate is made of, as ffmpeg has it
_LAYOUTS = {"420": (1, 1), "411": (2, 0), "422": (1, 0), "440": (0, 1), "444": (0, 0), "410": (2, 2)}
_PLACES = {"420mpeg2": 0, "420jpeg": 1, "420paldv": 2}
_WORD = re.compile(r"(mono|\d{3})(?:(jpeg|mpeg2|paldv)|p?(\d{1,2})|p([hs]))?")
_RANGES = {"FULL": vs.RANGE_FULL, "LIMITED": vs.RANGE_LIMITED}


@dataclass(frozen=True, slots=True)
class Head:
    """``width`` and ``height`` may be odd whatever the subsampling: chroma is rounded up. ``format`` is
    VapourSynth's number. ``rate`` (frames a second) and ``frames`` (how many) are None where they are not
    said. ``props``: what the head says of each frame. ``line``: the head itself, with its end."""

    width: int
    height: int
    format: int
    rate: Fraction | None
    is_interlaced: bool
    frames: int | None
    props: dict[str, int]
    line: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    def plane_sizes(self) -> list[tuple[int, int]]:
        """(H, W) of each plane in the stream."""
        kind = vs.core.get_video_format(self.format)
        chroma = -(-self.height // (1 << kind.subsampling_h)), -(-self.width // (1 << kind.subsampling_w))
        return [(self.height, self.width), *[chroma] * (kind.num_planes - 1)]

    @property
    def frame_bytes(self) -> int:
        """Of the samples of a frame."""
        samples = sum(height * width for height, width in self.plane_sizes())
        return samples * int(vs.core.get_video_format(self.format).bytes_per_sample)

    def clip_size(self) -> tuple[int, int]:
        """Width and height that VapourSynth can hold: what is missing for its chroma is added."""
        kind = vs.core.get_video_format(self.format)
        across, down = 1 << kind.subsampling_w, 1 << kind.subsampling_h
        return -(-self.width // across) * across, -(-self.height // down) * down


def parse_head(line: bytes) -> Head:
    """The head ``line`` of a stream, with its newline.

    Raises:
        InputError: it is none, or names frames that nothing here can hold.
    """
    words = line.decode("ascii", "replace").split()
    said = {word[0]: word[1:] for word in words[1:] if not word.startswith("X")}
    extra = dict(word[1:].partition("=")[::2] for word in words[1:] if word.startswith("X"))
    try:
        width, height = int(said["W"]), int(said["H"])
    except (KeyError, ValueError):
        raise InputError("the y4m head says no size (W and H)") from None
    if min(width, height) < 1:
        raise InputError(f"the y4m head says a size of {width}x{height}")
    word = said.get("C", "420")
    props = {"_FieldBased": 0}
    if word in _PLACES:
        props["_ChromaLocation"] = _PLACES[word]
    if extra.get("COLORRANGE") in _RANGES:
        props["_Range"] = int(_RANGES[extra["COLORRANGE"]])
    aspect = _ratio(said.get("A", ""))
    if aspect is not None:
        props |= {"_SARNum": aspect.numerator, "_SARDen": aspect.denominator}
    rate = _ratio(said.get("F", ""))
    if rate is not None and max(rate.numerator, rate.denominator) > _LARGEST:
        raise InputError(f"the y4m head says a rate of {said['F']}")
    length = extra.get("LENGTH", "")
    return Head(
        width,
        height,
        _format_of(word),
        rate=rate,
        is_interlaced=said.get("I", "p") not in ("p", "?"),
        frames=int(length) if length.isdecimal() else None,
        props=props,
        line=line,
    )


def missing_of_y4m(path: Path) -> str:
    """What is not there of the y4m file ``path``, in words, by the frames that its head says, or by whole
    ones; "" where the head is not understood.

    Raises:
        InputError: what follows a frame is none.
    """
    has = path.stat().st_size
    with path.open("rb") as file:
        try:
            head = parse_head(file.readline(LONGEST_LINE))
        except InputError:
            return ""
        ends, frames = file.tell(), 0
        while ends < has:
            file.seek(ends)
            begins = file.readline(LONGEST_LINE)
            if not begins.startswith(FRAME[: has - ends]):
                raise InputError(f"{path} is no y4m any more at frame {frames}: it is damaged there")
            ends, frames = ends + len(begins) + head.frame_bytes, frames + 1
    missing = 0 if head.frames is None else head.frames - frames
    return missing_share(has, ends + missing * (len(FRAME) + 1 + head.frame_bytes))


def head_for(
    clip: vs.VideoNode,
    first: vs.VideoFrame,
    *,
    rate: Fraction,
    frames: int | None,
    size: tuple[int, int],
) -> Head:
    """The head of a stream of ``clip``, a clip that y4m has a word for, tagged as its ``first`` frame is;
    width and height are ``size``."""
    kind, props = clip.format, first.props
    layouts = {layout: word for word, layout in _LAYOUTS.items()}
    word = "mono" if kind.color_family == vs.GRAY else layouts[kind.subsampling_w, kind.subsampling_h]
    if kind.sample_type == vs.FLOAT:
        word += "ph" if kind.bits_per_sample == 16 else "ps"
    elif kind.bits_per_sample > 8:
        word += f"{'' if word == 'mono' else 'p'}{kind.bits_per_sample}"
    elif word == "420":
        places = {place: name for name, place in _PLACES.items()}
        word = places.get(int(props.get("_ChromaLocation", -1)), word)
    aspect = f"{int(props.get('_SARNum', 0))}:{int(props.get('_SARDen', 0))}"
    sides = f"W{size[0]} H{size[1]}"
    line = f"{MAGIC.decode()} {sides} F{rate.numerator}:{rate.denominator} Ip A{aspect} C{word}"
    if "_Range" in props:
        full = int(props["_Range"]) == vs.RANGE_FULL
        line += f" XCOLORRANGE={'FULL' if full else 'LIMITED'}"
    if frames is not None:
        line += f" XLENGTH={frames}"
    return parse_head(line.encode() + b"\n")


def has_word(clip: vs.VideoNode) -> bool:
    """Whether y4m can name what ``clip`` holds."""
    kind = clip.format
    layout = kind.subsampling_w, kind.subsampling_h
    return kind.color_family == vs.GRAY or (kind.color_family == vs.YUV and layout in _LAYOUTS.values())


def _format_of(word: str) -> int:
    found = _WORD.fullmatch(word)
    layout = found[1] if found else ""
    if found is None or (layout != "mono" and layout not in _LAYOUTS) or (found[2] and layout != "420"):
        raise InputError(
            f"the y4m head names samples C{word}: known are 420, 422, 444 ... with p10, mono ..."
        )
    bits, letter = int(found[3] or 8), found[4]
    if letter:
        bits = {"h": 16, "s": 32}[letter]
    if not 8 <= bits <= (32 if letter else 16):
        raise InputError(f"the y4m head names samples C{word} of {bits} bits: known are 8 to 16")
    family = vs.GRAY if layout == "mono" else vs.YUV
    across, down = _LAYOUTS.get(layout, (0, 0))
    kind = vs.core.query_video_format(family, vs.FLOAT if letter else vs.INTEGER, bits, across, down)
    return int(kind.id)


def _ratio(text: str) -> Fraction | None:
    try:
        upper, lower = map(int, text.split(":"))
    except ValueError:
        return None
    return Fraction(upper, lower) if upper > 0 and lower > 0 else None
