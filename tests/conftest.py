"""Fixtures of several files.

Tests marked ``gpu`` are skipped where CUDA does not work, unless FAIL_WITHOUT_CUDA=1 says that it must.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from vsj4r.engine.cuda.driver import find_trouble

if TYPE_CHECKING:
    from tests.cuda.cpu_kernels import CpuKernels
    from tests.cuda.opening import Opening

pytest.register_assert_rewrite("tests.media")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") is None:
        return
    trouble = find_trouble()
    if trouble is None:
        return
    if os.environ.get("FAIL_WITHOUT_CUDA", "0") not in ("", "0"):
        pytest.fail(f"FAIL_WITHOUT_CUDA is set, but {trouble.text}", pytrace=False)
    pytest.skip(trouble.text)


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """More cost more than they give on small tensors."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny recurrent model."""
    from tests.tiny_model import write_tiny_model  # needs onnx

    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def tiny(model: Path) -> str:
    """Its path as text, as a script gives it."""
    return str(model)


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short clip with every kind of stream."""
    from tests import media

    return media.rich(tmp_path_factory.mktemp("rich"))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> CpuKernels:
    """The CUDA kernels for the CPU."""
    from tests.cuda.cpu_kernels import CpuKernels, compile_kernels

    return CpuKernels(compile_kernels(tmp_path_factory.mktemp("kernels")))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, compiled: CpuKernels, one_torch_thread: None) -> list[Opening]:
    """What is opened on CUDA, which is the fake device in float32."""
    from tests.cuda.opening import Opening
    from tests.cuda.timed_device import TimedDevice
    from vsj4r.engine import devices
    from vsj4r.engine.cuda import setup
    from vsj4r.engine.cuda.engine import CudaEngine, CudaFrameEngine, Options

    openings: list[Opening] = []

    def open_fake(
        model: Any, *, num_streams: int, tile: Any, index: int, precision: str, **rest: Any
    ) -> CudaEngine | CudaFrameEngine:
        arguments = {"num_streams": num_streams, "tile": tile, "index": index, "precision": precision, **rest}
        device = TimedDevice(compiled, seed=len(openings) + 1)
        options = Options(depth=num_streams, tile=tile)
        frames = rest.pop("frames")
        rest |= {"device": device, "precision": "f32", "options": options}
        engine = (
            CudaEngine(model, **rest) if frames is None else CudaFrameEngine(model, frames=frames, **rest)
        )
        openings.append(Opening(engine, device, arguments))
        return engine

    monkeypatch.setattr(devices, "find_trouble", lambda index: None)
    monkeypatch.setattr(setup, "open_cuda", open_fake)
    return openings


@pytest.fixture
def restored_threads() -> Iterator[None]:
    """VapourSynth's number of threads is afterwards what it was."""
    import vapoursynth as vs

    threads = vs.core.num_threads
    yield
    vs.core.num_threads = threads


@pytest.fixture
def index_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where indices are kept: a cache folder of this test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "vsj4r" / "index"
