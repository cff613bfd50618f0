"""``core.j4r.Derain`` as a function with types and documentation."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal, overload

from vsj4r.errors import Vsj4rError
from vsj4r.plugin.signature import ARGUMENTS, FLAG, PATH_ARGUMENT, output_of

if TYPE_CHECKING:
    import vapoursynth as vs

# written by scripts/signature.py
OutputName = Literal["derained", "rain", "occlusion"]


@overload
def derain(
    clip: vs.VideoNode,
    *,
    model: str | PathLike[str] = ...,
    strength: float = ...,
    device: str = ...,
    precision: str = ...,
    threads: int = ...,
    num_streams: int = ...,
    downscale: int = ...,
    segment: int = ...,
    warmup: int = ...,
    bidirectional: bool = ...,
    scene_detect: bool = ...,
    scenes: int | Sequence[int] | None = ...,
    qpfile: str | PathLike[str] | None = ...,
    mask: vs.VideoNode | None = ...,
    planes: int | Sequence[int] | None = ...,
    output: OutputName = ...,
    tile: int | Sequence[int] = ...,
) -> vs.VideoNode: ...


@overload
def derain(
    clip: vs.VideoNode,
    *,
    model: str | PathLike[str] = ...,
    strength: float = ...,
    device: str = ...,
    precision: str = ...,
    threads: int = ...,
    num_streams: int = ...,
    downscale: int = ...,
    segment: int = ...,
    warmup: int = ...,
    bidirectional: bool = ...,
    scene_detect: bool = ...,
    scenes: int | Sequence[int] | None = ...,
    qpfile: str | PathLike[str] | None = ...,
    mask: vs.VideoNode | None = ...,
    planes: int | Sequence[int] | None = ...,
    output: Sequence[OutputName],
    tile: int | Sequence[int] = ...,
) -> tuple[vs.VideoNode, ...]: ...


def derain(
    clip: vs.VideoNode,
    *,
    model: str | PathLike[str] = "j4r",
    strength: float = 1.0,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 0,
    num_streams: int = 1,
    downscale: int = 0,
    segment: int = 120,
    warmup: int = 8,
    bidirectional: bool = False,
    scene_detect: bool = True,
    scenes: int | Sequence[int] | None = None,
    qpfile: str | PathLike[str] | None = None,
    mask: vs.VideoNode | None = None,
    planes: int | Sequence[int] | None = None,
    output: OutputName | Sequence[OutputName] = "derained",
    tile: int | Sequence[int] = 0,
) -> vs.VideoNode | tuple[vs.VideoNode, ...]:
    """Take the rain out of ``clip``.

    Args:
        clip: GRAY, RGB, or YUV with any chroma subsampling up to 4; 8 to 16 bit integers, half or single
            floats; of one format and size, progressive. Any size, odd ones too: padding happens inside.
        model: `j4r` (quality), `j4r-lite` (speed), `j4r-free` and `j4r-lite-free` (commercial use),
            `j4r-paper` (the paper's network, to compare with; it blurs), or the path of an .onnx that `vsj4r
            export` has written.
        strength: Share of the estimated rain that is removed, 0 to 1. 0 gives the input, bit for bit. The
            property `J4RStrength` of a frame overrides it.
        device: `cpu`, `cuda` or `cuda:N` (see CUDA for what has run on which card); `auto` is `cuda:0` where
            that works, otherwise the CPU.
        precision: `auto`, `int8`, `bf16` or `f32`. `auto` is the fastest that the device computes natively:
            fp16 on a CUDA device; on a CPU `int8` where it has VNNI and no AMX, otherwise `bf16`, otherwise
            `f32`. `int8` has 8 bits in most convolutions; it needs a CPU with VNNI and a model whose JSON has
            ranges for it (Speed). `bf16` needs a CPU with bfloat16. `f32` is single precision, everywhere.
        threads: Threads of inference. 0: all cores, but one is left to the encoder where there are more than
            two.
        num_streams: Frames in flight on a CUDA device, 1 to 8. With 2 or more the card does not wait for
            copies or for the host.
        downscale: The network sees the frame reduced by this factor, 1 to 8; fine detail stays the clip's
            own. Higher is faster and removes wider streaks, lower removes finer ones. 0: the shorter side
            over 480, rounded, so 1 below 720, 2 at 720 and 1080, 3 at 1440, 4 at 2160; for `j4r-paper` always
            1 (Size).
        segment: The memory is reset every so many frames, so that a seek replays a bounded number of them
            (what it costs). 0: never.
        warmup: The run-in: frames evaluated before each reset to fill the memory; their output is thrown
            away.
        bidirectional: Go through the clip backwards, too, in blocks of 24 frames, and take the mean of what
            is found both ways: better, at 2.3 times the work (what it brings).
        scene_detect: Find scene cuts, and begin the memory anew at each. A frame with `_SceneChangePrev` says
            itself whether it is one. Off: the clip is one scene.
        scenes: The first frame of each scene, in place of all detection; an empty list is one scene.
        qpfile: The same from a file: an x264 qpfile (`120 K` or `120 I`), or the scenes of Av1an (JSON).
        mask: Where to derain: a GRAY clip of the clip's size, any depth. Black comes back to the bit, grey is
            derained in part. Its `_Range` counts; without it, it is full range. If it is shorter than the
            clip, its last frame is repeated.
        planes: The planes to derain; the others are copied. All by default.
        output: `derained`, the clip without its rain; `rain`, what was taken away, on black, in the clip's
            format; `occlusion`, the map of what rain hides, GRAY in the clip's depth, full range. Several are
            evaluated once: the first is the clip, the others are attached to it as frames and come out with
            `std.PropToClip` of `J4RDerained`, `J4RRainLayer`, `J4ROcclusionMap`.
        tile: Pixels that are evaluated at a time: a side, or width and height. The overlap is extra, and
            there is no seam. 0: as much as 1 GiB allows; 1080p is one tile. On CUDA it is an upper bound:
            tiles become smaller where memory runs out, and 0 begins with the frame.

    Raises:
        vapoursynth.Error: ``Derain: <what> must be <rule>, got <value>``.
        Vsj4rError: the filter is not installed.
    """
    # as far as here
    import vapoursynth as vs

    if not hasattr(vs.core, "j4r"):
        raise Vsj4rError("the filter core.j4r is not installed: reinstall vsj4r with pip")
    derained = vs.core.j4r.Derain(**_check(locals()))
    if isinstance(output, str):
        return derained
    return derained, *(derained.std.PropToClip(prop=output_of(name).property) for name in output[1:])


def _check(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments among ``given`` that are not None, as VapourSynth takes them.

    Raises:
        vapoursynth.Error: one is of another type.
    """
    import vapoursynth as vs

    arguments = {}
    for argument in ARGUMENTS:
        value = given[argument.name]
        if value is None and argument.default is None:
            continue
        if not argument.kind.holds(value):
            raise vs.Error(f"Derain: {argument.name} must be {argument.kind.rule}, got {value!r}")
        if argument.kind in (PATH_ARGUMENT, FLAG):
            value = fspath(value) if argument.kind is PATH_ARGUMENT else int(value)
        elif argument.kind.native.endswith("[]"):
            value = list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
        arguments[argument.name] = value
    return arguments
