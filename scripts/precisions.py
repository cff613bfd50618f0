"""What each precision of the CPU costs in quality, on every validation clip and on real rain:

    python -m scripts.precisions DATA --model j4r --model j4r-lite

DATA holds val/ and real/. The clips of "light", "complex" and "clean" are those of ``vsj4r eval``; "soft" is
the same clips in that preset's rain. Every precision sees the same frames; the machine must have VNNI, and
bfloat16, or its columns are float32's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from scripts.evaluate import REAL_CLIPS, REAL_FRAMES
from scripts.revision import commit
from vsj4r.arrays import Pixels
from vsj4r.evaluation.benchmark import SEED, benchmark_clips, clean_clips, dry_clips
from vsj4r.evaluation.clips import real_clips
from vsj4r.evaluation.measurement import derain_by, identity, measure_rain, medians
from vsj4r.evaluation.metrics import chroma_psnr, luma_psnr
from vsj4r.psnr import clip_psnr
from vsj4r.rain import rain_by
from vsj4r.training.footage import clip_frames

PRECISIONS = ("f32", "bf16", "int8")
SOFT_SEED = [SEED, 2]


def soft_clips(folder: Path) -> Iterator[tuple[str, Pixels, Pixels]]:
    """(name, truth, rainy), as ``benchmark_clips`` gives them; the truth lies under the veil of the rain."""
    for index, (name, clean) in enumerate(clean_clips(folder)):
        rain = rain_by(clean, "soft", np.random.default_rng([*SOFT_SEED, index]))
        yield name, rain.background, rain.rainy


def precisions(
    data: Annotated[Path, typer.Argument(help="folder with val/ and real/")],
    model: Annotated[list[str], typer.Option(help="may be repeated")],
    threads: Annotated[int, typer.Option(help="of inference")] = 1,
) -> None:
    """Print two tables in Markdown."""
    methods = {
        (name, precision): derain_by(name, precision=precision, threads=threads)
        for name in model
        for precision in PRECISIONS
    }
    sets = {
        "light": benchmark_clips(data / "val", "light"),
        "complex": benchmark_clips(data / "val", "complex"),
        "soft": soft_clips(data / "val"),
        "clean": dry_clips(data / "val"),
    }
    typer.echo(f"commit {commit()}; mean luma PSNR, chroma PSNR, dB\n")
    typer.echo("| model, benchmark | clips | " + " | ".join(PRECISIONS) + " | worst clip, int8 - bf16 |")
    typer.echo("|---" * (3 + len(PRECISIONS)) + "|")
    for benchmark, clips in sets.items():
        found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        for clip, clean, rainy in clips:
            for key, run in methods.items():
                pairs = list(zip(run(rainy), clean, strict=True))
                luma, chroma = (clip_psnr([of(a, b) for a, b in pairs]) for of in (luma_psnr, chroma_psnr))
                found[key].append((luma, chroma))
            typer.echo(f"{benchmark} {clip}", err=True)
        for name in model:
            cells = [np.mean(found[name, shown], 0) for shown in PRECISIONS]
            pairs_of = zip(found[name, "int8"], found[name, "bf16"], strict=True)
            worst = min(a[0] - b[0] for a, b in pairs_of)
            row = " | ".join(f"{luma:.3f}, {chroma:.3f}" for luma, chroma in cells)
            typer.echo(f"| {name}, {benchmark} | {len(found[name, 'f32'])} | {row} | {worst:+.3f} |")
    of_rain = []
    by_name = {f"{name} {shown}": run for (name, shown), run in methods.items()}
    for clip, path in real_clips([data / each for each in REAL_CLIPS]).items():
        of_rain += measure_rain(clip, islice(clip_frames(path), REAL_FRAMES), {"input": identity, **by_name})
        typer.echo(f"real {clip}", err=True)
    typer.echo("\n| real rain, median | score | rain left | harm | sharpness |\n|---|---|---|---|---|")
    for method, s in medians(of_rain).items():
        typer.echo(f"| {method} | {s.score:.3f} | {s.rain_left:.3f} | {s.harm:.3f} | {s.sharpness:.3f} |")


if __name__ == "__main__":
    typer.run(precisions)
