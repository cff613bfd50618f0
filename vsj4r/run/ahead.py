"""The network opened while the source is: each takes a good part of a start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from vsj4r.engine import EngineCache, open_engine
from vsj4r.engine.base import round_up
from vsj4r.engine.cuda.driver import find_trouble
from vsj4r.engine.downscaled import plan_downscale
from vsj4r.engine.weights import find_model
from vsj4r.media.probe import Probe
from vsj4r.run.settings import RunSettings


class EngineAhead:
    """One engine for the CPU, of the size that a file's container states. If the filter needs another after
    all, it opens it, and this one is in nobody's way."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._engines = EngineCache()
        self._thread: Thread | None = None

    def begin(self, found: Probe) -> None:
        """Open it in a thread of its own, for the file that ``found`` tells of."""
        device = self._settings.device
        if self._thread is not None or not (device == "cpu" or (device == "auto" and find_trouble(0))):
            return
        self._thread = Thread(target=self._open, args=found.video.shown_size, name="engine ahead")
        self._thread.start()

    def _open(self, width: int, height: int) -> None:
        with suppress(Exception), self._engines.lending():  # the filter fails the same way, and tells it
            model = find_model(self._settings.model)
            by, spec = plan_downscale(model.spec, height, width, self._settings.downscale)
            open_engine(
                model,
                height=round_up(height, spec.multiple),
                width=round_up(width, spec.multiple),
                device="cpu",
                precision=self._settings.precision,
                downscale=by,
            )

    @contextmanager
    def lending(self) -> Iterator[None]:
        """A filter that is made inside takes the engine, if it fits."""
        if self._thread is not None:
            self._thread.join()
        with self._engines.lending():
            yield

    def close(self) -> None:
        if self._thread is not None:
            self._thread.join()
        self._engines.close()
