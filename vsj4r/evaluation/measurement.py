"""Methods measured side by side on clips with ground truth: the input, temporal medians, shipped models.

Methods give frame after frame, so that a long clip is in memory twice (clean and rainy) and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsj4r.engine import open_engine
from vsj4r.engine.base import Tensors
from vsj4r.engine.weights import find_model
from vsj4r.evaluation.metrics import Scores, luma_psnr, score
from vsj4r.frames.formats import Format, Geometry
from vsj4r.frames.planes import Converter
from vsj4r.frames.segments import SEGMENT_FRAMES, WARMUP_FRAMES, Segments
from vsj4r.plugin.ring import TensorRing

Pixels = NDArray[np.uint8]
Method = Callable[[Pixels], Iterator[Pixels]]
"""A clip, (T, H, W, 3) uint8 RGB, to its restored frames, (H, W, 3) each."""
SHOWN_FRAME = 12


class Measured(NamedTuple):
    """One method on one clip."""

    clip: str
    method: str
    scores: Scores


def untouched(rainy: Pixels) -> Iterator[Pixels]:
    yield from rainy


def temporal_median(frames: int) -> Method:
    """The median of ``frames`` (odd) frames around each, the clip's ends repeated."""

    def median(rainy: Pixels) -> Iterator[Pixels]:
        reach = frames // 2
        for t in range(len(rainy)):
            around = np.clip(np.arange(t - reach, t + reach + 1), 0, len(rainy) - 1)
            yield np.partition(rainy[around], reach, axis=0)[reach]

    return median


def derained(model: str, *, precision: str = "auto", threads: int = 0) -> Method:
    """A model run over a clip as the filter runs it by default, cuts apart: its conversion of RGB, its
    segments. So a figure is that of the tool."""
    spec = find_model(model).spec

    def run(rainy: Pixels) -> Iterator[Pixels]:
        height, width = rainy.shape[1:3]
        convert = Converter(Geometry(width, height, Format("rgb", "integer", 8)), spec)
        rows, columns = convert.padded_height, convert.padded_width
        engine = open_engine(model, height=rows, width=columns, precision=precision, threads=threads)
        state = engine.new_state()
        segments = Segments(len(rainy), SEGMENT_FRAMES, WARMUP_FRAMES, spec.lookahead)
        ring = TensorRing([convert.new_tensors() for _ in range(2)])

        def tensors(t: int) -> Tensors:
            return ring.get(t, lambda into: load(rainy[t], convert, into))

        def residual(t: int) -> Tensors:
            now = tensors(t)
            following = tensors(segments.neighbour(t)) if spec.lookahead else None
            return engine.step(now, following, state).residual

        for n, frame in enumerate(rainy):
            if segments.anchor(n) == n:
                state.reset()
                for t in range(segments.start(n), n):
                    residual(t)
            changes = convert.changes(residual(n))
            restored = np.empty_like(frame)
            convert.add(_planes(frame), changes, strength=1, full=True, into=_planes(restored))
            yield restored

    return run


def load(frame: Pixels, convert: Converter, into: Tensors) -> None:
    """An RGB frame as the engine takes it."""
    convert.load(_planes(frame), full=True, into=into)


def _planes(frame: Pixels) -> list[Pixels]:
    return [frame[..., channel] for channel in range(3)]


def measure(
    clips: Iterable[tuple[str, Pixels, Pixels]],
    methods: dict[str, Method],
    on_clip: Callable[[dict[str, Pixels]], None] = lambda _: None,
) -> Iterator[Measured]:
    """Every method on every (name, clean, rainy) clip; ``on_clip`` sees a frame of each result, and clean."""
    for name, clean, rainy in clips:
        shown = min(SHOWN_FRAME, len(clean) - 1)
        pictures: dict[str, Pixels] = {}
        for method, run in methods.items():
            yield Measured(name, method, score(_noted(run(rainy), shown, method, pictures), clean))
        on_clip(pictures | {"clean": clean[shown]})


def _noted(
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


def as_json(benchmarks: dict[str, list[Measured]]) -> dict[str, Any]:
    """Means and single clips of each benchmark, as plain values."""
    return {
        name: {
            "mean": {method: scores._asdict() for method, scores in means(rows).items()},
            "clips": [{"clip": r.clip, "method": r.method, **r.scores._asdict()} for r in rows],
        }
        for name, rows in benchmarks.items()
    }


class Drift(NamedTuple):
    """Mean luma PSNR in dB of frames 50 to 149 of a long clip, and of its last hundred."""

    early: float
    late: float


def drift(frames: Iterable[Pixels], clean: Pixels) -> Drift:
    """``frames`` (H, W, 3) of a scene that stands still, ``clean`` (H, W, 3) the scene without rain."""
    decibels = [luma_psnr(frame, clean) for frame in frames]
    return Drift(float(np.mean(decibels[50:150])), float(np.mean(decibels[-100:])))


class StaticTruth(NamedTuple):
    """The pseudo ground truth of a static camera: ``median`` (H, W, 3) uint8 and ``still`` (H, W) bool, where
    nothing but rain moves."""

    median: Pixels
    still: NDArray[np.bool_]


MOVING_SPREAD = 24
"""8-bit levels between the 25th and the 75th percentile over time, above which a pixel counts as moving."""
BAND_ROWS = 32  # of the clip at a time, for percentiles take copies


def static_truth(clip: Pixels, every: int = 3) -> StaticTruth:
    """Per-pixel temporal median over the whole clip (every ``every``-th frame), moving regions masked out."""
    median, still = np.empty(clip.shape[1:], np.uint8), np.empty(clip.shape[1:3], bool)
    for top in range(0, clip.shape[1], BAND_ROWS):
        rows = slice(top, top + BAND_ROWS)
        low, median[rows], high = np.percentile(clip[::every, rows], (25, 50, 75), axis=0, method="nearest")
        still[rows] = (high.astype(np.int16) - low).max(-1) <= MOVING_SPREAD
    return StaticTruth(median, still)


def static_error(frames: Iterable[Pixels], truth: StaticTruth) -> float:
    """Mean squared error to the truth where it holds, 8-bit levels squared, over all channels."""
    wanted = truth.median[truth.still].astype(np.float32)
    return float(np.mean([np.square(frame[truth.still] - wanted).mean() for frame in frames]))
