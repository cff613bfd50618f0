"""``bidirectional``: the mean of what one state finds forwards and another backwards, in any order."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

import vsj4r
from tests.clips import bytes_of, noise_clip, planes_of, scenes_clip
from tests.filtering import assert_same, derain, message, reference
from vsj4r.engine.bidirectional import share_back
from vsj4r.frames.scenes import Cuts
from vsj4r.frames.segments import Segments

pytestmark = pytest.mark.usefixtures("restored_threads")
core = vs.core
LENGTH = 62
CUTS = [5, 31, 58]
ARGUMENTS: dict[str, Any] = {"segment": 48, "warmup": 4, "bidirectional": 1}
FORMATS = [vs.YUV420P8, vs.YUV420P10, vs.YUV444PS, vs.GRAY16, vs.RGB24]


@pytest.fixture(scope="module")
def clip() -> Any:
    return noise_clip(width=38, height=22, length=LENGTH)


def shuffled(seed: int) -> list[int]:
    order = list(range(LENGTH))
    random.Random(seed).shuffle(order)
    return order


@pytest.mark.parametrize("threads", [1, 8])
@pytest.mark.parametrize("cuts", [[], CUTS])
def test_it_is_the_mean_of_both_ways_in_any_order(
    tiny: str, clip: Any, threads: int, cuts: list[int]
) -> None:
    core.num_threads = threads
    expected = reference(clip, tiny, Segments(LENGTH, 48, 4, 1, Cuts(cuts), bidirectional=True))
    out = derain(clip, tiny, scenes=cuts, **ARGUMENTS)
    for order in (list(range(LENGTH)), list(reversed(range(LENGTH))), shuffled(1)):
        for n, future in [(n, out.get_frame_async(n)) for n in order]:
            assert_same(future.result(), expected[n])


def test_what_has_seen_little_counts_for_little() -> None:
    assert [share_back(seen, 9) for seen in (1, 2, 3, 4, 30)] == [16 / 17, 16 / 20, 16 / 25, 0.5, 0.5]
    assert [share_back(9, seen) for seen in (1, 2, 3, 4)] == [1 / 17, 4 / 20, 9 / 25, 0.5]
    assert share_back(1, 1) == 0.5


def test_found_cuts_are_those_that_are_given(tiny: str) -> None:
    clip = scenes_clip(cuts=CUTS, length=LENGTH)
    given = derain(clip, tiny, scenes=CUTS, **ARGUMENTS)
    wanted = [planes_of(frame) for frame in given.frames()]
    found = derain(clip, tiny, scene_detect=1, **ARGUMENTS)
    for n, future in [(n, found.get_frame_async(n)) for n in shuffled(2)]:
        assert_same(future.result(), wanted[n])


@pytest.mark.parametrize("bidirectional", [0, 1])
def test_a_cut_at_an_anchor_is_seen_without_a_run_in(tiny: str, bidirectional: int) -> None:
    clip = scenes_clip(cuts=[48], length=62)
    options: dict[str, Any] = {"segment": 48, "warmup": 0, "scene_detect": 1, "bidirectional": bidirectional}
    expected = [planes_of(frame) for frame in derain(clip, tiny, **options).frames()]
    assert_same(derain(clip, tiny, **options).get_frame(48), expected[48])


@pytest.mark.parametrize("downscale", [1, 2])
@pytest.mark.parametrize("vs_format", FORMATS)
def test_every_format_and_every_way_through_the_filter(tiny: str, vs_format: int, downscale: int) -> None:
    """With a rain layer, or a mask, frames take another way through the engines."""
    clip = noise_clip(width=70, height=38, length=LENGTH, vs_format=vs_format)
    options: dict[str, Any] = {"downscale": downscale, "scenes": CUTS, **ARGUMENTS}
    plain = derain(clip, tiny, **options)
    assert clip.format.id == plain.format.id
    white = core.std.BlankClip(width=70, height=38, format=vs.GRAY8, length=1, color=255)
    layered = derain(clip, tiny, output=["derained", "occlusion", "rain"], **options)
    masked = derain(clip, tiny, mask=white, **options)
    untouched = [planes_of(frame)[0] for frame in clip.frames()]
    for n in shuffled(3)[:20]:
        wanted = planes_of(plain.get_frame(n))
        assert not np.array_equal(wanted[0], untouched[n])
        assert_same(layered.get_frame(n), wanted)
        assert_same(masked.get_frame(n), wanted)


def test_a_part_is_what_the_whole_gives(tiny: str, clip: Any) -> None:
    whole = derain(clip, tiny, scenes=[], **ARGUMENTS)
    wanted = [planes_of(frame) for frame in whole.frames()]
    for n, frame in enumerate(derain(clip, tiny, scenes=[], **ARGUMENTS)[48:].frames(), 48):
        assert_same(frame, wanted[n])


def test_strength_0_is_the_input(tiny: str, clip: Any) -> None:
    out = derain(clip, tiny, strength=0, **ARGUMENTS)
    assert [bytes_of(a) for a in out.frames()] == [bytes_of(b) for b in clip.frames()]


def test_a_frame_that_cannot_be_had_costs_only_those_that_need_it(tiny: str, clip: Any) -> None:
    def fail(n: int, f: Any) -> Any:
        if n == 27:
            raise ValueError("no such frame")
        return f

    wanted = [planes_of(frame) for frame in derain(clip, tiny, scenes=[], **ARGUMENTS).frames()]
    out = derain(clip.std.ModifyFrame(clip, fail), tiny, scenes=[], **ARGUMENTS)
    assert_same(out.get_frame(50), wanted[50])
    with pytest.raises(vs.Error, match="no such frame"):
        out.get_frame(3)  # the way back to it begins with frame 27
    assert_same(out.get_frame(60), wanted[60])


def test_interlaced_frames_are_refused_on_the_way_back_too(tiny: str, clip: Any) -> None:
    marked = clip[:25] + clip[25:].std.SetFieldBased(2)
    with pytest.raises(vs.Error, match=r"^Derain: frame 27: clip must be progressive, got _FieldBased 2"):
        derain(marked, tiny, scenes=[], **ARGUMENTS).get_frame(0)


def test_the_python_function_takes_it(tiny: str, clip: Any) -> None:
    options: dict[str, Any] = {"model": tiny, "precision": "f32", "threads": 1, "scenes": []}
    out = vsj4r.derain(clip, bidirectional=True, segment=48, warmup=4, **options)
    assert_same(out.get_frame(9), planes_of(derain(clip, tiny, scenes=[], **ARGUMENTS).get_frame(9)))
    assert message(clip, tiny, bidirectional=2) == "Derain: bidirectional must be 0 or 1, got 2"


def test_what_is_measured_is_what_the_filter_gives(tiny: str) -> None:
    pytest.importorskip("skimage")
    from vsj4r.evaluation.measurement import derain_by

    clip = noise_clip(width=38, height=22, length=LENGTH, vs_format=vs.RGB24)
    out = derain(clip, tiny, bidirectional=1)
    frames = [np.stack(planes_of(frame), axis=-1) for frame in clip.frames()]
    restored = derain_by(tiny, precision="f32", threads=1, bidirectional=True)(frames)
    for frame, ours in zip(out.frames(), restored, strict=True):
        np.testing.assert_array_equal(np.stack(planes_of(frame), axis=-1), ours)
