"""Measure the shipped models and write the table of weights/MODEL_CARD.md:

    python scripts/evaluate.py DATA

DATA holds val/ and real/. The figures go to weights/metrics.json, the table between the two marks of the
card. Nothing is chosen or left out here: every shipped model, every benchmark.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.revision import commit

ROOT = Path(__file__).resolve().parent.parent
CARD, METRICS = ROOT / "weights" / "MODEL_CARD.md", ROOT / "weights" / "metrics.json"
BEGIN, END = "<!-- metrics: written by scripts/evaluate.py -->", "<!-- end of metrics -->"


def evaluate(
    data: Annotated[Path, typer.Argument(help="folder with val/ and, for the static clip, real/")],
    static: Annotated[str, typer.Option(help="static real clip, below DATA")] = "real/yard/yard.mp4",
    sheet: Annotated[Path | None, typer.Option(help="contact sheet (PNG)")] = None,
) -> None:
    """Run ``vsj4r eval`` on everything and write the card's table."""
    command = [sys.executable, "-m", "vsj4r.cli", "eval", str(data / "val"), "--json", str(METRICS)]
    if (data / static).is_file():
        command += ["--static", str(data / static)]
    if sheet is not None:
        command += ["--sheet", str(sheet)]
    subprocess.run(command, check=True)
    measured = json.loads(METRICS.read_text("utf-8"))
    card = CARD.read_text("utf-8")
    before, rest = card.split(BEGIN)
    _, after = rest.split(END)
    CARD.write_text(f"{before}{BEGIN}\n{_tables(measured)}\n{END}{after}", "utf-8")


def _tables(measured: dict[str, Any]) -> str:
    date = datetime.now(UTC).date().isoformat()
    lines = [f"\nMeasured {date}, commit {commit()}, by `python scripts/evaluate.py DATA`."]
    for name, result in measured.items():
        if name == "static":
            lines += ["", "Real rain, static camera: squared error to the temporal median taken away", ""]
            lines += ["| method | taken away |", "|---|---|"]
            lines += [f"| {method} | {share:.1%} |" for method, share in result.items()]
            continue
        if name == "long":
            lines += ["", "Benchmark **long**: a still scene in complex rain for 1,000 frames, luma PSNR", ""]
            lines += ["| method | frames 50 to 149, dB | last 100, dB |", "|---|---|---|"]
            lines += [f"| {method} | {s['early']:.2f} | {s['late']:.2f} |" for method, s in result.items()]
            continue
        clips = len({row["clip"] for row in result["clips"]})
        lines += ["", f"Benchmark **{name}**, mean of {clips} validation clips", ""]
        lines += ["| method | luma PSNR dB | luma SSIM | chroma PSNR dB | flicker |", "|---|---|---|---|---|"]
        lines += [
            f"| {method} | {s['psnr']:.2f} | {s['ssim']:.4f} | {s['chroma_psnr']:.2f} | {s['flicker']:.2f} |"
            for method, s in result["mean"].items()
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(evaluate)
