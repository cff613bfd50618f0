"""Engines: a compiled recurrent step, its state explicit. ``open_engine`` picks one."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from threading import Lock

from vsj4r.engine.base import Engine, State, Step, Tensors
from vsj4r.engine.cores import usable_cores
from vsj4r.engine.cuda.layout import FrameEngine, FrameLayout
from vsj4r.engine.devices import on_device
from vsj4r.engine.weights import Model, find_model
from vsj4r.errors import Vsj4rError

PRECISIONS = ("auto", "f32")


class _Lent:
    """The engine that is kept, in the hands of one who uses it."""

    def __init__(self, engine: Engine) -> None:
        self.spec, self.precision, self._engine = engine.spec, engine.precision, engine

    def new_state(self) -> State:
        return self._engine.new_state()

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        return self._engine.step(o_t, o_next, state)


class _Last:
    """The engine that was opened last, for who wants it again; ``user``: weakly, who has it."""

    lock = Lock()
    wanted = False
    key: Hashable = None
    engine: Engine | None = None
    user: weakref.ref[_Lent] | None = None


def keep_last_engine() -> None:
    """For a process that derains one clip after the other: from now on a clip of the same model, size and
    options takes the engine of the one before, if that is gone. Compiling may take longer than a clip."""
    _Last.wanted = True


def open_engine(
    model: str,
    *,
    height: int,
    width: int,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 0,
    tile: tuple[int, int] | None = None,
) -> Engine:
    """Compile ``model`` for frames of ``height`` x ``width`` luma samples (multiples of ``spec.multiple``).

    ``precision``: "auto" is the fastest that the device computes natively, "f32" is single precision.
    ``threads``: of the CPU; 0 is all cores less one where there are more than two, otherwise all.
    ``tile``: (width, height) in luma samples that are evaluated at a time, overlap not counted; None: as much
    as memory allows.

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

        def compiled() -> Engine:
            return CpuEngine(found, height=height, width=width, precision=precision, threads=used, tile=tile)

        key = (found.sha256, height, width, precision, used, tile)
        return _lent(key, compiled) if _Last.wanted else compiled()

    def cuda(index: int) -> Engine:
        return _open_cuda(found, index, height, width, precision, 1, tile, None)

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
    """An engine that takes ``frames`` as they are, ``num_streams`` in flight; None where ``device`` is, or
    falls back to, the CPU.

    Raises:
        Vsj4rError: as ``open_engine``.
    """
    _check_precision(precision)
    found = find_model(model)

    def cuda(index: int) -> FrameEngine | None:
        return _open_cuda(found, index, height, width, precision, num_streams, tile, frames)

    return on_device(device, cuda=cuda, cpu=lambda: None)


def _lent(key: Hashable, compiled: Callable[[], Engine]) -> Engine:
    """The engine that is kept, if it has this ``key`` and nobody uses it, or a new one, kept instead."""
    with _Last.lock:
        in_use = _Last.user is not None and _Last.user() is not None
        if _Last.engine is None or _Last.key != key or in_use:
            _Last.engine = None  # first, for its memory
            _Last.key, _Last.engine = key, compiled()
        lent = _Lent(_Last.engine)
        _Last.user = weakref.ref(lent)
        return lent


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
    try:
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
    except (ImportError, RuntimeError) as error:  # CuPy's and torch's own; `find_trouble` foresees most
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise Vsj4rError(f"device cuda:{index} cannot be opened: {lines[0]}") from error


def _cores_to_use() -> int:
    cores = usable_cores()
    return cores - 1 if cores > 2 else cores
