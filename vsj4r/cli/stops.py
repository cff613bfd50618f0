"""Ctrl-C and termination counted instead of obeyed: once to drain, twice to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from vsj4r.cli.exits import INTERRUPTED, TERMINATED

_PATIENCE_SECONDS = 20.0  # for what cannot be interrupted, such as an index under way


class Stops:
    """How often to stop was asked. ``say`` is told, once each, in the thread that asks for the state."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.terminated = False
        self._say = say
        self._count = 0
        self._said = 0

    @property
    def code(self) -> int:
        """The exit code of a run that was stopped."""
        return TERMINATED if self.terminated else INTERRUPTED

    def drained(self) -> bool:
        """Nothing new is to be begun."""
        if self._count and not self._said:
            self._said = 1
            if self._count == 1:
                self._say("finishing what has begun; Ctrl-C again stops at once")
        return self._count > 0

    def stopped(self) -> bool:
        """What has begun is to be given up."""
        if self._count > 1 and self._said < 2:
            self._said = 2
            self._say("stopping")
        return self._count > 1

    def hear(self, number: int, frame: FrameType | None) -> None:
        terminated = number != signal.SIGINT
        self.terminated = self.terminated or terminated
        before, self._count = self._count, self._count + (2 if terminated else 1)
        if before < 2 <= self._count:
            patience = threading.Timer(_PATIENCE_SECONDS, self._leave)
            patience.daemon = True
            patience.start()
        elif before >= 2:
            self._leave()

    def _leave(self) -> None:
        os._exit(self.code)  # all that is kept is whole at any moment


def terminating() -> list[signal.Signals]:
    """Signals that ask for an end: SIGTERM, and SIGHUP where nohup does not ignore it."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return [signal.SIGTERM]
    return [signal.SIGTERM, signal.SIGHUP]


@contextmanager
def counted_stops(say: Callable[[str], None]) -> Iterator[Stops]:
    """SIGINT, SIGTERM and SIGHUP go to the ``Stops`` that this gives."""
    stops = Stops(say)
    before = {number: signal.signal(number, stops.hear) for number in (signal.SIGINT, *terminating())}
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
