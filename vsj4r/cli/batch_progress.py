"""How a batch is shown: bars on stderr for people, JSON lines on stdout for programs."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import TaskID

from vsj4r.batch.drive import Listener
from vsj4r.batch.tasks import Event
from vsj4r.batch.work import Plan
from vsj4r.cli.progress import frame_bars
from vsj4r.cli.text import shown

_JSON_EVERY_SECONDS = 0.5
_RATE_OVER_SECONDS = 60.0


class BatchReport(Listener, Protocol):
    """A ``Listener`` that also hears of the beginning and the end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def began(self, outputs: Sequence[Path], done: int, workers: int) -> None: ...

    def note(self, text: str) -> None: ...

    def problem(self, file: Path, line: int, text: str) -> None: ...

    def ended(self, done: int, failed: int, left: int, seconds: float) -> None: ...


class Tally:
    """Frames of all files: how many there are as far as is known, how many are done, how fast that goes."""

    def __init__(self) -> None:
        self.frames: dict[int, int] = {}
        self.done: dict[int, int] = {}
        self._seen: deque[tuple[float, int]] = deque()

    def planned(self, index: int, frames: int, done: int) -> None:
        self.frames[index], self.done[index] = frames, done
        self._seen.clear()  # what an earlier run has done says nothing of the pace of this one

    def update(self, index: int, done: int) -> None:
        self.done[index] = done
        now = time.monotonic()
        self._seen.append((now, self.total_done))
        while now - self._seen[0][0] > _RATE_OVER_SECONDS:
            self._seen.popleft()

    @property
    def total(self) -> int:
        return sum(self.frames.values())

    @property
    def total_done(self) -> int:
        return sum(self.done.values())

    @property
    def fps(self) -> float:
        if len(self._seen) < 2:
            return 0.0
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return max(0.0, (after - before) / (last - first)) if last > first else 0.0


class BarReport:
    """A bar for the batch and one for each file that is worked on."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = frame_bars(self._console)
        self._tally = Tally()
        self._tasks: dict[int, TaskID] = {}
        self._names: list[str] = []
        self._files_done = 0

    def __enter__(self) -> Self:
        self._bars.start()
        self._all = self._bars.add_task("batch", total=None, fps=0.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def began(self, outputs: Sequence[Path], done: int, workers: int) -> None:
        self._names = [shown(output.name) for output in outputs]
        self._files_done = done
        self._describe()

    def note(self, text: str) -> None:
        self._print(f"vsj4r: {shown(text)}")

    def problem(self, file: Path, line: int, text: str) -> None:
        self._print(f"vsj4r: {shown(file)}:{line}: {shown(text)}")

    def planned(self, index: int, plan: Plan, frames_done: int) -> None:
        self._tally.planned(index, plan.frames, frames_done)
        for note in plan.notes:
            self.note(f"{self._names[index]}: {note}")
        self._update()

    def said(self, index: int, event: Event) -> None:
        if event["kind"] == "note":
            self.note(f"{self._names[index]}: {event['text']}")

    def frames_done(self, index: int, frames: int) -> None:
        if index not in self._tasks:
            self._tasks[index] = self._bars.add_task(
                self._names[index], total=self._tally.frames[index], fps=0.0
            )
        self._tally.update(index, frames)
        self._bars.update(self._tasks[index], completed=frames, fps=self._tally.fps)
        self._update()

    def chunk_done(self, index: int, number: int) -> None:
        pass

    def file_done(self, index: int, seconds: float) -> None:
        frames = self._tally.frames[index]
        fps = frames / seconds if seconds else 0.0
        self._end(index, f"{self._names[index]}: {frames} frames in {seconds:.1f} s, {fps:.1f} fps")

    def file_failed(self, index: int, error: str) -> None:
        self._end(index, f"vsj4r: {self._names[index]} failed: {shown(error)}")

    def tick(self) -> None:
        pass

    def ended(self, done: int, failed: int, left: int, seconds: float) -> None:
        rest = f", {left} left" if left else ""
        self._print(f"{done} done, {failed} failed{rest}, {seconds:.1f} s")

    def _end(self, index: int, text: str) -> None:
        self._files_done += 1
        if index in self._tasks:
            self._bars.remove_task(self._tasks.pop(index))
        self._describe()
        self._print(text)

    def _describe(self) -> None:
        self._bars.update(self._all, description=f"{self._files_done} of {len(self._names)} files")

    def _update(self) -> None:
        self._bars.update(
            self._all, completed=self._tally.total_done, total=self._tally.total, fps=self._tally.fps
        )

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class JsonReport:
    """One JSON object a line on stdout. ``event`` is one of

    problem   file line text; nothing is begun then
    batch     files done workers
    plan      output frames chunks frames_done width height format fps
    begun     output chunk worker (host:process)
    progress  output frame frames, and of the batch: total_frame total_frames fps eta_seconds (of the files
              planned so far; null at first); twice a second at most
    chunk     output chunk: it is done
    note      text output (null: of the batch)
    done      output frames seconds
    failed    output message
    end       done failed left seconds
    """

    def __init__(self) -> None:
        self._tally = Tally()
        self._outputs: Sequence[Path] = []
        self._last = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, BrokenPipeError):
            self._emit("failed", output=None, message=str(error))

    def began(self, outputs: Sequence[Path], done: int, workers: int) -> None:
        self._outputs = outputs
        self._emit("batch", files=len(outputs), done=done, workers=workers)

    def note(self, text: str) -> None:
        self._emit("note", output=None, text=text)

    def problem(self, file: Path, line: int, text: str) -> None:
        self._emit("problem", file=str(file), line=line, text=text)

    def planned(self, index: int, plan: Plan, frames_done: int) -> None:
        self._tally.planned(index, plan.frames, frames_done)
        self._emit(
            "plan",
            output=self._output(index),
            frames=plan.frames,
            chunks=len(plan.starts),
            frames_done=frames_done,
            width=plan.width,
            height=plan.height,
            format=plan.format,
            fps=round(plan.fps, 3),
        )
        for note in plan.notes:
            self._emit("note", output=self._output(index), text=note)

    def said(self, index: int, event: Event) -> None:
        output = self._output(index)
        match event:
            case {"kind": "begun", "chunk": chunk, "worker": worker}:
                self._emit("begun", output=output, chunk=chunk, worker=worker)
            case {"kind": "note", "text": text}:
                self._emit("note", output=output, text=text)

    def frames_done(self, index: int, frames: int) -> None:
        self._tally.update(index, frames)
        now = time.monotonic()
        if now - self._last < _JSON_EVERY_SECONDS and frames < self._tally.frames[index]:
            return
        self._last = now
        fps, left = self._tally.fps, self._tally.total - self._tally.total_done
        self._emit(
            "progress",
            output=self._output(index),
            frame=frames,
            frames=self._tally.frames[index],
            total_frame=self._tally.total_done,
            total_frames=self._tally.total,
            fps=round(fps, 3),
            eta_seconds=round(left / fps, 1) if fps else None,
        )

    def chunk_done(self, index: int, number: int) -> None:
        self._emit("chunk", output=self._output(index), chunk=number)

    def file_done(self, index: int, seconds: float) -> None:
        frames = self._tally.frames[index]
        self._emit("done", output=self._output(index), frames=frames, seconds=round(seconds, 3))

    def file_failed(self, index: int, error: str) -> None:
        self._emit("failed", output=self._output(index), message=error)

    def tick(self) -> None:
        pass

    def ended(self, done: int, failed: int, left: int, seconds: float) -> None:
        self._emit("end", done=done, failed=failed, left=left, seconds=round(seconds, 3))

    def _output(self, index: int) -> str:
        return str(self._outputs[index])

    def _emit(self, event: str, **fields: object) -> None:
        print(json.dumps({"event": event, **fields}), flush=True)
