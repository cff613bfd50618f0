"""What access patterns cost the filter: steps of the network for the frames asked for, and peak memory.

    python -m scripts.access --size 1920x1080 --model j4r-lite

Each pattern runs in a process of its own. The network is not evaluated: its steps are counted, its states are
there, and what one evaluation takes is the same in any order (scripts/memory.py measures that).
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from typing import Annotated, Any

import typer
import vapoursynth as vs

from scripts.revision import commit
from vsj4r.engine import cpu
from vsj4r.engine.base import Engine, State, Step, Tensors
from vsj4r.engine.cpu import CpuEngine

LENGTH = 300


class Idle:
    """An engine that counts its steps and takes none: no residual, no occlusion."""

    steps = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.spec, self.precision = engine.spec, engine.precision
        self._given: Step | None = None

    def new_state(self) -> State:
        return self._engine.new_state()

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        Idle.steps += 1
        if self._given is None:
            self._given = self._engine.step(o_t, o_next, state)
            for plane in (*self._given.residual, self._given.alpha):
                if plane is not None:
                    plane.fill(0)
        return self._given


def read(clip: Any, order: Iterable[int], at_once: int) -> int:
    """Ask for frames in ``order``, ``at_once`` under way; gives how many were asked for."""
    under_way: deque[Any] = deque()
    asked = 0
    for n in order:
        if len(under_way) == at_once:
            under_way.popleft().result()
        under_way.append(clip.get_frame_async(n))
        asked += 1
    for future in under_way:
        future.result()
    return asked


def shuffled(length: int) -> list[int]:
    """A third of all frames."""
    return random.Random(0).sample(range(length), length // 3)


def scrubbed(length: int) -> list[int]:
    """Every 20 frames a jump of 10 frames back, and on from there."""
    order: list[int] = []
    for n in range(20, length, 20):
        order += [*range(n - 20, n), *range(n - 10, n)]
    return order


def backwards_by_10(length: int) -> list[int]:
    """Played to the middle, then jumped back by 10 frames four times, and on."""
    half = length // 2 + 30
    return [*range(half), *(half - 10 * step for step in range(1, 4)), *range(half - 30, half + 20)]


def measure(pattern: str, model: str, width: int, height: int, threads: int) -> dict[str, int | str]:
    """Run one pattern in this process."""
    vars(cpu)["CpuEngine"] = lambda *names, **options: Idle(CpuEngine(*names, **options))
    core = vs.core
    core.num_threads = threads
    source = core.std.BlankClip(width=width, height=height, format=vs.YUV420P8, length=LENGTH, keep=False)

    def derained(clip: Any = source) -> Any:
        return core.j4r.Derain(clip, model=model, threads=1)

    every = range(LENGTH)
    patterns: dict[str, Any] = {
        "sequential": lambda: read(derained(), every, threads),
        "reversed": lambda: read(derained(), reversed(every), threads),
        "random": lambda: read(derained(), shuffled(LENGTH), threads),
        "every 7th": lambda: read(derained()[::7], range(len(range(0, LENGTH, 7))), threads),
        "scrub 10 back": lambda: read(derained(), scrubbed(LENGTH), threads),
        "30 back by tens": lambda: read(derained(), backwards_by_10(LENGTH), threads),
        "splice": lambda: read(derained()[:100] + derained()[150:250], range(200), threads),
        "loop of 30": lambda: read(derained()[100:130] * 5, range(150), threads),
        "loop of 90": lambda: read(derained()[100:190] * 3, range(270), threads),
        "last 10": lambda: read(derained(), range(LENGTH - 10, LENGTH), threads),
        "3 filters": lambda: sum(read(each, every, threads) for each in [derained() for _ in range(3)]),
        "2 in a row": lambda: read(derained(derained()), every, threads),
    }
    opened = derained()  # what one filter takes before a frame is read
    opened.get_frame(0)
    del opened
    Idle.steps = 0
    asked = patterns[pattern]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"pattern": pattern, "threads": threads, "asked": asked, "steps": Idle.steps, "peak_mb": peak}


PATTERNS = {
    **dict.fromkeys(("sequential", "reversed", "random", "scrub 10 back", "every 7th"), (1, 32)),
    **dict.fromkeys(("30 back by tens", "splice", "loop of 30", "loop of 90", "last 10"), (4,)),
    **dict.fromkeys(("3 filters", "2 in a row"), (4,)),
}


def access(
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT")] = "1920x1080",
    model: Annotated[str, typer.Option()] = "j4r-lite",
    only: Annotated[str | None, typer.Option(help="PATTERN:THREADS, measured in this process")] = None,
) -> None:
    """Print a table in Markdown."""
    width, height = (int(side) for side in size.split("x"))
    if only is not None:
        pattern, threads = only.rsplit(":", 1)
        typer.echo(json.dumps(measure(pattern, model, width, height, int(threads))))
        return
    typer.echo(f"{LENGTH} frames of {size}, {model}, commit {commit()}\n")
    typer.echo("| pattern | threads | frames asked for | steps | peak memory, MB |\n|---|---|---|---|---|")
    for name, counts in PATTERNS.items():
        for count in counts:
            command = [sys.executable, "-m", "scripts.access", "--size", size, "--model", model]
            told = [*command, "--only", f"{name}:{count}"]
            done = subprocess.run(told, check=True, stdout=subprocess.PIPE, text=True)
            row = json.loads(done.stdout.splitlines()[-1])
            typer.echo("| " + " | ".join(str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    typer.run(access)
