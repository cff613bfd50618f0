"""BestSource, the source filter of VapourSynth that is exact to the frame."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from vsj4r.errors import InputError
from vsj4r.media.frame_errors import first_line
from vsj4r.media.index import Index
from vsj4r.media.probe import Probe
from vsj4r.media.sources import check_constant
from vsj4r.words import count_of

_NOT_KEPT = "Failed to write index"  # for want of room, after it has read the file
_TOO_SMALL = "leaves nothing to output"
_INDEX_PROGRESS = re.compile(r"index progress (\d+)%")


def open_with_bestsource(
    found: Probe, index: Index, *, threads: int, on_look: Callable[[float], None]
) -> tuple[vs.VideoNode, list[int], Fraction]:
    """The clip, its timestamps and their unit; ``threads`` 0 is one for each core."""
    path = found.path

    def read(**cache: object) -> Any:
        return vs.core.bs.VideoSource(
            str(path.absolute()),
            track=found.video.index,
            threads=threads,
            exporttimestamps=1,
            apply_rotation=0,
            **cache,
        )

    with hearing_bestsource(on_look):
        try:
            try:
                opened = read(**index.arguments(threads))
            except vs.Error as error:
                if _NOT_KEPT not in str(error):
                    raise
                opened = read(**Index().arguments(threads))
        except vs.Error as error:
            if _TOO_SMALL in str(error):
                size = f"{found.video.width}x{found.video.height}"
                raise InputError(
                    f"{path} is too small for its chroma, {size}: convert it to 4:4:4 first"
                ) from error
            raise InputError(f"{path} cannot be decoded: {first_line(error)}") from error
        except UnicodeEncodeError as error:
            raise InputError(
                f"{path.absolute()} cannot be opened: VapourSynth needs names in UTF-8: rename the file, or "
                "its folder"
            ) from error
    stamps = opened["timestamps"]
    stamps = [int(stamps)] if isinstance(stamps, int) else [int(stamp) for stamp in stamps]
    clip: vs.VideoNode = opened["clip"]
    check_constant(path, clip)
    if len(stamps) != len(clip):
        raise InputError(
            f"{path} has {count_of(len(clip), 'frame')} but {count_of(len(stamps), 'timestamp')}"
        )
    return clip, stamps, Fraction(opened["timebasenum"], opened["timebaseden"])


@contextmanager
def hearing_bestsource(on_look: Callable[[float], None]) -> Iterator[None]:
    """What BestSource says through VapourSynth's log, in this thread: ``on_look`` is told how much of a file
    is indexed, from the second word on: the first is said at once of every file. BestSource 22 returns the
    timestamps without declaring them; the warning of it is kept back."""
    logger, here = logging.getLogger("vapoursynth"), threading.get_ident()
    words: list[int] = []  # per cent
    failures: list[BaseException] = []

    def hear(record: logging.LogRecord) -> bool:
        if record.thread != here:
            return True
        text = record.getMessage()
        progress = _INDEX_PROGRESS.search(text)
        if progress is None:
            return "no return value(s) named" not in text
        words.append(int(progress[1]))
        if len(words) > 1 and not failures:
            try:
                on_look(words[-1] / 100)
            except BaseException as error:  # VapourSynth would only print it
                failures.append(error)
        return False

    level = logger.level
    logger.addFilter(hear)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeFilter(hear)
        logger.setLevel(level)
    if failures:
        raise failures[0]
