"""What post-production asks for: strength by frame, mask, planes, layers, levels of each frame."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.clips import noise_clip, planes_of
from tests.filtering import assert_same, derain, format_of, message, reference
from vsj4r.engine.base import Step, Tensors
from vsj4r.engine.cpu import Arrays, CpuEngine
from vsj4r.frames.formats import Format, Geometry
from vsj4r.frames.layers import mask_weights, measure_levels, write_occlusion
from vsj4r.frames.segments import Segments

core = vs.core
LENGTH = 12
EACH_FORMAT = pytest.mark.parametrize(
    "vs_format", [vs.YUV420P8, vs.YUV422P10, vs.YUV444P16, vs.YUV444PS, vs.GRAY8, vs.GRAYH, vs.RGB24, vs.RGBS]
)


def clip_of(vs_format: int = vs.YUV420P8) -> Any:
    return noise_clip(width=38, height=22, length=LENGTH, vs_format=vs_format)


def with_strengths(clip: Any, strengths: dict[int, Any]) -> Any:
    def tell(n: int, f: Any) -> Any:
        frame = f.copy()
        if n in strengths:
            frame.props["J4RStrength"] = strengths[n]
        return frame

    return clip.std.ModifyFrame(clip, tell)


# ------------------------------------------------------------------------------------- how strongly and where


def test_a_frame_may_state_its_own_strength(tiny: str) -> None:
    clip = clip_of()
    strengths: dict[int, Any] = {2: 0, 3: 1, 5: 0.25}
    out = derain(with_strengths(clip, strengths), tiny, strength=0.5)
    by_strength = {
        x: reference(clip, tiny, Segments(LENGTH, 120, 8, 1), strength=x) for x in (0, 0.25, 0.5, 1)
    }
    for n in range(LENGTH):
        assert_same(out.get_frame(n), by_strength[strengths.get(n, 0.5)][n])


@pytest.mark.parametrize(
    ("strength", "number"), [(1.5, "1.5"), (-1, "-1"), (float("nan"), "nan"), ("a", "'a'"), ("0.5", "'0.5'")]
)
def test_a_stated_strength_that_is_none_is_that_frames_error(
    tiny: str, strength: float | str, number: str
) -> None:
    out = derain(with_strengths(clip_of(), {4: strength}), tiny)
    with pytest.raises(vs.Error) as caught:
        out.get_frame(4)
    rule = f"strength must be between 0 and 1, got J4RStrength {number}"
    assert str(caught.value) == f"Derain: frame 4: {rule}"


def test_a_long_refusal_is_cut_between_two_characters(tiny: str) -> None:
    with pytest.raises(vs.Error, match=r"got J4RStrength 'ä+$"):
        derain(with_strengths(clip_of(), {4: "ä" * 3000}), tiny).get_frame(4)


@pytest.mark.usefixtures("restored_threads")
@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("segment", [0, 5])
def test_a_strength_that_is_none_fails_no_other_frame(tiny: str, segment: int, at_once: bool) -> None:
    """In a run-in (of frame 5) or on the way to later ones it is not written, but stepped."""
    core.num_threads = 4
    clip = clip_of()
    arguments: dict[str, Any] = {"segment": segment, "warmup": 3}
    out = derain(with_strengths(clip, {4: 2.0, 7: -1.0}), tiny, **arguments)
    expected = [planes_of(frame) for frame in derain(clip, tiny, **arguments).frames()]
    for order in (range(LENGTH), range(LENGTH - 1, -1, -1)):
        futures = {n: out.get_frame_async(n) for n in order} if at_once else {}
        for n in order:
            if n in (4, 7):
                with pytest.raises(vs.Error, match=f"Derain: frame {n}: strength must be between 0 and 1"):
                    futures[n].result() if at_once else out.get_frame(n)
            else:
                assert_same(futures[n].result() if at_once else out.get_frame(n), expected[n])


def test_a_mask_that_is_absent_fails_no_later_frame(tiny: str) -> None:
    clip = clip_of()
    white = core.std.BlankClip(clip, format=vs.GRAY8, color=255)
    broken = {4, 5}

    def read(n: int, f: Any) -> Any:
        if n in broken:
            raise ValueError("the mask is torn")
        return f

    out = derain(clip, tiny, segment=0, mask=white.std.ModifyFrame(white, read))
    expected = [planes_of(frame) for frame in derain(clip, tiny, segment=0).frames()]
    for n in range(LENGTH):
        if n in broken:
            with pytest.raises(vs.Error, match="the mask is torn"):
                out.get_frame(n)
        else:
            assert_same(out.get_frame(n), expected[n])
    broken.clear()
    assert_same(out.get_frame(5), expected[5])


@EACH_FORMAT
@pytest.mark.parametrize("mask_format", [vs.GRAY8, vs.GRAY16, vs.GRAYS])
def test_a_mask_says_where(tiny: str, vs_format: int, mask_format: int) -> None:
    """The left half is masked out: it comes back to the bit; the right half is as without a mask."""
    clip = clip_of(vs_format)
    width, height, left = clip.width, clip.height, 16
    peak = 1.0 if mask_format == vs.GRAYS else (255 if mask_format == vs.GRAY8 else 65535)
    black, white = (
        core.std.BlankClip(width=side, height=height, format=mask_format, color=level, length=LENGTH)
        for side, level in ((left, 0), (width - left, peak))
    )
    out = derain(clip, tiny, mask=core.std.StackHorizontal([black, white]))
    for n in (5, 0, 11, 3):
        pairs = zip(out.get_frame(n), clip.get_frame(n), derain(clip, tiny).get_frame(n), strict=True)
        for got, source, whole in pairs:
            column = left >> clip.format.subsampling_w if np.asarray(got).shape[1] != width else left
            np.testing.assert_array_equal(np.asarray(got)[:, :column], np.asarray(source)[:, :column])
            np.testing.assert_array_equal(np.asarray(got)[:, column:], np.asarray(whole)[:, column:])


@pytest.mark.parametrize(("vs_format", "white"), [(vs.GRAY8, 235), (vs.GRAY10, 940), (vs.GRAY16, 60160)])
def test_the_range_of_a_mask_counts(tiny: str, vs_format: int, white: int) -> None:
    """What `resize` makes of an RGB mask is of limited range: 16 is black there, and 235 white."""
    clip = clip_of()
    rgb = [
        core.std.BlankClip(width=side, height=22, format=vs.RGB24, color=[level] * 3, length=LENGTH)
        for side, level in ((18, 0), (20, 255))
    ]
    limited = core.std.StackHorizontal(rgb).resize.Bicubic(format=vs_format, matrix_s="709")
    with limited.get_frame(0) as frame:
        assert np.asarray(frame[0]).max() == white
    full = limited.resize.Bicubic(range_s="full")
    out, expected = (derain(clip, tiny, mask=mask) for mask in (limited, full))
    for n in range(LENGTH):
        assert_same(out.get_frame(n), planes_of(expected.get_frame(n)))
    whole = derain(clip, tiny)
    assert np.array_equal(np.asarray(out.get_frame(5)[0])[:, 18:], np.asarray(whole.get_frame(5)[0])[:, 18:])
    assert np.array_equal(np.asarray(out.get_frame(5)[0])[:, :18], np.asarray(clip.get_frame(5)[0])[:, :18])


def test_each_frame_has_its_own_mask_in_any_order_and_the_last_goes_on(tiny: str) -> None:
    clip = clip_of()
    levels_of = [0, 255, 0, 0, 255]
    frames = [core.std.BlankClip(width=38, height=22, format=vs.GRAY8, color=x, length=1) for x in levels_of]
    plain = [planes_of(frame) for frame in derain(clip, tiny, segment=5, warmup=2).frames()]
    out = derain(clip, tiny, mask=core.std.Splice(frames), segment=5, warmup=2)
    order = [n for n in range(LENGTH) for _ in range(2)]
    random.Random(1).shuffle(order)
    for n, future in [(n, out.get_frame_async(n)) for n in order]:
        level = levels_of[min(n, len(levels_of) - 1)]
        assert_same(future.result(), plain[n] if level else planes_of(clip.get_frame(n)))


@pytest.mark.parametrize("length", [1, 2, 4, LENGTH])
def test_a_long_run_keeps_the_mask_that_it_needs(tiny: str, length: int) -> None:
    """One request steps over many frames that are kept, most of them under the last frame of the mask."""
    clip = clip_of()
    mask = core.std.BlankClip(width=38, height=22, format=vs.GRAY8, color=99, length=length)
    out, expected = (derain(clip, tiny, segment=0, mask=mask) for _ in range(2))
    out.get_frame(LENGTH - 1)
    whole = [planes_of(expected.get_frame(n)) for n in range(LENGTH)]
    plain = [planes_of(frame) for frame in derain(clip, tiny, segment=0).frames()]
    for n, source in enumerate(clip.frames()):
        assert_same(out.get_frame(n), whole[n])
        change, full = (planes[0].astype(int) - np.asarray(source[0]) for planes in (whole[n], plain[n]))
        assert abs(change).sum() < 0.6 * abs(full).sum()


@pytest.mark.usefixtures("restored_threads")
def test_a_clip_may_be_its_own_mask(tiny: str) -> None:
    """Its frames are held once, whoever asks for them; in any order they are what a copy of it gives."""
    core.num_threads = 4
    grey = noise_clip(width=32, height=16, length=200, vs_format=vs.GRAY8)
    copy = grey.std.SetFrameProps(copied=1)
    arguments: dict[str, Any] = {"segment": 20, "warmup": 3}
    expected = [planes_of(frame) for frame in derain(grey, tiny, mask=copy, **arguments).frames(prefetch=1)]
    for seed in range(3):
        out = derain(grey, tiny, mask=grey, **arguments)
        order = [n for n in range(grey.num_frames) for _ in range(2)]
        random.Random(seed).shuffle(order)
        for n, future in [(n, out.get_frame_async(n)) for n in order]:
            assert_same(future.result(), expected[n])


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (
            {"format": vs.RGB24},
            "mask must be GRAY, got RGB24: take std.ShufflePlanes(mask, 0, vs.GRAY)",
        ),
        ({"format": vs.GRAY8, "width": 40}, "mask must be 38x22 like the clip, got 40x22"),
        ({"format": vs.GRAY32}, "mask must have integers of 8 to 16 bits or floats, got Gray32"),
    ],
)
def test_other_masks_are_refused(tiny: str, mask: dict[str, Any], text: str) -> None:
    blank = core.std.BlankClip(length=1, **{"width": 38, "height": 22, **mask})
    assert message(clip_of(), tiny, mask=blank) == f"Derain: {text}"


def test_a_mask_that_varies_is_refused(tiny: str) -> None:
    small, large = (core.std.BlankClip(width=w, height=22, format=vs.GRAY8, length=1) for w in (38, 40))
    varying = core.std.Splice([small, large], mismatch=True)
    said = message(clip_of(), tiny, mask=varying)
    assert said.startswith("Derain: mask must be of constant size, got a variable one: resize.Bicubic(")


@pytest.mark.parametrize("planes", [[0], [1, 2], [2, 0], [0, 1, 2]])
@pytest.mark.parametrize("vs_format", [vs.YUV420P8, vs.RGBS])
def test_only_the_planes_asked_for_change(tiny: str, vs_format: int, planes: list[int]) -> None:
    clip = clip_of(vs_format)
    whole, source = planes_of(derain(clip, tiny).get_frame(4)), planes_of(clip.get_frame(4))
    expected = [whole[n] if n in planes else source[n] for n in range(3)]
    assert_same(derain(clip, tiny, planes=planes).get_frame(4), expected)


# --------------------------------------------------------------------------------------------------- layers


@EACH_FORMAT
def test_rain_is_what_was_taken_away(tiny: str, vs_format: int) -> None:
    clip = clip_of(vs_format)
    kind = format_of(clip.format)
    arguments = {"strength": 0.25, "segment": 5, "warmup": 1}
    rain, clean = derain(clip, tiny, output="rain", **arguments), derain(clip, tiny, **arguments)
    assert rain.format == clip.format
    for n in (7, 2, 11):
        frames = (planes_of(each.get_frame(n)) for each in (rain, clean, clip))
        for index, (layer, b, o) in enumerate(zip(*frames, strict=True)):
            zero = kind.codes(index, full=kind.family == "rgb").zero
            difference = o.astype(np.float64) - b + zero
            if kind.sample == "integer":
                difference = np.clip(difference, 0, kind.peak)
            np.testing.assert_allclose(layer, difference, atol=0 if kind.sample == "integer" else 2e-3)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("vs_format", [vs.YUV420P8, vs.YUV422P10, vs.GRAY16, vs.RGB24])
def test_derained_and_rain_give_the_clip_but_for_what_is_said(tiny: str, vs_format: int, full: bool) -> None:
    """In integers the sum is off only where the layer is at an end of its depth, which is where the result
    is brighter than the clip by more than black."""
    clip = clip_of(vs_format).std.SetFrameProps(_Range=int(full))
    rain, clean = (derain(clip, tiny, output=name, segment=5, warmup=1) for name in ("rain", "derained"))
    kind = format_of(clip.format)
    off = 0
    for n in (2, 7):
        frames = (planes_of(each.get_frame(n)) for each in (rain, clean, clip))
        for index, (layer, b, o) in enumerate(zip(*frames, strict=True)):
            zero = int(kind.codes(index, full=full).zero)
            difference = o.astype(int) - b
            fits = (difference >= -zero) & (difference <= kind.peak - zero)
            assert ((b + layer.astype(int) - zero == o) == fits).all()
            off += int((~fits).sum())
    assert off > 0, "both kinds are seen"


@pytest.mark.parametrize("bits", [8, 10, 16])
def test_occlusion_is_a_grey_map_of_full_range(tiny: str, bits: int) -> None:
    clip = clip_of(core.query_video_format(vs.YUV, vs.INTEGER, bits, 1, 1).id)
    out = derain(clip, tiny, output="occlusion")
    assert (out.format.name, out.width, out.height) == (f"Gray{bits}", 38, 22)
    frame = out.get_frame(6)
    assert frame.props["_Range"] == 1
    assert "_Matrix" not in frame.props
    two_before = np.asarray(clip.get_frame(4)[0]).astype(np.float64)  # the tiny model's alpha
    unit = 1 << (bits - 8)
    light = np.clip((two_before - 16 * unit) / (219 * unit), 0, 1)
    middle = light.reshape(11, 2, 19, 2).mean(axis=(1, 3)).mean()
    assert np.asarray(frame[0]).mean() / ((1 << bits) - 1) == pytest.approx(middle, abs=0.02)


@EACH_FORMAT
def test_several_outputs_are_the_same_as_each_alone(tiny: str, vs_format: int) -> None:
    clip = clip_of(vs_format)
    names = ["occlusion", "derained", "rain"]
    alone = {name: derain(clip, tiny, output=name) for name in names}
    together = derain(clip, tiny, output=names)
    rides = {"derained": "J4RDerained", "rain": "J4RRainLayer"}
    clips = {name: together.std.PropToClip(prop=prop) for name, prop in rides.items()} | {
        "occlusion": together
    }
    for name, each in clips.items():
        assert each.format == alone[name].format
        for n in (3, 11, 0, 8):
            assert_same(each.get_frame(n), planes_of(alone[name].get_frame(n)))


def test_one_evaluation_serves_all_outputs(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[CpuEngine] = []
    infer = CpuEngine._infer

    def counted(engine: CpuEngine, arrays: Arrays) -> None:
        steps.append(engine)
        infer(engine, arrays)

    monkeypatch.setattr(CpuEngine, "_infer", counted)
    together = derain(clip_of(), tiny, output=["derained", "rain", "occlusion"])
    layers = [together.std.PropToClip(prop=prop) for prop in ("J4RRainLayer", "J4ROcclusionMap")]
    for n in range(LENGTH):
        for each in (together, *layers):
            each.get_frame(n)
    assert len(steps) == LENGTH


# --------------------------------------------------------------------------------------------------- levels


def test_every_frame_tells_how_much_rain_there_is(tiny: str) -> None:
    """Whatever is written of it: strength, mask and planes change nothing."""
    clip = clip_of()
    black = core.std.BlankClip(width=38, height=22, format=vs.GRAY8, length=1)
    expected = derain(clip, tiny).get_frame(5).props
    assert 0 < expected["J4RRain"] < 1
    assert 0 < expected["J4ROcclusion"] < 1
    for arguments in ({"strength": 0.0}, {"mask": black}, {"output": "rain"}, {"output": "occlusion"}):
        props = derain(clip, tiny, **arguments).get_frame(5).props
        assert (props["J4RRain"], props["J4ROcclusion"]) == (expected["J4RRain"], expected["J4ROcclusion"])
    still = core.std.BlankClip(width=38, height=22, format=vs.YUV420P8, length=3, color=[90, 128, 128])
    assert derain(still, tiny).get_frame(0).props["J4RRain"] == 0


def test_levels_do_not_count_the_padding() -> None:
    y, alpha = np.full((32, 32), 9.0, np.float32), np.full((16, 16), 9.0, np.float32)
    y[:5, :7], alpha[:3, :4] = -0.5, 0.25
    y[0, 0] = 0.5
    geometry = Geometry(7, 5, Format("gray", "integer", 8))
    assert measure_levels(Step(Tensors(y, None), alpha), geometry) == (0.5, 0.25)


def test_levels_count_every_row() -> None:
    rows, columns = 541, 960  # many strips, the last one of another height
    y = np.random.default_rng(3).normal(0, 0.1, (544, columns)).astype(np.float32)
    geometry = Geometry(columns, rows, Format("gray", "integer", 8))
    levels = measure_levels(Step(Tensors(y, None), np.zeros((272, 480), np.float32)), geometry)
    assert levels.rain == pytest.approx(np.abs(y[:rows]).mean(dtype=np.float64), rel=1e-6)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_an_occlusion_map_comes_to_full_resolution(scale: int) -> None:
    alpha = np.zeros((4, 6), np.float32)
    alpha[:, 3:] = 2.0  # beyond certain
    step = Step(Tensors(np.zeros((4 * scale, 6 * scale), np.float32), None), alpha)
    into = np.full((4 * scale - 1, 6 * scale - 1), 77, np.uint8)
    write_occlusion(step, Format("gray", "integer", 8), into)
    assert (into[:, : 2 * scale] == 0).all()
    assert (into[:, 4 * scale :] == 255).all()


def test_a_mask_is_a_share() -> None:
    assert mask_weights(np.array([[0, 51, 255]], np.uint8), Format("gray", "integer", 8)).tolist() == [
        [0, pytest.approx(0.2), 1]
    ]
    broken = np.array([[np.nan, np.inf, -np.inf, -1, 2, 0.5]], np.float16)
    assert mask_weights(broken, Format("gray", "float", 16)).tolist() == [[0, 1, 0, 0, 1, 0.5]]
