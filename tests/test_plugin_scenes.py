"""Cuts in the compiled filter: found, marked, given in a list or a file; nothing crosses them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import vapoursynth as vs

from tests.clips import noise_clip, planes_of, scenes_clip
from tests.filtering import assert_same, derain, message, reference
from vsj4r.frames.scenes import Cuts
from vsj4r.frames.segments import Segments
from vsj4r.plugin.cut_files import read_cuts

core = vs.core
LENGTH = 60
CUTS = [9, 10, 24, 41, 47, 59]


def marked(clip: Any, cuts: list[int]) -> Any:
    """``clip`` with _SceneChangePrev on every frame."""

    def mark(n: int, f: Any) -> Any:
        frame = f.copy()
        frame.props["_SceneChangePrev"] = int(n in cuts)
        return frame

    return clip.std.ModifyFrame(clip, mark)


def assert_all(out: Any, expected: list[Any], order: list[int]) -> None:
    for n, future in [(n, out.get_frame_async(n)) for n in order]:
        assert_same(future.result(), expected[n])


def test_found_cuts_are_those_that_are_there(tiny: str) -> None:
    """One frame alone between two changes (9) is a flash to the detector, so no cut."""
    clip = scenes_clip(cuts=CUTS, length=LENGTH)
    expected = reference(clip, tiny, Segments(LENGTH, 20, 4, 1, Cuts([24, 41, 47, 59])))
    assert_all(derain(clip, tiny, segment=20, warmup=4, scene_detect=1), expected, list(range(LENGTH)))


@pytest.mark.slow
@pytest.mark.parametrize(("segment", "warmup"), [(0, 0), (12, 4), (7, 9), (120, 8)])
@pytest.mark.parametrize("source", ["noise", "shaded", "marked"])
def test_every_order_gives_the_same_bits(tiny: str, source: str, segment: int, warmup: int) -> None:
    noise = noise_clip(width=20, height=16, length=LENGTH)
    clip = {"noise": noise, "shaded": scenes_clip(cuts=CUTS, length=LENGTH), "marked": marked(noise, CUTS)}[
        source
    ]
    arguments = {"segment": segment, "warmup": warmup, "scene_detect": 1}
    expected = [planes_of(frame) for frame in derain(clip, tiny, **arguments).frames(prefetch=1)]
    if source == "marked":
        cuts = Segments(LENGTH, segment, warmup, 1, Cuts(CUTS))
        for planes, alone in zip(expected, reference(clip, tiny, cuts), strict=True):
            assert all((a == b).all() for a, b in zip(planes, alone, strict=True))
    backwards = derain(clip, tiny, **arguments)
    for n in reversed(range(LENGTH)):
        assert_same(backwards.get_frame(n), expected[n])
    order = [n for n in range(LENGTH) for _ in range(2)]
    for seed in range(3):
        random.Random(seed).shuffle(order)
        assert_all(derain(clip, tiny, **arguments), expected, order)
    assert_all(derain(clip, tiny, **arguments), expected, list(range(0, LENGTH, 7)))


def test_a_frame_that_says_it_is_no_cut_is_none(tiny: str) -> None:
    clip = scenes_clip(cuts=CUTS, length=LENGTH)
    expected = reference(clip, tiny, Segments(LENGTH, 0, 0, 1))
    out = derain(marked(clip, []), tiny, segment=0, scene_detect=1)
    assert_all(out, expected, list(range(LENGTH)))


def test_scene_detect_0_knows_no_cut(tiny: str) -> None:
    clip = marked(scenes_clip(cuts=CUTS, length=LENGTH), CUTS)
    expected = reference(clip, tiny, Segments(LENGTH, 0, 0, 1))
    assert_all(derain(clip, tiny, segment=0, scene_detect=0), expected, list(range(LENGTH)))


def qpfile(cuts: list[int]) -> str:
    lines = [f"{n} {'K' if n % 2 else 'I -1'}" for n in cuts]
    return "\n".join(["# cuts", "3 P 20", *lines, "50 i", ""])


def av1an(cuts: list[int]) -> str:
    ends = [*cuts, LENGTH]
    scenes = [{"start_frame": a, "end_frame": b} for a, b in zip([0, *cuts], ends, strict=True)]
    return json.dumps({"frames": LENGTH, "scenes": scenes})


def test_given_cuts_are_taken_from_a_list_or_a_file(tiny: str, tmp_path: Path) -> None:
    clip = noise_clip(width=20, height=16, length=LENGTH)
    expected = reference(clip, tiny, Segments(LENGTH, 20, 4, 1, Cuts(CUTS)))
    (tmp_path / "x264.txt").write_text(qpfile(CUTS))
    (tmp_path / "av1an.json").write_text(av1an(CUTS))
    for given in (
        {"scenes": [0, *reversed(CUTS)]},
        {"qpfile": str(tmp_path / "x264.txt")},
        {"qpfile": str(tmp_path / "av1an.json")},
    ):
        out = derain(clip, tiny, segment=20, warmup=4, **given)
        assert_all(out, expected, list(range(LENGTH)))
    without = reference(clip, tiny, Segments(LENGTH, 20, 4, 1))
    assert_all(derain(clip, tiny, segment=20, warmup=4, scenes=[]), without, list(range(LENGTH)))


@pytest.mark.parametrize(("text", "cuts"), [("7 K\n9 I\n", [7, 9]), (av1an([7, 9]), [0, 7, 9])])
def test_notepad_may_write_a_file_of_cuts(tmp_path: Path, text: str, cuts: list[int]) -> None:
    path = tmp_path / "cuts"
    path.write_text("\ufeff" + text)
    assert read_cuts(str(path)) == cuts


def test_files_that_hold_no_cuts_are_refused(tiny: str, tmp_path: Path) -> None:
    clip = core.std.BlankClip(width=32, height=16, format=vs.YUV420P8, length=10)
    path = tmp_path / "cuts"
    missing = message(clip, tiny, qpfile=str(path))
    assert missing == f"Derain: qpfile must be a readable file, got {str(path)!r}: No such file or directory"
    for content, text in (
        (b"\xff\xfe", f"qpfile must be a readable file, got {str(path)!r}: not a text"),
        (b"1 K\nfour K\n", f"qpfile must have lines such as '120 K', got 'four K' in line 2 of {path}"),
        (b"1 X\n", f"qpfile must have lines such as '120 K', got '1 X' in line 1 of {path}"),
        (b"12 K\n", "qpfile must be frames of the clip, 0 to 9, got 12"),
        (
            b"12345678901 K\n",
            f"qpfile must have lines such as '120 K', got '12345678901 K' in line 1 of {path}",
        ),
        (
            b'{"scenes": [{"start_frame": Infinity}]}',
            f"qpfile must list scenes with a start_frame, got {str(path)!r}: "
            "cannot convert float infinity to integer",
        ),
        (b'{"cuts": []}', f"qpfile must list scenes with a start_frame, got {str(path)!r}: 'scenes'"),
    ):
        path.write_bytes(content)
        assert message(clip, tiny, qpfile=str(path)) == f"Derain: {text}"


def test_a_broken_frame_fails_only_those_that_need_it(tiny: str) -> None:
    clip = scenes_clip(cuts=CUTS, length=LENGTH)

    def read(n: int, f: Any) -> Any:
        if n == 30:
            raise ValueError("the disk is wet")
        return f

    out = derain(clip.std.ModifyFrame(clip, read), tiny, segment=20, warmup=0, scene_detect=1)
    expected = reference(clip, tiny, Segments(LENGTH, 20, 0, 1, Cuts([24, 41, 47, 59])))
    for n in range(LENGTH):
        if 29 <= n < 40:
            with pytest.raises(vs.Error, match="the disk is wet"):
                out.get_frame(n)
        else:
            assert_same(out.get_frame(n), expected[n])
