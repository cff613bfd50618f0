"""How often a tiny run opens its files, hashes the model and looks into the input.

    python -m scripts.opens [--python OTHER/.venv/bin/python]

Needs strace. The clip has 12 frames of 320x180 and sound; ``first run`` finds nothing of an earlier one (no
index, nothing compiled), ``second run`` is the same command again. ``--python``: that of an environment with
another state of this repository.

    files opened: open, openat and execve of a path that exists, of all processes
    input, model: those of the clip and of the ONNX file
    hashes:       digests of 64 KiB or more that Python computes
    containers:   calls of av.open for the clip
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from vsj4r.media.encoders import ffmpeg_executable

_LARGE_BYTES = 1 << 16
_PREAMBLE = f"""
import atexit, hashlib, json, sys
sizes = {{}}
hashes = [0]
containers = []

def counting(make):
    def made(data=b"", **options):
        digest = make(data, **options)
        size = len(data)
        class Counted:
            def update(self, more):
                nonlocal size
                size += memoryview(more).nbytes
                digest.update(more)
            def __getattr__(self, name):
                if name in ("digest", "hexdigest") and size >= {_LARGE_BYTES}:
                    hashes[0] += 1
                return getattr(digest, name)
        return Counted()
    return made

for name in ("sha256", "sha1", "md5", "blake2b", "blake2s"):
    setattr(hashlib, name, counting(getattr(hashlib, name)))

def file_digest(file, kind, **_options):
    digest = hashlib.new(kind) if isinstance(kind, str) else kind()
    digest.update(file.read())
    return digest

hashlib.file_digest = file_digest
try:
    import av
    opened = av.open
    def open_counted(file, mode="r", *rest, **options):
        if mode == "r":
            containers.append(str(file))
        return opened(file, mode, *rest, **options)
    av.open = open_counted
except ImportError:
    pass

def tell():
    with open(COUNTS, "w") as file:
        json.dump({{"hashes": hashes[0], "containers": containers, "modules": len(sys.modules)}}, file)

atexit.register(tell)
"""


class Counts(NamedTuple):
    """One command."""

    files: int
    input: int
    model: int
    hashes: int
    containers: int
    modules: int


def _count(code: str, clip: Path, folder: Path, *, python: Path) -> Counts:
    logs, counts = Path(tempfile.mkdtemp(dir=folder)), folder / "counts.json"
    environment = os.environ | {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    traced = ["strace", "-ff", "-qq", "-s", "400", "--trace=open,openat,execve", "-o", str(logs / "thread")]
    preamble = _PREAMBLE.replace("COUNTS", repr(str(counts)))
    command = [*traced, str(python), "-c", f"{preamble}\n{code}"]
    subprocess.run(command, check=True, env=environment, cwd=folder, stdout=subprocess.DEVNULL)
    calls = "".join(log.read_text("utf-8", "replace") for log in logs.iterdir())  # one of each thread
    paths = re.findall(r'(?:open|openat|execve)\([^"]*"([^"]+)".* = \d', calls)
    told = json.loads(counts.read_text("utf-8"))
    return Counts(
        len(paths),
        sum(path.endswith(clip.name) for path in paths),
        sum(path.endswith(".onnx") for path in paths),
        told["hashes"],
        sum(path.endswith(clip.name) for path in told["containers"]),
        told["modules"],
    )


def main(
    python: Annotated[Path, typer.Option(help="Its vsj4r is counted.")] = Path(sys.executable),
) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = folder / "clip.mkv"
        picture, sound = "testsrc2=size=320x180:rate=25:duration=0.48", "sine=duration=0.48"
        make = [ffmpeg_executable(), "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
        subprocess.run([*make, "-pix_fmt", "yuv420p", str(clip)], check=True)
        run = f"sys.argv = ['vsj4r', 'run', {str(clip)!r}, {{!r}}, '--model', 'j4r-lite']\n"
        run += "from vsj4r.cli.app import main\nmain()"
        rows = {
            "`import vsj4r.cli.app`": "import vsj4r.cli.app",
            "first run": run.format(str(folder / "first.mkv")),
            "second run": run.format(str(folder / "second.mkv")),
        }
        typer.echo("| command | files opened | input | model | hashes | containers | modules |")
        typer.echo("|---|---|---|---|---|---|---|")
        for title, code in rows.items():
            counts = _count(code, clip, folder, python=python)
            typer.echo(f"| {title} | " + " | ".join(str(count) for count in counts) + " |")


if __name__ == "__main__":
    typer.run(main)
