"""The training loop: resumable at any moment; on a CPU the same recipe gives the same run."""

from __future__ import annotations

import logging
import math
import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from vsj4r.errors import Vsj4rError
from vsj4r.media.whole import remove_leftovers_in, writing_to
from vsj4r.model.config import CONFIGS
from vsj4r.model.initial import begin_with_frame
from vsj4r.model.j4rnet import Estimate, J4RNet
from vsj4r.rain import StreakBank
from vsj4r.training import checkpoint
from vsj4r.training.datasets import Onward, RainyClips, TrainingClip, batch_clips
from vsj4r.training.footage import load_stills, load_videos
from vsj4r.training.ranks import Ranks
from vsj4r.training.recipe import LearningSchedule, Recipe
from vsj4r.training.replay import Replayed
from vsj4r.training.runlog import Progress, RunLog
from vsj4r.training.step import average_share, average_weights, evaluate_batch
from vsj4r.training.validation import Validation, mean_psnr
from vsj4r.words import count_of

LOG = logging.getLogger(__name__)
REPORT_EVERY_STEPS = 50


class _Step(NamedTuple):
    loss: float
    psnr_in: float
    psnr_out: float
    step_s: float
    loader_s: float


def learning_rate(schedule: LearningSchedule, step: int) -> float:
    """Linear rise, then a cosine down to a fiftieth."""
    rise = min(1.0, (step + 1) / schedule.warmup_steps)
    fall = 0.5 * (1 + math.cos(math.pi * min(step / schedule.steps, 1.0)))
    return schedule.learning_rate * rise * (0.02 + 0.98 * fall)


class Trainer:
    """One run in ``folder``: checkpoint.pt (everything), best.pt (EMA weights), log.csv, and pictures.

    Of several ``ranks``, each computes its share of every step's clips, and only the first writes.
    ``on_step`` is called after every step.

    Raises:
        Vsj4rError: footage, weights, checkpoint or folder that can't be used.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Path,
        folder: Path,
        *,
        ranks: Ranks,
        workers: int = 1,
        on_step: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self.recipe, self.folder, self.ranks, self._on_step = recipe, folder, ranks, on_step
        self._stop_asked = False
        clips, footage, weights = recipe.clips, recipe.footage, recipe.loss
        if clips.batch % ranks.world:
            raise Vsj4rError(
                f"recipe: batch must be a multiple of the {ranks.world} processes, got {clips.batch}"
            )
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not there.is_dir():
            raise Vsj4rError(f"run folder {folder} must be a folder, got the file {there}")
        torch.manual_seed(clips.seed)
        net = J4RNet(CONFIGS[recipe.model])
        net.c_net.requires_grad_(bool(weights.lambda_c))
        net.r_net.requires_grad_(bool(weights.lambda_r))
        self.net = net.to(ranks.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(
            self.net.parameters(),
            torch.zeros((), device=ranks.device),
            capturable=ranks.device.type == "cuda",
        )
        self._ema_share = torch.zeros((), device=ranks.device)
        self.step, self.seconds, self.best = 0, 0.0, -math.inf
        self.ema: dict[str, Tensor] = {}
        self._begin()
        stills = load_stills(data / footage.stills, clips.patch_px) if footage.stills else []
        videos = load_videos(data / footage.videos, clips.frames, clips.patch_px) if footage.videos else []
        database = data / footage.streaks if footage.streaks else None
        bank = StreakBank(clips.seed, patch_px=clips.patch_px, database=database)
        streaks = "no photographed streaks" if database is None else f"photographed streaks of {database}"
        LOG.info(
            "%s, %s, %s; %s, %s",
            count_of(len(stills), "still"), count_of(len(videos), "video"), streaks,
            ranks.device, count_of(ranks.world, "process"),
        )  # fmt: skip
        if ranks.first:
            self.validation = Validation(data / footage.validation)
            with writing_to(folder):
                folder.mkdir(parents=True, exist_ok=True)
        self._forward: Callable[..., Estimate] = (
            self.net if ranks.world == 1 else DistributedDataParallel(self.net)
        )
        self.loader = DataLoader(
            RainyClips(stills, videos, bank, clips),
            batch_sampler=Onward(self.step, recipe.schedule.steps, clips.batch, ranks.rank, ranks.world),
            num_workers=workers,
            collate_fn=batch_clips,
            prefetch_factor=4 if workers else None,
            worker_init_fn=_begin_worker,
        )

    def _begin(self) -> None:
        """Where the folder's checkpoint left off, else the recipe's ``start``, else random weights."""
        saved = checkpoint.load_checkpoint(self.folder / "checkpoint.pt")
        if saved is None:
            if self.recipe.start:
                self._take(checkpoint.starting_weights(self.recipe.start), self.recipe.start)
            else:
                begin_with_frame(self.net)
            self.ema = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
            return
        path = self.folder / "checkpoint.pt"
        if not {"recipe", "ema", "optimizer", "seconds", "best"} <= saved.keys():
            raise Vsj4rError(
                f"{path} is a best.pt, which no run goes on from: name it as start in the recipe"
            )
        try:
            self._resume(saved)
        except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
            raise Vsj4rError(f"{path} cannot be gone on from: {type(error).__name__}: {error}") from error

    def _resume(self, saved: dict[str, Any]) -> None:
        if saved["step"] < 0:
            raise ValueError(f"step {saved['step']}")
        before, now = _flat(saved["recipe"]), _flat(asdict(self.recipe))
        if before["model"] != now["model"]:
            raise Vsj4rError(
                f"{self.folder} holds a run of {before['model']}, the recipe asks for {now['model']}: "
                "give a --run folder of its own"
            )
        for key, was in before.items():
            if was != now.get(key, was):
                LOG.warning("%s was %s in the recipe that this run began with", key, was)
        self._take(saved["net"], "checkpoint.pt")
        self.ema = {k: saved["ema"][k].to(v) for k, v in self.net.state_dict().items()}
        self._take_optimizer(saved["optimizer"])
        self.step, self.seconds, self.best = saved["step"], float(saved["seconds"]), float(saved["best"])
        LOG.info("resumed at step %d, %.2f h", self.step, self.seconds / 3600)

    def _take(self, weights: dict[str, Tensor], source: str) -> None:
        try:
            self.net.load_state_dict(weights)
        except RuntimeError as error:
            raise Vsj4rError(f"the weights of {source} do not fit {self.recipe.model}") from error

    def _take_optimizer(self, saved: dict[str, Any]) -> None:
        """Also from a run on another kind of device."""
        for group in saved["param_groups"]:
            group["capturable"] = self.optimizer.defaults["capturable"]
        self.optimizer.load_state_dict(saved)
        for group in self.optimizer.param_groups:
            group["lr"] = torch.zeros((), device=self.ranks.device)

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
        checkpoint.save_checkpoint(self.folder / "checkpoint.pt", content)

    def stop(self) -> None:
        """End ``run`` after the step that is being computed, with a checkpoint. Safe in a signal handler."""
        self._stop_asked = True

    def run(self) -> bool:
        """Train to the last step of the schedule, or to ``stop``; returns whether the last step was reached.

        Raises:
            Vsj4rError: the loss or its gradient is not finite (nothing of that step is saved), clips cannot
                be made any more, or a file cannot be written.
        """
        try:
            return self._run()
        except BaseException as error:
            _end_workers()
            if not isinstance(error, ConnectionError | EOFError) and "DataLoader worker" not in str(error):
                raise
            reason = str(error).strip().splitlines()[-1]
            raise Vsj4rError(
                f"a process that makes clips has failed: {reason}; where memory is short, take fewer "
                "workers, or frames, or a smaller patch_px; the same command goes on from the last checkpoint"
            ) from error

    def _run(self) -> bool:
        schedule = self.recipe.schedule
        if self.step >= schedule.steps:
            LOG.info("all %s are done already: nothing is left to train", count_of(schedule.steps, "step"))
        if self.ranks.first:
            remove_leftovers_in(self.folder)
            self.log = RunLog(self.folder, self.step)
        rows: deque[_Step] = deque(maxlen=REPORT_EVERY_STEPS)
        learn = self._learner()
        saved_at = began = time.monotonic()
        for batch in self.loader:
            loader_s = time.monotonic() - began
            value, before, after, norm, stopping = self.ranks.mean(
                [*self._train_step(batch, learn), float(self._stop_asked)]
            )
            self.step += 1
            if not (math.isfinite(value) and math.isfinite(norm)):
                raise Vsj4rError(
                    f"step {self.step}: loss {value:.3g} with a gradient of norm {norm:.3g}: learning_rate "
                    f"or clip_norm is too high; {self.folder / 'checkpoint.pt'}, if any, is of a step before"
                )
            step_s = time.monotonic() - began
            self.seconds += step_s
            rows.append(_Step(value, before, after, step_s, loader_s))
            if self.ranks.first:
                last = self.step == schedule.steps
                self._tell(rows, last)
                if self.step % schedule.validate_every_steps == 0 or last:
                    self._validate()
                due = time.monotonic() - saved_at > 60 * schedule.checkpoint_every_minutes
                if due or last or stopping:
                    self.save()
                    saved_at = time.monotonic()
            if stopping:
                break
            began = time.monotonic()
        return self.step >= schedule.steps

    def _learner(self) -> Callable[..., Tensor]:
        """``_learn``, as one graph where one GPU trains."""
        if self.ranks.device.type != "cuda":
            return self._learn
        torch.backends.cudnn.benchmark = True  # every step has the same shapes
        return Replayed(self._learn, self.ranks.device) if self.ranks.world == 1 else self._learn

    def _train_step(self, batch: TrainingClip, learn: Callable[..., Tensor]) -> list[float]:
        """One optimizer step; loss, input PSNR, output PSNR and gradient norm of this process's clips."""
        schedule = self.recipe.schedule
        for group in self.optimizer.param_groups:
            group["lr"].fill_(learning_rate(schedule, self.step))
        self._ema_share.fill_(average_share(schedule.ema, self.step))
        figures: list[float] = learn(*batch).tolist()
        return figures

    def _learn(self, *planes: Tensor) -> Tensor:
        """What a step computes; everything that changes from one to the next is in tensors."""
        recipe, scale = self.recipe, self.net.config.scale
        batch = TrainingClip(*(plane.to(self.ranks.device, non_blocking=True) for plane in planes))
        found = evaluate_batch(self.net, batch, recipe.clips.frames, recipe.loss, self._forward)
        self.optimizer.zero_grad(set_to_none=True)
        found.loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), recipe.schedule.clip_norm)
        self.optimizer.step()
        average_weights(self.ema, self.net, self._ema_share)
        with torch.no_grad():
            error = found.error[:, : scale**2]
            after = error + found.residual[:, : scale**2]
            return torch.stack((found.loss.detach(), mean_psnr(error), mean_psnr(after), norm))

    def _tell(self, rows: deque[_Step], last: bool) -> None:
        clips, steps = self.recipe.clips, self.recipe.schedule.steps
        means = (sum(column) / len(rows) for column in zip(*rows, strict=True))
        now = Progress(self.step, steps, clips.batch * clips.frames, *means)
        self._on_step(now)
        if self.step % REPORT_EVERY_STEPS and not last:
            return
        LOG.info(
            "step %d/%d loss %.5f psnr %.2f -> %.2f, %.2f s a step (%.2f s waiting), %.0f fps, %.2f h left",
            now.step, steps, now.loss, now.psnr_in, now.psnr_out, now.step_s, now.loader_s, now.frames_per_s,
            now.left_s / 3600,
        )  # fmt: skip
        self._write(**{name: getattr(now, name) for name in _Step._fields})

    def _validate(self) -> None:
        net = self.averaged_net()
        before, after = self.validation.measure(net, self.folder / f"step_{self.step:07d}.png")
        LOG.info("validation %.2f -> %.2f dB", before, after)
        self._write(val_in=before, val_out=after)
        self.log.draw()
        if after > self.best:
            self.best = after
            best = {
                "model": self.recipe.model,
                "net": net.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
                "psnr": after,
            }
            checkpoint.save_checkpoint(self.folder / "best.pt", best)

    def averaged_net(self) -> J4RNet:
        """The network with the moving average of its weights, on the CPU, ready to evaluate."""
        net = J4RNet(self.net.config)
        net.load_state_dict(self.ema)
        return net.eval()

    def _write(self, **figures: float) -> None:
        rate = learning_rate(self.recipe.schedule, self.step - 1)  # that its last step had
        self.log.write(self.step, self.seconds / 3600, rate, **figures)


def _flat(recipe: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """Its keys and those of its tables, "clips.batch"."""
    found: dict[str, Any] = {}
    for key, value in recipe.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{within}{key}.")
        else:
            found[f"{within}{key}"] = value
    return found


def _end_workers() -> None:
    """They ignore what asks them to end, and this process would wait for them for ever."""
    if sys.platform != "win32":
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler raises, wherever we are
    for child in multiprocessing.active_children():
        child.kill()


def _begin_worker(_: int) -> None:
    """One thread; the signals that stop a run are ignored, for the run stops its workers itself."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
