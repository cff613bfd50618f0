"""The self-test of a card and the graphs of a step, on devices where something is wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cuda.cpu_kernels import CpuKernels
from vsj4r.engine.cuda.kernels import KernelArgument, Size
from vsj4r.engine.weights import find_model

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from tests.cuda.engines import rainy_clip, residuals, small_engine, worst  # noqa: E402
from tests.cuda.fake_device import FakeDevice  # noqa: E402
from tests.cuda.small_model import small_config, write_small_model  # noqa: E402
from vsj4r.engine.cuda.device import DeviceStream, DeviceWork  # noqa: E402
from vsj4r.engine.cuda.selftest import (  # noqa: E402
    SelfTest,
    check_against_cpu,
    check_packing,
    check_reducing,
    self_test,
)
from vsj4r.model.config import CONFIGS  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")


# The self-test


def test_the_self_test_passes_here(compiled: CpuKernels) -> None:
    checks = list(self_test(FakeDevice(compiled), "j4r-lite", frames=3))
    assert all(check.passed for check in checks), checks
    assert [check.name for check in checks] == [
        "pack and unpack",
        "shrink and enlarge",
        "CUDA graphs",
        "3 frames in f32",
        "3 frames in f16",
    ]


class Broken(CpuKernels):
    """One kernel does nothing."""

    broken = ""

    def launch(self, name: str, grid: Size, block: Size, arguments: Sequence[KernelArgument]) -> None:
        if not name.startswith(self.broken):
            super().launch(name, grid, block, arguments)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        ("unpack<float", check_packing),
        ("pack<unsigned short", check_packing),
        ("shrink<__half", check_reducing),
        ("find_rain", check_reducing),
        ("enlarge<unsigned short", check_reducing),
    ],
)
def test_the_self_test_finds_a_kernel_of_frames_that_is_wrong(
    compiled: CpuKernels, broken: str, check: Callable[[FakeDevice], SelfTest]
) -> None:
    kernels = Broken(compiled.library)
    kernels.broken = broken
    found = check(FakeDevice(kernels))
    assert not found.passed
    assert "not to the bit: " in found.detail


def test_the_self_test_finds_a_gate_that_is_wrong(compiled: CpuKernels) -> None:
    kernels = Broken(compiled.library)
    kernels.broken = "gru_read<float"
    check = check_against_cpu(FakeDevice(kernels), find_model("j4r-lite"), "f32", frames=2)
    assert not check.passed, check.detail


# Graphs


class Forgetful(FakeDevice):
    """Its graphs lack something, as when a kernel was launched on another stream."""

    fault = "stale"

    def capture(self, stream: DeviceStream, work: DeviceWork) -> DeviceWork:
        if self.fault == "refused":
            raise RuntimeError("operation not permitted\nwhen stream is capturing")
        done: list[bool] = []

        def replay() -> None:
            if self.fault == "nothing":
                return
            if not done:
                work()
            done.append(True)

        return replay


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            "nothing",
            "CUDA graphs give other results here, so kernels are launched one by one, which is slower",
        ),
        ("stale", "CUDA graphs give other results here, so kernels are launched one by one, which is slower"),
        (
            "refused",
            "CUDA graphs do not work here, so kernels are launched one by one, which is slower: "
            "operation not permitted when stream is capturing",
        ),
    ],
)
def test_a_graph_that_lies_is_not_used(
    compiled: CpuKernels, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str, said: str
) -> None:
    model, clip = write_small_model(tmp_path), rainy_clip(3)
    expected = residuals(small_engine(FakeDevice(compiled), model), clip)
    device = Forgetful(compiled)
    device.fault = fault
    engine = small_engine(device, model, graphs=True)
    with caplog.at_level(logging.WARNING):
        state = engine.new_state()
    assert state.captured is None
    assert [record.getMessage() for record in caplog.records] == [f"fake: {said}"]
    assert worst(residuals(engine, clip, state), expected) == 0


def test_graphs_that_agree_are_used_and_the_state_is_new(compiled: CpuKernels, tmp_path: Path) -> None:
    model, clip = write_small_model(tmp_path), rainy_clip(5)
    expected = residuals(small_engine(FakeDevice(compiled), model), clip)
    engine = small_engine(FakeDevice(compiled), model, graphs=True)
    state = engine.new_state()
    assert state.captured is not None
    assert worst(residuals(engine, clip, state), expected) == 0


class Recorded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The operations that torch is asked for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket._qualified_op_name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", list(CONFIGS))
def test_a_step_can_be_captured(compiled: CpuKernels, tmp_path: Path, name: str) -> None:
    """Once it has run, it neither waits for the device nor brings anything from the host."""
    device = FakeDevice(compiled)
    lane = small_engine(device, write_small_model(tmp_path, small_config(name))).new_state()
    with device.active(), Recorded() as recorded:
        for work in lane.works():
            work()
            recorded.names.clear()
            work()
    assert "aten::convolution" in recorded.names or "aten::conv2d" in recorded.names
    waiting = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique"}
    from_host = {"lift_fresh", "_to_copy.host", "tensor", "from_file", "pin_memory"}
    assert not recorded.names & {f"aten::{op}" for op in waiting | from_host}
