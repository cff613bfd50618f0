"""A step compiled by OpenVINO for one frame size, and kept in the user's cache folder.

To read, cut, shape and compile a graph takes a second; to load one that was kept, a tenth. What is kept is
found by all that it follows from: the model's bytes, the sizes and options, OpenVINO, the CPU, and the code
that made it. So nothing kept is ever stale, only unused, and then it goes.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from vsj4r import cached
from vsj4r.engine import graph as graphs
from vsj4r.engine import pixelwise
from vsj4r.engine import tiles as tiling
from vsj4r.engine.graph import Shapes, inputs_of
from vsj4r.engine.runtime import ov
from vsj4r.engine.tiles import Tiles
from vsj4r.engine.weights import Model
from vsj4r.errors import Vsj4rError

TILE_BYTES = 1 << 30
"""What evaluating one tile may take where nobody has chosen a tile size."""
LIVE_TENSORS = 5
"""How many times the largest tensor of the graph (as float32) that is: measured, 4 to 5."""

_LARGEST_BYTES = 64 << 20  # some fifty compiled graphs
_CODE = tuple(Path(each) for each in (__file__, graphs.__file__, pixelwise.__file__, tiling.__file__))
_VNNI = {"avx512_vnni", "avx_vnni", "amx_int8"}
_ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_ISAS_WITHOUT_VNNI = ("SSE41", "AVX", "AVX2", "AVX512_CORE")


@dataclass(frozen=True, slots=True)
class Request:
    """What to compile. ``height`` and ``width`` of the frame in luma samples. ``precision``: "bf16" or "f32",
    of the part that takes tiles; the other is always f32. ``tile``: (width, height) to keep from one tile,
    None for as few tiles as ``TILE_BYTES`` allow. ``with_head``: the part that takes the whole frame too.
    ``in_int8``: what of the first part the model allows in 8 bits.
    """

    height: int
    width: int
    precision: str
    threads: int
    tile: tuple[int, int] | None
    with_head: bool
    in_int8: bool = False


@dataclass(frozen=True, slots=True)
class Compiled:
    """``shapes``: of every input, output and whole-frame tensor for the whole frame. ``head``: the part of
    the graph that takes the whole frame, None where there is none or it was not asked for; ``tail``: the part
    that takes one of ``tiles``."""

    shapes: Shapes
    tiles: Tiles
    head: ov.CompiledModel | None
    tail: ov.CompiledModel


def compile_or_load(core: ov.Core, model: Model, request: Request) -> Compiled:
    """``model`` for ``request``, as it was kept or compiled now.

    Raises:
        RuntimeError: OpenVINO cannot compile it.
        Vsj4rError: the file is damaged; the graph breaks the contract, or is none.
    """
    onnx = model.read_onnx()
    folder = cached.writable_folder(cached.cache_folder() / "engines")
    kept = None if folder is None else folder / _key(core, model, request)
    if kept is not None:
        found = _unpack(core, model, request, cached.read_kept(kept))
        if found is not None:
            cached.mark_used(kept)
            return found
    made, px_bytes = _compile_timed(core, model, onnx, request)
    if kept is not None:
        cached.keep(kept, _pack(made, px_bytes))
        cached.remove_old(kept.parent, most_bytes=_LARGEST_BYTES)
    return made


def factor_of(shape: tuple[int, ...], height: int, width: int, multiple: int) -> int:
    """Luma pixels of a frame to one sample of a tensor of ``shape``, along each side; 0 where the tensor is
    no picture (a flag)."""
    for factor in range(1, multiple + 1):
        if shape[-2:] == (height // factor, width // factor) and not multiple % factor:
            return factor
    return 0


def tile_shapes(shapes: Shapes, tile_height: int, tile_width: int, multiple: int) -> Shapes:
    """``shapes`` of a whole frame as those of a tile."""
    height, width = shapes["y"][-2:]
    resized = {}
    for name, shape in shapes.items():
        factor = factor_of(shape, height, width, multiple)
        resized[name] = (*shape[:-2], tile_height // factor, tile_width // factor) if factor else shape
    return resized


def _compile_timed(core: ov.Core, model: Model, onnx: bytes, request: Request) -> tuple[Compiled, int]:
    """Also what evaluating a tile takes, in bytes for each luma pixel."""
    graph = graphs.read_graph(model, onnx)
    shapes = graphs.frame_shapes(model, graph.clone(), request.height, request.width)
    head, tail = graphs.stages(model, graph)
    multiple = model.spec.multiple
    px_bytes = _bytes_per_px(tail, tile_shapes(shapes, multiple, multiple, multiple))
    tiles = _tiles(model, request, px_bytes)
    tail_shapes = tile_shapes(shapes, tiles.height, tiles.width, multiple)
    _resize(tail, tail_shapes)
    pixelwise.write_pixelwise(tail)
    if request.in_int8:
        graphs.quantise(tail, model)
    wanted = head if request.with_head else None
    if wanted is not None:
        _resize(wanted, shapes)
    made = Compiled(
        shapes=shapes,
        tiles=tiles,
        head=None if wanted is None else _compile(core, wanted, "f32", request.threads),
        tail=_compile(core, tail, request.precision, request.threads),
    )
    return made, px_bytes


def _tiles(model: Model, request: Request, px_bytes: int) -> Tiles:
    if request.tile is None:
        return tiling.tiles_within(request.height, request.width, model.spec, TILE_BYTES // px_bytes)
    return tiling.tiles_of_size(request.height, request.width, model.spec, request.tile)


def _compile(core: ov.Core, graph: ov.Model, precision: str, threads: int) -> ov.CompiledModel:
    finished = graphs.with_states_as_computed(graph, precision)
    return core.compile_model(finished, "CPU", _options(precision, threads))


def _resize(graph: ov.Model, shapes: Shapes) -> None:
    graph.reshape({port: ov.PartialShape(list(shapes[name])) for name, port in inputs_of(graph).items()})


def _options(precision: str, threads: int) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # the source filter and the encoder share these cores
    }


def _bytes_per_px(graph: ov.Model, shapes: Shapes) -> int:
    """About what a graph takes while it runs, for each luma pixel. ``shapes``: of a frame of one multiple."""
    sized = graph.clone()
    _resize(sized, shapes)
    largest = max(
        int(np.prod(port.get_shape()))
        for node in sized.get_ops()
        if node.get_type_name() != "Constant"
        for port in node.outputs()
    )
    height, width = shapes["y"][-2:]
    return -(-LIVE_TENSORS * 4 * largest // (height * width))


def _key(core: ov.Core, model: Model, request: Request) -> str:
    """The name of what is kept: a digest of all that it follows from."""
    about_cpu = [core.get_property("CPU", of) for of in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    limits = [os.environ.get(name) for name in _ISA_LIMITS]
    all_of_it = (ov.__version__, about_cpu, limits, _instructions(), _code(), model.spec, model.int8, request)
    digest = hashlib.sha256(repr((*all_of_it, model.sha256, TILE_BYTES, LIVE_TENSORS)).encode())
    return digest.hexdigest()[:32]


def choose_precision(core: ov.Core, model: Model, asked: str) -> str:
    """What the convolutions of ``model`` are computed in: ``asked``, or for "auto" the fastest that loses
    nothing to speak of (docs/experiments/speed.md).

    "int8": 8 bits in those that the model's ranges name, the others in bf16 where the CPU has it, otherwise
    in f32. On cores with AMX bf16 is as fast, so "auto" takes that.

    Raises:
        Vsj4rError: this CPU, or for int8 the model, cannot do what was asked.
    """
    if asked == "auto":
        if model.int8 and has_vnni() and not has_amx():
            return "int8"
        return "bf16" if has_bf16(core) else "f32"
    if asked == "int8" and not has_vnni():
        raise Vsj4rError("precision int8 needs a CPU with VNNI, which this one is not known to have")
    if asked == "int8" and not model.int8:
        raise Vsj4rError(f"precision int8: {model.name}.json has no ranges for it: use auto, bf16 or f32")
    if asked == "bf16" and not has_bf16(core):
        raise Vsj4rError("precision bf16 needs a CPU with bfloat16, which this one has not: use auto or f32")
    return asked


def has_bf16(core: ov.Core) -> bool:
    """Whether this CPU computes bfloat16."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def has_vnni() -> bool:
    """Whether 8 bits are multiplied without saturation here, as far as the system tells."""
    limited = any(os.environ.get(name, "").upper() in _ISAS_WITHOUT_VNNI for name in _ISA_LIMITS)
    return not limited and not _VNNI.isdisjoint(_instructions().split())


def has_amx() -> bool:
    return "amx_tile" in _instructions().split()


@cache
def _instructions() -> str:
    """What this CPU can do; its name says so where the system does not."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


@cache
def _code() -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in _CODE)).hexdigest()


def _pack(made: Compiled, px_bytes: int) -> bytes:
    """A digest of the rest, a line of JSON, then the compiled parts."""
    parts = [b"" if part is None else part.export_model().getvalue() for part in (made.head, made.tail)]
    head = {"shapes": made.shapes, "px_bytes": px_bytes, "parts": [len(part) for part in parts]}
    rest = json.dumps(head).encode() + b"\n" + b"".join(parts)
    return hashlib.sha256(rest).digest() + rest


def _unpack(core: ov.Core, model: Model, request: Request, content: bytes | None) -> Compiled | None:
    """What ``_pack`` gave; None where it is not whole."""
    if content is None or hashlib.sha256(content[32:]).digest() != content[:32]:
        return None
    text, _, parts = content[32:].partition(b"\n")
    head: dict[str, Any] = json.loads(text)
    head_bytes, tail_bytes = head["parts"]

    def load(part: bytes, precision: str) -> ov.CompiledModel:
        return core.import_model(part, "CPU", _options(precision, request.threads))

    try:
        return Compiled(
            shapes={name: tuple(shape) for name, shape in head["shapes"].items()},
            tiles=_tiles(model, request, head["px_bytes"]),
            head=load(parts[:head_bytes], "f32") if head_bytes else None,
            tail=load(parts[head_bytes : head_bytes + tail_bytes], request.precision),
        )
    except RuntimeError:  # another OpenVINO with the same version
        return None
