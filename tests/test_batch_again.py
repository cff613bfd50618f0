"""What a batch knows of its work: done once, and again when it must be; a manifest that holds anything."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from tests import media
from tests.batch_jobs import body, jobs
from tests.cli import assert_refused, batch, vsj4r
from tests.tiny_model import write_tiny_model
from vsj4r.batch import tasks
from vsj4r.batch.bench import Bench
from vsj4r.batch.jobfile import read_jobs
from vsj4r.batch.manifest import Manifest
from vsj4r.batch.plan import Plan
from vsj4r.batch.tasks import Task, Worker, perform
from vsj4r.batch.work import work_for
from vsj4r.errors import InputError, Vsj4rError
from vsj4r.media.images import write_png


@pytest.mark.slow
def test_only_what_has_changed_is_done_again(model: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        media.plain(tmp_path / f"{name}.mkv", seconds=0.3)

    def done(*options: str) -> list[str]:
        return [Path(e["output"]).name for e in batch(tmp_path, *options) if e["event"] == "done"]

    both = [body(Path(f"{name}.mkv"), f"out/{name}.mkv") for name in ("a", "b")]
    jobs(tmp_path, model, *both)
    assert done() == ["a.mkv", "b.mkv"]
    assert done() == []
    assert done("--workers", "2") == []
    jobs(tmp_path, model, both[0] + "crf = 30\n", both[1])
    assert done() == ["a.mkv"]
    media.plain(tmp_path / "b.mkv", seconds=0.5)
    assert done() == ["b.mkv"]
    (tmp_path / "out" / "a.mkv").unlink()
    assert done() == ["a.mkv"]
    write_tiny_model(tmp_path, gain=0.4)
    jobs(tmp_path, tmp_path / "tiny.onnx", *both)
    assert done() == ["a.mkv", "b.mkv"]
    (tmp_path / "out" / "a.mkv").write_text("somebody else's")
    (problem,) = batch(tmp_path, code=2)
    assert "exists already" in problem["text"]
    assert (tmp_path / "out" / "a.mkv").read_text() == "somebody else's"


@pytest.mark.slow
def test_a_folder_that_was_moved_goes_on_where_it_was(model: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    for name in ("a", "b"):
        media.plain(before / f"{name}.mkv", seconds=0.3)
    write_png(np.full((64, 96, 3), 255, np.uint8), before / "mask.png")
    jobs(before, model, *(body(Path(f"{n}.mkv"), f"out/{n}.mkv", "mask = 'mask.png'") for n in ("a", "b")))
    assert [event["event"] for event in batch(before)][-1] == "end"
    (before / "out" / "b.mkv").unlink()
    before.rename(after)
    done = [Path(event["output"]) for event in batch(after) if event["event"] == "done"]
    assert done == [after / "out" / "b.mkv"]
    assert batch(after)[-1]["event"] == "end"


def test_of_a_folder_the_images_alone_count(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shot"
    folder.mkdir()
    write_png(np.zeros((32, 48, 3), np.uint8), folder / "0.png")
    jobs(tmp_path, model, body(folder, "shot/clean.mkv"))
    assert "done" in {event["event"] for event in batch(tmp_path)}
    (folder / ".DS_Store").touch()
    assert "done" not in {event["event"] for event in batch(tmp_path)}
    write_png(np.zeros((32, 48, 3), np.uint8), folder / "1.png")
    assert "done" in {event["event"] for event in batch(tmp_path)}


PLAN = {
    "frames": 8,
    "starts": [0],
    "width": 96,
    "height": 64,
    "format": "x",
    "fps": 24.0,
    "encoder": "x264",
    "notes": [],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"plan": "[1]"},
        {"plan": json.dumps({**PLAN, "starts": [1]})},
        {"plan": json.dumps({**PLAN, "frames": -5})},
        {"plan": json.dumps({**PLAN, "encoder": ""})},
        {"plan": json.dumps({**PLAN, "more": 1})},
        {"plan": "[" * 5000},
        {"output": "3"},
        {"state": "asleep"},
    ],
    ids=str,
)
def test_a_manifest_that_holds_anything_is_refused(
    model: Path, tmp_path: Path, change: dict[str, str]
) -> None:
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    jobs(tmp_path, model, body(Path("a.mkv"), "out.mkv"))
    state = tmp_path / "jobs.toml.vsj4r"
    with Manifest.writing(state) as manifest:
        row = {"key": "k", "input": '"i"', "output": '"o"', "state": "waiting", "plan": "", "error": ""}
        values = [*{**row, **change}.values(), 0.0]
        manifest._database.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        manifest._database.commit()
    for verb in ("status", "batch"):
        done = vsj4r(verb, "jobs.toml", cwd=tmp_path)
        assert_refused(done, 1, "record k is damaged; without this folder the batch begins anew", tmp_path)
    shutil.rmtree(state)
    assert "done" in {event["event"] for event in batch(tmp_path)}


def test_an_empty_manifest_is_a_new_one(model: Path, tmp_path: Path) -> None:
    """As a power cut may leave it; of one that is none it is said what to do."""
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    jobs(tmp_path, model, body(Path("a.mkv"), "out.mkv"))
    manifest = tmp_path / "jobs.toml.vsj4r" / "manifest.sqlite"
    manifest.parent.mkdir()
    manifest.touch()
    assert "done" in {event["event"] for event in batch(tmp_path)}
    manifest.write_bytes(bytes(range(256)) * 20)
    for verb in ("status", "batch"):
        done = vsj4r(verb, "jobs.toml", cwd=tmp_path)
        assert_refused(done, 1, "without this folder the batch begins anew", tmp_path)


def test_a_kill_within_a_transaction_is_taken_back(model: Path, tmp_path: Path) -> None:
    """Whoever comes next finds a journal that has to be played back, and pages that do not hold yet."""
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    jobs(tmp_path, model, body(Path("a.mkv"), "out.mkv"))
    batch(tmp_path)
    state = tmp_path / "jobs.toml.vsj4r"
    before = Manifest.records_in(state)
    dies = (
        "import os, sqlite3; db = sqlite3.connect('manifest.sqlite'); db.execute('PRAGMA cache_size = 1'); "
        "db.execute('UPDATE files SET error = ?', ('x' * 99999,)); "
        "db.executemany('INSERT INTO chunks VALUES (?, ?, 0)', [('k', n) for n in range(9999)]); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", dies], cwd=state, check=False).returncode == 9
    assert (state / "manifest.sqlite-journal").stat().st_size
    assert "done" in vsj4r("status", "jobs.toml", cwd=tmp_path).stdout
    assert Manifest.records_in(state) == before
    assert "done" not in {event["event"] for event in batch(tmp_path)}


def test_what_it_has_not_written_stays(model: Path, tmp_path: Path) -> None:
    """A file beside the output, and another output that the job asks for now."""
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    jobs(tmp_path, model, body(Path("a.mkv"), "out.mkv"))
    batch(tmp_path)
    (tmp_path / "out.rain.mkv").write_text("somebody else's")
    both = body(Path("a.mkv"), "out.mkv") + 'outputs = ["derained", "rain"]\n'
    jobs(tmp_path, model, both)
    (problem,) = batch(tmp_path, code=2)
    assert (
        problem["text"] == f"output {tmp_path / 'out.rain.mkv'} exists already: overwrite = true replaces it"
    )
    assert (tmp_path / "out.rain.mkv").read_text() == "somebody else's"
    (tmp_path / "out.rain.mkv").unlink()
    for _ in range(2):
        jobs(tmp_path, model, both)
        assert "done" in {event["event"] for event in batch(tmp_path)}
        assert "done" not in {event["event"] for event in batch(tmp_path)}
        jobs(tmp_path, model, both + "strength = 0.5\n")
        assert "done" in {event["event"] for event in batch(tmp_path)}
        (tmp_path / "out.rain.mkv").unlink()
        assert "done" in {event["event"] for event in batch(tmp_path)}


def test_a_mask_that_has_changed_is_noticed(model: Path, tmp_path: Path) -> None:
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    (tmp_path / "mask").mkdir()
    write_png(np.full((64, 96, 3), 255, np.uint8), tmp_path / "mask" / "0.png")
    jobs(tmp_path, model, body(Path("a.mkv"), "out.mkv") + 'mask = "mask"\n')
    (file,) = (read := read_jobs(tmp_path / "jobs.toml")).files
    task = Task("plan", work_for(file, read.state), None)
    worker = Worker(0, Bench(), lambda event: None, lambda: False)
    assert isinstance(perform(task, worker), Plan)
    write_png(np.zeros((64, 96, 3), np.uint8), tmp_path / "mask" / "0.png")
    with pytest.raises(InputError, match="mask has changed since the batch began: start it again"):
        perform(task, worker)
    worker.bench.close()


def test_what_does_not_fit_the_input_is_known_before_the_work(model: Path, tmp_path: Path) -> None:
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    write_png(np.zeros((64, 48, 3), np.uint8), tmp_path / "small.png")
    (tmp_path / "cuts.txt").write_text("3 K\nfour\n")
    begin = body(Path("a.mkv"), "out.mkv")
    for line, said in (
        ('mask = "small.png"', "small.png must be 96x64 like the input, got 48x64"),
        ('mask = "cuts.txt"', "cuts.txt cannot be read as a video"),
        ('qpfile = "cuts.txt"', "qpfile must have lines such as '120 K', got 'four' in line 2"),
    ):
        jobs(tmp_path, model, f"{begin}{line}\n")
        (problem,) = batch(tmp_path, "--dry-run", code=2)
        assert said in problem["text"]
    jobs(tmp_path, model, begin + "scenes = [9999]\n")
    events = batch(tmp_path, code=1)
    (failed,) = (event["message"] for event in events if event["event"] == "failed")
    assert "scenes must be frames of the clip, 0 to 7, got 9999" in failed
    assert not [event for event in events if event["event"] == "note"]


def test_what_is_said_of_a_folder_counts_all_of_it(model: Path, tmp_path: Path) -> None:
    (tmp_path / "shot").mkdir()
    for n in range(4):
        kind = np.uint8 if n == 0 else np.uint16
        write_png(np.zeros((32, 48, 3), kind), tmp_path / "shot" / f"{n}.png")
    jobs(tmp_path, model, body(tmp_path / "shot", "out/") + "trim = [0, 2]\n")
    told = [event["text"] for event in batch(tmp_path) if event["event"] == "note"]
    assert "3 of 4 images have 16 bit: read as 8 bit, like the first" in told


@pytest.mark.slow
def test_what_a_file_manager_leaves_among_images_is_no_change(model: Path, tmp_path: Path) -> None:
    media.plain(tmp_path / "a.mkv", seconds=0.2)
    jobs(tmp_path, model, body(Path("a.mkv"), "out/"))
    assert [event["event"] for event in batch(tmp_path)][-2:] == ["done", "end"]
    for name in (".DS_Store", "Thumbs.db"):
        (tmp_path / "out" / name).write_text("x")
    assert [event["event"] for event in batch(tmp_path)] == ["batch", "end"]


@pytest.mark.slow
def test_a_mask_of_the_columns_that_are_kept_fits(model: Path, tmp_path: Path) -> None:
    """Of an odd size the last column and line of 4:2:0 are left out."""
    media.plain(tmp_path / "a.mkv", "-pix_fmt", "yuv420p", seconds=0.2, size="97x65")
    write_png(np.full((64, 96, 3), 255, np.uint8), tmp_path / "mask.png")
    jobs(tmp_path, model, body(Path("a.mkv"), "out.mkv") + 'mask = "mask.png"\n')
    assert [event["event"] for event in batch(tmp_path)][-2:] == ["done", "end"]


def test_a_plan_of_another_length_fails_its_file(model: Path, tmp_path: Path) -> None:
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    jobs(tmp_path, model, body(Path("a.mkv"), "out.mkv"))
    (file,) = (read := read_jobs(tmp_path / "jobs.toml")).files
    work = work_for(file, read.state)
    with Manifest.writing(read.state) as manifest:
        manifest.add(work)
        manifest.planned(work.key, Plan(6, (0,), 96, 64, "YUV420P8", 24.0, "ffv1"), 0)
    (failed,) = (event for event in batch(tmp_path, code=1) if event["event"] == "failed")
    assert "has 8 frames now, 6 when it was planned: its chunks do not fit" in failed["message"]
    assert not (tmp_path / "out.mkv").exists()


def test_another_model_under_the_same_name_is_refused(tmp_path: Path) -> None:
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    (tmp_path / "other").mkdir()
    write_tiny_model(tmp_path / "other", gain=0.4)
    jobs(tmp_path, write_tiny_model(tmp_path), body(Path("a.mkv"), "out.mkv"))
    changes = (
        "import shutil; from vsj4r.batch.manifest import Manifest; from vsj4r.cli.app import main\n"
        "def planned(self, *rest, planned=Manifest.planned):\n"
        "    planned(self, *rest)\n"
        "    shutil.copytree('other', '.', dirs_exist_ok=True)\n"
        "Manifest.planned = planned; main()"
    )
    command = [sys.executable, "-c", changes, "batch", "jobs.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "tiny.onnx has changed since the batch began: start it again" in done.stderr
    assert not (tmp_path / "out.mkv").exists()


def test_a_mask_that_a_camera_held_upright_fits(model: Path, tmp_path: Path) -> None:
    """One image, which EXIF turns: a batch takes what a run takes."""
    media.plain(tmp_path / "a.mkv", seconds=0.3, size="64x96")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(np.full((64, 96, 3), 255, np.uint8)).save(tmp_path / "mask.jpg", exif=exif)
    jobs(tmp_path, model, body(Path("a.mkv"), "out.mkv") + 'mask = "mask.jpg"\n')
    batch(tmp_path)
    assert (tmp_path / "out.mkv").exists()


def test_an_input_that_is_gone_is_named_whatever_fails(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media.plain(tmp_path / "a.mkv", seconds=0.3)
    jobs(tmp_path, model, body(Path("a.mkv"), "out.mkv"))
    (file,) = (read := read_jobs(tmp_path / "jobs.toml")).files
    task = Task("plan", work_for(file, read.state), None)

    def fail_without_it(task: Task, worker: Worker) -> Plan:
        (tmp_path / "a.mkv").unlink()
        raise Vsj4rError("libx264 cannot be written into .mkv: try another encoder")

    monkeypatch.setattr(tasks, "_do", fail_without_it)
    worker = Worker(0, Bench(), lambda event: None, lambda: False)
    for _ in range(2):
        with pytest.raises(InputError, match=r"a\.mkv is not there any more"):
            perform(task, worker)
