"""What the filter costs beside the network: the whole process of vspipe, and of `vsj4r run` with x264,
against bare inference of as many frames.

    python -m scripts.overhead --model j4r --frames 240 --size 960x540

They are run in turn, several times; medians and their ratios are printed and, with --json, written: of the
clock, and of CPU time, which says more where something else is running. The clip is made here and is the
same at every run.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import imageio_ffmpeg
import typer
from rich.console import Console
from rich.table import Table

from scripts.contenders import Size, noise_planes
from scripts.revision import commit
from vsj4r.engine import open_engine
from vsj4r.engine.downscaled import plan_downscale
from vsj4r.engine.weights import find_model

SCRIPT = """import vapoursynth as vs
core = vs.core
core.j4r.Derain(core.bs.VideoSource({source!r}), model={model!r}, threads={threads}).set_output()
"""


def make_clip(path: Path, size: str, frames: int) -> None:
    source = f"testsrc2=size={size}:rate=25"
    arguments = ["-v", "error", "-f", "lavfi", "-i", source, "-frames:v", str(frames), "-pix_fmt", "yuv420p"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *arguments, "-c:v", "libx264", str(path)], check=True)


class Seconds(NamedTuple):
    clock: float
    cpu: float


def bare_seconds(model: str, size: Size, frames: int, threads: int) -> Seconds:
    """Inference alone, on frames reduced as the filter reduces them: compiled before, two sets of planes in
    turn, one state carried through all frames."""
    found = find_model(model)
    by, spec = plan_downscale(found.spec, size.height, size.width)
    height, width, planes = noise_planes(spec, size)
    engine = open_engine(found, height=height, width=width, threads=threads, downscale=by)
    state = engine.new_state()
    engine.step(planes[0], planes[1], state)
    began, before = time.perf_counter(), time.process_time()
    for t in range(frames):
        engine.step(planes[t % 2], planes[(t + 1) % 2], state)
    return Seconds(time.perf_counter() - began, time.process_time() - before)


def process_seconds(command: list[str]) -> Seconds:
    """A whole process with its children, start and end included. ``command``: one of this environment's."""
    scripts = sysconfig.get_path("scripts")
    env = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([f"{scripts}/{command[0]}", *command[1:]], check=True, env=env, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Seconds(time.perf_counter() - began, cpu)


def overhead(
    model: Annotated[str, typer.Option()] = "j4r",
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT")] = "960x540",
    frames: Annotated[int, typer.Option(min=2)] = 100,
    runs: Annotated[int, typer.Option(min=1)] = 3,
    threads: Annotated[int, typer.Option(help="of inference; 0 is automatic")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures here")] = None,
) -> None:
    """Time vspipe, `vsj4r run` and bare inference in turn."""
    taken: dict[str, list[Seconds]] = {"vspipe": [], "run": [], "bare": []}
    with tempfile.TemporaryDirectory() as folder:
        source, script = Path(folder, "clip.mp4"), Path(folder, "clip.vpy")
        make_clip(source, size, frames)
        script.write_text(SCRIPT.format(source=str(source), model=model, threads=threads))
        to_pipe = ["vspipe", str(script), "-c", "y4m", os.devnull]
        to_run = ["vsj4r", "run", str(source), f"{folder}/out.mkv", "--model", model, "--overwrite", "--json"]
        process_seconds(
            [*to_pipe, "-e", "1"]
        )  # the source filter writes its index once, and the engine is kept
        for run in range(runs):
            taken["vspipe"].append(process_seconds(to_pipe))
            taken["bare"].append(bare_seconds(model, Size.read(size), frames, threads))
            taken["run"].append(process_seconds(to_run))
            told = ", ".join(f"{name} {seconds[-1].clock:.2f} s" for name, seconds in taken.items())
            print(f"run {run + 1}/{runs}: {told}", file=sys.stderr)
    bare = taken.pop("bare")
    figures: dict[str, object] = {
        "model": model,
        "size": size,
        "frames": frames,
        "runs": runs,
        "bare_seconds": round(statistics.median(each.clock for each in bare), 3),
        "bare_fps": round(frames / statistics.median(each.clock for each in bare), 2),
    }
    for name, whole in taken.items():
        pairs = list(zip(whole, bare, strict=True))
        figures |= {
            f"{name}_seconds": round(statistics.median(each.clock for each in whole), 3),
            f"{name}_ratio": round(statistics.median(w.clock / b.clock for w, b in pairs), 3),
            f"{name}_cpu_ratio": round(statistics.median(w.cpu / b.cpu for w, b in pairs), 3),
        }
    figures |= {"cores": os.cpu_count(), "machine": platform.machine(), "commit": commit()}
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(overhead)
