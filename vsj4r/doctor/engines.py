"""What each engine does on test frames: how fast, and how far from single precision on the CPU."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vsj4r.arrays import Floats
from vsj4r.doctor.findings import Finding
from vsj4r.engine import open_engine
from vsj4r.engine.base import StepSpec, Tensors
from vsj4r.engine.native.library import LIBRARY_PATH, library
from vsj4r.engine.weights import Model, find_model, models
from vsj4r.errors import Vsj4rError
from vsj4r.pip_commands import pip_install, reinstall
from vsj4r.psnr import psnr

HEIGHT, WIDTH = 360, 640
LEAST_DB = 40
"""Further than this from single precision, something is computed that is not the network."""
_CPU_FRAMES = 4


def check_openvino() -> Iterator[Finding]:
    from vsj4r.engine.runtime import ov

    core = ov.Core()
    cpu = core.get_property("CPU", "FULL_DEVICE_NAME")
    natively = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
    version = ov.__version__.partition("-")[0]
    what = f"{version} on {cpu}, which computes {natively} natively"
    yield Finding("OpenVINO", "good", what, figures={"devices": core.available_devices})


def check_native() -> Iterator[Finding]:
    """The compiled library, without which everything is the same, and slower."""
    name = "compiled library"
    if library() is None:
        what = f"{LIBRARY_PATH} is missing, or of another version: the CPU engine works, and is slower"
        yield Finding(name, "absent", what, reinstall(), needed=False)
    else:
        yield Finding(name, "good", str(LIBRARY_PATH), needed=False)


def examine_device(device: str, frames: int = _CPU_FRAMES) -> Iterator[Finding]:
    """What ``device`` makes of ``frames`` frames in a row: every model whose weights are whole."""
    for name in models():
        try:
            model = find_model(name)
            model.read_onnx()
        except Vsj4rError:
            continue  # the check of the weights has reported it
        yield _check_engine(model, device, frames)


def _check_engine(model: Model, device: str, frames: int) -> Finding:
    title, needed = f"{model.name} on {device}", device == "cpu" and model.name == "j4r"
    remedy = pip_install("openvino" if device == "cpu" else "torch", again=True)
    try:
        reference = _derain(model, "cpu", "f32", frames)
        trial = _derain(model, device, "auto", frames)
    except Vsj4rError as error:
        return Finding(title, "bad", str(error), remedy, needed)
    decibels = psnr(trial.b_t, reference.b_t, peak=1)
    near = "the same as" if math.isinf(decibels) else f"{decibels:.0f} dB from"
    speed = f"{trial.fps:.1f}" if trial.fps >= 1 else f"{trial.fps:.2f}"
    what = f"{speed} fps at {WIDTH}x{HEIGHT}, {near} single precision on the CPU after {frames} frames"
    figures: dict[str, object] = {
        "fps": round(trial.fps, 2),
        "width": WIDTH,
        "height": HEIGHT,
        "frames": frames,
    }
    figures["db_from_f32"] = round(decibels, 1) if math.isfinite(decibels) else None
    if not decibels >= LEAST_DB:  # not a number, too
        what = f"only {decibels:.0f} dB from single precision on the CPU after {frames} frames"
        return Finding(title, "bad", what, "derain with precision f32, and report it", needed, figures)
    return Finding(title, "good", what, "", needed, figures)


@dataclass(frozen=True, slots=True)
class _Derained:
    """``b_t`` is the last frame's luma."""

    b_t: Floats
    fps: float


def _derain(model: Model, device: str, precision: str, count: int) -> _Derained:
    """The test frames, one after the other; the first step is not timed."""
    spec = model.spec
    height, width = (-(-side // spec.multiple) * spec.multiple for side in (HEIGHT, WIDTH))
    frames = rainy_frames(spec, height, width, count + 1)
    engine = open_engine(model, height=height, width=width, device=device, precision=precision)
    state = engine.new_state()
    began = time.perf_counter()
    for t in range(count):
        step = engine.step(frames[t], frames[t + 1] if spec.lookahead else None, state)
        b_t = frames[t].y + step.residual.y
        if t == 0:
            began = time.perf_counter()
    return _Derained(b_t, (count - 1) / (time.perf_counter() - began))


def rainy_frames(spec: StepSpec, height: int, width: int, count: int) -> list[Tensors]:
    """A soft picture with other streaks in every frame, the same on every machine."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    scene = 0.4 + 0.2 * np.sin(rows / 37) * np.cos(columns / 53) + 0.1 * ((rows // 40 + columns // 40) % 2)
    frames = []
    for _ in range(count):
        y = scene.copy()
        for _ in range(width // 4):
            top, left = rng.integers(height), rng.integers(width)
            y[top : top + rng.integers(10, 40), left] += 0.3
        uv = None
        if spec.planes == "yuv420":
            uv = np.full((2, height // 2, width // 2), -0.05, np.float32)
        frames.append(Tensors(np.ascontiguousarray(y.clip(0, 1), np.float32), uv))
    return frames
