"""Inputs one after the other, each in a process of its own; see the package."""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a process with threads is never forked

from tests.fuzz.kinds import KINDS
from tests.fuzz.processes import ForkedError, Ran, adopt_orphans, forked
from tests.fuzz.ways import TAKEN, fault

_LOADED = (
    "vsj4r.batch.checks", "vsj4r.batch.drive", "vsj4r.batch.logs", "vsj4r.batch.manifest", "vsj4r.batch.pool",
    "vsj4r.batch.tasks", "vsj4r.cli.app", "vsj4r.cli.batch_plan", "vsj4r.cli.batch",
    "vsj4r.cli.run", "vsj4r.engine.cpu", "vsj4r.plugin.host", "vsj4r.run.job",
)  # fmt: skip
_LOADED_WITH_TORCH = ("vsj4r.publishing.trained_run", "vsj4r.training.session", "torch.onnx", "onnx")


@dataclass(frozen=True, slots=True)
class Outcome:
    """``verdict``: right, refused or fault. ``said``: the program's last line, or what is wrong."""

    name: str
    verdict: str
    said: str
    cpu_seconds: float = 0.0
    peak_mib: int = 0


def names_of(kind: str, series: int, numbers: Iterable[int]) -> Iterator[str]:
    return (f"{kind}:{series}:{number}" for number in numbers)


def input_of(name: str) -> tuple[bytes, str, random.Random]:
    """The input ``name``, the name of its seed, and the generator for the choices that remain."""
    kind_name, series, *number = name.split(":")
    kind = KINDS[kind_name]
    rng = random.Random(name)
    if not number:
        return kind.seed(series), series, rng
    seed = kind.seed_names[int(number[0]) % len(kind.seed_names)]
    return kind.harmed(seed, rng), seed, rng


def try_out(name: str, place: Path) -> Outcome:
    """``name`` given to the program in a new process."""
    kind = KINDS[name.split(":")[0]]
    content, seed, rng = input_of(name)
    folder = place / "input"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    given = kind.way(rng)(folder, content, seed, rng)
    ran = forked(given.work, folder)
    wrong = fault(ran, given, folder, lambda path: frames_in(path, place))
    said = wrong or _last_line(ran)
    verdict = "fault" if wrong else "right" if ran.code == 0 or TAKEN in said else "refused"
    return Outcome(name, verdict, said, round(ran.cpu_seconds, 2), ran.peak_bytes >> 20)


def frames_in(path: Path, place: Path) -> int:
    """Pictures of a folder, or frames that a video decodes to, counted in a process of its own.

    -1: not all of them can be decoded.
    """
    if path.is_dir():
        return len(list(path.iterdir()))

    def work() -> None:
        import av

        with av.open(str(path)) as container:
            print(sum(1 for _ in container.decode(video=0)))

    folder = place / "count"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    ran = forked(work, folder)
    return int(ran.stdout) if ran.code == 0 else -1


def _last_line(ran: Ran) -> str:
    told = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    failed = (
        [
            str(each.get("message", each.get("text")))
            for each in told
            if each["event"] in ("failed", "problem")
        ]
        if told and "event" in told[0]
        else []
    )
    lines = failed or ran.stderr.strip().splitlines() or [""]
    return lines[-1][:300]


def load(names: Iterable[str]) -> None:
    """Import what the program will, and ask what it would ask every time."""
    from vsj4r.media.encoders import find_encoder

    modules = [*_LOADED]
    if any(KINDS[name.split(":")[0]].torch for name in names):
        modules += _LOADED_WITH_TORCH
    for module in modules:
        importlib.import_module(module)
    find_encoder("x264")


def table(outcomes: Iterable[Outcome]) -> str:
    counts: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        counts.setdefault(outcome.name.split(":")[0], Counter())[outcome.verdict] += 1
    rows = [f"{'kind':12} {'inputs':>7} {'right':>7} {'refused':>8} {'faults':>7}"]
    whole: Counter[str] = Counter()
    for kind, count in [*counts.items(), ("all", whole)]:
        rows.append(f"{kind:12} {count.total():7} {count['right']:7} {count['refused']:8} {count['fault']:7}")
        whole.update(count)
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", help="KIND:SERIES:NUMBER, or KIND:NAME of an unharmed seed")
    parser.add_argument("--number", type=int, default=0, help="so many of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--series", type=int, default=0)
    parser.add_argument("--seeds", action="store_true", help="the unharmed seeds")
    parser.add_argument("--kinds", default=",".join(KINDS), help="comma-separated")
    parser.add_argument("--record", type=Path, help="a file of outcomes: what stands there is not done again")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the input, instead of trying it")
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    names = [*options.names]
    for kind in kinds if options.seeds else ():
        names += [f"{kind}:{name}" for name in KINDS[kind].seed_names]
    for kind in kinds:
        names += names_of(kind, options.series, range(options.first, options.first + options.number))
    if options.write is not None:
        options.write.write_bytes(input_of(names[0])[0])
        return 0
    outcomes = _try_all(names, options.record, verbose=bool(options.names))
    print(table(outcomes))
    return 1 if any(outcome.verdict == "fault" for outcome in outcomes) else 0


def _try_all(names: list[str], record: Path | None, *, verbose: bool) -> list[Outcome]:
    known = {}
    if record is not None and record.exists():
        known = {each["name"]: Outcome(**each) for each in map(json.loads, record.read_text().splitlines())}
    left = [name for name in names if name not in known]
    load(left)
    adopt_orphans()
    gc.collect()
    gc.freeze()  # what is here already is copied to no forked process only to be counted
    outcomes = [known[name] for name in names if name in known]
    place = Path(tempfile.mkdtemp(prefix="vsj4r-fuzz-"))
    began = time.monotonic()
    try:
        for done, name in enumerate(left):
            outcome = try_out(name, place)
            outcomes.append(outcome)
            if record is not None:
                with record.open("a") as file:
                    file.write(json.dumps({f: getattr(outcome, f) for f in Outcome.__slots__}) + "\n")
            if verbose or outcome.verdict == "fault":
                cost = f"{outcome.cpu_seconds} s, {outcome.peak_mib} MiB"
                print(f"{name} {outcome.verdict} ({cost}): {outcome.said}", flush=True)
            elif done % 100 == 99:
                print(f"{done + 1} of {len(left)}, {time.monotonic() - began:.0f} s", flush=True)
    finally:
        if os.getpid() == _PID:
            shutil.rmtree(place, ignore_errors=True)
    return outcomes


_PID = os.getpid()

if __name__ == "__main__":
    try:
        code = main()
    except ForkedError as forked_off:
        work = forked_off.work
    else:
        sys.exit(code)
    work()
