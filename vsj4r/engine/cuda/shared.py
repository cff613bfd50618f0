"""What belongs to the whole process, and other threads use meanwhile: cuDNN's flags, the collector."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import torch


class Shared:
    """A state of the whole process, that ``begin`` enters and leaves: it lasts while any thread is within
    ``held``. A lane that is collected meanwhile comes in once more, in the same thread."""

    def __init__(self, begin: Callable[[], AbstractContextManager[None]]) -> None:
        self._begin, self._lock, self._users, self._entered = begin, threading.RLock(), 0, ExitStack()

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            if not self._users:
                self._entered.enter_context(self._begin())
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._entered.close()


def _exact() -> AbstractContextManager[None]:
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags


@contextmanager
def _uncollected() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


EXACT_CONVOLUTIONS = Shared(_exact)
"""cuDNN without TF32, and the same each time."""
COLLECTOR_PAUSED = Shared(_uncollected)
"""No garbage is collected: a lane among it would wait for its streams, of which one may be captured."""
