"""Fixtures of several files.

Tests marked ``gpu`` are skipped where CUDA does not work, unless FAIL_WITHOUT_CUDA=1 says that it must.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from vsj4r.engine.cuda.driver import find_trouble


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
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of the tiny recurrent model."""
    from tests.tiny_model import write_tiny_model  # needs onnx

    return str(write_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture
def restored_threads() -> Iterator[None]:
    """VapourSynth's number of threads is afterwards what it was."""
    import vapoursynth as vs

    threads = vs.core.num_threads
    yield
    vs.core.num_threads = threads
