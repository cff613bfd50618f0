"""A disk that becomes full while something is written to it: a small one, mounted for each test."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests import media
from tests.cli import batch, command, leftovers, parts, run, vsj4r
from tests.tiny_model import write_tiny_model
from tests.tried import tried

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")

FULL = "No space left on device"


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 frames that no encoder makes small, two chunks, and what `vsj4r run` makes of them."""
    folder = tmp_path_factory.mktemp("noisy")
    model = write_tiny_model(folder)
    source = [*media.picture(seconds=10, size="320x192"), "-vf", "noise=alls=40:allf=t"]
    media.ffmpeg(*source, *media.QUICK, "-crf", "30", f"file:{folder / 'in.mkv'}")
    run(folder / "in.mkv", folder / "sequential.mkv", "--model", model, "--encoder", "ffv1")
    return folder


def mounted(folder: Path, mebibytes: int) -> None:
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"a tmpfs cannot be mounted: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty one of so many MiB."""
    folder = tmp_path / "disk"
    mounted(folder, request.param)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    assert shutil.disk_usage(disk).free == 0
    return filler


@pytest.mark.slow
@pytest.mark.parametrize("disk", [64], indirect=True)
@tried("Images", "an output folder that is a disk of its own", "written, by a run and a batch")
def test_images_go_to_a_disk_of_their_own(noisy: Path, disk: Path) -> None:
    source, model = noisy / "in.mkv", noisy / "tiny.onnx"
    run(source, disk, "--model", model, "--trim", "0:3")
    assert sorted(entry.name for entry in disk.iterdir()) == [f"{n:06d}.png" for n in range(3)]
    for entry in disk.iterdir():
        entry.unlink()
    text = f'[[job]]\ninput = "{source}"\nmodel = "{model}"\noutput = "{disk}/"\ntrim = [0, 3]\n'
    (disk.parent / "jobs.toml").write_text(text)
    batch(disk.parent)
    assert len(list(disk.iterdir())) == 3


@pytest.mark.slow
@pytest.mark.parametrize("disk", [4], indirect=True)
@pytest.mark.parametrize("suffix", [".y4m", ".mkv"])
def test_the_output_that_has_no_room_is_named_once(noisy: Path, disk: Path, suffix: str) -> None:
    outputs = "--output", "derained", "--output", "rain", *(["--crf", "1"] if suffix == ".mkv" else [])
    done = vsj4r("run", noisy / "in.mkv", disk / f"a{suffix}", "--model", noisy / "tiny.onnx", *outputs)
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said.count("cannot be written") == 1
    assert said.endswith(FULL)
    assert not list(disk.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("disk", [2], indirect=True)
@pytest.mark.parametrize(
    ("name", "image"),
    [("out.mkv", ""), ("out.mp4", ""), *(("out/", image) for image in ("png", "tif", "exr", "dpx"))],
)
def test_a_run_says_so_and_leaves_what_was_there(noisy: Path, disk: Path, name: str, image: str) -> None:
    output = disk / name
    before = output / f"000000.{image}" if image else output
    before.parent.mkdir(exist_ok=True)
    before.write_bytes(b"what was there")
    large = ["--image", image] if image else ["--crf", "1"]
    options = ["--model", noisy / "tiny.onnx", *large, "--overwrite"]
    done = vsj4r("run", *options, noisy / "in.mkv", f"{disk}/{name}")
    assert done.returncode == 1
    *before_work, said = done.stderr.splitlines()
    assert len(before_work) == (image == "exr"), "that EXR is scene-linear"
    assert said.startswith(f"vsj4r: {output} cannot be written: ")
    assert said.endswith(FULL)
    assert [path for path in disk.rglob("*") if path.is_file()] == [before]
    assert before.read_bytes() == b"what was there"


def frames_of(path: Path) -> list[bytes]:
    return [b"".join(plane.tobytes() for plane in frame) for frame in media.planes(path)]


def check_manifest(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "jobs.toml.vsj4r" / "manifest.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.slow
@pytest.mark.parametrize("disk", [48], indirect=True)
@pytest.mark.parametrize(
    ("where", "moment", "options"),
    [
        ("everything", "batch", ()),  # before it is opened: the manifest cannot be written
        ("everything", "chunk", ()),  # the second chunk cannot be written
        ("output", "begun", ("--workers", "2")),  # it cannot be joined
    ],
)
def test_a_batch_stops_and_goes_on_once_there_is_room(
    noisy: Path, tmp_path: Path, disk: Path, where: str, moment: str, options: tuple[str, ...]
) -> None:
    folder = disk if where == "everything" else tmp_path
    output = disk / "out.mkv"
    source, model = (json.dumps(str(noisy / name)) for name in ("in.mkv", "tiny.onnx"))
    (folder / "jobs.toml").write_text(
        f"folders = [{json.dumps(str(disk))}]\n[[job]]\ninput = {source}\nmodel = {model}\n"
        f'output = {json.dumps(str(output))}\nencoder = "ffv1"\nchunk = 120\n'
    )
    process = subprocess.Popen(
        command("batch", "jobs.toml", "--json", *options),
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    seen: list[dict[str, Any]] = []
    filler: Path | None = None
    for event in map(json.loads, process.stdout or ()):
        seen.append(event)
        if filler is None and event["event"] == moment:
            filler = fill(disk)
    _, said = process.communicate()
    assert process.returncode == 1
    assert filler is not None
    lines = said.splitlines()
    assert len(lines) == 1, said
    assert lines[0].startswith(f"vsj4r: {disk}/")
    assert FULL in lines[0] or "database or disk is full" in lines[0]
    assert lines[0].endswith("; make room, and the same command goes on")
    assert seen[-1] == {"event": "failed", "output": None, "message": lines[0].removeprefix("vsj4r: ")}
    assert not output.exists()
    assert not leftovers(disk)
    check_manifest(folder)
    refused = vsj4r("batch", "jobs.toml", cwd=folder)
    assert (refused.returncode, "MiB free, the outputs may take" in refused.stderr) == (2, True)

    filler.unlink()
    after = batch(folder, *options)
    finished, again = (
        {event["chunk"] for event in events if event["event"] == kind}
        for events, kind in ((seen, "chunk"), (after, "begun"))
    )
    assert not finished & again
    assert finished | again == {0, 1}
    assert frames_of(output) == frames_of(noisy / "sequential.mkv")
    assert not parts(folder)
    check_manifest(folder)
