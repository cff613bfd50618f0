"""Which device is meant by ``device``, and the line that says why it is another."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

from vsj4r.engine.cuda.driver import find_trouble
from vsj4r.errors import Vsj4rError

LOG = logging.getLogger("vsj4r")


def device_index(device: str) -> int:
    """The number in "cuda" (0) or "cuda:N".

    Raises:
        Vsj4rError: it is neither.
    """
    name, colon, number = device.partition(":")
    if name != "cuda" or (colon and not (number.isascii() and number.isdigit())):
        raise Vsj4rError(f"device must be one of auto, cpu, cuda or cuda:N, got {device!r}")
    return int(number or 0)


def check_device(device: str) -> str:
    """``device``, which is the name of one, whether it is there or not.

    Raises:
        Vsj4rError: it is not.
    """
    if device not in ("auto", "cpu"):
        device_index(device)
    return device


def on_device[T](device: str, *, cuda: Callable[[int], T], cpu: Callable[[], T]) -> T:
    """``cuda`` with the number of the device that is asked for, or ``cpu``. "auto" is cuda:0 where that
    works, and otherwise the CPU: the log says why, once, where there is an NVIDIA driver.

    Raises:
        Vsj4rError: ``device`` is no device, or a CUDA one that does not work here.
    """
    if device == "cpu":
        return cpu()
    index = 0 if device == "auto" else device_index(device)
    trouble = find_trouble(index)
    if device != "auto":
        if trouble is not None:
            raise Vsj4rError(f"device must be cpu or auto here, got {device!r}: {trouble.text}")
        return cuda(index)
    if trouble is None:
        try:
            return cuda(index)
        except Vsj4rError as error:
            _say(logging.WARNING, str(error))
    else:
        level = logging.INFO if trouble.expected else logging.DEBUG
        if LOG.isEnabledFor(level):  # the text takes longer to make than some frames
            _say(level, trouble.text)
    return cpu()


@cache
def _say(level: int, why: str) -> None:
    LOG.log(level, "device auto is the CPU: %s", why)
