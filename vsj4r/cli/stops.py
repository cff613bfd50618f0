"""Ctrl-C, termination and a terminal that closes: a run ends at once, a batch once what has begun is done."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from vsj4r.cli.outcome import code_of

_PATIENCE_SECONDS = 20.0  # for what cannot be interrupted, such as an index under way
_LOOK_SECONDS = 0.01


class Ending:
    """Signals end the command wherever it is, cleaning up. ``code``: of the first one; None without any."""

    def __init__(self) -> None:
        self._heard: list[int] = []

    @property
    def code(self) -> int | None:
        return code_of(self._heard[0]) if self._heard else None

    def listen(self) -> None:
        """From now on SIGINT raises KeyboardInterrupt, and each of ``termination_signals`` SystemExit."""
        for number in (signal.SIGINT, *termination_signals()):
            signal.signal(number, self._raise)
        sys.unraisablehook = self._raise_again

    def _raise(self, number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_IGN)  # cleaning up is not interrupted
        self._heard.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(code_of(number))

    def _raise_again(self, dropped: sys.UnraisableHookArgs) -> None:
        """Python drops what is raised in a weak reference's callback: the signal is sent once more."""
        if not self._heard or not issubclass(dropped.exc_type, KeyboardInterrupt | SystemExit):
            sys.__unraisablehook__(dropped)
            return
        number = self._heard[-1]
        try:
            threading.Thread(target=self._send_again, args=(number,), daemon=True).start()
        except RuntimeError:  # Python ends already, and waits for something
            os._exit(code_of(number))
        signal.signal(number, self._raise)  # last: what is raised in this hook is dropped too

    def _send_again(self, number: int) -> None:
        while signal.getsignal(number) != self._raise:
            time.sleep(_LOOK_SECONDS)
        time.sleep(_LOOK_SECONDS)
        if sys.platform == "win32":
            signal.raise_signal(number)
        else:  # to the thread that has to wake up
            signal.pthread_kill(threading.main_thread().ident or 0, number)


class Stops:
    """How often to stop was asked: once to drain, twice to stop; termination counts twice.

    ``say`` is told, once each, in the thread that asks for the state.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._count = 0
        self._said = 0
        self._last: int = signal.SIGINT

    @property
    def code(self) -> int:
        """The exit code of a batch that was stopped: termination overrides Ctrl-C."""
        return code_of(self._last)

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
        if terminated:
            self._last = number
        before, self._count = self._count, self._count + (2 if terminated else 1)
        if before < 2 <= self._count:
            patience = threading.Timer(_PATIENCE_SECONDS, self._leave)
            patience.daemon = True
            patience.start()
        elif before >= 2:
            self._leave()

    def _leave(self) -> None:
        os._exit(self.code)  # all that is kept is whole at any moment


def termination_signals() -> list[signal.Signals]:
    """Signals that ask for an end: SIGTERM, and SIGHUP where nohup does not ignore it."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return [signal.SIGTERM]
    return [signal.SIGTERM, signal.SIGHUP]


@contextmanager
def listening_for_stops(say: Callable[[str], None]) -> Iterator[Stops]:
    """SIGINT, SIGTERM and SIGHUP go to the ``Stops`` that this gives."""
    stops = Stops(say)
    before = {number: signal.signal(number, stops.hear) for number in (signal.SIGINT, *termination_signals())}
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
