"""Whether frames have a size that can be worked on, before memory is taken for them."""

from __future__ import annotations

import sys
from pathlib import Path

from vsj4r.errors import InputError

_MOST_PIXELS = (1 << 28) - 1  # about what ffmpeg decodes at all: frames of 2 GiB with eight bytes a pixel
_SMALL_PIXELS = 1 << 24  # fits anywhere, and is not worth the question
_BYTES_PER_PIXEL = 150
"""What the smallest network takes, frames in flight and their tensors with it, at 16 million pixels."""


def check_frame_fits(path: Path, width: int, height: int) -> None:
    """Refuse the input ``path`` whose frames would have ``width`` x ``height`` px.

    Raises:
        InputError: no machine, or not this one as it is, has room for frames of this size.
    """
    pixels = width * height
    if pixels <= _SMALL_PIXELS:
        return
    if pixels > _MOST_PIXELS:
        raise InputError(f"{path} says that it is {width}x{height}: nothing decodes that")
    needed, free = pixels * _BYTES_PER_PIXEL, _free_bytes()
    if free is not None and needed > free:
        raise InputError(
            f"{path} is {width}x{height}: that takes {needed >> 20} MiB of memory, {free >> 20} MiB are free"
        )


def _free_bytes() -> int | None:
    """What this process may still take; None where the system does not say it (it is not Linux)."""
    if sys.platform != "linux":
        return None
    import resource

    said = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(said["MemAvailable"].split()[0]) << 10
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return free
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return min(free, limit - taken)
