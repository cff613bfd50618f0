"""What scripts/benchmark.py compares, each in a process of its own that waits for its turn:

    python -m scripts.contenders "j4r, bfloat16" 960x540 2

A filter takes and gives 8 bit 4:2:0 frames inside VapourSynth; a step is the network alone, on float planes.
It prints what it has, then for each number on stdin the seconds that so many frames took.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vsj4r.engine import open_engine
from vsj4r.engine.base import StepSpec, Tensors, round_up
from vsj4r.engine.weights import find_model

if TYPE_CHECKING:
    import vapoursynth as vs

SOURCE_FRAMES = 12
ENDLESS = 1 << 20
MEDIAN, DEGRAIN = "zsmooth.TemporalMedian", "mv.Degrain2"
PEERS = {MEDIAN: "vapoursynth-zsmooth", DEGRAIN: "vapoursynth-mvtools"}
"""Filters that people would try instead, and the package that each comes in."""
MEDIAN_RADIUS, DEGRAIN_THSAD, DEGRAIN_THSCD1 = 2, 6400, 10_000

Frames = Callable[[int], None]
"""Go on by so many frames."""


class Size(NamedTuple):
    width: int
    height: int

    @classmethod
    def read(cls, text: str) -> Size:
        width, _, height = text.partition("x")
        return cls(int(width), int(height))


def missing(contender: str) -> str | None:
    """The package that a contender needs and that is not installed."""
    needed = PEERS.get(contender) or {"ONNX Runtime": "onnxruntime", "torch": "torch"}.get(
        next((each for each in ("ONNX Runtime", "torch") if each in contender), "")
    )
    try:
        version(needed or "vsj4r")
    except PackageNotFoundError:
        return needed
    return None


def peer(name: str, clip: vs.VideoNode) -> vs.VideoNode:
    """``clip`` through one of ``PEERS``, as its users set it up: a median over five frames; a denoiser that
    follows motion over five frames, as strong as gains most on the benchmark "complex" (at its defaults it
    takes nothing of that rain)."""
    import vapoursynth as vs

    core = vs.core
    if name == MEDIAN:
        return core.zsmooth.TemporalMedian(clip, radius=MEDIAN_RADIUS)
    pyramid = core.mv.Super(clip, pel=2)
    vectors = [
        core.mv.Analyse(pyramid, isb=backward, delta=delta, blksize=16, overlap=8)
        for delta in (1, 2)
        for backward in (True, False)
    ]
    return core.mv.Degrain2(clip, pyramid, *vectors, thsad=DEGRAIN_THSAD)


def open_filter(name: str, size: Size, threads: int) -> Frames:
    """A model by name, or one of ``PEERS``, over frames that are ready in memory."""
    import vapoursynth as vs

    core = vs.core
    core.num_threads = threads
    clip = rainy_clip(size)
    derained = peer(name, clip) if name in PEERS else core.j4r.Derain(clip, model=name, threads=threads)
    done = 0

    def go_on(frames: int) -> None:
        nonlocal done
        for _ in derained[done : done + frames].frames(close=True):
            pass
        done += frames

    return go_on


def rainy_clip(size: Size) -> vs.VideoNode:
    """8 bit 4:2:0: a texture that pans under streaks, over and over, held in memory."""
    import vapoursynth as vs

    rng = np.random.default_rng(0)
    held = [_rainy_planes(size, t, rng) for t in range(SOURCE_FRAMES)]

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for plane, pixels in enumerate(held[n]):
            np.copyto(np.asarray(frame[plane]), pixels)
        return frame

    blank = vs.core.std.BlankClip(
        width=size.width, height=size.height, format=vs.YUV420P8, length=SOURCE_FRAMES
    )
    source = blank.std.ModifyFrame(blank, fill)
    source.std.SetVideoCache(mode=1, fixedsize=True, maxsize=SOURCE_FRAMES)
    for _ in source.frames(close=True):
        pass
    return source.std.Loop(ENDLESS // SOURCE_FRAMES)


def _rainy_planes(size: Size, t: int, rng: np.random.Generator) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Luma of several scales and flat chroma; one pixel in two hundred begins a streak."""
    x, y = np.arange(size.width) + 3 * t, np.arange(size.height)[:, None] + t
    luma = sum((np.sin(x / step) * np.cos(y / step) for step in (5, 11, 37, 150)), np.zeros(1)) * 20 + 110
    streaks = (rng.random((size.height, size.width)) > 0.995).astype(np.float32)
    for length in (1, 2, 4):
        streaks[length:] = np.maximum(streaks[length:], streaks[:-length])
    half = (size.height + 1) // 2, (size.width + 1) // 2
    grey = np.full(half, 128, np.uint8)
    return [np.clip(luma + 60 * streaks, 16, 235).astype(np.uint8), grey, grey]


def open_step(contender: str, size: Size, threads: int) -> Frames:
    """``MODEL, RUNTIME``: the network alone, its memory carried on."""
    name, _, runtime = contender.partition(", ")
    model = find_model(name)
    height, width, planes = noise_planes(model.spec, size)
    if runtime.startswith("OpenVINO"):
        kind = runtime.removeprefix("OpenVINO ")
        precision = {"float32": "f32", "bfloat16": "bf16", "int8": "int8"}[kind]
        engine = open_engine(
            model, height=height, width=width, device="cpu", precision=precision, threads=threads
        )
        state = engine.new_state()
        return _in_turn(lambda now, following: engine.step(now, following, state), planes)
    pairs = [
        {"y": y[None, None], "uv": uv[None], "y_next": y_next[None, None], "uv_next": uv_next[None]}
        for (y, uv), (y_next, uv_next) in (planes, planes[::-1])
        if uv is not None and uv_next is not None
    ]
    step = _onnx_runtime(name, threads) if runtime.startswith("ONNX") else _torch(name, runtime, threads)
    return _in_turn(lambda now, _: step(pairs[now is planes[1]]), planes)


def noise_planes(spec: StepSpec, size: Size) -> tuple[int, int, list[Tensors]]:
    """Two frames of noise, padded as a step of ``spec`` takes them, and how high and wide that is."""
    height, width = (round_up(side, spec.multiple) for side in (size.height, size.width))
    rng = np.random.default_rng(0)
    planes = [
        Tensors(
            rng.random((height, width), np.float32),
            rng.random((2, height // 2, width // 2), np.float32) - np.float32(0.5),
        )
        for _ in range(2)
    ]
    return height, width, planes


def _in_turn(step: Callable[[Tensors, Tensors], object], planes: list[Tensors]) -> Frames:
    def go_on(frames: int) -> None:
        for t in range(frames):
            step(planes[t % 2], planes[(t + 1) % 2])

    return go_on


def _onnx_runtime(name: str, threads: int) -> Callable[[dict[str, Any]], object]:
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = find_model(name)
    session = onnxruntime.InferenceSession(model.onnx, options, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    state: dict[str, Any] = {}

    def step(frame: dict[str, Any]) -> None:
        if not state:
            grid = [side // int(model.config["scale"]) for side in frame["y"].shape[2:]]
            for port in session.get_inputs():
                if port.name.startswith("state."):
                    sides = [1, 1] if port.name == "state.seen" else grid
                    state[port.name] = np.zeros((*port.shape[:2], *sides), np.float32)
        found = dict(zip(outputs, session.run(outputs, frame | state), strict=True))
        state.update({name: found[f"{name}.next"] for name in state})

    return step


def _torch(name: str, runtime: str, threads: int) -> Callable[[dict[str, Any]], object]:
    import torch

    from vsj4r.engine.loading import load_net
    from vsj4r.publishing.onnx_step import ExportedStep

    torch.set_num_threads(threads)
    network = ExportedStep(load_net(find_model(name))).eval()
    network.to(memory_format=torch.channels_last)
    run = torch.compile(network) if "compile" in runtime else network
    half = runtime.endswith("bfloat16")
    state: list[torch.Tensor] = []

    def step(frame: dict[str, Any]) -> None:
        planes = [torch.from_numpy(frame[name]) for name in network.input_names if name in frame]
        if not state:
            state.extend(network.example(*planes[0].shape[2:])[len(planes) :])
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            found = run(*planes, *state)
        outputs = dict(zip(network.output_names, found, strict=False))
        state[:] = [outputs[f"state.{each}.next"].float() for each in network.states]

    return step


def main() -> None:
    contender, size, threads = sys.argv[1], Size.read(sys.argv[2]), int(sys.argv[3])
    opening = open_step if ", " in contender else open_filter
    try:
        go_on = opening(contender, size, threads)
        go_on(2)
    except Exception as error:  # whatever a runtime raises: the others go on
        print(json.dumps({"failed": f"{type(error).__name__}: {error}".splitlines()[0]}), flush=True)
        return
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        began, before = time.perf_counter(), time.process_time()
        go_on(int(line))
        taken = time.perf_counter() - began, time.process_time() - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"clock": taken[0], "cpu": taken[1], "peak_mb": peak}), flush=True)


if __name__ == "__main__":
    main()
