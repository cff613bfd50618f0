"""An engine kept for the next clip: compiling may take longer than a clip."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

from vsj4r.engine.base import Engine, State, Step, Tensors


class _Lease:
    """The kept engine while one clip uses it; the clip is done with it once this is collected."""

    def __init__(self, engine: Engine) -> None:
        self.spec, self.precision, self._engine = engine.spec, engine.precision, engine

    def new_state(self) -> State:
        return self._engine.new_state()

    def step(self, o_t: Tensors, o_next: Tensors | None, state: State) -> Step:
        return self._engine.step(o_t, o_next, state)


class EngineCache:
    """For a caller that derains one clip after the other: a clip of the same model, size and options takes
    the engine of the clip before it, if that clip is gone. Its owner closes it."""

    _lender: ContextVar[EngineCache | None] = ContextVar("lender", default=None)

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: tuple[Hashable, Engine] | None = None
        self._lease: weakref.ref[_Lease] | None = None

    @classmethod
    def lender(cls) -> EngineCache | None:
        """The cache that lends in this thread now."""
        return cls._lender.get()

    @contextmanager
    def lending(self) -> Iterator[None]:
        """Engines that this thread opens inside come from here."""
        token = self._lender.set(self)
        try:
            yield
        finally:
            self._lender.reset(token)

    def lend(self, key: Hashable, compile_engine: Callable[[], Engine]) -> Engine:
        """The engine that is kept, if it has this ``key`` and nobody uses it, or a new one, kept instead."""
        with self._lock:
            in_use = self._lease is not None and self._lease() is not None
            if self._kept is None or self._kept[0] != key or in_use:
                self._kept = None  # first, for its memory
                self._kept = key, compile_engine()
            lease = _Lease(self._kept[1])
            self._lease = weakref.ref(lease)
            return lease

    def close(self) -> None:
        """Keep nothing. A clip that is under way keeps its own engine."""
        with self._lock:
            self._kept = self._lease = None
