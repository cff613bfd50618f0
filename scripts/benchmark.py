"""Speed, memory and quality side by side: our models, filters that people would try instead, other runtimes.

    python -m scripts.benchmark [DATA] [--part filters] [--rounds 3]

Every contender is a process of its own, opened before anything is timed (scripts/contenders.py); then each
has its turn, so many rounds; figures are medians. Those of the clock are published only where the machine
had nothing else to do, otherwise those of the CPU. DATA holds val/ and real/ and is needed for the quality
of others' filters; ours is in weights/metrics.json. The figures go to docs/benchmarks.json, from there the
tables between the marks of docs/benchmarks.md and its picture. A part that is not measured stays. What is
not installed is skipped, and the tables say so.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from scripts.benchmark_page import write_page
from scripts.contenders import DEGRAIN, MEDIAN, PEERS, missing
from scripts.revision import commit
from vsj4r.cores import usable_cores
from vsj4r.engine.weights import models

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.json"
PARTS = ("filters", "runtimes", "sizes", "threads", "quality")
TURN_SECONDS = 1.0
MOST_FRAMES = 200
SIZE = "960x540"
SIZES = ("512x288", "960x540", "1920x1080", "3840x2160")
RUNTIMES = (
    "OpenVINO bfloat16",
    "OpenVINO float32",
    "OpenVINO int8",
    "ONNX Runtime float32",
    "torch bfloat16",
    "torch float32",
)
PACKAGES = ("vapoursynth", "openvino", "onnxruntime", "torch", *PEERS.values())

Figures = dict[str, Any]


class Entry(NamedTuple):
    """A contender as it is timed: ``instances`` processes of it at once, ``threads`` each."""

    contender: str
    size: str
    threads: int
    instances: int = 1


def entries(part: str, threads: int) -> list[Entry]:
    if part == "filters":
        return [Entry(name, SIZE, threads) for name in (*models(), *PEERS)]
    if part == "runtimes":
        return [
            Entry(f"{name}, {runtime}", SIZE, threads) for name in ("j4r", "j4r-lite") for runtime in RUNTIMES
        ]
    if part == "sizes":
        return [Entry(name, size, threads) for name in ("j4r", "j4r-lite", MEDIAN, DEGRAIN) for size in SIZES]
    ways = ((1, 1), (2, 1), (1, 2), (2, 2))
    return [Entry(name, SIZE, *way) for name in ("j4r", "j4r-lite") for way in ways]


class Worker:
    """A contender's process, opened and warm; ``failed`` tells why it is not."""

    def __init__(self, entry: Entry) -> None:
        command = [sys.executable, "-m", "scripts.contenders", entry.contender, entry.size]
        self._process = subprocess.Popen(
            [*command, str(entry.threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.failed: str | None = self.answer().get("failed")

    def ask(self, frames: int) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(f"{frames}\n")
            self._process.stdin.flush()

    def answer(self) -> Figures:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        return json.loads(line) if line else {"failed": "it ended"}

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def turn(workers: list[Worker], frames: int) -> Figures:
    """All ``workers`` at once, ``frames`` each: clock and CPU seconds for a frame of any of them."""
    for worker in workers:
        worker.ask(frames)
    answers = [worker.answer() for worker in workers]
    if failed := next((answer["failed"] for answer in answers if "failed" in answer), None):
        return {"failed": failed}
    done = frames * len(workers)
    return {
        "clock": max(answer["clock"] for answer in answers) / done,
        "cpu": sum(answer["cpu"] for answer in answers) / done,
        "peak_mb": sum(answer["peak_mb"] for answer in answers),
    }


def measure(wanted: Iterable[Entry], rounds: int) -> list[Figures]:
    """A row for each entry: medians of ``rounds`` turns, or why there are none."""
    rows: list[Figures] = []
    opened: list[tuple[Figures, list[Worker], int, list[Figures]]] = []
    try:
        for entry in wanted:
            row: Figures = entry._asdict()
            rows.append(row)
            if package := missing(entry.contender):
                row["skipped"] = f"{package} is not installed"
                continue
            workers = [Worker(entry) for _ in range(entry.instances)]
            failed = next((worker.failed for worker in workers if worker.failed), None)
            tried = {} if failed else turn(workers, 1)
            failed = failed or tried.get("failed")
            print(f"{entry}: {failed or 'ready'}", file=sys.stderr)
            if failed:
                row["skipped"] = failed
                for worker in workers:
                    worker.close()
                continue
            frames = max(1, min(MOST_FRAMES, round(TURN_SECONDS / tried["clock"] / entry.instances)))
            opened.append((row, workers, frames, []))
        for done in range(rounds):
            for _, workers, frames, taken in opened:
                taken.append(turn(workers, frames))
            print(f"round {done + 1}/{rounds}", file=sys.stderr)
        for row, _, frames, taken in opened:
            clocks = [each["clock"] for each in taken]
            row |= {
                "frames": frames,
                "seconds": statistics.median(clocks),
                "least": min(clocks),
                "most": max(clocks),
                "cpu": statistics.median(each["cpu"] for each in taken),
                "peak_mb": max(each["peak_mb"] for each in taken),
            }
    finally:
        for _, workers, _, _ in opened:
            for worker in workers:
                worker.close()
    return rows


def free_share() -> float:
    """The share of this machine's cores that processes get which want them all for a second."""
    cores = usable_cores()
    spin = "import time; t = time.time()\nwhile time.time() < t + 1: pass"
    spinning = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(cores)]
    before = os.times()
    for process in spinning:
        process.wait()
    after = os.times()
    return min(1.0, (after.children_user - before.children_user) / cores)


def machine() -> str:
    """One line: the CPU, what it can do, and versions."""
    cpu: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            key, _, value = line.partition(":")
            cpu.setdefault(key.strip(), value.strip())
    except OSError:
        cpu["model name"] = platform.processor() or platform.machine()
    flags = set(cpu.get("flags", cpu.get("Features", "")).split())
    shown = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "sve")
    known = ", ".join(flag for flag in shown if flag in flags)
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return (
        f"{usable_cores()} cores of {cpu.get('model name', platform.machine())} ({known}); {', '.join(found)}"
    )


def benchmark(
    data: Annotated[Path | None, typer.Argument(help="folder with val/ and real/, for quality")] = None,
    part: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(PARTS)}; may be repeated [default: all]")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    threads: Annotated[int, typer.Option(help="of each contender; 0: all cores. 1 on a busy machine")] = 0,
    write: Annotated[bool, typer.Option(help="measure nothing: write the page again")] = False,
) -> None:
    """Measure, and write docs/benchmarks.json, .md and the picture."""
    results: Figures = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    chosen = [] if write else part or [name for name in PARTS if name != "quality" or data is not None]
    for name in chosen:
        if name not in PARTS or (name == "quality" and data is None):
            raise typer.BadParameter(f"{name}: a part is one of {', '.join(PARTS)}; quality needs DATA")
    for name in chosen:
        share = free_share()
        rows = (
            _quality(data)
            if name == "quality" and data
            else measure(entries(name, threads or usable_cores()), rounds)
        )
        share = min(share, free_share())
        dated = {"date": datetime.now(UTC).date().isoformat(), "commit": commit(), "machine": machine()}
        results[name] = {**dated, "rounds": rounds, "free_share": round(share, 2), "rows": rows}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    write_page(results)


def _quality(data: Path) -> list[Figures]:
    from scripts.peer_quality import measure_peers  # scikit-image

    return measure_peers(data)


if __name__ == "__main__":
    typer.run(benchmark)
