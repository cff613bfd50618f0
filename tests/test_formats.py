"""Every layout, sample type and range: what the network is shown, and the way of a residual back."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from vsj4r.arrays import Floats
from vsj4r.engine.base import Plane, StepSpec, Tensors
from vsj4r.frames import planes as planes_module
from vsj4r.frames.chroma import double, from_half, shrink_to_chroma, to_half
from vsj4r.frames.formats import Format, Geometry
from vsj4r.frames.matrix import to_rgb, to_yuv
from vsj4r.frames.planes import Converter

LAYOUTS = {"420": (1, 1), "422": (1, 0), "444": (0, 0), "411": (2, 0), "440": (0, 1), "410": (2, 2)}
SAMPLES: list[tuple[Literal["integer", "float"], int]] = [
    ("integer", 8),
    ("integer", 10),
    ("integer", 16),
    ("float", 16),
    ("float", 32),
]
FORMATS = [
    *(Format("yuv", sample, bits, *layout) for layout in LAYOUTS.values() for sample, bits in SAMPLES),
    *(Format("gray", sample, bits) for sample, bits in SAMPLES),
    *(Format("rgb", sample, bits) for sample, bits in SAMPLES),
]
EACH_FORMAT = pytest.mark.parametrize("kind", FORMATS, ids=str)
SIZES = {"full": (64, 32), "odd": (68, 36), "tiny": (4, 4)}


def size_of(kind: Format, geometry: str) -> tuple[int, int]:
    """``odd`` is as odd as the layout allows."""
    width, height = SIZES[geometry]
    if geometry != "odd":
        return width, height
    return width + (1 << kind.ssw), height + (1 << kind.ssh)


def converter(kind: Format, geometry: str = "odd", planes: Literal["y", "yuv420"] = "yuv420") -> Converter:
    width, height = size_of(kind, geometry)
    return Converter(Geometry(width, height, kind), StepSpec("test", 16, 1, planes))


def noise(geometry: Geometry, seed: int = 0) -> list[Plane]:
    rng = np.random.default_rng(seed)
    kind = geometry.format
    shapes = [geometry.plane(index) for index in range(kind.planes)]
    if kind.sample == "float":
        return [rng.uniform(-0.5, 1.5, shape).astype(kind.dtype) for shape in shapes]
    return [rng.integers(0, kind.peak + 1, shape, dtype=kind.dtype) for shape in shapes]


def grey(geometry: Geometry, value: float, chroma: float = 0.0, *, full: bool) -> list[Plane]:
    """A frame of one colour, ``value`` and ``chroma`` in nominal units (R, G, B all ``value``)."""
    kind = geometry.format
    planes = []
    for index in range(kind.planes):
        codes = kind.codes(index, full=full)
        level = chroma if index and kind.family == "yuv" else value
        planes.append(np.full(geometry.plane(index), codes.zero + level * codes.span).astype(kind.dtype))
    return planes


def noisy_residual(convert: Converter, amplitude: float = 0.1) -> Tensors:
    rng = np.random.default_rng(3)
    tensors = convert.new_tensors()
    for plane in tensors:
        if plane is not None:
            plane[...] = rng.uniform(-amplitude, amplitude, plane.shape)
    return tensors


def empty_like(planes: list[Plane]) -> list[Plane]:
    return [np.full_like(plane, 77) for plane in planes]


def assert_bits(got: list[Plane], expected: list[Plane]) -> None:
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


@EACH_FORMAT
@pytest.mark.parametrize("geometry", SIZES)
@pytest.mark.parametrize("full", [False, True])
def test_no_rain_and_no_strength_give_the_frame_back(kind: Format, geometry: str, full: bool) -> None:
    convert = converter(kind, geometry)
    planes = noise(convert.geometry)
    if kind.sample == "float":
        planes[0].flat[:4] = [-0.0, np.nan, np.inf, -np.inf]
    weights = np.zeros((convert.geometry.height, convert.geometry.width), np.float32)
    for amplitude, strength, share in ((0.0, 1.0, None), (0.3, 0.0, None), (0.3, 1.0, weights)):
        out = empty_like(planes)
        residual = noisy_residual(convert, amplitude)
        convert.add(planes, residual, strength=strength, full=full, weights=share, into=out)
        assert_bits(out, planes)


@EACH_FORMAT
@pytest.mark.parametrize("only", [None, (0,)])
def test_numpy_and_the_library_give_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, kind: Format, only: tuple[int, ...] | None
) -> None:
    """With weights, too."""
    compiled = converter(kind)
    monkeypatch.setattr(planes_module, "takes_frames", lambda layout: False)
    plain = converter(kind)
    planes, residual = noise(compiled.geometry), noisy_residual(compiled)
    shares = np.random.default_rng(5).uniform(0, 1, (compiled.geometry.height, compiled.geometry.width))
    found = []
    for convert in (compiled, plain):
        for weights in (None, shares.astype(np.float32)):
            out = empty_like(planes)
            convert.add(planes, residual, strength=0.8, only=only, full=True, weights=weights, into=out)
            found.append(out)
    assert_bits(found[0] + found[1], found[2] + found[3])


@EACH_FORMAT
@pytest.mark.parametrize("geometry", SIZES)
@pytest.mark.parametrize("full", [False, True])
def test_the_network_sees_nominal_light(kind: Format, geometry: str, full: bool) -> None:
    convert = converter(kind, geometry)
    tensors = convert.new_tensors()
    chroma = 0.25 if kind.family == "yuv" else 0.0
    convert.load(grey(convert.geometry, 0.5, chroma, full=full), full=full, into=tensors)
    step = 1 / 200 if kind.bits == 8 else 1 / 800
    np.testing.assert_allclose(tensors.y, 0.5, atol=step)
    assert tensors.uv is not None
    np.testing.assert_allclose(tensors.uv, chroma, atol=step)


@EACH_FORMAT
@pytest.mark.parametrize("full", [False, True])
def test_a_constant_residual_moves_every_sample_by_as_much(kind: Format, full: bool) -> None:
    convert = converter(kind)
    planes = grey(convert.geometry, 0.5, full=full)
    residual = convert.new_tensors()
    residual.y.fill(-0.1)
    assert residual.uv is not None
    residual.uv.fill(0.05 if kind.family == "yuv" else 0)
    out = empty_like(planes)
    convert.add(planes, residual, strength=0.5, full=full, into=out)
    for index, (plane, back) in enumerate(zip(planes, out, strict=True)):
        span = kind.codes(index, full=full).span
        change = (0.025 if index and kind.family == "yuv" else -0.05) * span
        tolerance = 0.5 if kind.sample == "integer" else 1e-3
        np.testing.assert_allclose(back.astype(np.float64), plane.astype(np.float64) + change, atol=tolerance)


@pytest.mark.parametrize("matrix", [1, 4, 5, 6, 7, 9, 10, 2, -1])
def test_rgb_and_yuv_are_inverse_and_grey_has_no_chroma(matrix: int) -> None:
    rng = np.random.default_rng(0)
    rgb = [rng.random((5, 7), dtype=np.float32) for _ in range(3)]
    r, g, b = rgb
    for before, after in zip(rgb, to_rgb(*to_yuv(r, g, b, matrix), matrix), strict=True):
        np.testing.assert_allclose(after, before, atol=2e-6)
    y, u, v = to_yuv(r, r, r, matrix)
    np.testing.assert_allclose(y, r, atol=1e-6)
    np.testing.assert_allclose([u, v], 0, atol=1e-6)


@pytest.mark.parametrize(("matrix", "luma"), [(1, 0.7152), (6, 0.587), (9, 0.678), (2, 0.7152)])
def test_rgb_takes_the_matrix_it_is_told(matrix: int, luma: float) -> None:
    convert = converter(Format("rgb", "float", 32))
    zero, one = (np.full(convert.geometry.plane(0), x, np.float32) for x in (0, 1))
    tensors = convert.new_tensors()
    convert.load([zero, one, zero], full=True, matrix=matrix, into=tensors)
    np.testing.assert_allclose(tensors.y, luma, atol=1e-6)


def test_a_full_resolution_residual_in_rgb_is_the_inverse_matrix() -> None:
    """What the network would have changed in YUV arrives in RGB: back in YUV it is the same."""
    convert = converter(Format("rgb", "float", 32), "full")
    residual = noisy_residual(convert)
    changes = convert.changes(residual, matrix=6)
    r, g, b = (change for change in changes if change is not None)
    y, u, _ = to_yuv(r, g, b, 6)
    height, width = y.shape
    np.testing.assert_allclose(y, residual.y[:height, :width], atol=1e-6)
    assert residual.uv is not None
    expected = from_half(residual.uv[0, : height // 2, : width // 2], (height, width), 0, 0)
    np.testing.assert_allclose(u, expected, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("size", [(32, 48), (4, 4)], ids=["full", "tiny"])
def test_chroma_goes_to_half_and_back(layout: tuple[int, int], size: tuple[int, int]) -> None:
    """A slope stays a slope inside; the mean is kept exactly downwards."""
    ssw, ssh = layout
    shape = size[0] >> ssh, size[1] >> ssw
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    plane: Floats = ((rows + 0.5) * (1 << ssh) + 3 * (columns + 0.5) * (1 << ssw)).astype(np.float32)
    half = to_half(plane, ssw, ssh)
    assert half.shape == (size[0] // 2, size[1] // 2)
    assert half.mean() == pytest.approx(plane.mean())
    back = from_half(half, shape, ssw, ssh)
    assert back.shape == shape
    np.testing.assert_allclose(back[1:-1, 1:-1], plane[1:-1, 1:-1], atol=1e-4)


def test_odd_sides_keep_their_last_sample() -> None:
    plane = np.arange(15, dtype=np.float32).reshape(3, 5)
    half = to_half(plane, 0, 0)
    assert half.tolist() == [[3, 5, 6.5], [10.5, 12.5, 14]]
    assert from_half(half, (3, 5), 0, 0).shape == (3, 5)


def test_weights_are_means_over_the_pixels_of_a_chroma_sample() -> None:
    weights = np.zeros((4, 8), np.float32)
    weights[0, 0] = weights[2:, 4:] = 1
    assert shrink_to_chroma(weights, 0, 0) is weights
    assert shrink_to_chroma(weights, 1, 1).tolist() == [[0.25, 0, 0, 0], [0, 0, 1, 1]]
    assert shrink_to_chroma(weights, 2, 0).shape == (4, 2)


def test_broken_floats_do_not_reach_the_network() -> None:
    convert = converter(Format("gray", "float", 16), "tiny")
    plane = np.full(convert.geometry.plane(0), 0.5, np.float16)
    plane.flat[:3] = [np.nan, np.inf, -np.inf]
    tensors = convert.new_tensors()
    convert.load([plane], full=True, into=tensors)
    assert tensors.y[0, :4].tolist() == [0, 1, 0, 0.5]


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@EACH_FORMAT
def test_a_residual_that_is_no_number_is_an_error(kind: Format, broken: float) -> None:
    convert = converter(kind)
    residual = noisy_residual(convert)
    residual.y[0, 0] = broken
    planes = noise(convert.geometry)
    with pytest.raises(FloatingPointError):
        convert.add(planes, residual, strength=1.0, full=True, into=empty_like(planes))


@pytest.mark.parametrize("family", ["rgb", "gray", "yuv"])
def test_a_luma_model_takes_every_family(family: Literal["rgb", "gray", "yuv"]) -> None:
    convert = converter(Format(family, "float", 32), planes="y")
    planes = noise(convert.geometry)
    tensors = convert.new_tensors()
    assert tensors.uv is None
    convert.load(planes, full=True, into=tensors)
    out = empty_like(planes)
    convert.add(planes, noisy_residual(convert), strength=1.0, full=True, into=out)
    changed = [bool((a != b).any()) for a, b in zip(planes, out, strict=True)]
    assert changed == {"rgb": [True] * 3, "gray": [True], "yuv": [True, False, False]}[family]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_u_and_v_keep_their_places(layout: tuple[int, int]) -> None:
    convert = converter(Format("yuv", "integer", 8, *layout))
    planes = grey(convert.geometry, 0.5, full=True)
    planes[1][...], planes[2][...] = 128 + 51, 128 - 102
    tensors = convert.new_tensors()
    convert.load(planes, full=True, into=tensors)
    assert tensors.uv is not None
    np.testing.assert_allclose(tensors.uv[0], 0.2, atol=1e-6)
    np.testing.assert_allclose(tensors.uv[1], -0.4, atol=1e-6)
    residual = convert.new_tensors()
    assert residual.uv is not None
    residual.y.fill(0)
    residual.uv[0], residual.uv[1] = 10 / 255, -20 / 255
    out = empty_like(planes)
    convert.add(planes, residual, strength=1, full=True, into=out)
    assert [np.unique(plane).tolist() for plane in out[1:]] == [[128 + 61], [128 - 122]]


def test_red_green_and_blue_keep_their_places_and_their_range() -> None:
    convert = converter(Format("rgb", "integer", 8))
    tensors = convert.new_tensors()
    for levels, full, y in (
        ((255, 0, 51), True, 0.2126 + 0.2 * 0.0722),
        ((235, 16, 16), False, 0.2126),
    ):
        planes: list[Plane] = [np.full(convert.geometry.plane(0), level, np.uint8) for level in levels]
        convert.load(planes, full=full, into=tensors)
        np.testing.assert_allclose(tensors.y, y, atol=1e-6)


@pytest.mark.parametrize(
    ("matrix", "kr", "kb"),
    [
        (1, 0.2126, 0.0722),
        (2, 0.2126, 0.0722),
        (4, 0.30, 0.11),
        (5, 0.299, 0.114),
        (6, 0.299, 0.114),
        (7, 0.212, 0.087),
        (9, 0.2627, 0.0593),
        (10, 0.2627, 0.0593),
    ],
)
def test_each_matrix_has_the_weights_of_h273(matrix: int, kr: float, kb: float) -> None:
    zero, one = np.zeros(1, np.float32), np.ones(1, np.float32)
    assert to_yuv(one, zero, zero, matrix)[0] == pytest.approx(kr)
    assert to_yuv(zero, zero, one, matrix)[0] == pytest.approx(kb)


@pytest.mark.parametrize("size", [9, 10])
def test_a_constant_stays_one_to_the_edge(size: int) -> None:
    assert (double(np.full((3, 5), 0.5, np.float32), size, 1) == 0.5).all()


def test_frames_wider_than_what_is_computed_at_a_time() -> None:
    convert = Converter(Geometry(40000, 2, Format("gray", "integer", 8)), StepSpec("test", 16, 1, "y"))
    planes = noise(convert.geometry)
    residual = convert.new_tensors()
    residual.y.fill(1 / 219)
    out = empty_like(planes)
    convert.add(planes, residual, strength=1, full=False, into=out)
    assert np.array_equal(out[0], np.minimum(planes[0], 254) + 1)
