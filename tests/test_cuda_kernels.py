"""kernels.cu: machine code for every architecture, and the same source on the CPU against numpy, bit for
bit."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from tests.cuda.cpu_kernels import CpuKernels, compile_kernels
from tests.cuda.kernel_checks import (
    ALL,
    ALL_REDUCED,
    FEW,
    FEW_REDUCED,
    check_frames,
    check_gates,
    check_reductions,
)
from vsj4r.engine.base import FrameCodes, FrameLayout, Scales
from vsj4r.engine.cuda import kernels
from vsj4r.engine.cuda.grid import Grid

MUTANTS = {
    "rounds half up": ("rintf(", "floorf(0.5f + "),
    "no clipping at the top": ("fminf(fmaxf(v, 0.f), peak)", "fmaxf(v, 0.f)"),
    "no clipping at the bottom": ("fminf(fmaxf(v, 0.f), peak)", "fminf(v, peak)"),
    "U and V swapped": (
        "offset = k < chromas ? u_offset : v_offset",
        "offset = k < chromas ? v_offset : u_offset",
    ),
    "the gain forgotten": ("v = chroma_gain * light", "v = light"),
    "zero instead of the edge": ("q = {p.x < width ? p.x : width - 1", "q = {p.x < width ? p.x : 0"),
    "luma's stride for chroma": (
        "sample<Pixel>(frame + offset, uv_pitch, p)",
        "sample<Pixel>(frame + offset, y_pitch, p)",
    ),
    "no correction of the quotient": (
        "return __fmaf_rn(__fmaf_rn(-q, codes.span, v), codes.share, q);",
        "return q;",
    ),
    "a column too few": ("if (x >= grid_width ||", "if (x >= grid_width - 1 ||"),
    "rows and columns of a cell swapped": ("(k & ((1 << shift) - 1))", "(k >> shift)"),
    "floats are shown as they are": ("fminf(fmaxf(v, -1.f), 2.f)", "v"),
    "half a chroma plane, rounded down": ("half_width = (width + 1) / 2", "half_width = width / 2"),
    "infinity counts": ("<= 3.402823466e+38f", "<= 3.402823466e+38f || v > 0.f"),
    "the update gate upside down": ("__fsub_rn(1.f, z), as_float(memory", "z, as_float(memory"),
    "no ReLU on the read gate": ("fmaxf(as_float(r.cell[j]), 0.f)", "as_float(r.cell[j])"),
    "z for r": ("2 * groups + groups + i % groups", "2 * groups + i % groups"),
    "channels of the next pixel": (
        "groups[group] = eight",
        "groups[1 - group] = eight",
    ),
    "half a mean": ("dx < by; ++dx) {\n            Place p", "dx < by; dx += 2) {\n            Place p"),
    "no edge for a mean": (
        "light(sample<Pixel>(plane, pitch, clamped(p, width, height))",
        "light(sample<Pixel>(plane, pitch, clamped(p, width, height + 1))",
    ),
    "rain on one side only": ("row < (y + 2) * side", "row < (y + 1) * side"),
    "chroma's rain in luma's place": ("column = (x - 1) * side", "column = x - 1"),
    "rows and columns of weights swapped": (
        "down = phases + 8 * dy, *across = phases + 8 * dx",
        "down = phases + 8 * dx, *across = phases + 8 * dy",
    ),
    "a sample aside": ("(int)across[FIRST] - 1", "(int)across[FIRST]"),
    "rows weighted after columns": (
        "Place p = {within(first.x + i, width), within(first.y + j, height)};",
        "Place p = {within(first.x + j, width), within(first.y + i, height)};",
    ),
    "no edge for weights": ("at < length ? at : length - 1", "at < length ? at : 0"),
    "no correction of the division": (
        "q = __fmaf_rn(__fmaf_rn(-b, q, a), share, q);\n    return __fmaf_rn(__fmaf_rn(-b, q, a), share, q);",
        "return q;",
    ),
    "all detail stays": ("kept = fmaxf(fminf(detail, limit), -limit)", "kept = detail"),
    "no least detail": (
        "fmaxf(quotient(most_rain, fmaxf(amount, least_rain)), least_detail)",
        "quotient(most_rain, fmaxf(amount, least_rain))",
    ),
    "detail is taken twice": ("__fsub_rn(detail, kept));", "__fadd_rn(detail, __fsub_rn(detail, kept)));"),
    "levels with the padding": (
        "                continue;\n            const",
        "                p = clamped(p, width, height);\n            const",
    ),
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> CpuKernels:
    return CpuKernels(compile_kernels(tmp_path_factory.mktemp("kernels")))


@pytest.mark.parametrize("samples", ["u8", "u10", "u16", "f16", "f32"])
def test_frames_go_through_as_in_numpy(compiled: CpuKernels, samples: str) -> None:
    check_frames(compiled, [case for case in ALL if case.samples == samples])


@pytest.mark.parametrize("samples", ["u8", "u10", "u16", "f16", "f32"])
def test_frames_are_reduced_and_corrections_enlarged_as_in_numpy(compiled: CpuKernels, samples: str) -> None:
    check_reductions(compiled, [case for case in ALL_REDUCED if case.samples == samples])


def test_gates_are_what_they_are_in_float64(compiled: CpuKernels) -> None:
    check_gates(compiled)


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 16])
def test_every_code_means_what_a_division_says(compiled: CpuKernels, bits: int) -> None:
    """The quotient is computed without a division: here for all codes there are, all ranges."""
    peak = (1 << bits) - 1
    layout = FrameLayout(1 << (bits - 8), 256, np.dtype(np.uint8 if bits == 8 else np.uint16), False, peak)
    grid = Grid(layout.height, 256, 0, False, 1.0, np.dtype(np.float32))
    frame = np.zeros(layout.nbytes, np.uint8)
    layout.views(frame)[0][...] = np.arange(peak + 1).reshape(layout.height, 256)
    cells, luma = np.zeros(grid.cells_shape, np.float32), np.zeros(grid.luma_shape, np.float32)
    unit = 1 << (bits - 8)
    for zero, span in ((0, peak), (16 * unit, 219 * unit), (128 * unit, 224 * unit)):
        kernels.pack(
            compiled, layout, grid, FrameCodes(zero, span),
            frame=frame.ctypes.data, cells=cells.ctypes.data, luma=luma.ctypes.data,
        )  # fmt: skip
        expected = (np.arange(peak + 1, dtype=np.float32) - np.float32(zero)) / np.float32(span)
        assert np.array_equal(luma.ravel(), expected)


def test_a_frame_comes_back_where_nothing_changes(compiled: CpuKernels) -> None:
    for case in ALL:
        layout, grid = case.layout, case.grid
        frame = np.random.default_rng(2).integers(0, 256, layout.nbytes, dtype=np.uint8)
        for plane in layout.views(frame) if layout.dtype.kind == "u" else ():
            np.minimum(plane, layout.peak, out=plane)
        residual = np.zeros(grid.cells_shape, grid.cell)
        scales = Scales(200, 200, 200)
        after = frame.copy()
        for plane in layout.views(after):
            plane[...] = 1
        kernels.unpack(
            compiled, layout, grid, scales,
            cells=residual.ctypes.data, before=frame.ctypes.data, after=after.ctypes.data,
        )  # fmt: skip
        for a, b in zip(layout.views(after), layout.views(frame), strict=True):
            if grid.chroma or a is layout.views(after)[0]:
                assert a.tobytes() == b.tobytes(), case
            else:
                break


def check(compiled: CpuKernels) -> None:
    check_frames(compiled, FEW)
    check_reductions(compiled, FEW_REDUCED)
    check_gates(compiled)


@pytest.mark.parametrize("name", MUTANTS)
def test_planted_bugs_are_caught(name: str, tmp_path: Path) -> None:
    right, wrong = MUTANTS[name]
    source = kernels.SOURCE.read_text("utf-8")
    assert right in source, "the bug must be planted"
    mutant = tmp_path / "mutant.cu"
    mutant.write_text(source.replace(right, wrong, 1), "utf-8")
    compiled = CpuKernels(compile_kernels(tmp_path, mutant, "-O0", "-DFEW"))
    with pytest.raises(AssertionError):
        check(compiled)


def test_no_bug_is_found_where_there_is_none(compiled: CpuKernels) -> None:
    check(compiled)


def test_an_unknown_variant_is_an_error(compiled: CpuKernels) -> None:
    with pytest.raises(KeyError):
        compiled.launch("pack<double, __half>", (1, 1), (1, 1), [])


def test_every_name_is_a_variant_of_the_library(compiled: CpuKernels) -> None:
    nothing = FrameLayout(0, 0, np.dtype(np.uint8), False)
    assert len(kernels.all_names()) == len(set(kernels.all_names())) == 29
    for name in kernels.all_names():
        if name.startswith("gru"):
            compiled.launch(name, (0, 0), (1, 1), [])
    assert nothing.nbytes == 0


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("cupy") is None, reason="CuPy is not installed")
@pytest.mark.parametrize("architecture", kernels.ARCHITECTURES)
def test_machine_code_has_no_spills_and_no_stack(architecture: int) -> None:
    from cuda.pathfinder import locate_nvidia_header_directory
    from cupy.cuda import nvrtc

    names = kernels.all_names()
    headers = locate_nvidia_header_directory("cudart")
    program = nvrtc.createProgram(kernels.SOURCE.read_text("utf-8"), "kernels.cu", (), ())
    for name in names:
        nvrtc.addNameExpression(program, name)
    options = [*kernels.OPTIONS, f"--gpu-architecture=sm_{architecture}", "--ptxas-options=-v"]
    nvrtc.compileProgram(program, (*options, f"-I{headers.abs_path}"))
    log = nvrtc.getProgramLog(program)
    assert len(nvrtc.getCUBIN(program)) > 1000
    assert log.count("Compiling entry function") == len(names)
    clean = " 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"
    assert log.count(clean) == len(names)
    registers = [int(found) for found in re.findall(r"Used (\d+) registers", log)]
    assert max(registers) <= 64, "256 threads of them fill a multiprocessor four times over"
