"""What the native filter calls. C is mechanism (requests, references, output ring), here is policy.

All methods of a ``Host`` are called with the GIL, one call at a time, from any thread. A raised exception
becomes the error of the frame, its text after ``Derain: `` and, from ``look`` and ``step``, ``frame N: ``.
"""

from __future__ import annotations

import atexit
import ctypes
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import cast

from vsj4r.engine import open_engine
from vsj4r.engine.base import BidirectionalState, Engine, FrameEngine, State, Tensors
from vsj4r.engine.downscaled import plan_downscale
from vsj4r.engine.tensor_cache import TensorCache
from vsj4r.engine.weights import find_model
from vsj4r.errors import Vsj4rError
from vsj4r.frames.formats import Geometry
from vsj4r.frames.layers import Levels
from vsj4r.frames.planes import Converter
from vsj4r.frames.scenes import FoundCuts, read_cut_mark, thumbnail
from vsj4r.frames.segments import LIVE_STATES, Run, Schedule, Segments
from vsj4r.plugin.arguments import Arguments, Clip, Given, Info
from vsj4r.plugin.direct import Direct, layout_of
from vsj4r.plugin.frame import Frame, RawFrame
from vsj4r.plugin.writer import OutputWriter

Frames = dict[int, Frame]


@cache
def before_exit(quit_address: int) -> None:
    """Let Python, before it ends, close the filter to new calls and wait until the running ones are over.

    ``quit_address``: a C function that does the first and gives how many are inside.
    """
    shut = ctypes.CFUNCTYPE(ctypes.c_int)(quit_address)

    def wait() -> None:
        while shut():
            time.sleep(0.001)

    atexit.register(wait)


def open_host(clip: Info, mask: Info | None, arguments: Given) -> Host:
    """Check everything, then open the engine. ``arguments``: those that were given.

    Raises:
        Vsj4rError: what the user can mend, one line.
    """
    with _one_line():
        checked = Clip.check(clip)
        return Host(checked, checked.mask(mask) if mask else None, Arguments.check(arguments))


class Host:
    """One ``Derain`` in one filter graph."""

    def __init__(self, clip: Clip, mask: Geometry | None, arguments: Arguments) -> None:
        geometry = clip.geometry
        arguments.check_planes(geometry.format)
        cuts = arguments.cuts(clip.frames)
        bidirectional = bool(arguments.bidirectional)
        model = find_model(arguments.model)
        downscale, spec = plan_downscale(model.spec, geometry.height, geometry.width, arguments.downscale)
        self._converter = Converter(geometry, spec)
        layout = layout_of(geometry, spec, arguments, masked=mask is not None)
        self._engine = open_engine(
            model,
            height=self._converter.padded_height,
            width=self._converter.padded_width,
            device=arguments.device,
            precision=arguments.precision,
            threads=arguments.threads,
            tile=arguments.tile_px,
            downscale=downscale,
            frames=layout,
            num_streams=arguments.num_streams,
            bidirectional=bidirectional,
        )
        self._direct: Direct | None = None
        if layout is not None and isinstance(self._engine, FrameEngine):
            self._direct = Direct(self._engine, geometry.format, layout, arguments.planes)
        self._geometry = geometry
        self._writer = OutputWriter(self._converter, arguments, mask)
        self._lookahead = spec.lookahead
        self._cuts = cuts
        segments = Segments(
            clip.frames,
            arguments.segment,
            arguments.warmup,
            spec.lookahead,
            self._cuts,
            bidirectional=bidirectional,
        )
        self._schedule = Schedule(segments, ahead=self._direct.engine.depth - 1 if self._direct else 0)
        self._states = [self._engine.new_state() for _ in range(LIVE_STATES)]
        held = 0 if self._direct else 1 + LIVE_STATES
        self._tensors = TensorCache([self._converter.new_tensors() for _ in range(held)])

    def reads(self, n: int) -> tuple[bool, Run]:
        """What to do now on the way to output ``n``: True to ``look`` at the frames of the run, False to
        ``step`` them."""
        missing = self._schedule.missing(n)
        if missing is None:
            return False, self._schedule.reads(n)
        first, last = missing
        return True, Run(n, first, last, last, last)

    def forget(self, n: int) -> None:
        """Request ``n`` has failed."""
        self._schedule.forget(n)

    def look(self, i: int, source: RawFrame) -> None:
        """Look at frame ``i`` for a cut before it."""
        with _one_line():
            if isinstance(self._cuts, FoundCuts):
                frame = Frame(*source)
                planes = frame.views(self._geometry)
                luma = planes[1 if self._geometry.format.family == "rgb" else 0]  # green is most of it
                thumb = thumbnail(luma, peak=self._geometry.format.peak)
                self._cuts.look(i, thumb, told=read_cut_mark(frame.scene_change))

    def step(
        self,
        i: int,
        target: int,
        backward: int,
        sources: list[RawFrame],
        mask: RawFrame | None,
        outs: list[RawFrame],
    ) -> tuple[float, float, str | None]:
        """Feed frame ``i`` of the run towards ``target`` and write ``outs``, one for each output or none.

        ``sources`` are frame ``i`` and those after it (before it, where the run goes ``backward``),
        ``Run.ahead`` + 1 or as many as were read. Gives the levels, which mean nothing without ``outs``, and
        why ``outs`` are not to be used, though the state has gone on.

        Raises:
            Vsj4rError: the frame cannot be derained. If the state was touched, it is not used any more.
        """
        with _one_line():
            back = bool(backward)
            numbers = count(i, -1 if back else 1)
            frames = {n: Frame(*source) for n, source in zip(numbers, sources, strict=False)}
            written = [Frame(*out) for out in outs]
            neighbour = self._neighbour(i, frames, backward=back)
            refusal = self._writer.refusal(frames[i]) if outs else None
            if self._direct is None:
                writable = [] if refusal else written
                evaluate = self._by_tensors(i, neighbour, frames, mask and Frame(*mask), writable)
            else:
                evaluate = self._by_planes(self._direct, i, target, neighbour, frames, written)
            slot, fresh = self._schedule.claim(i, target, backward=back)
            state = self._states[slot]
            try:
                if fresh:
                    state.reset()
                if self._schedule.segments.bidirectional:
                    cast("BidirectionalState", state).turn(backward=back)
                levels = evaluate(state)
            except BaseException:
                self._schedule.lose(slot)
                raise
            self._schedule.advance(slot, i, target, backward=back)
            return *levels, refusal

    def _by_tensors(
        self, i: int, neighbour: int, frames: Frames, mask: Frame | None, outs: list[Frame]
    ) -> Callable[[State], Levels]:
        engine = cast("Engine", self._engine)  # for it takes no frames
        o_t = self._load(i, frames[i])
        o_next = o_t if neighbour == i else self._load(neighbour, frames[neighbour])

        def evaluate(state: State) -> Levels:
            step = engine.step(o_t, o_next if self._lookahead else None, state)
            return self._writer.write(step, frames[i], mask, outs) if outs else Levels(0, 0)

        return evaluate

    def _by_planes(
        self, direct: Direct, i: int, target: int, neighbour: int, frames: Frames, outs: list[Frame]
    ) -> Callable[[State], Levels]:
        def evaluate(state: State) -> Levels:
            if not outs:
                self._begin(direct, i, neighbour, frames, state, wanted=False)
                return Levels(0, 0)
            begins = self._schedule.begins(i, target)
            for n in begins[direct.engine.waiting(state) :]:
                try:
                    self._begin(direct, n, self._neighbour(n, frames), frames, state, wanted=True)
                except Exception:
                    if n == i:
                        raise
                    break  # it will be met again when that frame is stepped
            planes, into = (frame.views(self._geometry) for frame in (frames[i], outs[0]))
            return direct.finish(state, planes=planes, into=into)

        return evaluate

    def _begin(
        self, direct: Direct, n: int, neighbour: int, frames: Frames, state: State, *, wanted: bool
    ) -> None:
        kind = self._geometry.format
        now, following = (
            direct.source(
                each,
                frames[each].views(self._geometry),
                full=frames[each].is_full(kind),
                matrix=frames[each].matrix,
            )
            for each in (n, neighbour)
        )
        strength = self._writer.strength_of(frames[n]) if wanted else None
        direct.begin(now, following, state, strength=strength, full=frames[n].is_full(kind))

    def _neighbour(self, n: int, frames: Frames, *, backward: bool = False) -> int:
        """The frame that is read beside ``n``.

        Raises:
            Vsj4rError: one of them is interlaced.
        """
        segments = self._schedule.segments
        neighbour = segments.neighbour_back(n) if backward else segments.neighbour(n)
        for i in (n, neighbour):
            if frames[i].field_based > 0:
                where = "" if i == n else f" on frame {i}, which it reads"
                raise Vsj4rError(
                    f"clip must be progressive, got _FieldBased {frames[i].field_based}{where}: "
                    "deinterlace it, or std.SetFieldBased(0) where the flag is wrong"
                )
        return neighbour

    def _load(self, n: int, frame: Frame) -> Tensors:
        planes = frame.views(self._geometry)
        full = frame.is_full(self._geometry.format)
        return self._tensors.get(
            n, lambda tensors: self._converter.load(planes, full=full, matrix=frame.matrix, into=tensors)
        )


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn an unexpected exception into one line that names it; ``Vsj4rError`` passes."""
    try:
        yield
    except Vsj4rError:
        raise
    except FloatingPointError as error:
        raise Vsj4rError(str(error)) from error
    except MemoryError as error:
        raise Vsj4rError(f"there is not enough memory: {' '.join(str(error).split())}") from error
    except Exception as error:
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise Vsj4rError(f"{text} (a fault of vsj4r: please report it)") from error
