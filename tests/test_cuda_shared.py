"""What the engine on a card changes of the whole process, while other threads use it, too."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

torch = pytest.importorskip("torch")

from vsj4r.engine.cuda.shared import COLLECTOR_PAUSED, EXACT_CONVOLUTIONS, Shared  # noqa: E402


def flags() -> tuple[bool, bool]:
    return torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32


def test_convolutions_are_exact_until_the_last_thread_is_out() -> None:
    before, exact = flags(), EXACT_CONVOLUTIONS
    entered, may_go = threading.Event(), threading.Event()
    seen: list[tuple[bool, bool]] = []

    def second() -> None:
        with exact.held():
            entered.set()
            assert may_go.wait(10)
            seen.append(flags())

    other = threading.Thread(target=second)
    with exact.held():
        other.start()
        assert entered.wait(10)
    may_go.set()
    other.join()
    assert before != (True, False)
    assert seen == [(True, False)]
    assert flags() == before
    with pytest.raises(KeyError), exact.held():
        raise KeyError
    assert flags() == before


def test_who_comes_in_while_it_begins_does_not_wait() -> None:
    """A lane that the collector finds there."""
    now: list[str] = []

    @contextmanager
    def begin() -> Iterator[None]:
        if not now:
            now.append("first")
            with shared.held():
                assert now == ["first", "second"]
        else:
            now.append("second")
        yield

    shared = Shared(begin)
    with shared.held():
        assert now == ["first", "second"]


def test_nothing_is_collected_within_a_capture() -> None:
    with COLLECTOR_PAUSED.held():
        assert not gc.isenabled()
        with COLLECTOR_PAUSED.held():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
