"""Peak memory of the filter by frame size: a process of its own for each, which reads two frames, and then
as many as the filter keeps of those that are finished.

python -m scripts.memory --model j4r --sizes 1920x1080,3840x2160,8192x4320
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Annotated

import typer
import vapoursynth as vs

from scripts.revision import commit

THREADS = 2
FRAMES = 41
"""One more than are kept when they are finished (ring.c): 40, or fewer where they are large, down to 14."""


def measure(model: str, width: int, height: int, tile: int) -> dict[str, object]:
    """Derain frames in this process until no more of them are kept."""
    core = vs.core
    core.num_threads = THREADS
    core.max_cache_size = 100  # MB, of VapourSynth's own caches
    clip = core.std.BlankClip(width=width, height=height, format=vs.YUV420P8, length=FRAMES + 1, keep=True)
    began = time.monotonic()
    derained = core.j4r.Derain(clip, model=model, tile=tile)
    row: dict[str, object] = {"model": model, "size": f"{width}x{height}", "tile": tile, "opened_mb": _peak()}
    for n in range(2):
        derained.get_frame(n).close()
    row["two_mb"] = _peak()
    for n in range(2, FRAMES):
        derained.get_frame(n).close()
    row["peak_mb"] = _peak()
    return row | {"seconds": round(time.monotonic() - began, 1)}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def memory(
    sizes: Annotated[str, typer.Option()] = "1920x1080,3840x2160,8192x4320",
    model: Annotated[str, typer.Option(help="one or more, with commas")] = "j4r,j4r-lite",
    tile: Annotated[str, typer.Option(help="one or more, with commas; 0 is automatic")] = "0",
    here: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Print a table in Markdown."""
    if here:
        width, height = (int(side) for side in sizes.split("x"))
        typer.echo(json.dumps(measure(model, width, height, int(tile))))
        return
    typer.echo(f"commit {commit()}\n\n| model | size | tile | opened, MB | two frames, MB | peak, MB | s |")
    typer.echo("|---|---|---|---|---|---|---|")
    for name in model.split(","):
        for size in sizes.split(","):
            for side in tile.split(","):
                command = [sys.executable, "-m", "scripts.memory", "--here", "--model", name]
                told = [*command, "--sizes", size, "--tile", side]
                done = subprocess.run(told, check=True, stdout=subprocess.PIPE, text=True)
                row = json.loads(done.stdout.splitlines()[-1])
                typer.echo("| " + " | ".join(str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    typer.run(memory)
