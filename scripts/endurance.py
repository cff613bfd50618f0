"""Whether anything grows: many frames through one filter, many filters one after the other, in one process.

    python -m scripts.endurance --frames 10000 --cycles 200

Counted after each tenth: the process's memory, the objects that Python knows, and the filters that live.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Annotated, Any

import typer
import vapoursynth as vs

from scripts.revision import commit
from vsj4r.encode.memory import give_frames_back
from vsj4r.plugin.host import Host

PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


def counted() -> str:
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE_KB
    objects = gc.get_objects()
    hosts = sum(isinstance(thing, Host) for thing in objects)
    return f"{resident / 1024:.1f} | {len(objects)} | {hosts} |"


def endurance(
    frames: Annotated[int, typer.Option(min=10)] = 10_000,
    cycles: Annotated[int, typer.Option(min=10)] = 200,
    model: Annotated[str, typer.Option()] = "j4r-lite",
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT")] = "128x64",
) -> None:
    """Print a table in Markdown."""
    give_frames_back()
    width, height = (int(side) for side in size.split("x"))
    core = vs.core
    core.num_threads = 4

    def derained(length: int, **arguments: Any) -> Any:
        clip = core.std.BlankClip(
            width=width, height=height, format=vs.YUV420P10, length=length, color=[300, 500, 520], keep=False
        )
        outputs = ["derained", "rain", "occlusion"]
        return core.j4r.Derain(clip, model=model, threads=1, output=outputs, **arguments)

    typer.echo(f"{model}, {size}, commit {commit()}\n")
    typer.echo("| after | memory, MB | Python objects | filters |\n|---|---|---|---|")
    out = derained(frames)
    for n, _ in enumerate(out.frames(), 1):
        if n % (frames // 10) == 0:
            typer.echo(f"| {n} frames | {counted()}")
    del out, _
    for cycle in range(1, cycles + 1):
        list(derained(20, segment=8).frames())
        if cycle % (cycles // 10) == 0:
            typer.echo(f"| {cycle} filters | {counted()}")


if __name__ == "__main__":
    typer.run(endurance)
