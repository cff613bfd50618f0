"""The last few frames as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vsj4r.engine.base import Tensors


class TensorCache:
    """The last few frames as tensors, by frame number: each is read as ``o_next`` and then as ``o_t``."""

    def __init__(self, buffers: Sequence[Tensors]) -> None:
        self._held: dict[int, Tensors] = {}  # least recently used first
        self._free = list(buffers)

    def get(self, n: int, load: Callable[[Tensors], None]) -> Tensors:
        """Frame ``n``, filled by ``load`` if it is not held. The two latest are never overwritten."""
        tensors = self._held.pop(n, None)
        if tensors is None:
            tensors = self._free.pop() if self._free else self._held.pop(next(iter(self._held)))
            try:
                load(tensors)
            except BaseException:
                self._free.append(tensors)
                raise
        self._held[n] = tensors
        return tensors
