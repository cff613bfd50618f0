"""What a worker keeps from one task to the next: chunks of one file mostly follow one another."""

from __future__ import annotations

from collections.abc import Callable

import vapoursynth as vs

from vsj4r.batch.work import Work
from vsj4r.engine import EngineCache
from vsj4r.media.files import open_source
from vsj4r.run.encodable import working_depth
from vsj4r.run.filtering import Filtering


class Bench:
    """The file that is open, the clip that derains it, and the engine that was compiled last.

    One task at a time works here. Its owner closes it.
    """

    def __init__(self) -> None:
        self._engines = EngineCache()
        self._key: str | None = None  # of the work whose file is open
        self._file: Filtering | None = None
        self._derained: dict[int, list[vs.VideoNode]] = {}  # by threads of the engine

    def open(self, work: Work, on_look: Callable[[float], None] = lambda share: None) -> Filtering:
        """The file of ``work``; of ``on_look`` see ``files.open_source``.

        Raises:
            Vsj4rError: it cannot be read, or the trim leaves nothing of it.
        """
        if self._key != work.key:
            self._forget()
        if self._file is None:
            source = open_source(
                work.input, work.settings.reading(), index=work.folder / "index", on_look=on_look
            )
            depth = working_depth(source, work.output, work.settings, to_folder=work.to_folder)
            self._file = Filtering(source, work.settings, depth=depth, into_rgb=work.to_folder)
            self._key = work.key
        return self._file

    def derain(self, work: Work, threads: int) -> list[vs.VideoNode]:
        """The outputs of ``work`` after the filter, which has ``threads`` (0: its own choice).

        Raises:
            Vsj4rError: as ``open``, or the filter refuses.
        """
        filtering = self.open(work)
        if threads not in self._derained:
            with self._engines.lending():
                self._derained[threads] = filtering.after(threads=threads)
        return self._derained[threads]

    def read_with_one_thread(self, work: Work) -> None:
        """The file of ``work`` does not always decode alike: whoever opens it next takes one thread."""
        if self._key == work.key and self._file is not None:
            self._file.part.use_one_thread()
        self._forget()

    def close(self) -> None:
        self._forget()
        self._engines.close()

    def _forget(self) -> None:
        self._file, self._key = None, None
        self._derained.clear()
