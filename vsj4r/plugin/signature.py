"""What `core.j4r.Derain` takes and gives: the one table that the C, the Python function, its types and the
documentation are made of. `python -m scripts.signature` writes them.

Texts are Markdown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike
from typing import Any

from vsj4r.frames import SEGMENT_FRAMES, WARMUP_FRAMES


@dataclass(frozen=True, slots=True)
class Kind:
    """``native``: the type in VapourSynth's signature; ``python``: in ours. ``rule``: what a value must be,
    where ``holds`` is false of it; VapourSynth itself would make 10 of 10.5 and of "10"."""

    native: str
    python: str
    rule: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Argument:
    """``default`` None: the argument is left out."""

    name: str
    kind: Kind
    default: Any
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """``property``: the frame property under which it rides on the first output. ``is_matte``: it is no
    picture of the scene; ``is_map``: a matte that is GRAY of full range."""

    name: str
    property: str
    text: str
    is_matte: bool = False
    is_map: bool = False


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _are(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """All values of a sequence, which neither a text is nor what can be gone through only once."""

    def hold(value: Any) -> bool:
        is_sequence = hasattr(value, "__getitem__") and not isinstance(value, str | dict)
        return is_sequence and all(map(holds, value))

    return hold


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_clip(value: object) -> bool:
    return hasattr(value, "get_frame_async")


CLIP = Kind("vnode", "vs.VideoNode", "a clip", _is_clip)
NUMBER = Kind("float", "float", "a number", _is_number)
WHOLE_NUMBER = Kind("int", "int", "a whole number", _is_whole)
WHOLES = Kind(
    "int[]",
    "int | Sequence[int]",
    "a whole number or several",
    lambda value: _is_whole(value) or _are(_is_whole)(value),
)
FLAG = Kind(
    "int",
    "bool",
    "True or False",
    lambda value: isinstance(value, bool) or (_is_whole(value) and 0 <= value <= 1),
)
TEXT = Kind("data", "str", "a text", _is_text)
PATH_ARGUMENT = Kind(
    "data", "str | PathLike[str]", "a text or a path", lambda value: isinstance(value, str | PathLike)
)
NAMES = Kind(
    "data[]",
    "OutputName | Sequence[OutputName]",
    "a text or several",
    lambda value: _is_text(value) or _are(_is_text)(value),
)

OUTPUTS = (
    Output("derained", "J4RDerained", "the clip without its rain"),
    Output("rain", "J4RRainLayer", "what was taken away, on black, in the clip's format", is_matte=True),
    Output(
        "occlusion",
        "J4ROcclusionMap",
        "the map of what rain hides, GRAY in the clip's depth, full range",
        is_matte=True,
        is_map=True,
    ),
)
OUTPUT_NAMES = tuple(output.name for output in OUTPUTS)


def output_of(name: str) -> Output:
    """The one of ``OUTPUTS`` called ``name``."""
    return OUTPUTS[OUTPUT_NAMES.index(name)]


ARGUMENTS = (
    Argument(
        "clip",
        CLIP,
        None,
        "GRAY, RGB, or YUV with any chroma subsampling up to 4; 8 to 16 bit integers, half or single "
        "floats; of one format and size, progressive. Any size, odd ones too: padding happens inside.",
    ),
    Argument(
        "model",
        PATH_ARGUMENT,
        "j4r",
        "`j4r` (quality), `j4r-lite` (speed), `j4r-free` and `j4r-lite-free` (commercial use), `j4r-paper` "
        "(the paper's network, to compare with; it blurs), or the path of an .onnx that `vsj4r export` "
        "has written.",
    ),
    Argument(
        "strength",
        NUMBER,
        1.0,
        "Share of the estimated rain that is removed, 0 to 1. 0 gives the input, bit for bit. The "
        "property `J4RStrength` of a frame overrides it.",
    ),
    Argument(
        "device",
        TEXT,
        "auto",
        "`cpu`, `cuda` or `cuda:N` (see [CUDA](../cuda.md) for what has run on which card); `auto` is "
        "`cuda:0` where that works, otherwise the CPU.",
    ),
    Argument(
        "precision",
        TEXT,
        "auto",
        "`auto`, `int8`, `bf16` or `f32`. `auto` is the fastest that the device computes natively: fp16 on a "
        "CUDA device; on a CPU `int8` where it has VNNI and no AMX, otherwise `bf16`, otherwise `f32`. "
        "`int8` has 8 bits in most convolutions; it needs a CPU with VNNI and a model whose JSON has "
        "ranges for it ([Speed](../experiments/speed.md)). `bf16` needs a CPU "
        "with bfloat16. `f32` is single precision, everywhere.",
    ),
    Argument(
        "threads",
        WHOLE_NUMBER,
        0,
        "Threads of inference. 0: all cores, but one is left to the encoder where there are more than two.",
    ),
    Argument(
        "num_streams",
        WHOLE_NUMBER,
        1,
        "Frames in flight on a CUDA device, 1 to 8. With 2 or more the card does not wait for copies or "
        "for the host.",
    ),
    Argument(
        "downscale",
        WHOLE_NUMBER,
        0,
        "The network sees the frame reduced by this factor, 1 to 8; fine detail stays the clip's own. "
        "Higher is faster and removes wider streaks, lower removes finer ones. 0: the shorter side over 480, "
        "rounded, so 1 below 720, 2 at 720 and 1080, 3 at 1440, 4 at 2160; for `j4r-paper` always 1 "
        "([Size](../experiments/size.md)).",
    ),
    Argument(
        "segment",
        WHOLE_NUMBER,
        SEGMENT_FRAMES,
        "The memory is reset every so many frames, so that a seek replays a bounded number of them "
        "([what it costs](../benchmarks.md#warm-up-and-segment)). 0: never.",
    ),
    Argument(
        "warmup",
        WHOLE_NUMBER,
        WARMUP_FRAMES,
        "The run-in: frames evaluated before each reset to fill the memory; their output is thrown away.",
    ),
    Argument(
        "bidirectional",
        FLAG,
        False,
        "Go through the clip backwards, too, in blocks of 24 frames, and take the mean of what is found both "
        "ways: better, at 2.3 times the work ([what it brings](../models.md#backwards-too)).",
    ),
    Argument(
        "scene_detect",
        FLAG,
        True,
        "Find scene cuts, and begin the memory anew at each. A frame with `_SceneChangePrev` says itself "
        "whether it is one. Off: the clip is one scene.",
    ),
    Argument(
        "scenes",
        WHOLES,
        None,
        "The first frame of each scene, in place of all detection; an empty list is one scene.",
    ),
    Argument(
        "qpfile",
        PATH_ARGUMENT,
        None,
        "The same from a file: an x264 qpfile (`120 K` or `120 I`), or the scenes of Av1an (JSON).",
    ),
    Argument(
        "mask",
        CLIP,
        None,
        "Where to derain: a GRAY clip of the clip's size, any depth. Black comes back to the bit, grey is "
        "derained in part. Its `_Range` counts; without it, it is full range. If it is shorter than the "
        "clip, its last frame is repeated.",
    ),
    Argument("planes", WHOLES, None, "The planes to derain; the others are copied. All by default."),
    Argument(
        "output",
        NAMES,
        "derained",
        "; ".join(f"`{each.name}`, {each.text}" for each in OUTPUTS)
        + ". Several are evaluated once: the first is the clip, the others are attached to it as frames and "
        "come out with `std.PropToClip` of " + ", ".join(f"`{each.property}`" for each in OUTPUTS) + ".",
    ),
    Argument(
        "tile",
        WHOLES,
        0,
        "Pixels that are evaluated at a time: a side, or width and height. The overlap is extra, and "
        "there is no seam. 0: as much as 1 GiB allows; 1080p is one tile. On CUDA it is an upper bound: "
        "tiles become smaller where memory runs out, and 0 begins with the frame.",
    ),
)
DEFAULTS = {argument.name: argument.default for argument in ARGUMENTS if argument.default is not None}
