"""docs/benchmarks.json as tables in docs/benchmarks.md and as docs/images/speed.png."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE, PICTURE = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "images" / "speed.png"
METRICS = ROOT / "weights" / "metrics.json"
BEGIN, END = "<!-- written by scripts/benchmark.py -->", "<!-- end of scripts/benchmark.py -->"
COLUMNS = 100
QUIET_SHARE = 0.95
"""Of the machine, that a measurement must have had for its seconds on the clock to be published."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")

Figures = dict[str, Any]


def write_page(results: Figures) -> None:
    """Write the part between the marks, and the picture where there is something to show."""
    page = PAGE.read_text("utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    quality = known_quality(results)
    PAGE.write_text(f"{before}{BEGIN}\n{tables(results, quality)}\n{END}{after}", "utf-8")
    if any("seconds" in row for row in _rows(results, "filters")):
        draw(results, quality)


def known_quality(results: Figures) -> dict[str, Figures]:
    """``complex`` (dB) and ``score`` of real rain by filter, where they have been measured."""
    metrics = json.loads(METRICS.read_text("utf-8"))
    found: dict[str, Figures] = {}
    for name, scores in metrics.get("complex", {}).get("mean", {}).items():
        found.setdefault(name, {})["complex"] = scores["psnr"]
    for name, scores in metrics.get("real", {}).get("median", {}).items():
        found.setdefault(name, {})["score"] = scores["score"]
    for row in _rows(results, "quality"):
        found[row["contender"]] = row
    return found


def tables(results: Figures, quality: dict[str, Figures]) -> str:
    parts = {"filters": _filters, "runtimes": _runtimes, "sizes": _sizes, "threads": _threads}
    lines: list[str] = []
    machines: list[str] = []
    for name, table in parts.items():
        if name not in results:
            continue
        of = results[name]
        if of["machine"] not in machines:
            machines.append(of["machine"])
            lines += ["", *_wrapped(f"Machine: {of['machine']}.")]
        lines += ["", *table(of, quality)]
        skipped = [f"{row['contender']}: {row['skipped']}" for row in of["rows"] if "skipped" in row]
        if skipped:
            lines += ["", *_wrapped(f"Skipped: {'; '.join(dict.fromkeys(skipped))}.")]
    if "quality" in results:
        of = results["quality"]
        note = f"Quality of filters that are not ours: {of['date']}, commit {of['commit']}."
        lines += ["", *_wrapped(f"{note} {_peers_light(of)}")]
    return "\n".join(lines).strip("\n")


def _peers_light(of: Figures) -> str:
    told = [f"{row['contender']} {row['light']:.2f}" for row in of["rows"] if "light" in row]
    return f"On light rain, dB: {', '.join(told)}." if told else ""


def _filters(of: Figures, quality: dict[str, Figures]) -> list[str]:
    rows = []
    for row in _measured(of):
        known = quality.get(row["contender"], {})
        speed = (_number(1e3 * _seconds(of, row)), _number(1 / _seconds(of, row)))
        figures = (f"{row['peak_mb']:,.0f}", _known(known.get("complex")), _known(known.get("score")))
        rows.append((row["contender"], *speed, *figures))
    unit = _unit(of)
    speed_of = (f"ms{unit} a frame", f"frames a second{unit}")
    head = ("filter", *speed_of, "peak MB", "complex, dB", "real rain, score")
    return [_title("Filters", of), "", *_markdown(head, rows)]


def _runtimes(of: Figures, _quality: dict[str, Figures]) -> list[str]:
    rows: list[tuple[str, ...]] = []
    first: dict[str, float] = {}
    for row in _measured(of):
        model, _, runtime = row["contender"].partition(", ")
        seconds = _seconds(of, row)
        times = seconds / first.setdefault(model, seconds)
        rows.append((model, runtime, _number(1e3 * seconds), _number(times), f"{row['peak_mb']:,.0f}"))
    head = ("model", "runtime", f"ms{_unit(of)} a step", "times the first", "peak MB")
    return [_title("The network alone", of), "", *_markdown(head, rows)]


def _sizes(of: Figures, _quality: dict[str, Figures]) -> list[str]:
    by_name = _by_contender(of)
    sizes = list(dict.fromkeys(row["size"] for row in of["rows"]))
    head = ("filter", *sizes, "most / least")
    times, memory = [], []
    for name, rows in by_name.items():
        each = {row["size"]: _nanoseconds(of, row) for row in rows}
        spread = f"{max(each.values()) / min(each.values()):.2f}"
        times.append((name, *(_number(each[size]) if size in each else "-" for size in sizes), spread))
        peaks = {row["size"]: f"{row['peak_mb']:,.0f}" for row in rows}
        memory.append((name, *(peaks.get(size, "-") for size in sizes)))
    return [
        _title(f"Time for each pixel, ns{_unit(of)}", of),
        "",
        *_markdown(head, times),
        "",
        "Peak memory of the process, MB",
        "",
        *_markdown(head[:-1], memory),
    ]


def _threads(of: Figures, _quality: dict[str, Figures]) -> list[str]:
    rows = []
    first: dict[str, float] = {}
    for row in _measured(of):
        speed = 1 / row["seconds"]  # of the clock in any case: the CPU's would show no scaling
        times = speed / first.setdefault(row["contender"], speed)
        figures = (_number(speed), f"{times:.2f}", f"{row['peak_mb']:,.0f}")
        rows.append((row["contender"], str(row["instances"]), str(row["threads"]), *figures))
    speed_of = "frames a second of the clock"
    head = ("filter", "instances", "threads each", speed_of, "times the first", "peak MB in all")
    return [_title("Threads and instances", of), "", *_markdown(head, rows)]


def draw(results: Figures, quality: dict[str, Figures]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    of = results["filters"]
    filters = _measured(of)
    colour = {row["contender"]: COLOURS[place % len(COLOURS)] for place, row in enumerate(filters)}
    for axis, key, label, free in (
        (axes[0, 0], "complex", "complex rain: luma PSNR, dB", "lower left"),
        (axes[0, 1], "score", "real rain: score (1 best, 0 the input)", "upper left"),
    ):
        for row in filters:
            name, speed = row["contender"], 1 / _seconds(of, row)
            value = quality.get(name, {}).get(key)
            if value is None:
                continue
            axis.plot(speed, value, "o", color=colour[name], markersize=9, label=name)
        said = f"frames a second{_unit(of)}, {filters[0]['size']}"
        axis.set(xscale="log", xlabel=said, ylabel=label)
        axis.margins(0.25)
        axis.legend(loc=free)
    if "sizes" in results:
        grown = results["sizes"]
        for name, rows in _by_contender(grown).items():
            lines = [int(row["size"].partition("x")[2]) for row in rows]
            look = {"marker": "o", "color": colour.get(name, "grey"), "label": name}
            axes[1, 0].plot(lines, [_nanoseconds(grown, row) for row in rows], **look)
            axes[1, 1].plot(lines, [row["peak_mb"] for row in rows], **look)
        for axis, label in ((axes[1, 0], f"ns{_unit(grown)} a pixel"), (axes[1, 1], "peak memory, MB")):
            axis.set(xscale="log", yscale="log", xlabel="lines of the frame", ylabel=label)
            axis.set_xticks(lines, [str(each) for each in lines])
            axis.minorticks_off()
            axis.legend()
    for axis in axes.flat:
        axis.grid(alpha=0.3)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=90)
    plt.close(figure)


def _seconds(of: Figures, row: Figures) -> float:
    """A frame's, as they are published."""
    return float(row["seconds" if _was_quiet(of) else "cpu"])


def _was_quiet(of: Figures) -> bool:
    return float(of["free_share"]) >= QUIET_SHARE


def _unit(of: Figures) -> str:
    return "" if _was_quiet(of) else " of the CPU"


def _title(what: str, of: Figures) -> str:
    sizes = {row["size"] for row in of["rows"]}
    threads = {row["threads"] for row in of["rows"]}
    said = f"**{what}**"
    said += f", {sizes.pop()}" if len(sizes) == 1 else ""
    if len(threads) == 1:
        (count,) = threads
        said += f", {count} thread{'s' * (count > 1)}"
    busy = "" if _was_quiet(of) else ", other work running"
    said += f"; medians of {of['rounds']} rounds, {of['date']}, commit {of['commit']}{busy}"
    return "\n".join(_wrapped(said))


def _rows(results: Figures, part: str) -> list[Figures]:
    rows: list[Figures] = results.get(part, {}).get("rows", [])
    return rows


def _measured(of: Figures) -> list[Figures]:
    return [row for row in of["rows"] if "seconds" in row]


def _by_contender(of: Figures) -> dict[str, list[Figures]]:
    found: dict[str, list[Figures]] = {}
    for row in _measured(of):
        found.setdefault(row["contender"], []).append(row)
    return found


def _nanoseconds(of: Figures, row: Figures) -> float:
    width, _, height = row["size"].partition("x")
    return 1e9 * _seconds(of, row) / (int(width) * int(height))


def _number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def _known(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS, break_on_hyphens=False)


def _markdown(head: tuple[str, ...], rows: Iterable[Iterable[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
