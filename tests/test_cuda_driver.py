"""Which device, why not, and what mends it; and frames through the real filter to the engine on the fake
device."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.clips import noise_clip, planes_of
from tests.cuda.cpu_kernels import CpuKernels, compile_kernels
from vsj4r.engine import devices, open_engine
from vsj4r.engine.cuda import driver
from vsj4r.engine.cuda.driver import Driver, Trouble, device_index, find_trouble
from vsj4r.errors import Vsj4rError

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
            "no NVIDIA driver was found: install driver 580 or later, then pip install 'vsj4r[cuda]'",
        ),
        (
            Driver((12, 4), 1), (), 0,
            "the NVIDIA driver serves CUDA 12.4, 13 is needed: install driver 580 or later, "
            "then pip install 'vsj4r[cuda]'",
        ),
        (Driver((13, 0), 0), (), 0, "the NVIDIA driver shows no device, CUDA_VISIBLE_DEVICES being ''"),
        (WORKS, (), 2, "the NVIDIA driver shows 2 device(s), 0 to 1"),
        (WORKS, ("torch",), 0, "PyTorch is not installed: pip install 'vsj4r[cuda]'"),
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
        "then pip install 'vsj4r[cuda]'"
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


@pytest.mark.parametrize(("expected", "level"), [(True, logging.WARNING), (False, logging.INFO)])
def test_auto_falls_back_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, expected: bool, level: int
) -> None:
    monkeypatch.setattr(devices, "find_trouble", lambda index: Trouble("the fan is loud", expected))
    with caplog.at_level(logging.INFO, "vsj4r"):
        for _ in range(3):
            assert devices.on_device("auto", cuda=lambda number: number, cpu=lambda: -1) == -1
    assert caplog.record_tuples == [("vsj4r", level, "device auto is the CPU: the fan is loud")]


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


def test_the_default_path_imports_neither_torch_nor_cupy() -> None:
    script = """
import sys
from vsj4r.engine import open_engine
from vsj4r.plugin import host
open_engine("j4r-lite", height=32, width=32, threads=1)
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


# The filter on the fake device


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> CpuKernels:
    return CpuKernels(compile_kernels(tmp_path_factory.mktemp("kernels")))


@pytest.fixture
def opened(
    monkeypatch: pytest.MonkeyPatch, compiled: CpuKernels, one_torch_thread: None
) -> list[dict[str, Any]]:
    """What the filter opens on CUDA, which is the fake device in float32."""
    from tests.cuda.fake_device import FakeDevice
    from vsj4r.engine.cuda import opening
    from vsj4r.engine.cuda.engine import CudaEngine, Options

    calls: list[dict[str, Any]] = []

    def open_fake(model: Any, *, index: int, num_streams: int, precision: str, **rest: Any) -> CudaEngine:
        calls.append({"index": index, "num_streams": num_streams, "precision": precision, **rest})
        device = FakeDevice(compiled, seed=len(calls))
        return CudaEngine(model, device=device, precision="f32", options=Options(depth=num_streams), **rest)

    monkeypatch.setattr(devices, "find_trouble", lambda index: None)
    monkeypatch.setattr(opening, "open_cuda", open_fake)
    return calls


def differ(a: Any, b: Any) -> float:
    """The largest difference, in codes (floats: in 255ths)."""
    unit = 255 if a.format.sample_type == vs.FLOAT else 1
    return max(
        float(np.abs(x.astype(np.float64) - y).max()) * unit
        for x, y in zip(planes_of(a), planes_of(b), strict=True)
    )


@pytest.mark.parametrize(
    ("vs_format", "arguments", "direct"),
    [
        (vs.YUV420P8, {}, True),
        (vs.YUV420P10, {"strength": 0.5, "planes": [0, 2]}, True),
        (vs.YUV420P16, {"num_streams": 3}, True),
        (vs.YUV420PS, {"planes": [1]}, True),
        (vs.GRAY8, {}, True),
        (vs.GRAYH, {}, True),
        (vs.YUV444P8, {}, False),
        (vs.RGB24, {}, False),
        (vs.YUV420P8, {"output": ["derained", "rain", "occlusion"]}, False),
    ],
)
def test_the_filter_on_cuda_gives_what_it_gives_on_the_cpu(
    opened: list[dict[str, Any]], vs_format: int, arguments: dict[str, Any], direct: bool
) -> None:
    """In any order, with run-ins, on a size that is padded; by planes or by tensors."""
    clip = noise_clip(width=44, height=28, length=9, vs_format=vs_format).std.BoxBlur()
    wanted = {
        "model": "j4r-lite",
        "precision": "f32",
        "segment": 4,
        "warmup": 2,
        "scene_detect": 0,
        **arguments,
    }
    cuda = vs.core.j4r.Derain(clip, device="cuda:1", **wanted)
    cpu = vs.core.j4r.Derain(clip, device="cpu", threads=1, **wanted)
    assert opened[0]["index"] == 1
    assert (opened[0]["frames"] is not None) == direct
    assert opened[0]["num_streams"] == arguments.get("num_streams", 1)
    for n in (6, 0, 1, 8, 7, 3):
        ours, theirs = cuda.get_frame(n), cpu.get_frame(n)
        tolerance = 256 / 255 if clip.format.bits_per_sample == 16 else 1
        assert differ(ours, theirs) <= tolerance * (1 if vs_format != vs.YUV420P16 else 2)
        for name in ("J4RRain", "J4ROcclusion"):
            assert ours.props[name] == pytest.approx(theirs.props[name], rel=1e-3, abs=1e-6)
    assert differ(cuda.get_frame(3), clip.get_frame(3)) > 0, "it does something"


def test_a_mask_takes_the_way_over_tensors(opened: list[dict[str, Any]]) -> None:
    clip = noise_clip(width=44, height=28, length=3).std.BoxBlur()
    mask = vs.core.std.BlankClip(clip, format=vs.GRAY8, color=128)
    arguments: dict[str, Any] = {"model": "j4r-lite", "precision": "f32", "mask": mask, "scene_detect": 0}
    cuda, cpu = (vs.core.j4r.Derain(clip, device=device, **arguments) for device in ("cuda", "cpu"))
    assert opened[0]["frames"] is None
    assert differ(cuda.get_frame(1), cpu.get_frame(1)) <= 1


def test_strength_by_frame_and_interlaced_frames_are_heeded(opened: list[dict[str, Any]]) -> None:
    clip = noise_clip(width=44, height=28, length=3).std.BoxBlur()
    arguments: dict[str, Any] = {"model": "j4r-lite", "device": "cuda", "scene_detect": 0}
    still = vs.core.j4r.Derain(clip.std.SetFrameProps(J4RStrength=0.0), **arguments)
    assert differ(still.get_frame(1), clip.get_frame(1)) == 0
    with pytest.raises(vs.Error, match="strength must be between 0 and 1, got J4RStrength 2"):
        vs.core.j4r.Derain(clip.std.SetFrameProps(J4RStrength=2.0), **arguments).get_frame(1)
    with pytest.raises(vs.Error, match="clip must be progressive, got _FieldBased 2 on frame 0"):
        vs.core.j4r.Derain(clip.std.SetFrameProps(_FieldBased=2), **arguments).get_frame(1)
    full, limited = (
        vs.core.j4r.Derain(clip.std.SetFrameProps(_Range=value), **arguments).get_frame(1) for value in (1, 0)
    )
    assert differ(full, limited) > 0


def test_precision_is_checked_before_a_card_is_opened(opened: list[dict[str, Any]]) -> None:
    clip = noise_clip(width=32, height=32, length=2)
    with pytest.raises(vs.Error, match="Derain: precision must be one of auto, f32, got 'f8'"):
        vs.core.j4r.Derain(clip, device="cuda", precision="f8")
    assert not opened


def test_open_engine_takes_the_device(opened: list[dict[str, Any]]) -> None:
    open_engine("j4r-lite", height=32, width=32, device="auto")
    assert opened == [
        {"index": 0, "num_streams": 1, "precision": "f16", "height": 32, "width": 32, "frames": None}
    ]
