"""``vsj4r demo`` with a tiny model: the rain, the derained clip and the picture of both."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import media
from tests.cli import assert_refused, vsj4r
from tests.tiny_model import write_tiny_model
from vsj4r.cli.demo import FRAMES, HEIGHT, WIDTH, demo
from vsj4r.errors import Vsj4rError
from vsj4r.media.reading import read_image


@pytest.mark.slow
def test_demo_leaves_rain_clean_and_both(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path)
    output = tmp_path / "made" / "here"
    done = vsj4r("demo", output, "--model", model)
    assert done.returncode == 0, done.stderr
    assert sorted(entry.name for entry in output.iterdir()) == ["clean.mkv", "rain.mkv", "side-by-side.png"]
    assert len(media.seconds_of_frames(output / "rain.mkv")) == FRAMES
    assert media.seconds_of_frames(output / "clean.mkv") == media.seconds_of_frames(output / "rain.mkv")
    assert read_image(output / "side-by-side.png").shape == (HEIGHT, 2 * WIDTH, 3)


def test_what_is_there_stays(tmp_path: Path) -> None:
    mine = tmp_path / "rain.mkv"
    mine.write_text("my own")
    done = vsj4r("demo", tmp_path, "--model", write_tiny_model(tmp_path))
    assert_refused(done, 1, f"output {mine} exists already: --overwrite replaces it", tmp_path)
    assert mine.read_text() == "my own"
    with pytest.raises(Vsj4rError, match="nope"):
        demo(tmp_path / "demo", model="nope")
    with pytest.raises(Vsj4rError, match="device must be one of auto, cpu, cuda or cuda:N, got 'nope'"):
        demo(tmp_path / "demo", device="nope")
    assert not (tmp_path / "demo").exists()


def test_a_device_that_does_not_work_is_known_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsj4r.batch.checks.find_trouble", lambda index: SimpleNamespace(text="no card"))
    with pytest.raises(Vsj4rError, match="no card"):
        demo(tmp_path / "new", device="cuda")
    assert not (tmp_path / "new").exists()


def test_a_demo_that_fails_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vsj4r.cli.run_report.derain_with_report", fail)
    with pytest.raises(KeyboardInterrupt):
        demo(tmp_path)
    assert not list(tmp_path.iterdir())


def test_demo_without_scikit_image_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(Vsj4rError, match=r"-m pip install --upgrade .*\[demo\]'?$"):
        demo(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()
