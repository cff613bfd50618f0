"""A few minutes of fine-tuning on one rainy clip, judged by a part of it that is never learned from.

Steps take turns: the clip's own rain, with ``target.estimate_target`` for its truth, and rendered rain on
what that target shows. Every ``JUDGE_EVERY_STEPS`` the averaged weights derain the judged stretch, and
``measure_real`` gives them a score; the best are kept. It ends when ``PATIENCE`` scores in a row are no
better, a loss is no number, or the time is over. Weights that are no better than those begun from are never
written.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vsj4r.adaptation.stretches import FEWEST_LEARNED, SMALLEST_PX, Stretches, read_stretches
from vsj4r.adaptation.target import YuvClip, estimate_target
from vsj4r.arrays import Pixels
from vsj4r.engine.loading import load_net
from vsj4r.engine.weights import Model
from vsj4r.errors import Vsj4rError
from vsj4r.evaluation.real_rain import RealScores, measure_real
from vsj4r.model.j4rnet import J4RNet, Observation
from vsj4r.model.loss import LossWeights
from vsj4r.publishing.publish import copy_model, publish
from vsj4r.publishing.ranges import Ranges, watch_ranges, wider_ranges
from vsj4r.rain import StreakBank
from vsj4r.rain.colour import Yuv, rgb_to_yuv420, yuv_to_rgb
from vsj4r.training import checkpoint
from vsj4r.training.datasets import RainyClips, TrainingClip, batch_clips, to_tensors
from vsj4r.training.recipe import Clips
from vsj4r.training.step import average_share, average_weights, evaluate_batch

SEED = 2018
CLIPS = Clips(frames=FEWEST_LEARNED, patch_px=SMALLEST_PX, batch=2, seed=SEED)
LEARNING_RATE, WARMUP_STEPS, EMA = 2e-4, 10, 0.98
JUDGE_EVERY_STEPS, PATIENCE = 40, 3
LEAST_GAIN = 0.005  # of the score: less is chance
LEAST_SHARPNESS = 0.98
LOSS = LossWeights("charbonnier", lambda_d=0.0, lambda_c=0.0, lambda_r=0.0, chroma=3.0, scene=3.0)


class Adapted(NamedTuple):
    """``before`` and ``after``: the judged stretch with the weights begun from and with the best found;
    ``better``: whether the latter score higher, else ``net`` has the weights begun from. ``ranges``: what
    better weights read of the judged stretch."""

    net: J4RNet
    before: RealScores
    after: RealScores
    better: bool
    steps: int
    seconds: float
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the fitting is: the share of its time that is over, and the best score so far."""

    step: int
    share: float
    start_score: float
    best_score: float


def load_start(model: Model) -> J4RNet:
    """The network of ``model``, to begin from.

    Raises:
        Vsj4rError: it is not made for footage, or its files are missing or damaged.
    """
    net = load_net(model)
    if net.config.planes != "yuv420" or net.config.align != "motion":
        raise Vsj4rError(f"model {model.name} is not made for footage: adapt j4r or j4r-lite")
    return net


def publish_adapted(found: Adapted, begun_from: Model, out: Path, *, version: str, replaces: bool) -> None:
    """Write the model ``out``, NAME.onnx with its two other files: where nothing better was ``found``, those
    of ``begun_from``. ``replaces``: see ``whole_file``.

    Raises:
        Vsj4rError: they cannot be written.
    """
    if not found.better:
        copy_model(begun_from, out.stem, out.parent, replaces=replaces)
        return
    training = {"adapted_from": begun_from.name, "steps": found.steps, "version": version}
    int8 = wider_ranges(begun_from.int8, found.ranges)
    publish(found.net.cpu(), out.stem, out.parent, training, int8=int8, replaces=replaces)


def fit_to_clip(
    source: Path,
    net: J4RNet,
    state: Path,
    *,
    minutes: float,
    device: torch.device,
    replaces: bool = False,
    on_step: Callable[[Standing], None] = lambda _: None,
) -> Adapted:
    """Fit ``net`` to the video ``source``. ``state`` is a checkpoint, written as it goes and when it is
    interrupted; a run continues from one that is there, and ``replaces`` one of another clip or model.

    Raises:
        Vsj4rError: the source cannot be read or is too short, or ``state`` is something else.
    """
    saved = _read_state(state, replaces=replaces)
    other = Vsj4rError(f"{state} holds what was learned of another clip or model: --overwrite begins anew")
    if saved is not None and not _begins_from(saved, net):
        if not replaces:
            raise other
        saved = None
    stretches = read_stretches(source, aligns=net.config.align == "motion")
    fitting = _Fitting(stretches, net, device)
    if saved is not None and not fitting.resume(saved) and not replaces:
        raise other
    began = time.monotonic() - fitting.seconds
    try:
        while fitting.stale < PATIENCE and (spent := time.monotonic() - began) < 60 * minutes:
            if not fitting.learn(spent / (60 * minutes)):
                break
            if fitting.step % JUDGE_EVERY_STEPS == 0:
                fitting.judge()
                fitting.seconds = time.monotonic() - began
                fitting.save(state)
            on_step(Standing(fitting.step, spent / (60 * minutes), fitting.before.score, fitting.best.score))
    finally:
        fitting.seconds = time.monotonic() - began
        fitting.save(state)
    if fitting.step % JUDGE_EVERY_STEPS:
        fitting.judge()
    return fitting.result()


def _read_state(state: Path, *, replaces: bool) -> dict[str, Any] | None:
    """The checkpoint ``state``; None where there is none, or none that can be read, which is replaced."""
    try:
        return checkpoint.load_checkpoint(state)
    except Vsj4rError as error:
        if not state.is_file():
            raise
        if replaces:
            return None
        raise Vsj4rError(f"{error}: --overwrite begins anew") from error


def _begins_from(saved: Mapping[str, Any], net: J4RNet) -> bool:
    """Whether a run that was ``saved`` began from the weights of ``net``."""
    start = saved.get("start_net", {})
    return all(torch.equal(start.get(k, Tensor()), v.cpu()) for k, v in net.state_dict().items())


class _Fitting:
    def __init__(self, stretches: Stretches, net: J4RNet, device: torch.device) -> None:
        self.start = net.eval()
        self.net = J4RNet(net.config)
        self.net.load_state_dict(net.state_dict())
        self.net.to(device)
        self.device, self._judged = device, stretches.judged
        self._judged_digest = hashlib.sha256(np.ascontiguousarray(self._judged)).hexdigest()
        self.optimizer = torch.optim.Adam(self.net.parameters(), LEARNING_RATE)
        self.ema = {name: value.detach().clone() for name, value in self.net.state_dict().items()}
        self.step, self.stale, self.seconds = 0, 0, 0.0
        self._real = [_Pair.of(clip) for clip in stretches.learned]
        dry = [pair.dry for pair in self._real]
        self._rendered = RainyClips([], dry, StreakBank(SEED, patch_px=CLIPS.patch_px), CLIPS)
        self.before = self._score(self.start)
        self.best, self._best = self.before, {k: v.clone() for k, v in net.state_dict().items()}

    def learn(self, share: float) -> bool:
        """One step; False: its loss is no number, nothing has changed, and there is nothing more to learn."""
        rng = np.random.default_rng([SEED, self.step])
        rate = LEARNING_RATE * min(1, (self.step + 1) / WARMUP_STEPS) * (1 - 0.9 * share)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self.step % 2:
            first = self.step * CLIPS.batch
            clips = [self._rendered[n] for n in range(first, first + CLIPS.batch)]
        else:
            clips = [self._real[int(rng.integers(len(self._real)))].draw(rng) for _ in range(CLIPS.batch)]
        batch = TrainingClip(*(planes.to(self.device) for planes in batch_clips(clips)))
        found = evaluate_batch(self.net, batch, CLIPS.frames, LOSS, self.net)
        self.optimizer.zero_grad(set_to_none=True)
        found.loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
        if not (found.loss.isfinite() and norm.isfinite()):
            return False
        self.optimizer.step()
        average_weights(self.ema, self.net, average_share(EMA, self.step))
        self.step += 1
        return True

    def judge(self) -> None:
        """Keep the averaged weights if they derain the judged stretch better than any before."""
        candidate = J4RNet(self.net.config)
        candidate.load_state_dict(self.ema)
        found = self._score(candidate.eval())
        good = found.sharpness >= min(LEAST_SHARPNESS, self.before.sharpness)
        if good and found.score > self.best.score:
            self.best, self._best, self.stale = found, {k: v.cpu().clone() for k, v in self.ema.items()}, 0
        else:
            self.stale += 1

    def result(self) -> Adapted:
        if self.best.score <= self.before.score + LEAST_GAIN:
            return Adapted(self.start, self.before, self.before, False, self.step, self.seconds, {})
        net = J4RNet(self.net.config)
        net.load_state_dict(self._best)
        with watch_ranges(net.eval().to(self.device)) as ranges:
            for _ in _derain(net, self._judged):
                pass
        return Adapted(net, self.before, self.best, True, self.step, self.seconds, ranges)

    def save(self, state: Path) -> None:
        content = {
            "net": self.net.state_dict(), "ema": self.ema, "optimizer": self.optimizer.state_dict(),
            "step": self.step, "stale": self.stale, "seconds": self.seconds,
            "judged": self._judged_digest, "best": tuple(self.best),
            "best_net": self._best, "start_net": self.start.state_dict(),
        }  # fmt: skip
        checkpoint.save_checkpoint(state, content)

    def resume(self, saved: Mapping[str, Any]) -> bool:
        """Continue from what was ``saved``, where that is of the same clip; gives whether it is."""
        if saved.get("judged") != self._judged_digest:
            return False
        self.net.load_state_dict(saved["net"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.ema = {name: value.to(self.device) for name, value in saved["ema"].items()}
        self.step, self.stale, self.seconds = saved["step"], saved["stale"], saved["seconds"]
        self.best, self._best = RealScores(*saved["best"]), saved["best_net"]
        return True

    def _score(self, net: J4RNet) -> RealScores:
        return measure_real(self._judged, _derain(net.to(self.device), self._judged))


class _Pair(NamedTuple):
    """A stretch and what it is without its own rain: planes, and ``dry`` (T, H, W, 3) uint8 RGB."""

    o: YuvClip
    b: YuvClip
    dry: Pixels

    @classmethod
    def of(cls, clip: Pixels) -> _Pair:
        o = _planes(clip)
        b = estimate_target(o)
        dry = yuv_to_rgb(Yuv(b.y[:, 0].numpy(), b.uv[:, 0].numpy(), b.uv[:, 1].numpy()))
        return cls(o, b, dry)

    def draw(self, rng: np.random.Generator) -> TrainingClip:
        """A piece of it, some frames long."""
        frames, side = CLIPS.frames, CLIPS.patch_px // 2  # in chroma samples
        length, (height, width) = len(self.o.y), self.o.uv.shape[2:]
        first = int(rng.integers(max(length - frames, 0) + 1))
        top, left = (int(rng.integers(max(room - side, 0) + 1)) for room in (height, width))

        def cut(planes: YuvClip) -> tuple[Tensor, Tensor]:
            t = slice(first, first + frames)
            y = planes.y[t, :, 2 * top : 2 * (top + side), 2 * left : 2 * (left + side)]
            return y, planes.uv[t, :, top : top + side, left : left + side]

        o, b = cut(self.o), cut(self.b)
        return TrainingClip(*o, *b, torch.zeros_like(o[0]))


def _planes(clip: Pixels) -> YuvClip:
    return YuvClip(*to_tensors(rgb_to_yuv420(clip)))


@torch.no_grad()
def _derain(net: J4RNet, clip: Pixels) -> Iterator[Pixels]:
    """Frame after frame, (H, W, 3) uint8: the change of the planes added to the frame as it is."""
    device = next(net.parameters()).device
    state = None

    def observe(t: int) -> Observation:
        now = _planes(clip[t : t + 1])
        return net.observe(now.y.to(device), now.uv.to(device))

    for t in range(len(clip)):
        estimate, state = net.step(observe(t), observe(min(t + 1, len(clip) - 1)), state)
        y, uv = (plane[0].cpu().numpy() for plane in net.planes(estimate.residual) if plane is not None)
        before = rgb_to_yuv420(clip[t])
        plain = yuv_to_rgb(before).astype(np.int16)
        after = yuv_to_rgb(Yuv(before.y + y[0], before.u + uv[0], before.v + uv[1])).astype(np.int16)
        yield (clip[t] + (after - plain)).clip(0, 255).astype(np.uint8)
