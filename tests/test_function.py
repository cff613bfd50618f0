"""``vsj4r.derain``: the filter's arguments, types and defaults, and nothing of its own."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import vapoursynth as vs

import vsj4r
from scripts import signature
from tests.clips import noise_clip, planes_of
from tests.filtering import assert_same
from vsj4r.plugin.arguments import Arguments
from vsj4r.plugin.signature import ARGUMENTS


def test_arguments_and_defaults_are_the_filters() -> None:
    parameters = inspect.signature(vsj4r.derain).parameters
    native = [entry.split(":")[0] for entry in vs.core.j4r.Derain.signature.split(";") if entry]
    assert sorted(parameters) == sorted(native)
    assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in native if name != "clip")
    assert {name: parameters[name].default for name in native if name != "clip"} == {
        argument.name: argument.default for argument in ARGUMENTS if argument.name != "clip"
    }
    assert {field.name for field in fields(Arguments)} == set(native) - {"clip", "mask"}


@pytest.mark.parametrize("file", signature.generate_files(), ids=lambda file: file.name)
def test_what_is_made_of_the_table_is_as_it_says(file: Path) -> None:
    """The C, the types and the documentation; ``python -m scripts.signature`` writes them."""
    assert file.read_text("utf-8") == signature.generate_files()[file]


def test_it_is_the_filter(tiny: str, tmp_path: Path) -> None:
    clip = noise_clip(width=38, height=22, length=6)
    mask = vs.core.std.BlankClip(width=38, height=22, format=vs.GRAY8, color=99, length=1)
    cuts = tmp_path / "cuts"
    cuts.write_text("3 K\n")
    out = vsj4r.derain(clip, model=tiny, precision="f32", threads=1, qpfile=cuts, mask=mask, planes=(0,))
    same = vs.core.j4r.Derain(
        clip, model=tiny, precision="f32", threads=1, scenes=[3], mask=mask, planes=[0], strength=1.0
    )
    for got, expected in zip(out.frames(), same.frames(), strict=True):
        assert_same(got, planes_of(expected))


def test_several_outputs_are_as_many_clips(tiny: str) -> None:
    clip = noise_clip(width=38, height=22, length=4)
    clips = vsj4r.derain(clip, model=tiny, precision="f32", output=["rain", "occlusion", "derained"])
    assert [each.format.name for each in clips] == ["YUV420P8", "Gray8", "YUV420P8"]
    (alone,) = vsj4r.derain(clip, model=tiny, precision="f32", output=("derained",))
    assert_same(clips[2].get_frame(2), planes_of(alone.get_frame(2)))


def test_the_filters_errors_come_through(tiny: str) -> None:
    with pytest.raises(vs.Error, match=r"^Derain: strength must be between 0 and 1, got 2\.0$"):
        vsj4r.derain(noise_clip(width=32, height=16, length=1), model=tiny, strength=2)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"segment": 10.5}, "segment must be a whole number, got 10.5"),
        ({"segment": "10"}, "segment must be a whole number, got '10'"),
        ({"scenes": "10"}, "scenes must be a whole number or several, got '10'"),
        ({"scenes": [1.5]}, "scenes must be a whole number or several, got [1.5]"),
        ({"planes": 0.0}, "planes must be a whole number or several, got 0.0"),
        ({"strength": "0.5"}, "strength must be a number, got '0.5'"),
        ({"scene_detect": 2}, "scene_detect must be True or False, got 2"),
        ({"model": 4}, "model must be a text or a path, got 4"),
        ({"output": 4}, "output must be a text or several, got 4"),
        ({"tile": 64.5}, "tile must be a whole number or several, got 64.5"),
        ({"mask": "grey.png"}, "mask must be a clip, got 'grey.png'"),
    ],
)
def test_nothing_is_taken_for_what_it_is_not(tiny: str, given: dict[str, Any], text: str) -> None:
    """VapourSynth itself would make 10 of 10.5 and of "10"."""
    with pytest.raises(vs.Error, match=f"^Derain: {re.escape(text)}$"):
        vsj4r.derain(noise_clip(width=32, height=16, length=1), **({"model": tiny} | given))


def test_one_plane_is_a_list_of_one(tiny: str) -> None:
    clip = noise_clip(width=32, height=16, length=2)
    one, listed = (vsj4r.derain(clip, model=tiny, planes=planes) for planes in (0, [0]))
    for frame, other in zip(one.frames(), listed.frames(), strict=True):
        assert all(bytes(a) == bytes(b) for a, b in zip(frame, other, strict=True))


def test_a_model_may_be_a_path_and_the_last_frame_of_all_has_a_number(tiny: str) -> None:
    endless = vs.core.std.Loop(noise_clip(width=32, height=16, length=9))
    assert endless.num_frames == (1 << 31) - 1
    derained = vsj4r.derain(endless, model=Path(tiny))
    assert isinstance(derained, vs.VideoNode)
    derained.get_frame(endless.num_frames - 1).close()


@pytest.mark.parametrize(("name", "why"), [("a\0b", "not a text"), ("", "Is a directory")])
def test_a_qpfile_that_is_none(tiny: str, name: str, why: str) -> None:
    with pytest.raises(vs.Error, match=f"qpfile must be a readable file, got {re.escape(repr(name))}: {why}"):
        vsj4r.derain(noise_clip(width=32, height=16, length=1), model=tiny, qpfile=name)


def test_importing_the_package_loads_nothing() -> None:
    script = "import sys, vsj4r; print([m for m in ('vapoursynth', 'numpy', 'openvino') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_says_that_it_is_typed() -> None:
    assert Path(vsj4r.__file__).with_name("py.typed").is_file()


def test_what_can_be_gone_through_only_once_is_no_list() -> None:
    clip = noise_clip(width=64, height=48, length=2)
    derain: Any = vsj4r.derain
    for name, given in (("scenes", iter([0, 1])), ("planes", iter([0])), ("output", {"derained", "rain"})):
        with pytest.raises(vs.Error, match=f"Derain: {name} must be"):
            derain(clip, **{name: given})
