"""Engines: a compiled recurrent step, its state explicit. ``open_engine`` picks one."""

from __future__ import annotations

from collections.abc import Hashable

from vsj4r.cores import usable_cores
from vsj4r.engine.base import Engine
from vsj4r.engine.cuda.layout import FrameEngine, FrameLayout
from vsj4r.engine.devices import on_device
from vsj4r.engine.weights import Model, find_model
from vsj4r.errors import Vsj4rError

PRECISIONS = ("auto", "f32")


class _Last:
    """The engine that was opened last, for who wants it again."""

    wanted = False
    key: Hashable = None
    engine: Engine | None = None


def keep_last_engine() -> None:
    """For a process that derains one clip after the other and never two at once: from now on a clip of the
    same model, size and options takes the engine of the one before. Compiling may take longer than a clip."""
    _Last.wanted = True


def open_engine(
    model: str,
    *,
    height: int,
    width: int,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 0,
    num_streams: int = 1,
    tile: tuple[int, int] | None = None,
) -> Engine:
    """Compile ``model`` for frames of ``height`` x ``width`` luma samples (multiples of ``spec.multiple``).

    ``precision``: "auto" is the fastest that the device computes natively, "f32" is single precision.
    ``threads``: of the CPU; 0 is all cores less one where there are more than two, otherwise all.
    ``num_streams``: frames in flight on a CUDA device. ``tile``: (width, height) in luma samples that are
    evaluated at a time, overlap not counted; None: as much as memory allows.

    Raises:
        Vsj4rError: unknown model, device or precision, a damaged file, or a graph that will not compile.
        ValueError: sides that are not multiples of ``spec.multiple``.
    """
    _check_precision(precision)
    if threads < 0:
        raise Vsj4rError(f"threads must be 0 (automatic) or more, got {threads}")
    found = find_model(model)

    def cpu() -> Engine:
        from vsj4r.engine.cpu import CpuEngine  # OpenVINO takes a while to import

        used = threads or _cores_to_use()
        key = (found.sha256, height, width, precision, used, tile)
        if _Last.engine is not None and _Last.key == key:
            return _Last.engine
        _Last.engine = None
        engine = CpuEngine(found, height=height, width=width, precision=precision, threads=used, tile=tile)
        if _Last.wanted:
            _Last.key, _Last.engine = key, engine
        return engine

    def cuda(index: int) -> Engine:
        return _open_cuda(found, index, height, width, precision, num_streams, tile, None)

    return on_device(device, cuda=cuda, cpu=cpu)


def open_frame_engine(
    model: str,
    frames: FrameLayout,
    *,
    height: int,
    width: int,
    device: str,
    precision: str,
    num_streams: int,
    tile: tuple[int, int] | None,
) -> FrameEngine | None:
    """An engine that takes ``frames`` as they are; None where ``device`` is, or falls back to, the CPU.

    Raises:
        Vsj4rError: as ``open_engine``.
    """
    _check_precision(precision)
    found = find_model(model)

    def cuda(index: int) -> FrameEngine | None:
        return _open_cuda(found, index, height, width, precision, num_streams, tile, frames)

    return on_device(device, cuda=cuda, cpu=lambda: None)


def _check_precision(precision: str) -> None:
    if precision not in PRECISIONS:
        raise Vsj4rError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")


def _open_cuda(
    found: Model,
    index: int,
    height: int,
    width: int,
    precision: str,
    num_streams: int,
    tile: tuple[int, int] | None,
    frames: FrameLayout | None,
) -> FrameEngine:
    from vsj4r.engine.cuda.opening import open_cuda  # torch and CuPy

    return open_cuda(
        found,
        index=index,
        height=height,
        width=width,
        precision="f16" if precision == "auto" else precision,
        num_streams=num_streams,
        tile=tile,
        frames=frames,
    )


def _cores_to_use() -> int:
    cores = usable_cores()
    return cores - 1 if cores > 2 else cores
