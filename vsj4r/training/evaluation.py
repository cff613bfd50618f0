"""Methods measured side by side on clips with ground truth: the input, temporal medians, shipped models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsj4r.engine import open_engine
from vsj4r.engine.base import Tensors
from vsj4r.engine.weights import find_model
from vsj4r.rain.colour import Yuv, halve, rgb_to_yuv444, yuv_to_rgb
from vsj4r.training.metrics import Scores, score

Pixels = NDArray[np.uint8]
Method = Callable[[Pixels], Pixels]


class Measured(NamedTuple):
    """One method on one clip."""

    clip: str
    method: str
    scores: Scores


def untouched(rainy: Pixels) -> Pixels:
    return rainy


def temporal_median(frames: int) -> Method:
    """The median of ``frames`` (odd) frames around each, the clip's ends repeated."""

    def median(rainy: Pixels) -> Pixels:
        reach = frames // 2
        padded = np.concatenate([rainy[:1]] * reach + [rainy] + [rainy[-1:]] * reach)
        return np.stack([np.median(padded[t : t + frames], 0) for t in range(len(rainy))]).astype(np.uint8)

    return median


def derained(model: str, *, precision: str = "auto", threads: int = 0) -> Method:
    """A model run by its engine over a whole clip, one state from the first frame to the last.

    The residual is added to the RGB frame's own full-size planes, so chroma keeps its resolution.
    """
    spec = find_model(model).spec

    def run(rainy: Pixels) -> Pixels:
        height, width = rainy.shape[1:3]
        padding = [(0, -side % spec.multiple) for side in (height, width)]
        planes = [rgb_to_yuv444(frame) for frame in rainy]
        observed = [_tensors(np.pad(frame, (*padding, (0, 0)), mode="edge"), spec.planes) for frame in rainy]
        rows, columns = observed[0].y.shape
        engine = open_engine(model, height=rows, width=columns, precision=precision, threads=threads)
        state = engine.new_state()
        out = np.empty_like(rainy)
        for t, (y, u, v) in enumerate(planes):
            following = observed[min(t + 1, len(observed) - 1)] if spec.lookahead else None
            residual = engine.step(observed[t], following, state).residual
            y = y + residual.y[:height, :width]
            if residual.uv is not None:
                u, v = (c + r[:height, :width] for c, r in zip((u, v), _enlarged(residual.uv), strict=True))
            out[t] = yuv_to_rgb(Yuv(y, u, v))
        return out

    return run


def _tensors(rgb: Pixels, planes: str) -> Tensors:
    y, u, v = rgb_to_yuv444(rgb)
    return Tensors(y, np.stack((halve(u), halve(v))) if planes == "yuv420" else None)


def _enlarged(chroma: NDArray[np.float32]) -> NDArray[np.float32]:
    return chroma.repeat(2, 1).repeat(2, 2)


def measure(
    clips: Iterable[tuple[str, Pixels, Pixels]],
    methods: dict[str, Method],
    on_frames: Callable[[str, dict[str, Pixels]], None] | None = None,
) -> Iterator[Measured]:
    """Every method on every (name, clean, rainy) clip; ``on_frames`` is shown each clip's results, clean included."""
    for name, clean, rainy in clips:
        results = {method: run(rainy) for method, run in methods.items()}
        for method, restored in results.items():
            yield Measured(name, method, score(restored, clean))
        if on_frames is not None:
            on_frames(name, results | {"clean": clean})


def means(rows: Iterable[Measured]) -> dict[str, Scores]:
    """Each method's mean over the clips, in order of appearance; infinite figures count as 100 dB."""
    by_method: dict[str, list[Scores]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row.scores)
    return {m: Scores(*(float(x) for x in np.mean(np.minimum(s, 100.0), 0))) for m, s in by_method.items()}


def as_json(benchmarks: dict[str, list[Measured]]) -> dict[str, Any]:
    """Means and single clips of each benchmark, as plain values."""
    return {
        name: {
            "mean": {method: scores._asdict() for method, scores in means(rows).items()},
            "clips": [{"clip": r.clip, "method": r.method, **r.scores._asdict()} for r in rows],
        }
        for name, rows in benchmarks.items()
    }


class StaticTruth(NamedTuple):
    """The pseudo ground truth of a static camera: ``median`` (H, W, 3) uint8 and ``still`` (H, W) bool, where
    nothing but rain moves."""

    median: Pixels
    still: NDArray[np.bool_]


MOVING_SPREAD = 24
"""8-bit levels between the 25th and the 75th percentile over time, above which a pixel counts as moving."""


def static_truth(clip: Pixels, every: int = 3) -> StaticTruth:
    """Per-pixel temporal median over the whole clip (every ``every``-th frame), moving regions masked out."""
    low, median, high = np.percentile(clip[::every], (25, 50, 75), axis=0, method="nearest")
    still = (high.astype(np.int16) - low).max(-1) <= MOVING_SPREAD
    return StaticTruth(median.astype(np.uint8), still)


def static_error(clip: Pixels, truth: StaticTruth) -> float:
    """Mean squared error to the truth where it holds, 8-bit levels squared, over all channels."""
    errors = [np.square(frame.astype(np.float32) - truth.median)[truth.still].mean() for frame in clip]
    return float(np.mean(errors))
