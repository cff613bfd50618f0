"""The record of a run: log.csv, which is whole after any crash, and its curves as a picture."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from vsj4r.media.whole import whole_file, writing_to

FIELDS = [
    "step",
    "hours",
    "learning_rate",
    "loss",
    "psnr_in",
    "psnr_out",
    "step_s",
    "loader_s",
    "val_in",
    "val_out",
]


class Progress(NamedTuple):
    """Where a run stands; means over the last steps. Times in seconds: ``step_s`` of a whole step,
    ``loader_s`` the part of it spent waiting for clips. PSNR of luma in dB."""

    step: int
    steps: int
    frames_per_step: int
    loss: float
    psnr_in: float
    psnr_out: float
    step_s: float
    loader_s: float

    @property
    def left_s(self) -> float:
        return (self.steps - self.step) * self.step_s

    @property
    def frames_per_s(self) -> float:
        return self.frames_per_step / self.step_s


class RunLog:
    """``folder``/log.csv. Opened at ``step``, it drops the rows after it: those steps are done again.

    Raises:
        Vsj4rError: it, or later a row or the picture, cannot be written.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.path, self._picture = folder / "log.csv", folder / "curves.png"
        kept = [row for row in self.rows() if int(row["step"]) <= step] if step else []
        with whole_file(self.path) as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(kept)

    def rows(self) -> list[dict[str, str]]:
        """Every row that was written whole."""
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            rows = csv.DictReader(file, FIELDS)
            return [row for row in rows if row["step"].isdigit() and row[FIELDS[-1]] is not None]

    def write(self, step: int, hours: float, learning_rate: float, **figures: float) -> None:
        where = {"step": step, "hours": f"{hours:.4f}", "learning_rate": f"{learning_rate:.3e}"}
        with writing_to(self.path), self.path.open("a", newline="") as file:
            csv.DictWriter(file, FIELDS).writerow(
                where | {name: f"{value:.5f}" for name, value in figures.items()}
            )

    def draw(self) -> None:
        """Loss and PSNR of training and validation over the steps, curves.png."""
        from matplotlib.figure import Figure

        rows = self.rows()
        figure = Figure(figsize=(9, 7), layout="constrained")
        above, below = figure.subplots(2, sharex=True)
        above.plot(*_curve(rows, "loss"))
        above.set(ylabel="loss", yscale="log")
        for name, label, style in (
            ("psnr_in", "training, rainy", "C0:"),
            ("psnr_out", "training, derained", "C0-"),
            ("val_in", "validation, rainy", "C1:"),
            ("val_out", "validation, derained", "C1.-"),
        ):
            below.plot(*_curve(rows, name), style, label=label)
        below.set(xlabel="step", ylabel="luma PSNR, dB")
        below.legend()
        with whole_file(self._picture) as part:
            figure.savefig(part, format="png", dpi=80)


def _curve(rows: list[dict[str, str]], name: str) -> tuple[list[int], list[float]]:
    there = [row for row in rows if row[name]]
    return [int(row["step"]) for row in there], [float(row[name]) for row in there]
