"""What the native filter calls. C is mechanism (requests, references, output ring), here is policy.

All methods of a ``Host`` are called with the GIL, one call at a time, from any thread. A raised exception
becomes the error of the frame, its text prefixed with ``Derain: frame N: ``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from vsj4r.engine import open_engine
from vsj4r.engine.base import Tensors
from vsj4r.engine.weights import find_model
from vsj4r.errors import Vsj4rError
from vsj4r.frames.planes import Converter
from vsj4r.frames.ring import TensorRing
from vsj4r.frames.scenes import FoundCuts, thumbnail
from vsj4r.frames.segments import LIVE_STATES, Run, Schedule, Segments
from vsj4r.plugin.arguments import Arguments, Clip, Given

RANGE_FULL = 1

_Planes = tuple[memoryview, memoryview | None, memoryview | None]
_Raw = tuple[_Planes, tuple[int, int, int], int, int, int, int]


class Frame(NamedTuple):
    """A frame as C hands it over, valid during the call only.

    ``planes`` is the memory of each plane, None beyond the first of GRAY; ``strides`` in bytes; ``range`` 1
    full, 0 limited, -1 not stated; ``matrix`` _Matrix and ``scene_change`` _SceneChangePrev, -1 when absent;
    ``field_based`` the frame property, 0 when absent.
    """

    planes: _Planes
    strides: tuple[int, int, int]
    range: int
    matrix: int
    field_based: int
    scene_change: int


def open_host(clip: dict[str, int | str], arguments: Given) -> Host:
    """Check everything, then open the engine. ``clip`` as in ``Clip``; ``arguments`` those that were given.

    Raises:
        Vsj4rError: what the user can mend, one line.
    """
    with _one_line():
        return Host(Clip.checked(clip), Arguments.checked(arguments))


class Host:
    """One ``Derain`` in one filter graph."""

    def __init__(self, clip: Clip, arguments: Arguments) -> None:
        geometry = clip.geometry
        cuts = arguments.cuts(clip.frames)
        spec = find_model(arguments.model).spec
        self._converter = Converter(geometry, spec)
        self._engine = open_engine(
            arguments.model,
            height=self._converter.padded_height,
            width=self._converter.padded_width,
            device=arguments.device,
            precision=arguments.precision,
            threads=arguments.threads,
        )
        self._geometry = geometry
        self._strength = arguments.strength
        self._lookahead = spec.lookahead
        self._cuts = cuts
        segments = Segments(clip.frames, arguments.segment, arguments.warmup, spec.lookahead, self._cuts)
        self._schedule = Schedule(segments)
        self._states = [self._engine.new_state() for _ in range(LIVE_STATES)]
        self._tensors = TensorRing([self._converter.new_tensors() for _ in range(1 + LIVE_STATES)])

    def reads(self, n: int) -> tuple[bool, Run]:
        """What to do now on the way to output ``n``: True to ``look`` at the frames of the run, False to
        ``step`` them."""
        missing = self._schedule.segments.missing(n)
        if missing is None:
            return False, self._schedule.reads(n)
        first, last = missing
        return True, Run(n, first, last, last, last)

    def forget(self, n: int) -> None:
        """Request ``n`` has failed."""
        self._schedule.forget(n)

    def look(self, i: int, source: _Raw) -> None:
        """Look at frame ``i`` for a cut before it."""
        with _one_line():
            if isinstance(self._cuts, FoundCuts):
                frame = Frame(*source)
                planes = self._geometry.views(frame.planes, frame.strides)
                luma = planes[1 if self._geometry.format.family == "rgb" else 0]  # green is most of it
                told = None if frame.scene_change < 0 else frame.scene_change > 0
                self._cuts.look(i, thumbnail(luma, peak=self._geometry.format.peak), told=told)

    def step(self, i: int, target: int, source: _Raw, after: _Raw, out: _Raw | None) -> None:
        """Feed frame ``i`` (of the run towards ``target``) and write its output, unless ``out`` is None.

        ``source`` is frame ``i``, ``after`` the next one that was read (frame ``i`` again at the end).

        Raises:
            Vsj4rError: the frame cannot be derained; later requests start from a fresh state.
        """
        with _one_line():
            o_t = self._load(i, Frame(*source))
            neighbour = self._schedule.segments.neighbour(i)
            o_next = o_t if neighbour == i else self._load(neighbour, Frame(*after))
            slot, fresh = self._schedule.claim(i, target)
            state = self._states[slot]
            try:
                if fresh:
                    state.reset()
                residual = self._engine.step(o_t, o_next if self._lookahead else None, state).residual
                if out is not None:
                    self._write(Frame(*source), residual, Frame(*out))
            except BaseException:
                self._schedule.lose(slot)
                raise
            self._schedule.advance(slot, i, target)

    def _load(self, n: int, frame: Frame) -> Tensors:
        if frame.field_based > 0:
            raise Vsj4rError(f"clip must be progressive, got _FieldBased {frame.field_based} on frame {n}")
        planes = self._geometry.views(frame.planes, frame.strides)
        full = self._is_full(frame)
        return self._tensors.get(
            n, lambda tensors: self._converter.load(planes, full=full, matrix=frame.matrix, into=tensors)
        )

    def _write(self, source: Frame, residual: Tensors, out: Frame) -> None:
        self._converter.add(
            self._geometry.views(source.planes, source.strides),
            self._converter.changes(residual, matrix=source.matrix),
            strength=self._strength,
            full=self._is_full(source),
            into=self._geometry.views(out.planes, out.strides),
        )

    def _is_full(self, frame: Frame) -> bool:
        """Where a frame does not say, RGB is full and all else limited, as everywhere in VapourSynth."""
        return frame.range == RANGE_FULL if frame.range >= 0 else self._geometry.format.family == "rgb"


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn what nobody foresaw into one line that names it; ``Vsj4rError`` passes."""
    try:
        yield
    except Vsj4rError:
        raise
    except Exception as error:
        raise Vsj4rError(f"{type(error).__name__}: {' '.join(str(error).split())}") from error
