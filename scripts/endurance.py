"""Whether anything grows: many frames through one filter, many filters one after the other, in one process.

    python -m scripts.endurance --frames 10000 --cycles 200

Counted after each tenth, with nothing under way. "In use" is what the C library has given out and not got
back; what the process takes beside it is free memory that glibc has not returned. Switched off are glibc's
caches of free blocks by thread, which it counts as in use, and VapourSynth's caches of frames, which take
notes of the last thousands of frames. Filters are made twice over: each with an engine of its own, then all
with one.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
import vapoursynth as vs

from scripts.revision import commit
from vsj4r.engine import EngineCache
from vsj4r.plugin.host import Host
from vsj4r.run.memory import give_frames_back

PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
NO_THREAD_CACHES = "glibc.malloc.tcache_count=0"
MALLINFO2 = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)
AT_ONCE = 8
FILTER_FRAMES = 24
HOLDS_STILL_S = 0.1


class Mallinfo2(ctypes.Structure):
    """glibc's ``struct mallinfo2``, bytes and counts of blocks."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in MALLINFO2)


def in_use_kb() -> float:
    """What malloc has given out in all its arenas and in mappings of their own."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = Mallinfo2
    info = mallinfo2()
    return float(info.uordblks + info.hblkhd) / 1024


def frames_alive() -> int:
    """Bytes of all frames that live, cached or not, once they hold still: a worker of VapourSynth may hold
    frames for a moment after it has given one."""
    seen, since = vs.core.used_cache_size, time.monotonic()
    while time.monotonic() - since < HOLDS_STILL_S:
        time.sleep(HOLDS_STILL_S / 10)
        if vs.core.used_cache_size != seen:
            seen, since = vs.core.used_cache_size, time.monotonic()
    return int(seen)


def counted() -> str:
    gc.collect()
    frames_kb = frames_alive() / 1024
    resident = int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE_KB
    hosts = sum(isinstance(thing, Host) for thing in gc.get_objects())
    blocks = sys.getallocatedblocks()
    return f"{resident / 1024:.1f} | {in_use_kb():.1f} | {frames_kb:.1f} | {blocks} | {hosts} |"


def derained(model: str, size: str, length: int, **arguments: Any) -> Any:
    width, height = (int(side) for side in size.split("x"))
    clip = vs.core.std.BlankClip(
        width=width, height=height, format=vs.YUV420P10, length=length, color=[300, 500, 520], keep=False
    )
    clip.std.SetVideoCache(mode=0)
    outputs = ["derained", "rain", "occlusion"]
    out = vs.core.j4r.Derain(clip, model=model, threads=1, output=outputs, **arguments)
    out.std.SetVideoCache(mode=0)
    return out


def read(out: Any, first: int, stop: int) -> None:
    """Frames ``first`` to before ``stop``, a few under way at a time, none at the end."""
    for begin in range(first, stop, AT_ONCE):
        under_way = [out.get_frame_async(n) for n in range(begin, min(begin + AT_ONCE, stop))]
        for future in under_way:
            future.result().close()


def read_frames(model: str, size: str, frames: int) -> None:
    out = derained(model, size, frames)
    for tenth in range(1, 11):
        read(out, frames * (tenth - 1) // 10, frames * tenth // 10)
        typer.echo(f"| {frames * tenth // 10} frames | {counted()}")


def make_filters(model: str, size: str, cycles: int, name: str) -> None:
    for cycle in range(1, cycles + 1):
        read(derained(model, size, FILTER_FRAMES, segment=8), 0, FILTER_FRAMES)
        if cycle * 10 % cycles < 10:
            typer.echo(f"| {cycle} {name} | {counted()}")


def endurance(
    frames: Annotated[int, typer.Option(min=10)] = 10_000,
    cycles: Annotated[int, typer.Option(min=10)] = 200,
    model: Annotated[str, typer.Option()] = "j4r-lite",
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT")] = "128x64",
) -> None:
    """Print a table in Markdown."""
    give_frames_back()
    vs.core.num_threads = 4
    typer.echo(f"{model}, {size}, commit {commit()}\n")
    typer.echo("| after | memory, MB | in use, KB | frames alive, KB | Python's blocks | filters |")
    typer.echo("|---|---|---|---|---|---|")
    read_frames(model, size, frames)
    make_filters(model, size, cycles, "filters")
    with closing(EngineCache()) as cache, cache.lending():
        make_filters(model, size, cycles, "filters, one engine")


def main() -> None:
    if os.environ.get("GLIBC_TUNABLES") != NO_THREAD_CACHES:  # read once, when a process begins
        again = [sys.executable, "-m", "scripts.endurance", *sys.argv[1:]]
        os.execve(sys.executable, again, os.environ | {"GLIBC_TUNABLES": NO_THREAD_CACHES})
    typer.run(endurance)


if __name__ == "__main__":
    main()
