"""Compiled and numpy's arithmetic on planes give the same bits."""

from __future__ import annotations

import os
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.test_planes import DEPTHS, GEOMETRIES, converter, empty_like, noise
from vsj4r.engine.base import Plane, StepSpec, Tensors
from vsj4r.engine.native import library as native_library
from vsj4r.engine.native.library import LIBRARY_PATH, library
from vsj4r.frames import planes as planes_module
from vsj4r.frames.formats import Format, Geometry
from vsj4r.frames.planes import Converter

BOTH = (True, False)


def is_compiled(monkeypatch: pytest.MonkeyPatch, *, compiled: bool) -> None:
    if not compiled:
        monkeypatch.setattr(planes_module, "_are_plain", lambda planes: False)


def by_both(
    monkeypatch: pytest.MonkeyPatch, convert: Converter, planes: list[Plane], residual: Tensors, *, full: bool
) -> list[tuple[list[Plane], Tensors]]:
    """The planes with ``residual`` added, and the tensors of ``planes``: compiled, then by numpy."""
    found = []
    for compiled in BOTH:
        with monkeypatch.context() as patched:
            is_compiled(patched, compiled=compiled)
            written, tensors = empty_like(planes), convert.new_tensors()
            convert.add(planes, residual, strength=0.7, full=full, into=written)
            convert.load(planes, full=full, into=tensors)
            found.append((written, tensors))
    return found


def random_residual(convert: Converter, deviation: float) -> Tensors:
    rng = np.random.default_rng(11)
    tensors = convert.new_tensors()
    for plane in tensors:
        assert plane is not None
        plane[...] = rng.standard_normal(plane.shape) * deviation
        plane.flat[: plane.size // 9] = 0
    return tensors


@DEPTHS
@GEOMETRIES
@pytest.mark.parametrize("full", BOTH)
def test_random_planes(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], bits: int, *, full: bool
) -> None:
    assert library() is not None
    convert = converter(*size, bits)
    planes = noise(convert.geometry)
    wide = [np.zeros((plane.shape[0], plane.shape[1] + 5), plane.dtype) for plane in planes]
    strided = [block[:, 2 : 2 + plane.shape[1]] for block, plane in zip(wide, planes, strict=True)]
    for part, plane in zip(strided, planes, strict=True):
        part[...] = plane
    for given, deviation in product((planes, strided), (0.01, 0.4, 1e6)):
        residual = random_residual(convert, deviation)
        (written, tensors), (expected, wanted) = by_both(monkeypatch, convert, given, residual, full=full)
        for some, others in zip([*written, *tensors], [*expected, *wanted], strict=True):
            np.testing.assert_array_equal(some, others)


@DEPTHS
def test_every_half_goes_to_the_even_code(bits: int) -> None:
    top = (1 << bits) - 1
    codes: Plane = np.arange(top + 1, dtype=np.uint8 if bits == 8 else np.uint16)[None]
    exact = codes.astype(np.float32)
    convert = Converter(Geometry(top + 1, 1, Format("gray", "integer", bits)), StepSpec("test", 2, 1, "y"))
    written, residual = np.empty_like(codes), convert.new_tensors()
    for sign in (-1, 1):
        halves = sign * np.resize(np.array([-0.5, 0.5], np.float32), codes.shape)
        residual.y[:1] = halves
        convert.add([codes], residual, strength=1 / top, full=True, into=[written])
        np.testing.assert_array_equal(written, np.clip(np.rint(exact + halves), 0, top))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("compiled", BOTH)
def test_what_is_not_finite_is_refused(
    monkeypatch: pytest.MonkeyPatch, number: float, *, compiled: bool
) -> None:
    is_compiled(monkeypatch, compiled=compiled)
    convert = converter(64, 32)
    planes, residual = noise(convert.geometry), random_residual(convert, 0.1)
    residual.y[17, 63] = number
    with pytest.raises(FloatingPointError):
        convert.add(planes, residual, strength=1, full=False, into=empty_like(planes))


def test_the_padding_may_be_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    convert = converter(70, 38)
    planes, residual = noise(convert.geometry), random_residual(convert, 0.1)
    expected = by_both(monkeypatch, convert, planes, residual, full=False)[0][0]
    residual.y[:, 70:] = np.nan
    residual.y[38:] = np.inf
    for written, wanted in zip(
        by_both(monkeypatch, convert, planes, residual, full=False)[0][0], expected, strict=True
    ):
        np.testing.assert_array_equal(written, wanted)


def test_a_library_of_an_older_source_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = Path(shutil.copy2(LIBRARY_PATH, tmp_path))
    monkeypatch.setattr(native_library, "LIBRARY_PATH", built)
    source = tmp_path / "motion.c"
    source.touch()
    when = built.stat().st_mtime
    for age_seconds, expected in ((10, True), (-10, False)):
        os.utime(source, (when - age_seconds,) * 2)
        assert (library.__wrapped__() is not None) is expected
