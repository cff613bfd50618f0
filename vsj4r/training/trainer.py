"""The training loop: resumable at any moment, the same recipe giving the same run."""

from __future__ import annotations

import csv
import logging
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from vsj4r.model.config import CONFIGS
from vsj4r.model.j4rnet import J4RNet, Observation
from vsj4r.model.loss import loss
from vsj4r.rain import StreakBank
from vsj4r.training import checkpoint
from vsj4r.training.datasets import Onward, RainyClips, TrainingClip, batched
from vsj4r.training.footage import load_stills, load_videos
from vsj4r.training.recipe import Recipe, Schedule
from vsj4r.training.validation import Validation

log = logging.getLogger(__name__)
LOG_FIELDS = ["step", "hours", "learning_rate", "loss", "psnr_in", "psnr_out", "step_s", "loader_s", "val_in", "val_out"]


def learning_rate(schedule: Schedule, step: int) -> float:
    """Linear rise, then a cosine down to a fiftieth."""
    rise = min(1.0, (step + 1) / schedule.warmup_steps)
    fall = 0.5 * (1 + math.cos(math.pi * min(step / schedule.steps, 1.0)))
    return schedule.learning_rate * rise * (0.02 + 0.98 * fall)


def psnr(error: Tensor) -> float:
    """Mean over frames of luma PSNR in dB, of an error in [0, 1] units, (N, C, h, w)."""
    mse = error.float().square().flatten(1).mean(1).clamp(min=1e-6)
    return float((-10 * mse.log10()).mean())


class Trainer:
    """One run in ``folder``: checkpoint.pt (everything), best.pt (EMA weights), log.csv, samples of validation."""

    def __init__(self, recipe: Recipe, data: Path, folder: Path, workers: int = 1) -> None:
        self.recipe, self.folder = recipe, folder
        folder.mkdir(parents=True, exist_ok=True)
        clips, footage = recipe.clips, recipe.footage
        torch.manual_seed(clips.seed)
        self.net = J4RNet(CONFIGS[recipe.model]).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        self.optimizer = torch.optim.AdamW(self.net.parameters(), recipe.schedule.learning_rate, weight_decay=1e-5)
        self.step, self.seconds, self.best = 0, 0.0, -math.inf
        self._resume()
        stills = load_stills(data / footage.stills, clips.patch_px)
        videos = load_videos(data / footage.videos, clips.frames, clips.patch_px)
        bank = StreakBank(clips.seed, database=data / footage.streaks if footage.streaks else None)
        log.info("%d stills, %d videos", len(stills), len(videos))
        self.validation = Validation(data / footage.validation)
        dataset = RainyClips(stills, videos, bank, clips)
        self.loader = DataLoader(
            dataset,
            batch_sampler=Onward(self.step, clips.batch),
            num_workers=workers,
            collate_fn=batched,
            prefetch_factor=4 if workers else None,
            worker_init_fn=_one_thread,
        )

    def _resume(self) -> None:
        saved = checkpoint.load(self.folder / "checkpoint.pt")
        if saved is None:
            return
        self.net.load_state_dict(saved["net"])
        self.ema = saved["ema"]
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.seconds, self.best = saved["step"], saved["seconds"], saved["best"]
        log.info("resumed at step %d, %.2f h", self.step, self.seconds / 3600)

    def save(self) -> None:
        content: dict[str, Any] = {
            "recipe": asdict(self.recipe),
            "net": self.net.state_dict(),
            "ema": self.ema,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
        }
        checkpoint.save(self.folder / "checkpoint.pt", content)

    def run(self) -> None:
        """Train to the last step of the schedule; interrupted, the next run goes on from the checkpoint."""
        schedule = self.recipe.schedule
        saved_at = began = time.monotonic()
        waiting = 0.0
        rows: list[tuple[float, float, float]] = []
        for batch in self.loader:
            if self.step >= schedule.steps:
                break
            waiting += time.monotonic() - began
            rows.append(self._train_step(batch))
            self.step += 1
            now = time.monotonic()
            self.seconds += now - began
            began = now
            if self.step % 50 == 0:
                self._report(rows, waiting / len(rows))
                rows, waiting = [], 0.0
            if self.step % schedule.validate_every_steps == 0 or self.step == schedule.steps:
                self._validate()
            if now - saved_at > 60 * schedule.checkpoint_every_minutes or self.step == schedule.steps:
                self.save()
                saved_at = now
            began = time.monotonic()

    def _train_step(self, batch: TrainingClip) -> tuple[float, float, float]:
        """One optimizer step; (loss, input PSNR, output PSNR)."""
        weights, scale = self.recipe.loss, self.net.config.scale
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe.schedule, self.step)
        has_chroma = self.net.config.planes == "yuv420"
        with torch.autocast("cpu", torch.bfloat16):
            seen = self.net.observe(batch.o_y, batch.o_uv if has_chroma else None)
            clip = Observation(seen.o.contiguous(memory_format=torch.channels_last), seen.l)
            shaping = bool(weights.lambda_c or weights.lambda_r)
            estimate = self.net(clip, self.recipe.clips.frames, shaping=shaping)
        b = self.net.observe(batch.b_y, batch.b_uv if has_chroma else None).o
        alpha = torch.nn.functional.avg_pool2d(batch.alpha, scale)
        value = loss(estimate, seen.o, b, alpha, weights, self.net.config)
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.schedule.clip_norm)
        self.optimizer.step()
        self._average()
        with torch.no_grad():
            error = (seen.o - b)[:, : scale**2]
            return value.item(), psnr(error), psnr(error + estimate.residual[:, : scale**2])

    def _average(self) -> None:
        keep = min(self.recipe.schedule.ema, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for name, value in self.net.state_dict().items():
                self.ema[name].lerp_(value, 1 - keep)

    def _report(self, rows: list[tuple[float, float, float]], loader_s: float) -> None:
        value, before, after = (sum(column) / len(rows) for column in zip(*rows, strict=True))
        step_s = self.seconds / self.step
        left = (self.recipe.schedule.steps - self.step) * step_s / 3600
        log.info(
            "step %d/%d loss %.5f psnr %.2f -> %.2f, %.2f s a step (%.2f s waiting), %.2f h left",
            self.step, self.recipe.schedule.steps, value, before, after, step_s, loader_s, left,
        )  # fmt: skip
        self._write(loss=value, psnr_in=before, psnr_out=after, step_s=step_s, loader_s=loader_s)

    def _validate(self) -> None:
        net = self.averaged()
        before, after = self.validation.measure(net, self.folder / f"step_{self.step:07d}.png")
        log.info("validation %.2f -> %.2f dB", before, after)
        self._write(val_in=before, val_out=after)
        if after > self.best:
            self.best = after
            checkpoint.save(self.folder / "best.pt", {"net": net.state_dict(), "step": self.step, "psnr": after})

    def averaged(self) -> J4RNet:
        """The network with the moving average of its weights, ready to evaluate."""
        net = J4RNet(self.net.config)
        net.load_state_dict(self.ema)
        return net.eval()

    def _write(self, **values: float) -> None:
        path = self.folder / "log.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            rows = csv.DictWriter(file, LOG_FIELDS)
            if new:
                rows.writeheader()
            rate = learning_rate(self.recipe.schedule, self.step)
            rows.writerow(
                {"step": self.step, "hours": f"{self.seconds / 3600:.4f}", "learning_rate": f"{rate:.3e}"}
                | {name: f"{value:.5f}" for name, value in values.items()}
            )


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
