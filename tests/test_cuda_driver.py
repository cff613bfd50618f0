"""Which device, why not, and what mends it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import vapoursynth as vs

from tests.clips import noise_clip, planes_of
from vsj4r.engine import devices, open_engine
from vsj4r.engine.cuda import driver
from vsj4r.engine.cuda.driver import Driver, Trouble, find_trouble
from vsj4r.engine.devices import device_index
from vsj4r.engine.weights import find_model
from vsj4r.errors import Vsj4rError
from vsj4r.pip_commands import install_extra

WORKS = Driver((13, 0), 2)


@pytest.fixture(autouse=True)
def unsaid() -> None:
    devices._say.cache_clear()


def missing(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in names else found(name, *rest)
    )


@pytest.mark.parametrize(
    ("found", "packages", "index", "said"),
    [
        (
            None, (), 0,
            f"no NVIDIA driver was found: install driver 580 or later, then {install_extra('cuda')}",
        ),
        (
            Driver((12, 4), 1), (), 0,
            "the NVIDIA driver serves CUDA 12.4, 13 is needed: install driver 580 or later, "
            f"then {install_extra('cuda')}",
        ),
        (Driver((13, 0), 0), (), 0, "the NVIDIA driver shows no device, CUDA_VISIBLE_DEVICES being ''"),
        (WORKS, (), 2, "the NVIDIA driver shows 2 devices, cuda:0 to cuda:1"),
        (WORKS, ("torch",), 0, f"PyTorch is not installed: {install_extra('cuda')}"),
        (WORKS, ("cupy",), 0, "CuPy is not installed: pip install 'cupy-cuda13x[ctk]'"),
        (WORKS, ("safetensors",), 0, "safetensors is not installed: pip install safetensors"),
    ],
)  # fmt: skip
def test_each_trouble_has_its_own_line(
    monkeypatch: pytest.MonkeyPatch, found: Driver | None, packages: tuple[str, ...], index: int, said: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(driver, "find_driver", lambda: found)
    monkeypatch.setattr(driver, "_torch_cuda", lambda: "13.0")
    missing(monkeypatch, *packages)
    trouble = find_trouble(index)
    assert trouble is not None
    assert trouble.text == said
    assert trouble.expected == (found is not None)
    with pytest.raises(Vsj4rError) as caught:
        devices.on_device(f"cuda:{index}", cuda=lambda number: number, cpu=lambda: -1)
    assert str(caught.value) == f"device must be cpu or auto here, got 'cuda:{index}': {said}"


def test_a_torch_without_cuda_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the file torch/version.py of a CPU build, without importing torch."""
    monkeypatch.setattr(driver, "find_driver", lambda: WORKS)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.14.1+cpu")
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('never imported')")
    version = tmp_path / "torch" / "version.py"
    version.write_text("cuda: str | None = None\n")
    spec = importlib.util.spec_from_file_location(
        "torch", tmp_path / "torch/__init__.py", submodule_search_locations=[str(tmp_path / "torch")]
    )
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *r: spec if name == "torch" else found(name, *r)
    )
    trouble = find_trouble()
    assert trouble is not None
    assert trouble.text == (
        "the installed PyTorch 2.14.1+cpu is built without CUDA: pip uninstall torch, "
        f"then {install_extra('cuda')}"
    )
    version.write_text("cuda = '13.0'\n")
    assert driver._torch_cuda() == "13.0"


@pytest.mark.parametrize(("device", "index"), [("cuda", 0), ("cuda:0", 0), ("cuda:11", 11)])
def test_devices_by_number(device: str, index: int) -> None:
    assert device_index(device) == index


@pytest.mark.parametrize("device", ["cuda:", "cuda:x", "cuda:-1", "CUDA", "gpu", "", "cuda:1:2", "cuda:²"])
def test_what_is_no_device(device: str) -> None:
    with pytest.raises(Vsj4rError, match="device must be one of auto, cpu, cuda or cuda:N, got"):
        device_index(device)


@pytest.mark.parametrize(("expected", "level"), [(True, logging.INFO), (False, logging.DEBUG)])
def test_auto_falls_back_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, expected: bool, level: int
) -> None:
    monkeypatch.setattr(devices, "find_trouble", lambda index: Trouble("the fan is loud", "", expected))
    with caplog.at_level(logging.DEBUG, "vsj4r"):
        for _ in range(3):
            assert devices.on_device("auto", cuda=lambda number: number, cpu=lambda: -1) == -1
    assert caplog.record_tuples == [("vsj4r", level, "device auto is the CPU: the fan is loud")]


def test_a_line_that_nobody_reads_is_not_made(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(devices, "find_trouble", lambda index: Trouble("the fan is loud", "", False))
    monkeypatch.setattr(Trouble, "text", property(lambda _: pytest.fail("it takes 20 ms")))
    with caplog.at_level(logging.INFO, "vsj4r"):
        assert devices.on_device("auto", cuda=lambda number: number, cpu=lambda: -1) == -1


def test_auto_takes_the_cpu_where_the_card_has_no_room(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(index: int) -> int:
        raise Vsj4rError("memory of cuda:0 must be about 900 MiB")

    monkeypatch.setattr(devices, "find_trouble", lambda index: None)
    assert devices.on_device("auto", cuda=lambda number: number, cpu=lambda: -1) == 0
    assert devices.on_device("auto", cuda=full, cpu=lambda: -1) == -1
    assert "memory of cuda:0 must be about 900 MiB" in caplog.text
    with pytest.raises(Vsj4rError, match="900 MiB"):
        devices.on_device("cuda", cuda=full, cpu=lambda: -1)


@pytest.mark.parametrize("error", [ImportError("no CuPy"), RuntimeError("the driver\nis odd")])
def test_auto_takes_the_cpu_whatever_is_wrong_with_the_card(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """What no look at the driver foresees."""
    setup = pytest.importorskip("vsj4r.engine.cuda.setup")

    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(devices, "find_trouble", lambda index: None)
    monkeypatch.setattr(setup, "open_cuda", fails)
    engine = open_engine(find_model("j4r-lite"), height=32, width=32, threads=1)
    assert type(engine).__name__ == "CpuEngine"
    line = f"device cuda:0 cannot be opened: {str(error).splitlines()[0]}"
    assert f"device auto is the CPU: {line}" in caplog.text
    with pytest.raises(Vsj4rError, match=line):
        open_engine(find_model("j4r-lite"), height=32, width=32, device="cuda")


def test_a_card_that_does_not_work_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing torch and CuPy, and failing, takes seconds."""
    setup = pytest.importorskip("vsj4r.engine.cuda.setup")
    tries = []

    def fails(*_: object, **options: object) -> None:
        tries.append(options)
        raise RuntimeError("the driver is odd")

    monkeypatch.setattr(devices, "find_trouble", lambda index: None)
    monkeypatch.setattr(setup, "open_cuda", fails)
    clip = noise_clip(width=32, height=32, length=2)
    auto, cpu = (vs.core.j4r.Derain(clip, model="j4r-lite", device=device) for device in ("auto", "cpu"))
    assert planes_of(auto.get_frame(1))[0].tobytes() == planes_of(cpu.get_frame(1))[0].tobytes()
    assert len(tries) == 1


def test_the_default_path_imports_neither_torch_nor_cupy() -> None:
    script = """
import sys
from vsj4r.engine import open_engine
from vsj4r.engine.weights import find_model
from vsj4r.plugin import host
open_engine(find_model("j4r-lite"), height=32, width=32, threads=1)
found = {"torch", "cupy", "safetensors"} & set(sys.modules)
assert not found, found
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(find_trouble() is None, reason="there is a CUDA device")
def test_the_filter_says_why_there_is_no_cuda() -> None:
    clip = noise_clip(width=32, height=32, length=2)
    trouble = find_trouble()
    assert trouble is not None
    with pytest.raises(vs.Error) as caught:
        vs.core.j4r.Derain(clip, device="cuda")
    assert str(caught.value) == f"Derain: device must be cpu or auto here, got 'cuda': {trouble.text}"
    auto, cpu = (vs.core.j4r.Derain(clip, model="j4r-lite", device=device) for device in ("auto", "cpu"))
    assert [plane.tobytes() for plane in planes_of(auto.get_frame(1))] == [
        plane.tobytes() for plane in planes_of(cpu.get_frame(1))
    ]


@pytest.mark.parametrize("num_streams", [0, 9, -1])
def test_frames_in_flight_have_a_range(num_streams: int) -> None:
    with pytest.raises(vs.Error, match=f"Derain: num_streams must be between 1 and 8, got {num_streams}"):
        vs.core.j4r.Derain(noise_clip(width=32, height=32, length=2), num_streams=num_streams)


@pytest.mark.parametrize("value", ["1", "0", ""])
def test_a_gpu_test_is_a_failure_where_cuda_must_be(tmp_path: Path, value: str) -> None:
    if find_trouble() is None:
        pytest.skip("there is a CUDA device")
    test = tmp_path / "test_it.py"
    test.write_text("import pytest\n@pytest.mark.gpu\ndef test_it(): pass\n")
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_runtest_setup\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gpu: needs a card\n")
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(tmp_path)], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(root), "FAIL_WITHOUT_CUDA": value, "PATH": ""}, check=False,
    )  # fmt: skip
    assert ("1 failed" in done.stdout or "1 error" in done.stdout) == (value == "1"), done.stdout
    assert ("1 skipped" in done.stdout) == (value != "1")
