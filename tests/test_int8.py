"""``precision="int8"``, what "auto" becomes: near single precision, the same in tiles and when kept, or
refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_model import write_tiny_model
from vsj4r.arrays import Floats
from vsj4r.doctor.engines import rainy_frames
from vsj4r.engine import compiled, open_engine
from vsj4r.engine.cpu import CpuState
from vsj4r.engine.runtime import ov
from vsj4r.engine.weights import Model, find_model, models
from vsj4r.errors import Vsj4rError
from vsj4r.psnr import psnr

HEIGHT, WIDTH, FRAMES = 144, 208, 5
LEAST_DB = 55
"""From single precision; bfloat16 is 75 to 80 dB from it."""
CALIBRATED = [name for name in models() if find_model(name).int8]

needs_vnni = pytest.mark.skipif(not compiled.has_vnni(), reason="a CPU without VNNI")


def derained(name: str, precision: str, tile: tuple[int, int] | None = None) -> list[Floats]:
    """Luma and occlusion of a few frames in a row."""
    model = find_model(name)
    frames = rainy_frames(model.spec, HEIGHT, WIDTH, FRAMES + 1)
    engine = open_engine(
        model, height=HEIGHT, width=WIDTH, device="cpu", precision=precision, threads=1, tile=tile
    )
    assert engine.precision == ("int8" if precision == "int8" else "f32")
    state = engine.new_state()
    found = []
    for now, following in pairwise(frames):
        step = engine.step(now, following, state)
        found += [now.y + step.residual.y, step.alpha.copy()]
    return found


def test_both_models_for_footage_are_calibrated() -> None:
    """Their JSON was written anew without: python -m scripts.calibrate_int8"""
    assert {"j4r", "j4r-lite"} <= set(CALIBRATED)


@needs_vnni
@pytest.mark.parametrize("name", CALIBRATED)
def test_it_is_near_single_precision_and_not_the_same(name: str) -> None:
    exact, rounded = (derained(name, precision)[-2] for precision in ("f32", "int8"))
    assert LEAST_DB < psnr(rounded, exact, peak=1) < 90


@pytest.mark.parametrize(
    ("instructions", "limit", "ranges", "chosen"),
    [
        ("avx2 avx512f avx512_vnni avx512_bf16", "", True, "int8"),
        ("avx2 avx512f avx512_vnni avx512_bf16", "", False, "bf16"),
        ("avx2 avx512f avx512_vnni avx512_bf16", "AVX512_CORE", True, "bf16"),
        ("avx2 avx512_vnni avx512_bf16 amx_tile amx_bf16 amx_int8", "", True, "bf16"),
        ("avx2 avx_vnni", "", True, "int8"),
        ("avx2 avx_vnni", "avx2", True, "f32"),
        ("avx2 avx512f", "", True, "f32"),
    ],
)
def test_auto_is_the_fastest_that_was_measured(
    monkeypatch: pytest.MonkeyPatch, instructions: str, limit: str, ranges: bool, chosen: str
) -> None:
    monkeypatch.setattr(compiled, "_instructions", lambda: f"flags : fpu {instructions}")
    monkeypatch.setattr(compiled, "has_bf16", lambda _: "bf16" in instructions)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    model = replace(find_model("j4r-lite"), int8={"/a/Conv": (0.0, 1.0)} if ranges else {})
    assert compiled.choose_precision(ov.Core(), model, "auto") == chosen


def test_bf16_is_refused_where_the_cpu_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "has_bf16", lambda _: False)
    said = "precision bf16 needs a CPU with bfloat16, which this one has not: use auto or f32"
    assert refusal(find_model("j4r-lite"), precision="bf16") == said


@needs_vnni
def test_tiles_kept_engines_and_repetition_change_no_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled_now, loaded = (derained("j4r-lite", "int8") for _ in range(2))
    tiled = derained("j4r-lite", "int8", (80, 64))
    for one, two, three in zip(compiled_now, loaded, tiled, strict=True):
        assert np.array_equal(one, two)
        assert np.array_equal(one, three)


def refusal(model: Model, device: str = "cpu", *, precision: str = "int8") -> str:
    with pytest.raises(Vsj4rError) as error:
        open_engine(model, height=HEIGHT, width=WIDTH, device=device, precision=precision, threads=1)
    return str(error.value)


@needs_vnni
def test_a_model_without_ranges(tmp_path: Path) -> None:
    tiny = find_model(str(write_tiny_model(tmp_path)))
    assert refusal(tiny) == "precision int8: tiny.json has no ranges for it: use auto, bf16 or f32"
    assert refusal(replace(tiny, int8={"/no/Conv": (0.0, 1.0)})) == (
        "model tiny: int8 must name convolutions, got '/no/Conv'"
    )


def test_a_cpu_without_vnni(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_instructions", lambda: "flags : fpu avx2 avx512f")
    said = "precision int8 needs a CPU with VNNI, which this one is not known to have"
    assert refusal(find_model("j4r-lite")) == said


def test_a_card() -> None:
    said = "precision int8 is for the CPU, got device 'cuda:0'"
    assert refusal(find_model("j4r-lite"), "cuda:0") == said


@pytest.mark.parametrize("precision", ["f32", "auto"])
def test_the_memory_lies_as_its_convolutions_compute_it(precision: str) -> None:
    engine = open_engine(
        find_model("j4r-lite"), height=HEIGHT, width=WIDTH, device="cpu", precision=precision, threads=1
    )
    state = engine.new_state()
    assert isinstance(state, CpuState)
    in_two_bytes = precision == "auto" and compiled.has_bf16(ov.Core())
    assert state.current["state.h"].itemsize == (2 if in_two_bytes else 4)
    assert state.current["state.b_prev"].dtype == np.float32
