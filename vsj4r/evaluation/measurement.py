"""Methods measured side by side on clips with ground truth: the input, temporal medians, shipped models.

Methods give frame after frame, so that a long clip is in memory twice (clean and rainy) and no more.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat, tee
from typing import Any, NamedTuple, cast

import numpy as np

from vsj4r.arrays import Floats, Pixels
from vsj4r.engine import open_engine
from vsj4r.engine.base import BLOCK_FRAMES, BidirectionalState, Tensors
from vsj4r.engine.downscaled import plan_downscale
from vsj4r.engine.tensor_cache import TensorCache
from vsj4r.engine.weights import find_model
from vsj4r.errors import Vsj4rError
from vsj4r.evaluation.metrics import Scores, luma_psnr, score_clip
from vsj4r.evaluation.real_rain import RainMeter, RealScores
from vsj4r.frames import SEGMENT_FRAMES, WARMUP_FRAMES
from vsj4r.frames.formats import Format, Geometry
from vsj4r.frames.planes import Converter
from vsj4r.frames.segments import Segments

Method = Callable[[Iterable[Pixels]], Iterator[Pixels]]
"""A clip's frames, (H, W, 3) uint8 RGB, to the restored ones, read only a few frames ahead."""
SHOWN_FRAME = 12


class Measured(NamedTuple):
    """One method on one clip."""

    clip: str
    method: str
    scores: Scores


def identity(rainy: Iterable[Pixels]) -> Iterator[Pixels]:
    yield from rainy


def temporal_median(frames: int) -> Method:
    """The median of ``frames`` (odd) frames around each, the clip's ends repeated."""
    reach = frames // 2

    def median(rainy: Iterable[Pixels]) -> Iterator[Pixels]:
        around: deque[Pixels] = deque(maxlen=frames)
        for frame in _with_ends_repeated(rainy, reach):
            around.append(frame)
            if len(around) == frames:
                yield np.partition(np.stack(around), reach, axis=0)[reach]

    return median


def _with_ends_repeated(frames: Iterable[Pixels], times: int) -> Iterator[Pixels]:
    last: Pixels | None = None
    for frame in frames:
        yield from repeat(frame, 1 if last is not None else 1 + times)
        last = frame
    if last is not None:
        yield from repeat(last, times)


def derain_by(
    model: str,
    *,
    precision: str = "auto",
    threads: int = 0,
    downscale: int = 0,
    bidirectional: bool = False,
) -> Method:
    """A model run over a clip as the filter runs it by default, cuts apart: its conversion of RGB, its
    segments. So a figure is that of the tool."""
    found = find_model(model)
    lookahead = found.spec.lookahead
    reach = BLOCK_FRAMES + WARMUP_FRAMES if bidirectional else 1 + lookahead

    def run(rainy: Iterable[Pixels]) -> Iterator[Pixels]:
        clip = _Clip(rainy, reach)
        if not clip.has(0):
            return
        height, width = clip[0].shape[:2]
        by, spec = plan_downscale(found.spec, height, width, downscale)
        convert = Converter(Geometry(width, height, Format("rgb", "integer", 8)), spec)
        engine = open_engine(
            found,
            height=convert.padded_height,
            width=convert.padded_width,
            precision=precision,
            threads=threads,
            downscale=by,
            bidirectional=bidirectional,
        )
        state = engine.new_state()
        ring = TensorCache([convert.new_tensors() for _ in range(2)])

        def tensors(t: int) -> Tensors:
            return ring.get(t, lambda into: load_tensors(clip[t], convert, into))

        def residual(t: int, beside: int) -> Tensors:
            now = tensors(t)
            following = tensors(beside) if lookahead else None
            return engine.step(now, following, state).residual

        n = 0
        while clip.has(n):
            known = clip.known(n + reach)
            segments = Segments(known, SEGMENT_FRAMES, WARMUP_FRAMES, lookahead, bidirectional=bidirectional)
            if segments.anchor(n) == n:
                state.reset()
                for t in range(segments.start(n), n):
                    residual(t, segments.neighbour(t))
            block = segments.block(n)
            if bidirectional and block.first == n:
                turned = cast("BidirectionalState", state)
                turned.turn(backward=True)
                for t in range(block.begin, n - 1, -1):
                    residual(t, segments.neighbour_back(t))
                turned.turn(backward=False)
            planes = _planes(clip[n])
            restored = [np.empty_like(plane) for plane in planes]
            change = residual(n, segments.neighbour(n))
            convert.add(planes, change, strength=1, full=True, into=restored)
            yield np.stack(restored, axis=-1)
            n += 1

    return run


class _Clip:
    """Frames by number, read as they are asked for, ``reach`` at a time; those that a model's run-in may need
    are held."""

    def __init__(self, frames: Iterable[Pixels], reach: int) -> None:
        self._frames, self._reach = iter(frames), reach
        self._held: dict[int, Pixels] = {}
        self._read = 0

    def has(self, n: int) -> bool:
        """Whether the clip is longer than ``n`` frames."""
        while self._read <= n and (frame := next(self._frames, None)) is not None:
            self._held[self._read] = frame
            self._held.pop(self._read - WARMUP_FRAMES - self._reach, None)
            self._read += 1
        return n < self._read

    def known(self, n: int) -> int:
        """How many frames there are, if fewer than ``n``; otherwise ``n``."""
        return n if self.has(n - 1) else self._read

    def __getitem__(self, n: int) -> Pixels:
        return self._held[n]


def load_tensors(frame: Pixels, convert: Converter, into: Tensors) -> None:
    """An RGB frame as the engine takes it."""
    convert.load(_planes(frame), full=True, into=into)


def _planes(frame: Pixels) -> list[Pixels]:
    return list(np.ascontiguousarray(np.moveaxis(frame, -1, 0)))


def measure_methods(
    clips: Iterable[tuple[str, Pixels, Pixels]],
    methods: dict[str, Method],
    on_clip: Callable[[dict[str, Pixels]], None] = lambda _: None,
) -> Iterator[Measured]:
    """Every method on every (name, clean, rainy) clip; ``on_clip`` sees a frame of each result, and clean."""
    for name, clean, rainy in clips:
        shown = min(SHOWN_FRAME, len(clean) - 1)
        pictures: dict[str, Pixels] = {}
        for method, run in methods.items():
            yield Measured(name, method, score_clip(_note_frame(run(rainy), shown, method, pictures), clean))
        on_clip(pictures | {"clean": clean[shown]})


def _note_frame(
    frames: Iterator[Pixels], shown: int, method: str, pictures: dict[str, Pixels]
) -> Iterator[Pixels]:
    for t, frame in enumerate(frames):
        if t == shown:
            pictures[method] = frame
        yield frame


def means(rows: Iterable[Measured]) -> dict[str, Scores]:
    """Each method's mean over the clips, in order of appearance."""
    by_method: dict[str, list[Scores]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row.scores)
    return {m: Scores(*(float(x) for x in np.mean(s, 0))) for m, s in by_method.items()}


def benchmarks_as_json(benchmarks: dict[str, list[Measured]]) -> dict[str, Any]:
    """Means and single clips of each benchmark, as plain values."""
    return {
        name: {
            "mean": {method: scores._asdict() for method, scores in means(rows).items()},
            "clips": [{"clip": r.clip, "method": r.method, **r.scores._asdict()} for r in rows],
        }
        for name, rows in benchmarks.items()
    }


class RealMeasured(NamedTuple):
    """One method on one real clip."""

    clip: str
    method: str
    scores: RealScores


def measure_rain(
    clip: str,
    frames: Iterable[Pixels],
    methods: dict[str, Method],
    on_frame: Callable[[dict[str, Pixels], Floats | None], None] = lambda _frames, _rain: None,
) -> list[RealMeasured]:
    """Every method, ``INPUT`` among them, on one real clip, side by side; a few frames are held.

    ``on_frame`` sees each frame of every method, and what ``RainMeter.add`` gives for it.

    Raises:
        Vsj4rError: the clip has no scene long enough, or its frames are too small.
    """
    meter = RainMeter()
    restored = [run(copy) for run, copy in zip(methods.values(), tee(frames, len(methods)), strict=True)]
    for moment in zip(*restored, strict=True):
        shown = dict(zip(methods, moment, strict=True))
        on_frame(shown, meter.add(shown))
    try:
        return [RealMeasured(clip, method, scores) for method, scores in meter.scores().items()]
    except Vsj4rError as error:
        raise Vsj4rError(f"{clip}: {error}") from error


def medians(rows: Iterable[RealMeasured]) -> dict[str, RealScores]:
    """Each method's median over the clips that have the figure; NaN where none has."""
    by_method: dict[str, list[RealScores]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row.scores)
    return {method: RealScores(*map(_median, zip(*each, strict=True))) for method, each in by_method.items()}


def _median(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.median(known) if known else math.nan


def real_rain_as_json(rows: list[RealMeasured]) -> dict[str, Any]:
    """Medians and single clips, as plain values; null for NaN."""

    def plain(scores: RealScores) -> dict[str, float | None]:
        return {key: None if math.isnan(value) else value for key, value in scores._asdict().items()}

    return {
        "median": {method: plain(scores) for method, scores in medians(rows).items()},
        "clips": [{"clip": row.clip, "method": row.method, **plain(row.scores)} for row in rows],
    }


class Drift(NamedTuple):
    """Mean luma PSNR in dB of frames 50 to 149 of a long clip, and of its last hundred."""

    early: float
    late: float


def drift(frames: Iterable[Pixels], clean: Pixels) -> Drift:
    """``frames`` (H, W, 3) of a scene that stands still, ``clean`` (H, W, 3) the scene without rain."""
    decibels = [luma_psnr(frame, clean) for frame in frames]
    return Drift(float(np.mean(decibels[50:150])), float(np.mean(decibels[-100:])))
