"""Calls made side by side."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from vsj4r.engine.threads import Threads


def test_they_are_made_at_the_same_time_and_given_in_order() -> None:
    met = threading.Barrier(3, timeout=20)

    def call(number: int) -> int:
        met.wait()
        return number

    assert Threads(3).run([partial(call, number) for number in range(3)]) == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_there_may_be_more_of_them_than_threads_or_fewer(count: int) -> None:
    calls = [partial(pow, number, 2) for number in range(4)]
    assert Threads(count).run(calls) == [0, 1, 4, 9]
    assert Threads(count).run(calls[:1]) == [0]


@pytest.mark.parametrize("wrong", [0, 1])
def test_none_is_under_way_after_an_error(wrong: int) -> None:
    done = threading.Event()

    def slow() -> None:
        time.sleep(0.2)
        done.set()

    def fail() -> None:
        raise ValueError("no")

    calls = [slow, slow]
    calls[wrong] = fail
    with pytest.raises(ValueError, match="no"):
        Threads(2).run(calls)
    assert done.is_set()


def test_where_no_thread_is_to_be_had_none_is_under_way_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the executor has queued before it could not begin a thread is not made by another."""
    threads, under_way = Threads(3), []
    threads.run([partial(time.sleep, 0.01)] * 2)  # one more is there now

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    def call(number: int) -> int:
        under_way.append(number)
        time.sleep(0.05)
        under_way.remove(number)
        return number

    assert threads.run([partial(call, number) for number in range(4)]) == [0, 1, 2, 3]
    assert under_way == []
    time.sleep(0.2)
    assert under_way == []
    assert threads.run([partial(call, number) for number in range(2)]) == [0, 1]


def test_while_python_ends_one_thread_makes_all_calls() -> None:
    script = """
import atexit, threading
from vsj4r.engine.threads import Threads
threads = Threads(3)
def late():
    print(threads.run([lambda: 1, lambda: 2, lambda: 3]), threading.active_count())
atexit.register(late)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "[1, 2, 3] 1\n", ended.stderr
