"""Measure the shipped models and write the table of weights/MODEL_CARD.md:

    python -m scripts.evaluate DATA
    python -m scripts.evaluate DATA --model j4r-paper --benchmark light --benchmark complex
    python -m scripts.evaluate DATA --bidirectional

DATA holds val/ and real/. The figures go to weights/metrics.json, the table between the two marks of the
card. What is not measured stays, except of weights or in a precision that are no longer the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.revision import commit
from vsj4r.engine import open_engine
from vsj4r.engine.weights import find_model, models

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "weights"
CARD, METRICS = WEIGHTS / "MODEL_CARD.md", WEIGHTS / "metrics.json"
BEGIN, END = "<!-- metrics: written by scripts/evaluate.py -->", "<!-- end of metrics -->"
REAL = "real"
BIDIRECTIONAL = "bidirectional"
"""Where the figures of that kind lie, as those of the others do at the top."""
REAL_CLIPS = ("real/pexels", "real/yard/yard.mp4")
REAL_FRAMES = 150
BENCHMARKS = ("light", "complex", "clean", "long", REAL)
PRECISIONS = {"f32": "float32", "bf16": "bfloat16", "f16": "float16", "int8": "int8"}

Figures = dict[str, Any]


def evaluate(
    data: Annotated[Path, typer.Argument(help="folder with val/ and, for real rain, real/")],
    model: Annotated[list[str] | None, typer.Option(help="may be repeated [default: all]")] = None,
    benchmark: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(BENCHMARKS)}; may be repeated [default: all]")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="contact sheet (PNG), of real rain or the others")
    ] = None,
    precision: Annotated[str, typer.Option(help="auto, or f32 on machines that choose less")] = "auto",
    bidirectional: Annotated[bool, typer.Option("--bidirectional", help="backwards, too")] = False,
) -> None:
    """Run ``vsj4r eval`` and write the card's table."""
    chosen, names = benchmark or list(BENCHMARKS), model or models()
    command = [sys.executable, "-m", "vsj4r.cli", "eval", "--precision", precision]
    command += ["--bidirectional"] * bidirectional
    for name in names:
        command += ["--model", name]
    if synthetic := [name for name in chosen if name != REAL]:
        command.append(str(data / "val"))
        for name in synthetic:
            command += ["--benchmark", name]
    if REAL in chosen and ((data / REAL).is_dir() or not synthetic):
        command += ["--frames", str(REAL_FRAMES)]
        for clip in REAL_CLIPS:
            command += ["--real", str(data / clip)]
    if sheet is not None:
        command += ["--sheet", str(sheet), "--overwrite"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        subprocess.run([*command, "--json", str(file)], check=True)
        found: Figures = json.loads(file.read_text("utf-8"), object_hook=_with_plain_names)
    found["weights"] = {name: _of_weights(name, precision) for name in names}
    one = json.loads(METRICS.read_text("utf-8"))
    both = one.pop(BIDIRECTIONAL, {"weights": {}})
    one, both = (one, merged(both, found)) if bidirectional else (merged(one, found), both)
    figures = one | ({BIDIRECTIONAL: both} if both["weights"] else {})
    METRICS.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    card = CARD.read_text("utf-8")
    before, rest = card.split(BEGIN)
    _, after = rest.split(END)
    CARD.write_text(f"{before}{BEGIN}\n{tables(figures)}\n{END}{after}", "utf-8")


def _with_plain_names(of: Figures) -> Figures:
    """Figures by method, or with its name, as they are without ``bidirectional``."""
    suffix = f" {BIDIRECTIONAL}"
    plain = {method.removesuffix(suffix): figures for method, figures in of.items()}
    return plain | ({"method": plain["method"].removesuffix(suffix)} if "method" in plain else {})


def _of_weights(name: str, precision: str) -> dict[str, str]:
    """What figures of a model belong to: its safetensors, and how and when they were run."""
    engine = open_engine(find_model(name), height=64, width=64, precision=precision, threads=1)
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
                if row["method"] not in changed | _by_method(found, name).keys()
            }
            rows |= {(row["clip"], row["method"]): row for row in new.get("clips", ())}
            overall = "median" if name == REAL else "mean"
            summed = _ordered({**_without(old.get(overall, {}), changed), **new.get(overall, {})})
            clips = list(dict.fromkeys(clip for clip, _ in rows))
            result[name] = {
                overall: summed,
                "clips": [
                    rows[clip, method] for clip in clips for method in summed if (clip, method) in rows
                ],
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
    lines = _tables(figures, "python -m scripts.evaluate DATA")
    if BIDIRECTIONAL in figures:
        lines += ["", "### With `bidirectional`"]
        lines += _tables(figures[BIDIRECTIONAL], "python -m scripts.evaluate DATA --bidirectional")
    return "\n".join(lines)


def _tables(figures: Figures, command: str) -> list[str]:
    lines = ["", f"Measured by `{command}`:", ""]
    for model, of in figures["weights"].items():
        missing = [name for name in BENCHMARKS if model not in _by_method(figures, name)]
        but = f"; not measured with these weights: {', '.join(missing)}" if missing else ""
        earlier = "".join(f"; {name} {when}" for name, when in of.get("earlier", {}).items())
        said = f"- {model}: {of['date']}, commit {of['commit']}, {of['precision']}{earlier}{but}."
        lines += textwrap.wrap(said, 100, subsequent_indent="  ", break_on_hyphens=False)
    for name in BENCHMARKS:
        if by_method := _by_method(figures, name):
            lines += ["", *_table(name, by_method, figures[name].get("clips", ()))]
    return lines


def _table(name: str, by_method: Figures, clips: Iterable[Figures]) -> list[str]:
    if name == REAL:
        return _real_table(by_method, clips)
    if name == "long":
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
    return [title, "", *_markdown(("method", *columns), zip(by_method, *columns.values(), strict=True))]


def _real_table(by_method: Figures, clips: Iterable[Figures]) -> list[str]:
    """Of each clip what is left and the score; then every figure's median."""
    left, scores = {}, {}
    for row in clips:
        left[row["clip"], row["method"]] = _interval(row)
        scores[row["clip"], row["method"]] = _number(row["score"])
    names = list(dict.fromkeys(clip for clip, _ in left))
    methods = [method for method in by_method if method != "input"]

    def of_clips(figures: dict[tuple[str, str], str]) -> list[str]:
        rows = ((clip, *(figures.get((clip, method), "") for method in methods)) for clip in names)
        return _markdown(("clip", *methods), rows)

    columns = ("rain_left", "u_left", "v_left", "sharpness", "damage", "flicker", "harm", "score")
    medians = ((method, *(_number(s[key]) for key in columns)) for method, s in by_method.items())
    return [
        "Real rain (docs/real-rain.md): rain energy left, with its 95 % interval",
        "",
        *of_clips(left),
        "",
        "Score: 1 at best, 0 the input, below 0 more harm than good",
        "",
        *of_clips(scores),
        "",
        f"Median of {len(names)} clips",
        "",
        *_markdown(("method", *(key.replace("_", " ") for key in columns)), medians),
    ]


def _interval(of: Figures) -> str:
    if of["rain_left"] is None:
        return "-"
    return f"{_number(of['rain_left'])} ({_number(of['rain_left_low'])} to {_number(of['rain_left_high'])})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _markdown(head: tuple[str, ...], rows: Iterable[Iterable[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _by_method(figures: Figures, benchmark: str) -> Figures:
    of: Figures = figures.get(benchmark, {})
    for overall in ("mean", "median"):
        if overall in of:
            of = of[overall]
    return of


if __name__ == "__main__":
    typer.run(evaluate)
