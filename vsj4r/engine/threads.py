"""Threads for what the compiled library does beside the network: its calls release the GIL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """``count`` of them, the caller's own among them; the others begin when they are first needed, and end
    with this."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._others = ThreadPoolExecutor(count - 1, "vsj4r") if count > 1 else None

    def run(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """What each of ``calls``, one at least, gives. They are made at the same time, as far as there are
        threads; none of them is under way any more when this returns or raises. Where no thread is to be had
        the caller makes all of them, and some a second time."""
        if self._others is None:
            return [call() for call in calls]
        begun: list[Future[T]] = []
        try:
            for call in calls[1:]:
                begun.append(self._others.submit(call))
        except RuntimeError:  # too many are there, or Python is on its way out
            self._others.shutdown(cancel_futures=True)  # the call that was refused may be queued all the same
            self._others = None
            return self.run(calls)
        try:
            first = calls[0]()
        finally:
            wait(begun)
        return [first, *(each.result() for each in begun)]
