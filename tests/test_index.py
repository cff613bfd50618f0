"""Indices of source filters, kept in the user's cache folder."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli import run
from tests.media import QUICK, ffmpeg, picture, rgb, seconds_of_frames
from tests.tried import tried
from vsj4r.batch.bench import Bench
from vsj4r.batch.jobfile import read_jobs
from vsj4r.batch.tasks import Task, Worker, perform
from vsj4r.batch.work import work_for
from vsj4r.media import index
from vsj4r.media.files import open_source

pytestmark = pytest.mark.usefixtures("index_cache")


@pytest.mark.slow
class TestIndex:
    def long(self, path: Path, shift: int = 0) -> Path:
        ffmpeg(*picture(seconds=5, size="64x48"), "-vf", f"hue=h={shift}", "-c:v", "mjpeg", f"file:{path}")
        return path

    def test_it_lies_in_the_cache_folder_and_is_used_again(
        self, tmp_path: Path, index_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        source = self.long(tmp_path / "a.avi")
        for _ in range(2):
            assert len(open_source(source).clip) == 120
        assert sorted(kept.suffix for kept in index_cache.iterdir()) == ["", ".bsindex"]
        assert not list(home.iterdir())

    @tried(
        "AVI, raw streams and others",
        "a file replaced by another of its name and size",
        "read anew: the index fits a content",
    )
    def test_another_file_of_that_name_and_size_is_read_anew(self, tmp_path: Path) -> None:
        source, other = self.long(tmp_path / "a.avi"), self.long(tmp_path / "b.avi", 90)
        size = max(source.stat().st_size, other.stat().st_size)
        for path in (source, other):
            with path.open("ab") as file:
                file.truncate(size)
        rgb(open_source(source).clip)
        time = source.stat().st_mtime_ns
        source.write_bytes(other.read_bytes())
        os.utime(source, ns=(time, time))
        for found, expected in zip(rgb(open_source(source).clip), rgb(open_source(other).clip), strict=True):
            assert np.array_equal(found, expected)

    def test_a_file_that_grows_is_read_to_its_new_end(self, tmp_path: Path) -> None:
        source = tmp_path / "a.ts"
        ffmpeg(*picture(seconds=9), *QUICK, "-g", "12", f"file:{source}")
        content = source.read_bytes()
        source.write_bytes(content[: len(content) // 188 // 2 * 188])
        half = len(open_source(source).clip)
        source.write_bytes(content)
        assert half < len(open_source(source).clip) == 216

    @pytest.mark.parametrize("kept", [b"", b"BS2V garbage", b"{}", b"[1, 2]"])
    def test_an_index_that_is_damaged_is_made_again(
        self, tmp_path: Path, index_cache: Path, kept: bytes
    ) -> None:
        source = self.long(tmp_path / "a.avi")
        expected = rgb(open_source(source).clip)
        for path in index_cache.iterdir():
            path.write_bytes(kept)
        for found, wanted in zip(rgb(open_source(source).clip), expected, strict=True):
            assert np.array_equal(found, wanted)

    def test_an_index_of_other_frames_is_made_again(
        self, model: Path, tmp_path: Path, index_cache: Path
    ) -> None:
        """Its hashes are changed: the source filter then takes its own frames for wrong ones."""
        source = self.long(tmp_path / "a.avi")
        open_source(source)
        (kept,) = index_cache.glob("*.bsindex")
        content = bytearray(kept.read_bytes())
        content[-200:] = bytes(200)
        kept.write_bytes(content)
        for said in (1, 0):
            done = run(source, tmp_path / f"{said}.mkv", "--model", model, "--encoder", "ffv1")
            assert (
                done.stderr.count(
                    "does not decode the same each time: begun again with one thread, which is slower"
                )
                == said
            )
            assert len(seconds_of_frames(tmp_path / f"{said}.mkv")) == 120

    def test_an_index_of_other_frames_is_made_again_in_a_batch(self, model: Path, tmp_path: Path) -> None:
        """Within the task that meets it: it does not count as a failure."""
        source, jobs = self.long(tmp_path / "a.avi"), tmp_path / "jobs.toml"
        jobs.write_text(f'[[job]]\ninput = "a.avi"\noutput = "b.mkv"\nmodel = "{model}"\n')
        state = jobs.with_name("jobs.toml.vsj4r")
        work = work_for(read_jobs(jobs).files[0], state)
        told: list[dict[str, object]] = []

        def done(task: Task) -> Any:
            with closing(Bench()) as bench:
                return perform(task, Worker(1, bench, told.append, stopped=lambda: False))

        plan = done(Task("plan", work))
        (kept,) = (work.folder / "index").glob("*.bsindex")
        kept.write_bytes(kept.read_bytes()[:-200] + bytes(200))
        size = done(Task("encode", work, plan))
        assert work.part(plan, 0).stat().st_size == size
        again = f"{source} does not decode the same each time: chunk 0 again with one thread, which is slower"
        assert [event["text"] for event in told if event["kind"] == "note"] == [again]

    @pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders of POSIX")
    @pytest.mark.parametrize("home", ["file/in/the/way", "", None])
    @tried("AVI, raw streams and others", "no home folder, or one that cannot be written", "works")
    def test_no_home_and_no_cache_is_no_reason_to_fail(
        self, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.delenv("XDG_CACHE_HOME")
        if home is None:
            monkeypatch.delenv("HOME")
        else:
            monkeypatch.setenv("HOME", home and str(tmp_path / home))
        run(self.long(tmp_path / "a.avi"), tmp_path / "out.mkv", "--model", model)

    def test_what_is_old_or_too_much_is_removed(
        self, tmp_path: Path, index_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        index_cache.mkdir(parents=True)
        for n in range(4):
            (index_cache / f"{n}-x").write_bytes(bytes(1000))
            os.utime(index_cache / f"{n}-x", (1e9, 1e9) if n == 0 else (2e9 + n, 2e9 + n))
        monkeypatch.setattr(index, "_LARGEST_BYTES", 2500)
        source = tmp_path / "a"
        source.touch()
        index.index_of(source)
        assert sorted(path.name for path in index_cache.iterdir()) == ["2-x", "3-x"]


@pytest.mark.skipif(sys.platform != "linux", reason="a folder in which nothing can be made")
def test_a_file_whose_index_has_no_room_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "in.mkv"
    ffmpeg(*picture(seconds=5, size="64x48"), *QUICK, f"file:{source}")
    full = index.Index(Path("/proc/none/x"))
    monkeypatch.setattr("vsj4r.media.files.index_of", lambda *_: full)
    assert len(open_source(source).clip) == 120
