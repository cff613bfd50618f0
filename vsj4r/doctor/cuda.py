"""CUDA: whether there is a device, what it lacks, and what it gives against the CPU."""

from __future__ import annotations

from collections.abc import Iterator

from vsj4r.doctor.engines import check_device
from vsj4r.doctor.findings import Finding
from vsj4r.engine.cuda.driver import find_driver, find_trouble

_FRAMES = 100
"""Long enough for a fault in the state to grow."""


def check_cuda() -> Iterator[Finding]:
    """The first thing that stands against CUDA, or what each model gives on the first device."""
    trouble = find_trouble()
    if trouble is not None:
        why, _, remedy = trouble.text.partition(": ")
        yield Finding("CUDA", "absent", f"no CUDA device: {why}", remedy, needed=False)
        return
    driver = find_driver()
    if driver is not None:
        what = (
            f"the driver serves CUDA {driver.cuda[0]}.{driver.cuda[1]} and shows {driver.devices} device(s)"
        )
        yield Finding("CUDA", "good", what, needed=False, figures={"devices": driver.devices})
    yield from check_device("cuda", _FRAMES)
