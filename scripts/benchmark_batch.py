"""What `vsj4r batch` costs beside deraining, and what a second worker brings.

    python scripts/benchmark_batch.py [--files 500] [--rounds 3] [--model j4r-lite] [--seconds 20]
                                      [--size 640x360]

First N tiny files in one batch (what a file costs, an upper bound: its few frames are in it), then one clip
in this process, by one worker and by two, in turns. All clips are made here. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from vsj4r.cores import usable_cores
from vsj4r.media.encoders import ffmpeg_executable


def main() -> None:
    parser = argparse.ArgumentParser(description="measure vsj4r batch")
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="j4r-lite")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--size", default="640x360")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="vsj4r-") as name:
        folder = Path(name)
        results = {
            "cores": usable_cores(),
            "model": given.model,
            **tiny_files(folder, given.files, given.model),
            **throughput(folder, given.rounds, given.model, given.seconds, given.size),
        }
    print(json.dumps(results, indent=1))


def tiny_files(folder: Path, files: int, model: str) -> dict[str, float]:
    """Seconds a file of eight small frames takes in a batch of ``files``, the command's start included."""
    if not files:
        return {}
    made = clip(folder / "tiny 0.mkv", seconds=1 / 3, size="96x64")
    for n in range(1, files):
        (folder / f"tiny {n}.mkv").write_bytes(made.read_bytes())
        os.utime(folder / f"tiny {n}.mkv", (n, n))
    job = '[[job]]\ninput = "tiny *.mkv"\noutput = "out/{stem}.mkv"\n'
    seconds = run(folder, job, model)
    return {"files": files, "seconds": round(seconds, 1), "seconds_a_file": round(seconds / files, 3)}


def throughput(folder: Path, rounds: int, model: str, seconds: float, size: str) -> dict[str, object]:
    """Frames a second of whole batches, start included, by one worker and by two, in turns."""
    source = clip(folder / "long.mkv", seconds=seconds, size=size)
    frames = round(seconds * 24)
    job = f'[[job]]\ninput = "{source.name}"\noutput = "out.mkv"\nchunk = 120\n'
    measured: dict[str, list[float]] = {"in process": [], "--workers 1": [], "--workers 2": []}
    for _ in range(rounds):
        for name, fps in measured.items():
            (folder / "out.mkv").unlink(missing_ok=True)
            fps.append(frames / run(folder, job, model, *([] if name == "in process" else name.split())))
    return {
        "frames": frames,
        "size": size,
        "fps": {name: [round(each, 2) for each in fps] for name, fps in measured.items()},
        "median_fps": {name: round(median(fps), 2) for name, fps in measured.items() if fps},
    }


def run(folder: Path, job: str, model: str, *options: str) -> float:
    (folder / "jobs.toml").write_text(f'[defaults]\nmodel = "{model}"\n{job}')
    command = [sys.executable, "-m", "vsj4r.cli", "batch", "jobs.toml", "--json", *options]
    began = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def clip(path: Path, *, seconds: float, size: str) -> Path:
    source = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=24:duration={seconds}"]
    encoder = ["-c:v", "libx264", "-preset", "ultrafast", f"file:{path}"]
    subprocess.run([ffmpeg_executable(), "-loglevel", "error", "-y", *source, *encoder], check=True)
    return path


if __name__ == "__main__":
    main()
