"""How much of rain as real footage has it a model leaves, where the truth is known:

    python -m scripts.faint_rain DATA --model j4r --model other.onnx

The twelve clips of the benchmarks (DATA holds val/), each in four kinds of rain that brighten by a few codes:
near, far out of focus, so far away that streaks merge, and lit. With r = rainy - clean and e = restored -
clean, both of luma, "left" is e r / r r, summed over all clips: 1 where nothing was done, 0 where all rain is
gone, whatever else has happened. "dry" is the PSNR where r is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from scripts.revision import commit
from vsj4r.arrays import Pixels
from vsj4r.evaluation.benchmark import clean_clips
from vsj4r.evaluation.measurement import derain_by
from vsj4r.evaluation.metrics import PEAK, luma_psnr
from vsj4r.psnr import clip_psnr
from vsj4r.rain import render_rain
from vsj4r.rain.colour import matlab_luma
from vsj4r.rain.presets import REFERENCE_PX, Ranges
from vsj4r.rain.style import RainStyle

NEAR = Ranges((30, 90), (3, 6), (0.04, 0.1), (0.08, 0.2))
OUT_OF_FOCUS = Ranges((50, 170), (6, 18), (0.04, 0.1), (0.06, 0.2), widest_px=26.0)
MIST = Ranges((5, 12), (0.9, 1.4), (0.3, 0.6), (0.05, 0.08))
KINDS = {"near": (NEAR,), "out of focus": (OUT_OF_FOCUS,), "mist": (MIST,), "lit": (NEAR, OUT_OF_FOCUS)}
SEED = 41


class Found(NamedTuple):
    """Sums over the pixels of a clip."""

    remaining: float
    rain: float
    dry_square: float
    dry_pixels: int
    psnr: float


def rainy_clips(folder: Path, kind: str) -> Iterator[tuple[Pixels, Pixels]]:
    """(clean, rainy) of each clip."""
    for number, (_, clean) in enumerate(clean_clips(folder)):
        rng = np.random.default_rng([SEED, list(KINDS).index(kind), number])
        scale, angle = min(clean.shape[1:3]) / REFERENCE_PX, float(rng.normal(0, 10))
        style = RainStyle(
            kind="soft",
            layers=tuple(ranges.draw(rng, scale, angle) for ranges in KINDS[kind]),
            gain_jitter=0.15,
            tint=(0.9, 0.92, 0.95),
            screen=0.6,
            glow=0.8 if kind == "lit" else 0.0,
            linear=kind == "lit",
        )
        rain = render_rain(clean, style, rng)
        yield rain.background, rain.rainy


def compare(clean: Pixels, rainy: Pixels, restored: Pixels) -> Found:
    """One method on one clip, (T, H, W, 3) uint8 RGB each."""
    truth, before, after = (matlab_luma(clip) for clip in (clean, rainy, restored))
    rain, error = before - truth, after - truth
    dry = np.abs(rain) < 0.5
    return Found(
        float((error * rain).sum()),
        float((rain * rain).sum()),
        float((error[dry] ** 2).sum()),
        int(dry.sum()),
        clip_psnr([luma_psnr(a, b) for a, b in zip(restored, clean, strict=True)]),
    )


def measure(
    data: Annotated[Path, typer.Argument(help="folder with val/")],
    model: Annotated[list[str], typer.Option()],
    precision: Annotated[str, typer.Option()] = "f32",
) -> None:
    """Print the table in Markdown."""
    typer.echo(f"Commit {commit()}, {precision}.\n")
    typer.echo("| rain | method | left | PSNR, dB | dry, dB |\n|---|---|---|---|---|")
    for kind in KINDS:
        found: dict[str, list[Found]] = {}
        for clean, rainy in rainy_clips(data / "val", kind):
            found.setdefault("input", []).append(compare(clean, rainy, rainy))
            for name in model:
                restored = np.stack(list(derain_by(name, precision=precision)(rainy)))
                found.setdefault(name, []).append(compare(clean, rainy, restored))
        for name, each in found.items():
            remaining, rain, square, pixels = (sum(column) for column in list(zip(*each, strict=True))[:4])
            dry = 10 * np.log10(PEAK**2 * pixels / square) if square else np.inf
            psnr = np.mean([one.psnr for one in each])
            typer.echo(f"| {kind} | {name} | {remaining / rain:.2f} | {psnr:.2f} | {dry:.2f} |")


if __name__ == "__main__":
    typer.run(measure)
