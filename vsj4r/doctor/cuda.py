"""CUDA: whether there is a device, what it lacks, and what every card gives against the CPU."""

from __future__ import annotations

from collections.abc import Iterator

from vsj4r.doctor.engines import examine_device
from vsj4r.doctor.findings import Finding
from vsj4r.engine.cuda.driver import find_driver, find_trouble
from vsj4r.words import count_of

_FRAMES = 30
"""Enough for a figure that the first frames do not spoil."""


def check_cuda() -> Iterator[Finding]:
    """The first obstacle to CUDA, or what each model and the self-test give on every card."""
    driver, trouble = find_driver(), find_trouble()
    if driver is None or trouble is not None:
        what, remedy = (trouble.what, trouble.remedy) if trouble else ("no NVIDIA driver was found", "")
        yield Finding("CUDA", "absent", f"no CUDA device: {what}", remedy, needed=False)
        return
    major, minor = driver.cuda
    what = f"the driver serves CUDA {major}.{minor} and shows {count_of(driver.devices, 'device')}"
    yield Finding("CUDA", "good", what, needed=False, figures={"devices": driver.devices})
    for index in range(driver.devices):
        yield from examine_device(f"cuda:{index}", _FRAMES)
        yield from _self_test(index)


def _self_test(index: int) -> Iterator[Finding]:
    from vsj4r.engine.cuda.setup import check_card  # torch and CuPy

    for check in check_card(index):
        name = f"cuda:{index} {check.name}"
        if check.passed:
            yield Finding(name, "good", check.detail, needed=False)
        else:
            yield Finding(name, "bad", check.detail, "derain with --device cpu, and report it", needed=False)
