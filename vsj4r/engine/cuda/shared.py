"""What belongs to the whole process, and other threads use meanwhile: cuDNN's flags, the collector."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


class ExactConvolutions:
    """cuDNN without TF32, and the same each time, while anybody is ``held``; then as it was before the first
    came."""

    def __init__(self) -> None:
        self._lock, self._users, self._flags = threading.Lock(), 0, ExitStack()

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            if not self._users:
                self._flags.enter_context(
                    torch.backends.cudnn.flags(
                        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
                    )
                )
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._flags.close()


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage is collected inside: a lane among it would wait for its streams, and one may be captured."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
