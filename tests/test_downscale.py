"""``downscale``: the network sees smaller frames, what it finds is enlarged, and detail is the clip's own."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.clips import bytes_of, noise_clip, planes_of
from tests.filtering import assert_same, derain, message, reference
from vsj4r.arrays import Floats
from vsj4r.engine import open_engine, resampling
from vsj4r.engine.downscaled import choose_downscale
from vsj4r.engine.native import scaling as native
from vsj4r.engine.weights import find_model
from vsj4r.frames.segments import Segments

pytestmark = pytest.mark.usefixtures("restored_threads")
core = vs.core
BY = [2, 3, 5]


def random_plane(height: int, width: int, seed: int = 5) -> Floats:
    return np.random.default_rng(seed).random((height, width), np.float32)


def shrunk(plane: Floats, by: int) -> Floats:
    into = np.empty((plane.shape[0] // by, plane.shape[1] // by), np.float32)
    resampling.shrink_plane(plane, by, into)
    return into


def enlarged(plane: Floats, change: Floats, by: int, rain: Floats | None = None) -> Floats:
    into = np.empty_like(plane)
    near = resampling.rain_near(change) if rain is None else rain
    phases = resampling.phases_of(by)
    resampling.enlarge_change(plane, shrunk(plane, by), change, near, phases, into)
    return into


@pytest.mark.parametrize("by", BY)
def test_the_library_gives_the_bits_of_numpy(monkeypatch: pytest.MonkeyPatch, by: int) -> None:
    plane, change = random_plane(17 * by, 23 * by), random_plane(17, 23, 6) - np.float32(0.5)
    change[:, 9:] = 0
    compiled = shrunk(plane, by), enlarged(plane, change, by)
    monkeypatch.setattr(native, "library", lambda: None)
    for got, expected in zip(compiled, (shrunk(plane, by), enlarged(plane, change, by)), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("by", BY)
def test_a_plane_without_rain_is_left_alone(by: int) -> None:
    change = np.zeros((8, 12), np.float32)
    assert not enlarged(random_plane(8 * by, 12 * by), change, by).any()


@pytest.mark.parametrize("by", BY)
def test_what_changes_smoothly_is_enlarged_in_its_place(by: int) -> None:
    """Away from the edges, where rows are repeated."""
    height, width = 12, 20
    fine = np.add.outer(np.arange(height * by), 2 * np.arange(width * by)).astype(np.float32) / np.float32(
        500
    )
    inner = slice(2 * by, -2 * by)
    found = enlarged(np.zeros_like(fine), shrunk(fine, by), by)
    np.testing.assert_allclose(found[inner, inner], fine[inner, inner], atol=1e-6)


def test_the_edges_of_a_drop_go_with_it_and_detail_beside_it_stays() -> None:
    by, rng = 3, np.random.default_rng(8)
    scene = (0.4 + rng.normal(0, 0.01, (96, 96))).astype(np.float32)
    rainy = scene.copy()
    rainy[:, 40:51] = 1
    change = shrunk(scene, by) - shrunk(rainy, by)
    clean = rainy + enlarged(rainy, change, by)
    assert np.abs(clean - scene)[:, 34:57].max() < 0.1  # the drop is 0.6 brighter
    beside = np.r_[0:30, 60:96]
    np.testing.assert_allclose(clean[:, beside], scene[:, beside], atol=0.002)


@pytest.mark.parametrize(
    ("height", "width", "by"),
    [
        (2, 2, 1),
        (576, 1024, 1),
        (719, 1280, 1),
        (720, 1280, 2),
        (800, 1920, 2),
        (1080, 1920, 2),
        (1920, 1080, 2),
        (1440, 2560, 3),
        (2160, 3840, 4),
        (20_000, 20_000, 8),
    ],
)
def test_large_frames_are_reduced(height: int, width: int, by: int) -> None:
    assert choose_downscale(height, width, aligns=True) == by
    assert choose_downscale(height, width, aligns=False) == 1


def test_sides_must_fit() -> None:
    model = find_model("j4r-lite")
    with pytest.raises(ValueError, match="multiples"):
        open_engine(model, height=32, width=40, downscale=3)


@pytest.mark.parametrize("by", [2, 3])
@pytest.mark.parametrize("vs_format", [vs.YUV420P8, vs.YUV420P16])
def test_the_filter_gives_what_the_engine_gives(tiny: str, vs_format: int, by: int) -> None:
    clip = noise_clip(width=70, height=38, length=9, vs_format=vs_format)
    expected = reference(clip, tiny, Segments(9, 4, 2, 1), downscale=by)
    out = derain(clip, tiny, segment=4, warmup=2, downscale=by)
    for frame, planes in zip(out.frames(), expected, strict=True):
        assert_same(frame, planes)


@pytest.mark.parametrize("name", ["j4r", "j4r-lite"])
def test_order_and_tiles_change_no_bit(name: str) -> None:
    clip = noise_clip(width=200, height=136, length=10)
    options: dict[str, Any] = {"segment": 5, "warmup": 2, "downscale": 2}
    wanted = [bytes_of(frame) for frame in derain(clip, name, **options).frames()]
    order = list(range(10)) * 2
    random.Random(3).shuffle(order)
    mixed = derain(clip, name, tile=[96, 64], **options)
    for n in order:
        assert bytes_of(mixed.get_frame(n)) == wanted[n]


@pytest.mark.parametrize(
    "vs_format", [vs.GRAY8, vs.GRAYH, vs.YUV444P10, vs.YUV420PS, vs.RGB24, vs.RGBS], ids=lambda x: str(int(x))
)
def test_every_kind_of_clip_and_output(tiny: str, vs_format: int) -> None:
    clip = noise_clip(width=52, height=34, length=3, vs_format=vs_format)
    names = ["derained", "rain", "occlusion"]
    out = derain(clip, tiny, output=names, downscale=4)
    alone = [derain(clip, tiny, output=name, downscale=4) for name in names]
    for n, frame in enumerate(out.frames()):
        assert_same(frame, planes_of(alone[0].get_frame(n)))
        for place, prop in ((1, "J4RRainLayer"), (2, "J4ROcclusionMap")):
            assert_same(frame.props[prop], planes_of(alone[place].get_frame(n)))
    assert (alone[2].width, alone[2].height) == (52, 34)


def test_a_large_clip_is_reduced_by_itself() -> None:
    clip = core.std.BlankClip(width=816, height=816, format=vs.YUV420P8, length=1, color=[90, 110, 140])
    chosen, halved, whole = (bytes_of(derain(clip, "j4r", downscale=by).get_frame(0)) for by in (0, 2, 1))
    assert chosen == halved != whole


@pytest.mark.parametrize("side", [1, 2, 8])
def test_a_tiny_frame_is_reduced_by_the_most(side: int) -> None:
    clip = vs.core.std.BlankClip(width=side, height=side, length=2, format=vs.GRAY8, color=90)
    with vs.core.j4r.Derain(clip, model="j4r-paper", downscale=8).get_frame(1) as frame:
        assert frame[0].shape == (side, side)


@pytest.mark.parametrize("by", [-1, 9])
def test_numbers_that_make_no_sense_are_refused(tiny: str, by: int) -> None:
    clip = noise_clip(width=32, height=16, length=1)
    assert message(clip, tiny, downscale=by) == f"Derain: downscale must be 0 (automatic) or 1 to 8, got {by}"


@pytest.mark.slow
def test_wide_rain_is_taken_better() -> None:
    from vsj4r.evaluation.measurement import derain_by
    from vsj4r.evaluation.metrics import luma_psnr
    from vsj4r.rain import draw_style, render_rain

    rng = np.random.default_rng(11)
    scene = np.kron(rng.integers(60, 190, (27, 30, 3), np.uint8), np.ones((30, 30, 1), np.uint8))
    clean = np.stack([scene] * 6)
    rainy = render_rain(clean, draw_style(rng, "complex", 1080), rng).rainy

    def gain(downscale: int) -> float:
        restored = list(derain_by("j4r", downscale=downscale)(iter(rainy)))
        return float(np.mean([luma_psnr(a, b) for a, b in zip(restored[2:], clean[2:], strict=True)]))

    assert gain(0) > gain(1) + 2
