"""The network is opened while the source is, once, and only where it will do."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests import media
from tests.running import Notes, derain_quickly
from tests.tiny_model import write_tiny_model
from vsj4r.engine.cpu import CpuEngine
from vsj4r.errors import Vsj4rError
from vsj4r.media.probe import probe
from vsj4r.run.ahead import EngineAhead
from vsj4r.run.job import Job, run_job
from vsj4r.run.settings import RunSettings

AHEAD = "engine ahead"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """The thread, height and width of each engine that is opened."""
    found: list[tuple[str, int, int]] = []
    plain = CpuEngine.__init__

    def open_and_tell(engine: CpuEngine, model: Any, *, height: int, width: int, **rest: Any) -> None:
        found.append((threading.current_thread().name, height, width))
        plain(engine, model, height=height, width=width, **rest)

    monkeypatch.setattr(CpuEngine, "__init__", open_and_tell)
    return found


@pytest.mark.parametrize("turned", [False, True])
def test_the_filter_takes_it(tmp_path: Path, opened: list[tuple[str, int, int]], turned: bool) -> None:
    source = media.plain(tmp_path / "source.mkv", size="90x70")
    if turned:
        lying = tmp_path / "lying.mp4"
        media.ffmpeg("-display_rotation:v:0", "90", "-i", str(source), "-c", "copy", str(lying))
        source = lying
    derain_quickly(source, tmp_path / "out.mkv", write_tiny_model(tmp_path), encoder="ffv1")
    sides = (96, 80) if turned else (80, 96)  # of 90x70, in multiples of 16
    assert opened == [(AHEAD, *sides)]


def test_it_is_of_the_reduced_size(tmp_path: Path, opened: list[tuple[str, int, int]]) -> None:
    source = media.plain(tmp_path / "source.mkv", size="90x70")
    settings = RunSettings(model=str(write_tiny_model(tmp_path)), strength=0.0, encoder="ffv1", downscale=2)
    run_job(Job(source, tmp_path / "out.mkv", to_folder=False, settings=settings), Notes())
    assert opened == [(AHEAD, 48, 48)]  # half of 96x96, multiples of 32


def test_nothing_is_opened_for_a_card(tmp_path: Path, opened: list[tuple[str, int, int]]) -> None:
    found = probe(media.plain(tmp_path / "source.mkv"))
    ahead = EngineAhead(RunSettings(model=str(write_tiny_model(tmp_path)), device="cuda:0"))
    ahead.begin(found)
    ahead.close()
    assert opened == []


def test_a_model_that_cannot_be_opened_is_the_filters_to_tell(tmp_path: Path) -> None:
    """What the thread fails with would be an error of this test: see filterwarnings in pyproject.toml."""
    source = media.plain(tmp_path / "source.mkv")
    settings = RunSettings(model=str(tmp_path / "none.onnx"), device="cpu")
    with pytest.raises(Vsj4rError, match=r"none\.onnx"):
        run_job(Job(source, tmp_path / "out.mkv", to_folder=False, settings=settings), Notes())
