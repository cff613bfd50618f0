"""Engines: a compiled recurrent step, its state explicit. ``open_engine`` picks one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, overload

from vsj4r.cores import usable_cores
from vsj4r.engine.base import Engine, FrameEngine, FrameLayout
from vsj4r.engine.bidirectional import BidirectionalEngine
from vsj4r.engine.cache import EngineCache
from vsj4r.engine.cpu_frames import CpuFrameEngine
from vsj4r.engine.devices import on_device
from vsj4r.engine.downscaled import DownscaledEngine
from vsj4r.engine.native.frames import takes_frames
from vsj4r.errors import Vsj4rError

if TYPE_CHECKING:  # it imports pydantic, and whoever opens an engine has found a model before
    from vsj4r.engine.weights import Model

__all__ = ["PRECISIONS", "EngineCache", "open_engine"]

PRECISIONS = ("auto", "f32", "bf16", "int8")
_OF_THE_CPU = ("bf16", "int8")


@overload
def open_engine(
    model: Model,
    *,
    height: int,
    width: int,
    device: str = ...,
    precision: str = ...,
    threads: int = ...,
    tile: tuple[int, int] | None = ...,
    downscale: int = ...,
    bidirectional: bool = ...,
) -> Engine: ...


@overload
def open_engine(
    model: Model,
    *,
    height: int,
    width: int,
    device: str = ...,
    precision: str = ...,
    threads: int = ...,
    tile: tuple[int, int] | None = ...,
    downscale: int = ...,
    frames: FrameLayout | None,
    num_streams: int,
    bidirectional: bool = ...,
) -> Engine | FrameEngine: ...


def open_engine(
    model: Model,
    *,
    height: int,
    width: int,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 0,
    tile: tuple[int, int] | None = None,
    downscale: int = 1,
    frames: FrameLayout | None = None,
    num_streams: int = 1,
    bidirectional: bool = False,
) -> Engine | FrameEngine:
    """Compile ``model`` for frames of ``height`` x ``width`` luma samples, multiples of ``spec.multiple``
    times ``downscale``: by so much frames are reduced before the step, see ``DownscaledEngine``; a CUDA
    device does that itself.

    ``precision``: "auto" is the fastest that the device computes natively, "f32" is single precision; "bf16"
    and "int8", most convolutions in 8 bits, are for CPUs that have them.
    ``threads``: of the CPU; 0 is all cores less one where there are more than two, otherwise all.
    ``tile``: (width, height) in luma samples that are evaluated at a time, overlap not counted; None: as much
    as memory allows. ``frames``: what the caller's frames are; the engine is then a ``FrameEngine`` where it
    takes such, as a CUDA device does of 4:2:0, ``num_streams`` in flight. ``bidirectional``: states are
    ``BidirectionalState``, and a CUDA device neither takes frames as they are nor reduces them. Inside
    ``EngineCache.lending`` an engine for the CPU may come from that cache.

    Raises:
        Vsj4rError: unknown device or precision, a damaged file, or a graph that will not compile.
        ValueError: sides that are not such multiples.
    """
    if precision not in PRECISIONS:
        raise Vsj4rError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if threads < 0:
        raise Vsj4rError(f"threads must be 0 (automatic) or more, got {threads}")
    if height % downscale or width % downscale:
        raise ValueError(f"sides must be multiples of {downscale = }, got {height = }, {width = }")

    used = threads or _cores_to_use()
    small = height // downscale, width // downscale
    small_tile = tile and (-(-tile[0] // downscale), -(-tile[1] // downscale))

    def reducing(engine: Engine) -> Engine | FrameEngine:
        engine = BidirectionalEngine(engine) if bidirectional else engine
        if frames is not None and takes_frames(frames):
            return CpuFrameEngine(engine, frames, height=small[0], width=small[1], by=downscale, threads=used)
        return engine if downscale == 1 else DownscaledEngine(engine, downscale)

    def cpu() -> Engine | FrameEngine:
        return reducing(_open_cpu(model, *small, precision, used, small_tile))

    if precision in _OF_THE_CPU:
        if device not in ("auto", "cpu"):
            raise Vsj4rError(f"precision {precision} is for the CPU, got device {device!r}")
        return cpu()

    def cuda(index: int) -> Engine | FrameEngine:
        if bidirectional:  # the mean is of what the network finds, before that is enlarged
            engine = _open_cuda(model, index, *small, precision, 1, small_tile, 1, None)
            return reducing(cast("Engine", engine))
        taken = frames if frames is not None and frames.is_420 else None
        streams = 1 if taken is None else num_streams
        return _open_cuda(model, index, height, width, precision, streams, tile, downscale, taken)

    return on_device(device, cuda=cuda, cpu=cpu)


def _open_cpu(
    model: Model, height: int, width: int, precision: str, threads: int, tile: tuple[int, int] | None
) -> Engine:
    def compiled() -> Engine:
        from vsj4r.engine.cpu import CpuEngine  # OpenVINO takes a while to import

        return CpuEngine(model, height=height, width=width, precision=precision, threads=threads, tile=tile)

    lender = EngineCache.lender()
    key = (model.sha256, height, width, precision, threads, tile)
    return compiled() if lender is None else lender.lend(key, compiled)


def _open_cuda(
    model: Model,
    index: int,
    height: int,
    width: int,
    precision: str,
    num_streams: int,
    tile: tuple[int, int] | None,
    downscale: int,
    frames: FrameLayout | None,
) -> Engine | FrameEngine:
    try:
        from vsj4r.engine.cuda.setup import open_cuda  # torch and CuPy

        return open_cuda(
            model,
            index=index,
            height=height,
            width=width,
            precision="f16" if precision == "auto" else precision,
            num_streams=num_streams,
            tile=tile,
            downscale=downscale,
            frames=frames,
        )
    except (ImportError, RuntimeError) as error:  # CuPy's and torch's own; `find_trouble` foresees most
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise Vsj4rError(f"device cuda:{index} cannot be opened: {lines[0]}") from error


def _cores_to_use() -> int:
    cores = usable_cores()
    return cores - 1 if cores > 2 else cores
