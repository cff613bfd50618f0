"""Planes to tensors and back, by analysis: nominal ranges, every code, edges, strides."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from vsj4r.engine.base import Plane, StepSpec, Tensors
from vsj4r.engine.tensor_cache import TensorCache
from vsj4r.frames.formats import Format, Geometry
from vsj4r.frames.planes import Converter

FULL, ODD, TINY = (64, 32), (70, 38), (2, 2)
GEOMETRIES = pytest.mark.parametrize("size", [FULL, ODD, TINY], ids=["full", "odd", "tiny"])
DEPTHS = pytest.mark.parametrize("bits", [8, 10, 16])


def yuv420(bits: int) -> Format:
    return Format("yuv", "integer", bits, 1, 1)


def converter(width: int, height: int, bits: int = 8, planes: Literal["y", "yuv420"] = "yuv420") -> Converter:
    return Converter(
        Geometry(width, height, yuv420(bits)), StepSpec("test", multiple=16, lookahead=1, planes=planes)
    )


def noise(geometry: Geometry, seed: int = 0) -> list[Plane]:
    rng = np.random.default_rng(seed)
    return [
        rng.integers(0, 1 << geometry.format.bits, geometry.plane(index), dtype=geometry.format.dtype)
        for index in range(3)
    ]


def empty_like(planes: list[Plane]) -> list[Plane]:
    return [np.full_like(plane, 77) for plane in planes]


def residual(convert: Converter, luma: float, chroma: float) -> Tensors:
    tensors = convert.new_tensors()
    tensors.y.fill(luma)
    if tensors.uv is not None:
        tensors.uv.fill(chroma)
    return tensors


@DEPTHS
@pytest.mark.parametrize("full", [False, True])
def test_nominal_range(bits: int, full: bool) -> None:
    convert = converter(2, 2, bits)
    unit = 1 << (bits - 8)
    black, white = (0, (1 << bits) - 1) if full else (16 * unit, 235 * unit)
    half = ((1 << bits) - 1) / 2 if full else 112 * unit
    middle = 1 << (bits - 1)
    tensors = convert.new_tensors()
    dtype = convert.geometry.format.dtype
    y = np.array([[black, white], [black, white]], dtype)
    u, v = np.array([[middle]], dtype), np.array([[middle - 1]], dtype)
    convert.load([y, u, v], full=full, into=tensors)
    assert tensors.uv is not None
    assert tensors.y[:2, :2].tolist() == [[0, 1], [0, 1]]
    assert tensors.uv[0, 0, 0] == 0
    assert tensors.uv[1, 0, 0] == pytest.approx(-0.5 / half)


@GEOMETRIES
def test_padding_repeats_the_edge(size: tuple[int, int]) -> None:
    width, height = size
    convert = converter(width, height)
    planes = noise(convert.geometry)
    tensors = convert.new_tensors()
    convert.load(planes, full=True, into=tensors)
    assert tensors.uv is not None
    for plane, padded in zip(planes, [tensors.y, *tensors.uv], strict=True):
        rows, columns = padded.shape
        around = ((0, rows - plane.shape[0]), (0, columns - plane.shape[1]))
        zero = 0 if plane is planes[0] else 128
        expected = (np.pad(plane, around, mode="edge").astype(np.float32) - zero) / np.float32(255)
        np.testing.assert_array_equal(padded, expected)
    assert tensors.y.shape[0] % 16 == tensors.y.shape[1] % 16 == 0


def test_an_odd_multiple_still_gives_whole_chroma_samples() -> None:
    assert Geometry(70, 38, yuv420(8)).padded(5) == (40, 70)
    assert Geometry(2, 2, yuv420(8)).padded(1) == (2, 2)


def test_tensors_are_aligned_and_contiguous() -> None:
    for tensor in converter(*ODD).new_tensors():
        assert tensor is not None
        assert tensor.ctypes.data % 64 == 0
        assert tensor.flags.c_contiguous


@GEOMETRIES
@DEPTHS
@pytest.mark.parametrize("full", [False, True])
def test_nothing_to_add_gives_every_bit_back(size: tuple[int, int], bits: int, full: bool) -> None:
    convert = converter(*size, bits=bits)
    planes = noise(convert.geometry)
    for change, strength in ((residual(convert, 0, 0), 1.0), (residual(convert, 0.7, -0.3), 0.0)):
        out = empty_like(planes)
        convert.add(planes, change, strength=strength, full=full, into=out)
        for plane, back in zip(planes, out, strict=True):
            np.testing.assert_array_equal(back, plane)


def test_every_16_bit_code_survives() -> None:
    convert = converter(256, 256, bits=16)
    codes = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    planes = [codes, codes[::2, ::2].copy(), codes[1::2, 1::2].copy()]
    out = empty_like(planes)
    convert.add(planes, residual(convert, 0, 0), strength=1.0, full=False, into=out)
    for plane, back in zip(planes, out, strict=True):
        np.testing.assert_array_equal(back, plane)


@DEPTHS
@pytest.mark.parametrize(("full", "luma_span", "chroma_span"), [(False, 219, 224), (True, 255, 255)])
def test_a_residual_counts_in_codes_and_is_clipped(
    bits: int, full: bool, luma_span: int, chroma_span: int
) -> None:
    convert = converter(*ODD, bits=bits)
    top = (1 << bits) - 1
    spans = (top, top) if full else (luma_span << (bits - 8), chroma_span << (bits - 8))
    planes = noise(convert.geometry)
    for step in (-40, -1, 1, 40):
        out = empty_like(planes)
        change = residual(convert, 2 * step / spans[0], 2 * step / spans[1])
        convert.add(planes, change, strength=0.5, full=full, into=out)
        for plane, back in zip(planes, out, strict=True):
            np.testing.assert_array_equal(back, np.clip(plane.astype(np.int64) + step, 0, top))


def test_only_the_frame_itself_is_written_and_read_back() -> None:
    convert = converter(*ODD)
    planes = noise(convert.geometry)
    change = residual(convert, np.nan, np.nan)  # what the network says about the padding does not matter
    assert change.uv is not None
    change.y[: ODD[1], : ODD[0]] = 0
    change.uv[:, : ODD[1] // 2, : ODD[0] // 2] = 0
    out = empty_like(planes)
    convert.add(planes, change, strength=1.0, full=False, into=out)
    np.testing.assert_array_equal(out[0], planes[0])


def test_a_nan_is_an_error() -> None:
    convert = converter(*TINY)
    planes = noise(convert.geometry)
    with pytest.raises(FloatingPointError):
        convert.add(
            planes,
            residual(convert, np.nan, 0),
            strength=1.0,
            full=False,
            into=empty_like(planes),
        )


@DEPTHS
def test_rows_may_be_strided(bits: int) -> None:
    geometry = Geometry(70, 38, yuv420(bits))
    memory = [np.zeros((rows, 256), np.uint8) for rows in (38, 19, 19)]
    views = geometry.views([memoryview(part).cast("B") for part in memory], [256, 256, 256])
    planes = noise(geometry)
    for view, plane in zip(views, planes, strict=True):
        view[...] = plane
    for part, plane in zip(memory, planes, strict=True):
        flat = plane.view(np.uint8)
        np.testing.assert_array_equal(part[:, : flat.shape[1]], flat)
        assert not part[:, flat.shape[1] :].any()
    convert = Converter(geometry, StepSpec("test", 16, 1, "yuv420"))
    strided, packed = convert.new_tensors(), convert.new_tensors()
    convert.load(views, full=False, into=strided)
    convert.load(planes, full=False, into=packed)
    np.testing.assert_array_equal(strided.y, packed.y)


def test_a_luma_model_copies_chroma() -> None:
    convert = converter(*ODD, planes="y")
    planes = noise(convert.geometry)
    tensors = convert.new_tensors()
    assert tensors.uv is None
    convert.load(planes, full=False, into=tensors)
    out = empty_like(planes)
    convert.add(planes, residual(convert, 0.5, 0), strength=1.0, full=False, into=out)
    assert (out[0] != planes[0]).any()
    np.testing.assert_array_equal(out[1], planes[1])
    np.testing.assert_array_equal(out[2], planes[2])


def test_the_ring_loads_each_frame_once() -> None:
    convert = converter(*TINY)
    ring = TensorCache([convert.new_tensors() for _ in range(2)])
    loaded: list[int] = []
    for n in range(5):
        o_t = ring.get(n, lambda _, n=n: loaded.append(n))  # type: ignore[misc]
        o_next = ring.get(n + 1, lambda _, n=n: loaded.append(n + 1))  # type: ignore[misc]
        assert o_t.y is not o_next.y
    assert loaded == [0, 1, 2, 3, 4, 5]


def test_the_ring_gives_up_the_frame_that_was_asked_for_longest_ago() -> None:
    convert = converter(*TINY)
    ring = TensorCache([convert.new_tensors() for _ in range(2)])

    def get(n: int) -> Tensors:
        return ring.get(n, lambda into: into.y.fill(n))

    get(5)
    get(9)
    held = get(5)
    get(6)
    assert (held.y == 5).all()


def test_the_ring_does_not_keep_a_frame_that_failed_to_load() -> None:
    ring = TensorCache([converter(*TINY).new_tensors()])

    def fail(_: Tensors) -> None:
        raise RuntimeError

    for _ in range(3):
        with pytest.raises(RuntimeError):
            ring.get(0, fail)
    loaded: list[bool] = []
    ring.get(0, lambda _: loaded.append(True))
    assert loaded == [True]
