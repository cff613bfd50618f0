"""``core.j4r.Derain`` as a function with types and documentation."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal, overload

from vsj4r.errors import Vsj4rError

if TYPE_CHECKING:
    import vapoursynth as vs

Output = Literal["derained", "rain", "occlusion"]

RIDES = {"derained": "J4RDerained", "rain": "J4RRainLayer", "occlusion": "J4ROcclusionMap"}
"""The frame property under which an output rides on the first one."""


@overload
def derain(
    clip: vs.VideoNode,
    *,
    model: str = ...,
    strength: float = ...,
    device: str = ...,
    precision: str = ...,
    threads: int = ...,
    num_streams: int = ...,
    segment: int = ...,
    warmup: int = ...,
    scene_detect: bool = ...,
    scenes: Sequence[int] | None = ...,
    qpfile: str | PathLike[str] | None = ...,
    mask: vs.VideoNode | None = ...,
    planes: Sequence[int] | None = ...,
    output: Output = ...,
    tile: int | Sequence[int] = ...,
) -> vs.VideoNode: ...


@overload
def derain(
    clip: vs.VideoNode,
    *,
    model: str = ...,
    strength: float = ...,
    device: str = ...,
    precision: str = ...,
    threads: int = ...,
    num_streams: int = ...,
    segment: int = ...,
    warmup: int = ...,
    scene_detect: bool = ...,
    scenes: Sequence[int] | None = ...,
    qpfile: str | PathLike[str] | None = ...,
    mask: vs.VideoNode | None = ...,
    planes: Sequence[int] | None = ...,
    output: Sequence[Output],
    tile: int | Sequence[int] = ...,
) -> tuple[vs.VideoNode, ...]: ...


def derain(
    clip: vs.VideoNode,
    *,
    model: str = "j4r",
    strength: float = 1.0,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 0,
    num_streams: int = 1,
    segment: int = 120,
    warmup: int = 8,
    scene_detect: bool = True,
    scenes: Sequence[int] | None = None,
    qpfile: str | PathLike[str] | None = None,
    mask: vs.VideoNode | None = None,
    planes: Sequence[int] | None = None,
    output: Output | Sequence[Output] = "derained",
    tile: int | Sequence[int] = 0,
) -> vs.VideoNode | tuple[vs.VideoNode, ...]:
    """Take the rain out of ``clip``: GRAY, RGB or YUV, of one format and size, progressive.

    Args:
        model: a shipped name, or the path of an exported .onnx.
        strength: share of the rain that is taken away, 0 to 1; ``J4RStrength`` of a frame goes first.
        device: "cpu", "cuda" or "cuda:N"; "auto" is CUDA where it works, otherwise the CPU.
        precision: "auto", the fastest that the device computes natively, or "f32".
        threads: of inference; 0 is all cores, less one where there are more than two.
        num_streams: frames in flight on a CUDA device, 1 to 8; with 2 it need not wait for copies.
        segment: frames from one beginning of the memory to the next; 0 is none but the first.
        warmup: frames run in before each of them, their output thrown away.
        scene_detect: find scene cuts, and read ``_SceneChangePrev``.
        scenes: first frames of all scenes instead.
        qpfile: a file of them: x264 qpfile or Av1an scenes.
        mask: where to derain: GRAY, of the clip's size, full range.
        planes: numbers of the planes to derain, all without.
        output: "derained", "rain" (what was taken away, on black) or "occlusion" (a GRAY map); of several
            names a tuple of as many clips, which share each evaluation.
        tile: side, or width and height, in pixels to evaluate at a time; 0 is as much as memory allows.

    Raises:
        vapoursynth.Error: ``Derain: <what> must be <rule>, got <value>``.
        Vsj4rError: the filter is not installed.
    """
    import vapoursynth as vs

    if not hasattr(vs.core, "j4r"):
        raise Vsj4rError("the filter core.j4r is not installed: reinstall vsj4r with pip")
    optional: dict[str, Any] = {
        "scenes": None if scenes is None else list(scenes),
        "qpfile": None if qpfile is None else fspath(qpfile),
        "mask": mask,
        "planes": None if planes is None else list(planes),
    }
    names = [output] if isinstance(output, str) else list(output)
    derained = vs.core.j4r.Derain(
        clip,
        model=model,
        strength=strength,
        device=device,
        precision=precision,
        threads=threads,
        num_streams=num_streams,
        segment=segment,
        warmup=warmup,
        scene_detect=scene_detect,
        output=names,
        tile=[tile] if isinstance(tile, int) else list(tile),
        **{name: value for name, value in optional.items() if value is not None},
    )
    if isinstance(output, str):
        return derained
    return derained, *(derained.std.PropToClip(prop=RIDES[name]) for name in names[1:])
