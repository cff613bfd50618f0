"""How work is shown: bars on stderr for people, JSON lines on stdout for programs.

`vsj4r run` and `vsj4r batch` tell the same report: a run is a batch of one file.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from vsj4r.batch.plan import BatchListener, Event, Plan
from vsj4r.cli.outcome import UnreadError, one_line
from vsj4r.media.whole import write_error
from vsj4r.words import count_of

_JSON_EVERY_SECONDS = 0.5
_PACE_SECONDS = 60.0  # that the pace is measured over


@dataclass(frozen=True, slots=True)
class Item:
    """One file of the work, as its job asks for it. ``frames``: how many it seems to have, None where nobody
    knows yet."""

    input: Path
    output: Path
    model: str
    device: str
    frames: int | None = None


class Report(BatchListener, Protocol):
    """A ``BatchListener`` that is also told of the beginning and the end, and of what belongs to no file.

    Leaving the block with an exception ends the report with it.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def problem(self, file: Path, line: int, text: str) -> None:
        """A mistake in line ``line`` of a job file; nothing is begun."""

    def work(self, items: Sequence[Item]) -> None:
        """What is to be done. Every index below is a place in ``items``."""

    def began(self, done: Collection[int], workers: int) -> None:
        """Of a batch: which files an earlier run has done."""

    def note(self, text: str, index: int | None = None) -> None: ...

    def ended(self, done: int, failed: int, left: int, seconds: float) -> None:
        """Of a batch: how many files."""


class Pace:
    """Frames of all files that this run works on: how many there are, or seem to be until they are planned,
    how many are done, how fast that goes.

    What an earlier run has done of them counts as done, but says nothing of the pace of this one.
    """

    def __init__(self) -> None:
        self.frames: dict[int, int | None] = {}  # None: nobody knows
        self._done: dict[int, int] = {}
        self._made = 0  # by this run
        self._seen: deque[tuple[float, int]] = deque()  # (moment, frames made)

    def expect(self, items: Sequence[Item]) -> None:
        """These are all files. What none knows of is left out until it is planned."""
        self.frames = {index: item.frames for index, item in enumerate(items) if item.frames is not None}

    def add(self, index: int, plan: Plan, done: int) -> None:
        """File ``index`` is planned; an earlier run has done ``done`` of its frames."""
        self.frames[index], self._done[index] = None if plan.open_ended else plan.frames, done

    def drop(self, index: int) -> None:
        """Nothing more is done of file ``index``."""
        self.frames.pop(index, None)
        self._done.pop(index, None)

    def update(self, index: int, done: int) -> None:
        self._made += done - self._done[index]
        self._done[index] = done
        now = time.monotonic()
        self._seen.append((now, self._made))
        while now - self._seen[0][0] > _PACE_SECONDS:
            self._seen.popleft()

    @property
    def total(self) -> int | None:
        """None where nobody knows."""
        known = [frames for frames in self.frames.values() if frames is not None]
        return sum(known) if len(known) == len(self.frames) else None

    def done(self, index: int) -> int:
        """Frames of file ``index``."""
        return self._done[index]

    @property
    def total_done(self) -> int:
        return sum(self._done.values())

    @property
    def fps(self) -> float:
        """0 while it is not known."""
        if len(self._seen) < 2:
            return 0.0
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return max(0.0, (after - before) / (last - first)) if last > first else 0.0

    @property
    def shown(self) -> str:
        """As a bar shows it."""
        return f"{self.fps:.1f} fps"

    @property
    def eta_seconds(self) -> float | None:
        """Of all files; None while it is not known."""
        total = self.total
        if total is None or not self.fps:
            return None
        return max(0, total - self.total_done) / self.fps


class BarReport:
    """A bar for each file that is worked on and, of a batch, one for all of them."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._pace = Pace()
        self._items: Sequence[Item] = []
        self._bar_of: dict[int, TaskID] = {}
        self._bar_of_all: TaskID | None = None
        self._reading: TaskID | None = None
        self._files_done = 0

    def __enter__(self) -> Self:
        self._bars.start()
        self._reading = self._bars.add_task("reading", total=None, pace="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def problem(self, file: Path, line: int, text: str) -> None:
        self._print(f"vsj4r: {one_line(file)}:{line}: {one_line(text)}")

    def work(self, items: Sequence[Item]) -> None:
        self._items = items
        self._pace.expect(items)

    def began(self, done: Collection[int], workers: int) -> None:
        self._files_done = len(done)
        for index in done:
            self._pace.drop(index)
        self._bar_of_all, self._reading = self._reading, None
        self._show_files()

    def note(self, text: str, index: int | None = None) -> None:
        about = "" if index is None or self._bar_of_all is None else f"{self._name(index)}: "
        self._print(f"vsj4r: {about}{one_line(text)}")

    def planned(self, index: int, plan: Plan, frames_done: int) -> None:
        self._pace.add(index, plan, frames_done)
        self._end_bar(index)
        for note in plan.notes:
            self.note(note, index)
        self._show_all()

    def said(self, index: int, event: Event) -> None:
        match event:
            case {"kind": "note", "text": str(text)}:
                self.note(text, index)
            case {"kind": "looked", "share": float(share)}:
                if index not in self._bar_of:
                    self._end_bar(index)
                    text = f"looking through {one_line(self._items[index].input.name)}"
                    self._bar_of[index] = self._bars.add_task(text, total=100, pace="%")
                self._bars.update(self._bar_of[index], completed=round(100 * share))

    def frames_done(self, index: int, frames: int) -> None:
        total = self._pace.frames[index]
        if index not in self._bar_of:
            self._bar_of[index] = self._bars.add_task(self._name(index), total=total, pace="")
        self._pace.update(index, frames)
        self._bars.update(self._bar_of[index], completed=frames, pace=self._pace.shown)
        self._show_all()

    def chunk_done(self, index: int, number: int) -> None:
        pass

    def file_done(self, index: int, seconds: float) -> None:
        frames = self._pace.done(index)
        fps = frames / seconds if seconds else 0.0
        self._end(
            index, f"{self._name(index)}: {count_of(frames, 'frame')} in {seconds:.1f} s, {fps:.1f} fps"
        )

    def file_failed(self, index: int, error: str) -> None:
        self._pace.drop(index)
        self._end(index, f"vsj4r: {self._name(index)} failed: {one_line(error)}")

    def ended(self, done: int, failed: int, left: int, seconds: float) -> None:
        rest = f", {left} left" if left else ""
        self._print(f"{done} done, {failed} failed{rest}, {seconds:.1f} s")

    def _end_bar(self, index: int) -> None:
        """That of file ``index``, or the one before anything is known of it."""
        for bar in (self._bar_of.pop(index, None), self._reading):
            if bar is not None:
                self._bars.remove_task(bar)
        self._reading = None

    def _end(self, index: int, text: str) -> None:
        self._files_done += 1
        self._end_bar(index)
        self._show_files()
        self._print(text)

    def _name(self, index: int) -> str:
        """A batch has many outputs, of which the name is enough."""
        output = self._items[index].output
        return one_line(output if self._bar_of_all is None else output.name)

    def _show_files(self) -> None:
        if self._bar_of_all is not None:
            text = f"{self._files_done} of {count_of(len(self._items), 'file')}"
            self._bars.update(self._bar_of_all, description=text)

    def _show_all(self) -> None:
        if self._bar_of_all is not None:
            pace = self._pace
            self._bars.update(self._bar_of_all, completed=pace.total_done, total=pace.total, pace=pace.shown)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class JsonReport:
    """One JSON object a line in ``file``, stdout by default. ``event`` is one of

    problem   file line text; nothing is begun then
    batch     files done workers; a run has none, nor the ``end``
    plan      output input model device frames (null: of a pipe) chunks frames_done width height format fps
    looked    output share (0 to 1): of what is decoded of a long video before it is planned
    begun     output chunk worker (host:process)
    progress  output frame frames, and of all files that an earlier run has not done, and that have not
              failed: total_frame total_frames fps eta_seconds (null at first); twice a second at most;
              what is not planned yet counts as its input says
    chunk     output chunk: it is done
    note      output (null: of the whole) text
    done      output frames seconds
    failed    output (null: the whole, and the exit code tells the rest) message
    end       done failed left seconds
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file or sys.stdout
        self._pace = Pace()
        self._items: Sequence[Item] = []
        self._last = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, UnreadError):
            message = str(error) if isinstance(error, Exception) else "interrupted"
            self._emit("failed", output=None, message=message)

    def problem(self, file: Path, line: int, text: str) -> None:
        self._emit("problem", file=str(file), line=line, text=text)

    def work(self, items: Sequence[Item]) -> None:
        self._items = items
        self._pace.expect(items)

    def began(self, done: Collection[int], workers: int) -> None:
        for index in done:
            self._pace.drop(index)
        self._emit("batch", files=len(self._items), done=len(done), workers=workers)

    def note(self, text: str, index: int | None = None) -> None:
        self._emit("note", output=None if index is None else self._output(index), text=text)

    def planned(self, index: int, plan: Plan, frames_done: int) -> None:
        self._pace.add(index, plan, frames_done)
        item = self._items[index]
        self._emit(
            "plan",
            output=str(item.output),
            input=str(item.input),
            model=item.model,
            device=item.device,
            frames=self._pace.frames[index],
            chunks=len(plan.starts),
            frames_done=frames_done,
            width=plan.width,
            height=plan.height,
            format=plan.format,
            fps=round(plan.fps, 3),
        )
        for note in plan.notes:
            self.note(note, index)

    def said(self, index: int, event: Event) -> None:
        match event:
            case {"kind": "begun", "chunk": chunk, "worker": worker}:
                self._emit("begun", output=self._output(index), chunk=chunk, worker=worker)
            case {"kind": "note", "text": str(text)}:
                self.note(text, index)
            case {"kind": "looked", "share": float(share)}:
                self._emit("looked", output=self._output(index), share=round(share, 3))

    def frames_done(self, index: int, frames: int) -> None:
        pace, now = self._pace, time.monotonic()
        pace.update(index, frames)
        if now - self._last < _JSON_EVERY_SECONDS and frames != pace.frames[index]:
            return
        self._last = now
        eta_seconds = pace.eta_seconds
        self._emit(
            "progress",
            output=self._output(index),
            frame=frames,
            frames=pace.frames[index],
            total_frame=pace.total_done,
            total_frames=pace.total,
            fps=round(pace.fps, 3),
            eta_seconds=None if eta_seconds is None else round(eta_seconds, 1),
        )

    def chunk_done(self, index: int, number: int) -> None:
        self._emit("chunk", output=self._output(index), chunk=number)

    def file_done(self, index: int, seconds: float) -> None:
        frames = self._pace.done(index)
        self._emit("done", output=self._output(index), frames=frames, seconds=round(seconds, 3))

    def file_failed(self, index: int, error: str) -> None:
        self._pace.drop(index)
        self._emit("failed", output=self._output(index), message=error)

    def ended(self, done: int, failed: int, left: int, seconds: float) -> None:
        self._emit("end", done=done, failed=failed, left=left, seconds=round(seconds, 3))

    def _output(self, index: int) -> str:
        return str(self._items[index].output)

    def _emit(self, event: str, **fields: object) -> None:
        try:
            print(json.dumps({"event": event, **fields}), file=self._file, flush=True)
        except BrokenPipeError as error:
            raise UnreadError from error
        except OSError as error:
            raise write_error(Path(self._file.name.strip("<>")), error) from error
