"""How well the score of real rain ranks methods where the truth is known:

    python -m scripts.calibrate_real DATA --json calibration.json

Rain of four presets is rendered on clips whose motion is real (DATA holds val/video, train/video and
free/video), each clip under two of them. Derainers and cheats are scored as if there were no truth, and
measured against it. The table has Spearman's rank correlation of the score with the gain in luma PSNR: the
mean and the least of the clips, and of all clips together. Every third clip is held out: constants were
chosen without it (docs/real-rain.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from scripts.revision import commit
from vsj4r.errors import Vsj4rError
from vsj4r.evaluation.measurement import derain_by, temporal_median
from vsj4r.evaluation.metrics import luma_psnr
from vsj4r.evaluation.real_rain import REACH, RainMeter
from vsj4r.rain import Preset, draw_style, render_rain
from vsj4r.training.footage import CODED_SIDE, read_frames, read_video

Pixels = NDArray[np.uint8]
FOLDERS = ("val/video", "train/video", "free/video")
FRAMES, LONGEST_FRAMES = 14, 60
LARGEST_PX = (288, 432)
PRESETS: tuple[Preset, ...] = ("soft", "mixed", "light", "complex")
SEED = 23
HELD_OUT = 3
"""Every third clip."""
STRENGTHS = (0.25, 0.5, 0.75)
DERAINERS = ("input", *(f"j4r x {s}" for s in STRENGTHS), "j4r", "j4r-lite", "median 3", "median 5", "blur")
FIGURES = ("score", "rain_left", "sharpness", "damage", "harm")


def clips(data: Path) -> Iterator[tuple[str, Pixels]]:
    """(name, the middle of the middle ``FRAMES`` frames), what is too short left out."""
    paths = [path for folder in FOLDERS for path in sorted((data / folder).iterdir())]
    for path in paths:
        if path.is_dir():
            clip = read_frames(path, LONGEST_FRAMES)
        else:
            clip = read_video(path, LONGEST_FRAMES, shorter_px=CODED_SIDE)
        if len(clip) < FRAMES:
            continue
        first = (len(clip) - FRAMES) // 2
        height, width = (
            min(side, most) // 2 * 2 for side, most in zip(clip.shape[1:3], LARGEST_PX, strict=True)
        )
        top, left = (clip.shape[1] - height) // 2, (clip.shape[2] - width) // 2
        yield path.name, clip[first : first + FRAMES, top : top + height, left : left + width].copy()


def rained(name: str, number: int, clean: Pixels) -> Iterator[tuple[str, Preset, Pixels, Pixels]]:
    """(name, preset, truth, rainy) of a clip under two presets, which change from clip to clip."""
    for which in (0, 2):
        preset = PRESETS[(number + which + number // len(PRESETS)) % len(PRESETS)]
        for draw in range(20):
            rng = np.random.default_rng([SEED, number, which, draw])
            style = draw_style(rng, preset, min(clean.shape[1:3]))
            if style.kind != "none":
                rain = render_rain(clean, style, rng)
                yield name, preset, rain.background, rain.rainy
                break


def outputs(rainy: Pixels) -> dict[str, Pixels]:
    """What derainers and cheats make of a clip, the input first."""
    exact = rainy.astype(np.float32)
    by_j4r = np.stack(list(derain_by("j4r")(rainy)))
    blurred = np.stack([gaussian_filter(frame, (1.5, 1.5, 0)) for frame in exact])
    twice = np.stack([gaussian_filter(frame, (1.5, 1.5, 0)) for frame in blurred])
    around = np.stack([np.roll(rainy, k, 0) for k in (-1, 0, 1)])
    in_row = np.stack([np.roll(rainy, k, 2) for k in range(-2, 3)]).min(0)
    order = np.arange(len(rainy))
    return {
        "input": rainy,
        **{f"j4r x {s}": _codes(exact + np.float32(s) * (by_j4r - exact)) for s in STRENGTHS},
        "j4r": by_j4r,
        "j4r-lite": np.stack(list(derain_by("j4r-lite")(rainy))),
        "median 3": np.stack(list(temporal_median(3)(rainy))),
        "median 5": np.stack(list(temporal_median(5)(rainy))),
        "blur": _codes(blurred),
        "sharpened blur": _codes(2 * blurred - twice),
        "darker by 6": _codes(exact - 6),
        "darkest of 3 frames": around.min(0),
        "brightest of 3 frames": around.max(0),
        "darkest of 5 px in the row": in_row,
        "the same, opened": np.stack([np.roll(in_row, k, 2) for k in range(-2, 3)]).max(0),
        "first frame": np.repeat(rainy[:1], len(rainy), 0),
        "every second frame": rainy[order // 2 * 2],
        "every third frame": rainy[order // 3 * 3],
    }


def _codes(exact: NDArray[np.float32]) -> Pixels:
    return np.clip(np.rint(exact), 0, 255).astype(np.uint8)


def measured(truth: Pixels, rainy: Pixels) -> dict[str, dict[str, float]]:
    """Each method's figures, and its gain in dB over the input, on the frames that the meter measures."""
    restored, meter = outputs(rainy), RainMeter()
    for moment in zip(*restored.values(), strict=True):
        meter.add(dict(zip(restored, moment, strict=True)))
    inside = range(REACH, len(rainy) - REACH)
    decibels = {
        name: np.mean([luma_psnr(clip[t], truth[t]) for t in inside]) for name, clip in restored.items()
    }
    return {
        name: {**scores._asdict(), "gain_db": float(decibels[name] - decibels["input"])}
        for name, scores in meter.scores().items()
    }


def correlation(rows: list[dict[str, Any]], figure: str, methods: tuple[str, ...]) -> tuple[float, ...]:
    """Spearman's of a figure with the gain: mean and least of the clips, all together."""
    sign = -1 if figure in ("rain_left", "damage", "harm") else 1
    of_clips, all_figures, all_gains = [], [], []
    for row in rows:
        figures = [sign * row["methods"][name][figure] for name in methods]
        gains = [row["methods"][name]["gain_db"] for name in methods]
        of_clips.append(float(spearmanr(figures, gains).statistic))
        all_figures += figures
        all_gains += gains
    together = float(spearmanr(all_figures, all_gains).statistic)
    return float(np.nanmean(of_clips)), float(np.nanmin(of_clips)), together


def calibrate(
    data: Annotated[Path, typer.Argument(help="folder with val/video, train/video and free/video")],
    json_file: Annotated[Path | None, typer.Option("--json", help="write every figure here")] = None,
) -> None:
    """Print the table in Markdown."""
    rows: list[dict[str, Any]] = []
    for number, (clip, clean) in enumerate(clips(data)):
        for name, preset, truth, rainy in rained(clip, number, clean):
            held_out = number % HELD_OUT == HELD_OUT - 1
            methods = measured(truth, rainy)
            if np.isnan(methods["input"]["rain_left"]):
                typer.echo(f"{name}, {preset}: no rain stands out", err=True)
                continue
            rows.append({"clip": name, "preset": preset, "held_out": held_out, "methods": methods})
            typer.echo(f"{name}, {preset}: done", err=True)
            if json_file is not None:
                json_file.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    if not rows:
        raise Vsj4rError(f"{data} holds no clip of {FRAMES} frames or more")
    everything: tuple[str, ...] = tuple(rows[0]["methods"])
    typer.echo(f"Commit {commit()}, {len(rows)} clips.\n")
    typer.echo("| figure | clips | methods | mean of clips | least | all clips together |")
    typer.echo("|---|---|---|---|---|---|")
    for figure in FIGURES:
        for title, chosen in (("tuned on", False), ("held out", True)):
            some = [row for row in rows if row["held_out"] == chosen]
            for kind, names in (("derainers", DERAINERS), ("and cheats", everything)):
                found = " | ".join(f"{value:.3f}" for value in correlation(some, figure, names))
                typer.echo(f"| {figure} | {title}, {len(some)} | {kind}, {len(names)} | {found} |")
    typer.echo("\n| method | gain dB | score | rain left | harm |\n|---|---|---|---|---|")
    for name in everything:
        of_method = [row["methods"][name] for row in rows]
        median = (
            float(np.median([each[key] for each in of_method]))
            for key in ("gain_db", "score", "rain_left", "harm")
        )
        typer.echo(f"| {name} | " + " | ".join(f"{value:.2f}" for value in median) + " |")


if __name__ == "__main__":
    typer.run(calibrate)
