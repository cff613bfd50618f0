"""How a run is shown: a bar on stderr for people, JSON lines on stdout for programs."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from vsj4r.run.derain import Job, Started

_JSON_EVERY_SECONDS = 0.5
_RATE_OVER_FRAMES = 50


class Report(Protocol):
    """A ``Listener`` that is also told of the end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def note(self, text: str) -> None: ...

    def started(self, started: Started) -> None: ...

    def frame_done(self, frame: int) -> None: ...

    def finished(self, seconds: float) -> None: ...


def frame_bars(console: Console) -> Progress:
    """Bars of frames, to which each update tells ``fps``; none where ``console`` is no terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]:.1f} fps"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class Rate:
    """Frames a second over the last frames, so that a slow start does not spoil the forecast."""

    def __init__(self) -> None:
        self._times: deque[float] = deque([time.monotonic()], maxlen=_RATE_OVER_FRAMES + 1)

    def tick(self) -> None:
        self._times.append(time.monotonic())

    @property
    def fps(self) -> float:
        span = self._times[-1] - self._times[0]
        return (len(self._times) - 1) / span if span > 0 else 0.0


class BarReport:
    """A progress bar with frames a second and the time that is left, on stderr."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._console = Console(stderr=True)
        self._bar = frame_bars(self._console)
        self._task: TaskID | None = None
        self._frames = 0

    def __enter__(self) -> Self:
        self._bar.start()
        self._task = self._bar.add_task("reading", total=None, fps=0.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def note(self, text: str) -> None:
        self._print(f"vsj4r: {text}")

    def started(self, started: Started) -> None:
        self._frames = started.frames
        self._rate = Rate()
        if self._task is not None:
            self._bar.update(self._task, total=started.frames, description="deraining")

    def frame_done(self, frame: int) -> None:
        self._rate.tick()
        if self._task is not None:
            self._bar.update(self._task, completed=frame, fps=self._rate.fps)

    def finished(self, seconds: float) -> None:
        fps = self._frames / seconds if seconds else 0.0
        self._print(f"{self._job.output}: {self._frames} frames in {seconds:.1f} s, {fps:.1f} fps")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class JsonReport:
    """One JSON object a line on stdout. ``event`` is one of

    start     input output model device frames width height format fps
    progress  frame frames fps eta_seconds (null at first); twice a second at most
    note      text
    done      output frames seconds
    error     message; the exit code tells the rest
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._frames = 0
        self._last = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, BrokenPipeError):
            self._emit("error", message=str(error) or "interrupted")

    def note(self, text: str) -> None:
        self._emit("note", text=text)

    def started(self, started: Started) -> None:
        job = self._job
        self._frames = started.frames
        self._rate = Rate()
        self._emit(
            "start",
            input=str(job.input),
            output=str(job.output),
            model=job.model,
            device=job.device,
            frames=started.frames,
            width=started.width,
            height=started.height,
            format=started.format,
            fps=round(started.fps, 3),
        )

    def frame_done(self, frame: int) -> None:
        self._rate.tick()
        now = time.monotonic()
        if now - self._last < _JSON_EVERY_SECONDS and frame < self._frames:
            return
        self._last = now
        fps = self._rate.fps
        eta = round((self._frames - frame) / fps, 1) if fps else None
        self._emit("progress", frame=frame, frames=self._frames, fps=round(fps, 3), eta_seconds=eta)

    def finished(self, seconds: float) -> None:
        self._emit("done", output=str(self._job.output), frames=self._frames, seconds=round(seconds, 3))

    def _emit(self, event: str, **fields: object) -> None:
        print(json.dumps({"event": event, **fields}), file=sys.stdout, flush=True)
