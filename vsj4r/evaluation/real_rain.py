"""How much of real rain a method leaves, and what it does to the picture: no ground truth, any camera.

Rain is seen in one frame and is brighter than what it hides. So the light by which a pixel is brighter
than the same place in both neighbouring frames is counted, less that by which it is darker than both:
what moves, flickers or is noise lies on both sides and cancels; rain adds light. "The same place" is found
by motion search on the input (``block_motion``), and is the same for every method. It is counted where the
two frames before and the two after agree: elsewhere motion was not found, or other rain is in the way, and
thin things that move would pass for rain. Whether they agree has nothing to do with the frame's own rain.

What a method does to the scene itself stays from frame to frame, rain does not. So the scene's harm is
what the change of one frame has in common with the change two frames on. docs/real-rain.md says how well
the resulting number ranks methods where the truth is known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsj4r.arrays import Floats, Pixels
from vsj4r.errors import Vsj4rError
from vsj4r.evaluation.block_motion import BlockMotion, Pyramid, find_motion, matching_pyramid
from vsj4r.frames.scenes import FoundCuts, thumbnail
from vsj4r.rain.colour import Yuv, rgb_to_yuv444

INPUT = "input"
NOISE_CODES = 3.0
"""Differences up to this are noise: a pixel's to its neighbours, an output's to its input. Codes of 8 bit."""
SETTLED_CODES = 6.0
"""Rain is counted where a pixel of the input's other four frames stays within so many codes."""
REACH = 2
"""Frames on each side of the one that is measured."""
FEWEST_FRAMES = 2 * REACH + 1
SMALLEST_REAL_PX = 32
SHARES, SMALLEST_BLOCK_PX = 16, 16
"""A change of the scene's structure is looked for in blocks: so many along the picture's shorter side, none
smaller than ``SMALLEST_BLOCK_PX``."""
LEAST_COLOUR = 1e-3
"""Rain whose chroma has less than this of its luma's energy is grey."""
DRAWS, RUN_FRAMES = 1000, 3
"""Bootstrap: how often as many frames as there are are drawn; in runs, for neighbours share their rain."""
SEED = 2018
CODES = np.float32(255)


class RealScores(NamedTuple):
    """One method on one clip. Shares are of the input's; NaN where the input has nothing to be a share of.

    ``rain_energy``: of luma, mean square codes of 8 bit where rain is counted; ``rain_left``: the same as a
    share, with ``rain_left_low`` and ``rain_left_high``, the 95 % interval of a bootstrap over frames.
    ``u_left``, ``v_left``: of chroma, where the input's luma says that rain is. ``sharpness``: gradient
    energy of the median of five aligned frames. ``damage``: mean absolute difference of that median to the
    input's, in codes. ``flicker``: mean absolute difference to the aligned frame before, in codes.
    ``harm``: energy of what the method has changed in the scene itself, or made brighter, as a share of the
    input's rain energy. ``score``: what ``rain_score`` gives.
    """

    rain_energy: float
    rain_left: float
    rain_left_low: float
    rain_left_high: float
    u_left: float
    v_left: float
    sharpness: float
    damage: float
    flicker: float
    harm: float
    score: float


def rain_score(rain_left: float, harm: float) -> float:
    """The one number: the harmonic mean of rain removed and picture kept, 1 at best, 0 for the input itself.

    Rain removed is 1 - |``rain_left``|, for dark traces are no better than bright ones. Picture kept is
    1 - ``harm`` / rain removed: the part of what was gained that was not paid with the picture. Where that is
    below 0 the number is the loss itself, rain removed - ``harm``.
    """
    removed = 1 - abs(rain_left)
    if not removed > harm:
        return removed - harm
    kept = 1 - harm / removed
    return 2 * removed * kept / (removed + kept)


def measure_real(frames_input: Iterable[Pixels], frames_output: Iterable[Pixels]) -> RealScores:
    """One method's output against its input, frame by frame, (H, W, 3) uint8 RGB.

    Raises:
        Vsj4rError: no scene of ``FEWEST_FRAMES`` frames, or frames that are too small.
        ValueError: the two differ in their length or size.
    """
    meter = RainMeter()
    for before, after in zip(frames_input, frames_output, strict=True):
        meter.add({INPUT: before, "output": after})
    return meter.scores()["output"]


def measure_input(frames: Iterable[Pixels]) -> RealScores:
    """Rain itself, (H, W, 3) uint8 RGB: ``rain_left`` is 1, or NaN where it does not surely rain.

    Raises:
        Vsj4rError: no scene of ``FEWEST_FRAMES`` frames, or frames that are too small.
    """
    meter = RainMeter()
    for frame in frames:
        meter.add({INPUT: frame})
    return meter.scores()[INPUT]


class _Figures(NamedTuple):
    """One method in one frame: means over its pixels, in codes of 8 bit (energies: squared). ``rain``, ``u``
    and ``v`` are 0 where rain is not counted; ``settled``: the share of the pixels where it is."""

    rain: float
    u: float
    v: float
    settled: float
    gradient: float
    damage: float
    flicker: float
    harm: float


class RainMeter:
    """Every method on one clip, frame by frame; five frames are held, however long the clip."""

    def __init__(self) -> None:
        self._window: deque[_Moment] = deque(maxlen=FEWEST_FRAMES)
        self._thumbnails: list[Floats] = []
        self._figures: list[dict[str, _Figures]] = []

    def add(self, frames: Mapping[str, Pixels]) -> Floats | None:
        """The next frame of every method, (H, W, 3) uint8 RGB; one of them is "input".

        Returns by how much the input ``REACH`` frames before is brighter than its neighbours, beyond noise:
        (H, W) in codes, below 0 where it is darker. None while there are too few frames.
        """
        shape = frames[INPUT].shape
        if min(shape[:2]) < SMALLEST_REAL_PX:
            raise Vsj4rError(
                f"frames must be {SMALLEST_REAL_PX} px a side or more, got {shape[1]}x{shape[0]}"
            )
        number = len(self._thumbnails)
        for name, frame in frames.items():
            if frame.shape != shape or (number and frame.shape[:2] != self._window[-1].pyramid[0].shape):
                raise ValueError(f"frames must have one size, got another from {name} in frame {number}")
        planes = {name: rgb_to_yuv444(frame) for name, frame in frames.items()}
        luma = planes[INPUT].y * CODES
        self._thumbnails.append(thumbnail(luma, peak=255))
        self._window.append(_Moment(planes, matching_pyramid(luma)))
        if len(self._window) < FEWEST_FRAMES:
            return None
        centre = _Centre(list(self._window))
        self._figures.append({name: centre.figures(name) for name in frames})
        return centre.rain

    def scores(self) -> dict[str, RealScores]:
        """Every method's scores, the input's among them.

        Raises:
            Vsj4rError: no scene was ``FEWEST_FRAMES`` frames long.
        """
        chosen = [
            figures for figures, crosses in zip(self._figures, self._crossing(), strict=True) if not crosses
        ]
        if not chosen:
            raise Vsj4rError(f"a clip must have a scene of {FEWEST_FRAMES} frames or more")
        by_name = {name: np.array([figures[name] for figures in chosen]) for name in chosen[0]}
        return {name: _scores(by_name[INPUT], figures) for name, figures in by_name.items()}

    def _crossing(self) -> list[bool]:
        """Of each frame that was measured, whether there is a cut among the five."""
        cuts = FoundCuts(len(self._thumbnails))
        for n, thumb in enumerate(self._thumbnails):
            cuts.look(n, thumb, told=None)
        cuts.find(1, len(self._thumbnails) - 1)
        return [cuts.last(n + 2 * REACH, since=n) > n for n in range(len(self._figures))]


class _Moment(NamedTuple):
    """One frame of every method, in [0, 1], and the input's pyramid, in codes."""

    methods: dict[str, Yuv]
    pyramid: Pyramid


class _Centre:
    """The middle frame of five, and the motion from it to the others."""

    def __init__(self, window: list[_Moment]) -> None:
        self._window, middle = window, window[REACH]
        self._motion: list[BlockMotion | None] = [
            None if moment is middle else find_motion(middle.pyramid, moment.pyramid) for moment in window
        ]
        self._input = [self._aligned(INPUT, "y", k) for k in range(FEWEST_FRAMES)]
        self._input_median = _median(self._input)
        others = np.stack(self._input[:REACH] + self._input[REACH + 1 :])
        self._settled = np.ptp(others, axis=0) < SETTLED_CODES
        self.rain = self._counted(*self._input[REACH - 1 : REACH + 2])

    def figures(self, name: str) -> _Figures:
        lumas = self._input if name == INPUT else [self._aligned(name, "y", k) for k in range(FEWEST_FRAMES)]
        before, now, after = lumas[REACH - 1 : REACH + 2]
        median = self._input_median if name == INPUT else _median(lumas)
        changes = [_beyond_codes(own - of_input) for own, of_input in zip(lumas, self._input, strict=True)]
        return _Figures(
            rain=_one_sided(self._counted(before, now, after)),
            u=self._chroma_of_rain(name, "u"),
            v=self._chroma_of_rain(name, "v"),
            settled=float(self._settled.mean()),
            gradient=_gradient_energy(median),
            damage=float(np.abs(median - self._input_median).mean()),
            flicker=float(np.abs(now - before).mean()),
            harm=_shared_structure(changes[REACH - 1], changes[REACH + 1])
            + _energy(np.maximum(changes[REACH], 0)),
        )

    def _counted(self, before: Floats, now: Floats, after: Floats) -> Floats:
        return _beyond_noise(before, now, after) * self._settled

    def _aligned(self, name: str, plane: str, k: int) -> Floats:
        """A plane of the ``k``-th frame of the window, in codes, moved to where the middle frame has it."""
        motion, values = self._motion[k], getattr(self._window[k].methods[name], plane) * CODES
        aligned: Floats = values if motion is None else motion.warp(values)
        return aligned

    def _chroma_of_rain(self, name: str, plane: str) -> float:
        """Energy of what chroma shows in one frame alone, where rain is: where the input's luma is brighter
        than its neighbours, beyond noise. Less what chance would show there: for as many pixels as are
        darker, what chroma shows where luma is darker; for the others, what it shows elsewhere."""
        before, now, after = (self._aligned(name, plane, REACH + k) for k in (-1, 0, 1))
        alone = np.square(now - np.clip(now, np.minimum(before, after), np.maximum(before, after)))
        alone *= self._settled
        brighter, darker = self.rain > 0, self.rain < 0
        bright, dark, all_ = (int(each.sum()) for each in (brighter, darker, self._settled))
        chance = float(alone[darker].sum())
        if bright < dark:
            chance *= bright / dark
        elif all_ > bright + dark:
            elsewhere = float(alone.sum()) - float(alone[brighter].sum()) - chance
            chance += (bright - dark) * elsewhere / (all_ - bright - dark)
        return (float(alone[brighter].sum()) - chance) / self.rain.size


def _scores(of_input: NDArray[np.float64], figures: NDArray[np.float64]) -> RealScores:
    """Both: (frames, figures)."""
    before, after = (_Figures(*each.mean(0).tolist()) for each in (of_input, figures))
    runs = _runs(len(figures))
    rain = of_input[:, 0][runs].mean(1)
    rains = np.percentile(rain, 2.5) > 0
    left, harm, low, high = float("nan"), float("nan"), float("nan"), float("nan")
    if rains:
        left, harm = after.rain / before.rain, max(after.harm, 0) / before.rain * before.settled
        shares = figures[:, 0][runs[rain > 0]].mean(1) / rain[rain > 0]
        low, high = (float(x) for x in np.percentile(shares, (2.5, 97.5)))
    chroma = []
    for n in (1, 2):
        coloured = rains and np.percentile(of_input[:, n][runs].mean(1), 2.5) > LEAST_COLOUR * before.rain
        chroma.append(after[n] / before[n] if coloured else float("nan"))
    return RealScores(
        rain_energy=after.rain / after.settled if after.settled else 0.0,
        rain_left=left,
        rain_left_low=low,
        rain_left_high=high,
        u_left=chroma[0],
        v_left=chroma[1],
        sharpness=after.gradient / before.gradient if before.gradient else float("nan"),
        damage=after.damage,
        flicker=after.flicker,
        harm=harm,
        score=rain_score(left, harm),
    )


def _runs(frames: int) -> NDArray[np.intp]:
    """Frame numbers of each draw, (DRAWS, frames or a little more)."""
    rng = np.random.default_rng(SEED)
    starts = rng.integers(0, frames, (DRAWS, -(-frames // RUN_FRAMES), 1))
    return ((starts + np.arange(RUN_FRAMES)) % frames).reshape(DRAWS, -1)


def _beyond_noise(before: Floats, now: Floats, after: Floats) -> Floats:
    """By how much ``now`` is brighter than both (above 0) or darker than both (below), beyond noise."""
    brighter = now - np.maximum(before, after) - np.float32(NOISE_CODES)
    darker = np.minimum(before, after) - now - np.float32(NOISE_CODES)
    signed: Floats = np.maximum(brighter, 0) - np.maximum(darker, 0)
    return signed


def _beyond_codes(change: Floats) -> Floats:
    """A change of either sign, less what counts as noise."""
    return change - np.clip(change, -np.float32(NOISE_CODES), np.float32(NOISE_CODES))


def _one_sided(signed: Floats) -> float:
    """Mean square of what is above 0, less that of what is below."""
    return float((signed * np.abs(signed)).mean())


def _energy(values: Floats) -> float:
    return float(np.square(values).mean())


def _median(planes: list[Floats]) -> Floats:
    median: Floats = np.partition(np.stack(planes), REACH, axis=0)[REACH]
    return median


def _gradient_energy(plane: Floats) -> float:
    return _energy(np.diff(plane, axis=0)) + _energy(np.diff(plane, axis=1))


def _shared_structure(a: Floats, b: Floats) -> float:
    """Covariance of two planes inside blocks, their mean: what differs between the two averages out, and so
    does what is smooth, for where much rain is gone it is darker on the whole."""
    side = max(min(a.shape) // SHARES, SMALLEST_BLOCK_PX)
    rows, columns = (length // side for length in a.shape)

    def means(plane: Floats) -> Floats:
        blocks = plane[: rows * side, : columns * side].reshape(rows, side, columns, side)
        return blocks.mean((1, 3), dtype=np.float32)

    return float((means(a * b) - means(a) * means(b)).mean())
