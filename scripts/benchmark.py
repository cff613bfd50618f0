"""What the filter costs beside the network: vspipe's whole process against bare inference of as many frames.

    python scripts/benchmark.py --model j4r --frames 100 --size 960x540

Both are run in turn, several times; medians and their ratio are printed and, with --json, written.
Nothing else should be running. The clip is made here and is the same at every run.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Annotated

import imageio_ffmpeg
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from scripts.revision import commit
from vsj4r.engine import open_engine
from vsj4r.engine.base import Tensors
from vsj4r.engine.weights import find_model

SCRIPT = """import vapoursynth as vs
core = vs.core
core.j4r.Derain(core.bs.VideoSource({source!r}), model={model!r}, threads={threads}).set_output()
"""


def make_clip(path: Path, size: str, frames: int) -> None:
    source = f"testsrc2=size={size}:rate=25"
    arguments = ["-v", "error", "-f", "lavfi", "-i", source, "-frames:v", str(frames), "-pix_fmt", "yuv420p"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *arguments, "-c:v", "libx264", str(path)], check=True)


def bare_seconds(model: str, width: int, height: int, frames: int, threads: int) -> float:
    """Inference alone: compiled before, two sets of planes in turn, one state carried through all frames."""
    found = find_model(model)
    multiple = found.spec.multiple
    rows, columns = (-(-side // multiple) * multiple for side in (height, width))
    engine = open_engine(found, height=rows, width=columns, threads=threads)
    rng = np.random.default_rng(0)
    planes = [
        Tensors(
            rng.random((rows, columns), np.float32),
            rng.random((2, rows // 2, columns // 2), np.float32) - np.float32(0.5),
        )
        for _ in range(2)
    ]
    state = engine.new_state()
    engine.step(planes[0], planes[1], state)
    began = time.perf_counter()
    for t in range(frames):
        engine.step(planes[t % 2], planes[(t + 1) % 2], state)
    return time.perf_counter() - began


def vspipe_seconds(script: Path) -> float:
    """The whole process, start and end included."""
    scripts = sysconfig.get_path("scripts")
    env = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    began = time.perf_counter()
    subprocess.run(
        [f"{scripts}/vspipe", str(script), "-c", "y4m", os.devnull], check=True, env=env, capture_output=True
    )
    return time.perf_counter() - began


def benchmark(
    model: Annotated[str, typer.Option()] = "j4r",
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT")] = "960x540",
    frames: Annotated[int, typer.Option(min=2)] = 100,
    runs: Annotated[int, typer.Option(min=1)] = 3,
    threads: Annotated[int, typer.Option(help="of inference; 0 is automatic")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures here")] = None,
) -> None:
    """Time vspipe and bare inference in turn."""
    width, height = (int(side) for side in size.split("x"))
    bare, piped = [], []
    with tempfile.TemporaryDirectory() as folder:
        source, script = Path(folder, "clip.mp4"), Path(folder, "clip.vpy")
        make_clip(source, size, frames)
        script.write_text(SCRIPT.format(source=str(source), model=model, threads=threads))
        vspipe_seconds(script)  # the source filter writes its index once
        for run in range(runs):
            piped.append(vspipe_seconds(script))
            bare.append(bare_seconds(model, width, height, frames, threads))
            print(f"run {run + 1}/{runs}: vspipe {piped[-1]:.2f} s, bare {bare[-1]:.2f} s", file=sys.stderr)
    ratio = statistics.median(p / b for p, b in zip(piped, bare, strict=True))
    figures = {
        "model": model,
        "size": size,
        "frames": frames,
        "runs": runs,
        "vspipe_seconds": round(statistics.median(piped), 3),
        "bare_seconds": round(statistics.median(bare), 3),
        "bare_fps": round(frames / statistics.median(bare), 2),
        "ratio": round(ratio, 4),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "commit": commit(),
    }
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(benchmark)
