"""Measure the shipped models and write the table of weights/MODEL_CARD.md:

    python scripts/evaluate.py DATA
    python scripts/evaluate.py DATA --model j4r-paper --benchmark light --benchmark complex

DATA holds val/ and real/. The figures go to weights/metrics.json, the table between the two marks of the
card. What is not measured stays, except of weights or in a precision that are no longer the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.revision import commit
from vsj4r.engine import open_engine
from vsj4r.engine.weights import models

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "weights"
CARD, METRICS = WEIGHTS / "MODEL_CARD.md", WEIGHTS / "metrics.json"
BEGIN, END = "<!-- metrics: written by scripts/evaluate.py -->", "<!-- end of metrics -->"
STATIC = "static"
BENCHMARKS = ("light", "complex", "clean", "long", STATIC)
PRECISIONS = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}

Figures = dict[str, Any]


def evaluate(
    data: Annotated[Path, typer.Argument(help="folder with val/ and, for the static clip, real/")],
    model: Annotated[list[str] | None, typer.Option(help="may be repeated [default: all]")] = None,
    benchmark: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(BENCHMARKS)}; may be repeated [default: all]")
    ] = None,
    static: Annotated[str, typer.Option(help="static real clip, below DATA")] = "real/yard/yard.mp4",
    sheet: Annotated[Path | None, typer.Option(help="contact sheet (PNG)")] = None,
) -> None:
    """Run ``vsj4r eval`` and write the card's table."""
    chosen, names = benchmark or list(BENCHMARKS), model or models()
    command = [sys.executable, "-m", "vsj4r.cli", "eval"]
    for name in names:
        command += ["--model", name]
    if synthetic := [name for name in chosen if name != STATIC]:
        command.append(str(data / "val"))
        for name in synthetic:
            command += ["--benchmark", name]
    if STATIC in chosen and ((data / static).is_file() or not synthetic):
        command += ["--static", str(data / static)]
    if sheet is not None:
        command += ["--sheet", str(sheet)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        subprocess.run([*command, "--json", str(file)], check=True)
        found: Figures = json.loads(file.read_text("utf-8"))
    found["weights"] = {name: _of_weights(name) for name in names}
    figures = merged(json.loads(METRICS.read_text("utf-8")), found)
    METRICS.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    card = CARD.read_text("utf-8")
    before, rest = card.split(BEGIN)
    _, after = rest.split(END)
    CARD.write_text(f"{before}{BEGIN}\n{tables(figures)}\n{END}{after}", "utf-8")


def _of_weights(name: str) -> dict[str, str]:
    """What figures of a model belong to: its safetensors, and how and when they were run."""
    engine = open_engine(name, height=64, width=64, precision="auto", threads=1)
    return {
        "safetensors": json.loads((WEIGHTS / f"{name}.json").read_text("utf-8"))["sha256"]["safetensors"],
        "precision": PRECISIONS[engine.precision],
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
    }


def merged(before: Figures, found: Figures) -> Figures:
    """Figures measured ``before`` and those ``found`` now; these alone of weights that have changed."""
    old_weights = before["weights"]
    changed = {m for m, of in found["weights"].items() if _identity(of) != _identity(old_weights.get(m, {}))}
    weights = {**old_weights, **found["weights"]}
    for model in found["weights"].keys() - changed:
        if earlier := _earlier(before, found, model):
            weights[model] = {**weights[model], "earlier": earlier}
    result: Figures = {"weights": _ordered(weights)}
    for name in BENCHMARKS:
        old, new = before.get(name, {}), found.get(name, {})
        if "clips" in old or "clips" in new:
            rows = {
                (row["clip"], row["method"]): row
                for row in old.get("clips", ())
                if row["method"] not in changed | new.get("mean", {}).keys()
            }
            rows |= {(row["clip"], row["method"]): row for row in new.get("clips", ())}
            means = _ordered({**_without(old.get("mean", {}), changed), **new.get("mean", {})})
            clips = list(dict.fromkeys(clip for clip, _ in rows))
            result[name] = {
                "mean": means,
                "clips": [rows[clip, method] for clip in clips for method in means if (clip, method) in rows],
            }
        elif old or new:
            result[name] = _ordered({**_without(old, changed), **new})
    return result


def _identity(of: Figures) -> tuple[str | None, str | None]:
    return of.get("safetensors"), of.get("precision")


def _earlier(before: Figures, found: Figures, model: str) -> dict[str, str]:
    """When, and at which commit, each benchmark was measured that ``model`` keeps from before."""
    of = before["weights"][model]
    known = dict.fromkeys(BENCHMARKS, f"{of['date']}, commit {of['commit']}") | of.get("earlier", {})
    kept = (name for name in BENCHMARKS if model in _by_method(before, name))
    return {name: known[name] for name in kept if model not in _by_method(found, name)}


def _without(by_method: Figures, methods: Any) -> Figures:
    return {method: value for method, value in by_method.items() if method not in methods}


def _ordered(by_method: Figures) -> Figures:
    """Models by name, after what is no model."""
    return dict(sorted(by_method.items(), key=lambda item: (item[0].startswith("j4r"), item[0])))


def tables(figures: Figures) -> str:
    """The card's part between its marks."""
    lines = ["", "Measured by `python scripts/evaluate.py DATA`:", ""]
    for model, of in figures["weights"].items():
        missing = [name for name in BENCHMARKS if model not in _by_method(figures, name)]
        but = f"; not measured with these weights: {', '.join(missing)}" if missing else ""
        earlier = "".join(f"; {name} {when}" for name, when in of.get("earlier", {}).items())
        lines.append(f"- {model}: {of['date']}, commit {of['commit']}, {of['precision']}{earlier}{but}.")
    for name in BENCHMARKS:
        if by_method := _by_method(figures, name):
            lines += ["", *_table(name, by_method, figures[name].get("clips", ()))]
    return "\n".join(lines)


def _table(name: str, by_method: Figures, clips: Iterable[Figures]) -> list[str]:
    if name == STATIC:
        title = "Real rain, static camera: squared error to the temporal median taken away"
        columns = {"taken away": [f"{share:.1%}" for share in by_method.values()]}
    elif name == "long":
        title = "Benchmark **long**: a still scene in complex rain for 1,000 frames, luma PSNR"
        columns = {
            "frames 50 to 149, dB": [f"{s['early']:.2f}" for s in by_method.values()],
            "last 100, dB": [f"{s['late']:.2f}" for s in by_method.values()],
        }
    else:
        title = f"Benchmark **{name}**, mean of {len({row['clip'] for row in clips})} validation clips"
        columns = {
            "luma PSNR dB": [f"{s['psnr']:.2f}" for s in by_method.values()],
            "luma SSIM": [f"{s['ssim']:.4f}" for s in by_method.values()],
            "chroma PSNR dB": [f"{s['chroma_psnr']:.2f}" for s in by_method.values()],
            "flicker": [f"{s['flicker']:.2f}" for s in by_method.values()],
        }
    head = [f"| {' | '.join(('method', *columns))} |", "|---" * (len(columns) + 1) + "|"]
    rows = zip(by_method, *columns.values(), strict=True)
    return [title, "", *head, *(f"| {' | '.join(row)} |" for row in rows)]


def _by_method(figures: Figures, benchmark: str) -> Figures:
    of: Figures = figures.get(benchmark, {})
    by_method: Figures = of.get("mean", of)
    return by_method


if __name__ == "__main__":
    typer.run(evaluate)
