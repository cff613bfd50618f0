"""Where the time goes from the command line to the first frame.

    python -m scripts.startup --model j4r --sizes 320x180,1920x1080 --runs 5

Each row is a process of its own, each figure the median of so many: seconds on the clock, and in brackets
of the CPU, all threads together. The clip has 120 frames and was indexed before.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from scripts.revision import commit

FRAMES = 120
_IMPORTS = {
    "numpy": "numpy",
    "vsj4r and pydantic": "vsj4r.plugin.host",
    "OpenVINO": "vsj4r.engine.cpu",
}
SCRIPT = """import vapoursynth as vs
clip = vs.core.bs.VideoSource({source!r})
{derained}clip.set_output()
"""


class Seconds(NamedTuple):
    clock: float
    cpu: float


class Place(NamedTuple):
    """A clip, what makes of it a script, and the folder of what is kept."""

    clip: Path
    size: str
    model: str
    cache: Path

    @property
    def environment(self) -> dict[str, str]:
        scripts = sysconfig.get_path("scripts")
        path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
        return os.environ | {"PATH": path, "XDG_CACHE_HOME": str(self.cache)}

    def script(self, *, derained: bool) -> list[str]:
        """The command that gives the first frame."""
        script = self.clip.with_suffix(f".{derained}.vpy")
        line = f"clip = vs.core.j4r.Derain(clip, model={self.model!r})\n" if derained else ""
        script.write_text(SCRIPT.format(source=str(self.clip), derained=line))
        return [f"{sysconfig.get_path('scripts')}/vspipe", str(script), "-e", "0", "-c", "y4m", os.devnull]


def of_process(place: Place, command: list[str], *, until: str = "") -> Seconds:
    """A whole process, or as far as a line of its output that contains ``until``."""
    before, began = _cpu_of_children(), time.perf_counter()
    ended = None
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=place.environment
    ) as process:
        for line in process.stdout or ():
            if until and until in line:
                ended = time.perf_counter()
                process.kill()
    if process.returncode and ended is None:
        raise SystemExit(f"{command} failed")
    return Seconds((ended or time.perf_counter()) - began, _cpu_of_children() - before)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def steps_inside(model: str, size: str) -> dict[str, Seconds]:
    """What the filter does until its first frame, in this process, which has done none of it yet."""
    found: dict[str, Seconds] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began, before = time.perf_counter(), time.process_time()
        yield
        found[name] = Seconds(time.perf_counter() - began, time.process_time() - before)

    for what, module in _IMPORTS.items():
        with timed(f"import {what}"):
            import_module(module)
    import numpy as np

    from vsj4r.engine import open_engine
    from vsj4r.engine.base import Tensors, round_up
    from vsj4r.engine.downscaled import plan_downscale
    from vsj4r.engine.weights import find_model

    with timed("find the model"):
        named = find_model(model)
    width, height = (int(side) for side in size.split("x"))
    by, spec = plan_downscale(named.spec, height, width)
    width, height = (round_up(side, spec.multiple) for side in (width, height))
    with timed("open the engine"):
        engine = open_engine(named, height=height, width=width, device="cpu", downscale=by)
    with timed("two states"):
        states = [engine.new_state() for _ in range(2)]
    rng = np.random.default_rng(0)
    uv = rng.random((2, height // 2, width // 2), np.float32) - np.float32(0.5)
    frame = Tensors(rng.random((height, width), np.float32), uv if named.spec.planes != "y" else None)
    for number in ("first", "second"):
        with timed(f"the {number} step"):
            engine.step(frame, frame if named.spec.lookahead else None, states[0])
    return found


def startup(
    model: Annotated[str, typer.Option()] = "j4r",
    sizes: Annotated[str, typer.Option(help="one or more, with commas")] = "320x180,1920x1080",
    runs: Annotated[int, typer.Option(min=1)] = 5,
    here: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Print two tables in Markdown."""
    if here:
        typer.echo(json.dumps(steps_inside(model, sizes)))
        return
    columns = [_measure(model, size, runs) for size in sizes.split(",")]
    typer.echo(f"commit {commit()}, {model}, seconds: clock (CPU)\n")
    typer.echo("| until the first frame | " + " | ".join(sizes.split(",")) + " |")
    typer.echo("|---" * (1 + len(columns)) + "|")
    for row in columns[0]:
        cells = (f"{column[row].clock:.2f} ({column[row].cpu:.2f})" for column in columns)
        typer.echo(f"| {row} | " + " | ".join(cells) + " |")


def _measure(model: str, size: str, runs: int) -> dict[str, Seconds]:
    from scripts.overhead import make_clip  # it imports what is timed here

    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "clip.mp4")
        make_clip(clip, size, FRAMES)
        kept = Place(clip, size, model, Path(folder, "cache"))
        run = [sys.executable, "-m", "vsj4r.cli", "run", str(clip), f"{folder}/out.mkv", "--json"]
        to_run = [*run, "--model", model, "--overwrite"]
        inside = [sys.executable, "-m", "scripts.startup", "--here", "--model", model, "--sizes", size]
        rows: dict[str, Callable[[], Seconds]] = {
            "python, nothing else": lambda: of_process(kept, [sys.executable, "-c", "pass"]),
            "vspipe, the source alone": lambda: of_process(kept, kept.script(derained=False)),
            "vspipe with the filter": lambda: of_process(kept, kept.script(derained=True)),
            "the same, no engine kept": lambda: _without_engines(kept, kept.script(derained=True)),
            "vsj4r run": lambda: of_process(kept, to_run, until='"progress"'),
        }
        of_process(kept, to_run, until='"progress"')  # it writes the index
        for row in rows.values():
            row()
        taken: dict[str, list[Seconds]] = {}
        for _ in range(runs):
            for name, measured in rows.items():
                taken.setdefault(name, []).append(measured())
            done = subprocess.run(inside, check=True, stdout=subprocess.PIPE, env=kept.environment)
            for name, pair in json.loads(done.stdout).items():
                taken.setdefault(f"in the filter: {name}", []).append(Seconds(*pair))
    return {name: _median(of) for name, of in taken.items()}


def _without_engines(place: Place, command: list[str]) -> Seconds:
    with tempfile.TemporaryDirectory() as empty:
        return of_process(place._replace(cache=Path(empty)), command)


def _median(of: list[Seconds]) -> Seconds:
    clock, cpu = zip(*of, strict=True)
    return Seconds(statistics.median(clock), statistics.median(cpu))


if __name__ == "__main__":
    typer.run(startup)
