"""Engines: a compiled recurrent step, its state explicit. ``open_engine`` picks one."""

from __future__ import annotations

import os

from vsj4r.engine.base import Engine
from vsj4r.engine.weights import find_model
from vsj4r.errors import Vsj4rError

DEVICES = ("auto", "cpu")
PRECISIONS = ("auto", "f32")


def open_engine(
    model: str, *, height: int, width: int, device: str = "auto", precision: str = "auto", threads: int = 0
) -> Engine:
    """Compile ``model`` for frames of ``height`` x ``width`` luma samples (multiples of ``spec.multiple``).

    ``precision``: "auto" is the fastest that the device computes natively, "f32" is single precision.
    ``threads``: 0 is all cores less one where there are more than two, otherwise all.

    Raises:
        Vsj4rError: unknown model, device or precision, a damaged file, or a graph that will not compile.
        ValueError: sides that are not multiples of ``spec.multiple``.
    """
    if device not in DEVICES:
        raise Vsj4rError(f"device must be one of {', '.join(DEVICES)}, got {device!r}")
    if precision not in PRECISIONS:
        raise Vsj4rError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if threads < 0:
        raise Vsj4rError(f"threads must be 0 (automatic) or more, got {threads}")
    found = find_model(model)
    from vsj4r.engine.cpu import CpuEngine  # OpenVINO takes a while to import

    return CpuEngine(
        found, height=height, width=width, precision=precision, threads=threads or _cores_to_use()
    )


def _cores_to_use() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores - 1 if cores > 2 else cores
