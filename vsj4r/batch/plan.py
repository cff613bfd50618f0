"""What is known of a file before its first frame, and who is told how it goes: what a run and a batch have in
common. Whoever shows work needs nothing else of a batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

Event = dict[str, object]
"""What a task says of itself: its ``kind``, and what goes with that."""

IMAGES = "images"
"""In place of an encoder's name: the output is a folder of images."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a file once it has been opened. ``starts``: first frames of the chunks;
    ``encoder``: that of the settings, or what fits the file, or ``IMAGES``; "" where a run needs none.
    ``open_ended``: nobody knows how many frames there are, as of a pipe, which a run reads.

    Raises:
        ValueError: there is no frame, or the chunks are not all of them, in order.
    """

    frames: int
    starts: tuple[int, ...]
    width: int
    height: int
    format: str
    fps: float
    encoder: str = ""
    notes: tuple[str, ...] = ()
    open_ended: bool = False

    def __post_init__(self) -> None:
        bounds = (*self.starts, self.frames)
        if not self.starts or self.starts[0] != 0 or not all(type(each) is int for each in bounds):
            raise ValueError(f"chunks must begin at frame 0, got {self.starts}")
        if any(after <= before for before, after in pairwise(bounds)):
            raise ValueError(f"chunks must hold frames, got {bounds}")

    def chunk(self, number: int) -> tuple[int, int]:
        """First frame, and the one after the last."""
        return (*self.starts, self.frames)[number], (*self.starts, self.frames)[number + 1]

    def frames_in(self, chunks: Iterable[int]) -> int:
        """How many the ``chunks`` of these numbers have."""
        bounds = map(self.chunk, chunks)
        return sum(stop - first for first, stop in bounds)


class BatchListener(Protocol):
    """Told how a batch goes, in the thread that drives it. ``index`` is the file's place in the batch."""

    def planned(self, index: int, plan: Plan, frames_done: int) -> None: ...

    def said(self, index: int, event: Event) -> None: ...

    def frames_done(self, index: int, frames: int) -> None: ...

    def chunk_done(self, index: int, number: int) -> None: ...

    def file_done(self, index: int, seconds: float) -> None: ...

    def file_failed(self, index: int, error: str) -> None: ...
