"""The samples that an encoder gets: subsampling, odd sizes, depth."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from vsj4r.media.images import frame_array, image_clip, look_at_images, write_png
from vsj4r.media.pixels import chroma_for, clip_to_yuv
from vsj4r.media.reading import image_names
from vsj4r.media.tags import Tags

core = vs.core


def test_an_odd_size_has_its_last_column_and_row_repeated() -> None:
    ramp = np.arange(15, dtype=np.uint8).reshape(3, 5) * 10

    def fill(n: int, f: Any) -> Any:
        frame = f.copy()
        for plane in range(3):
            np.copyto(np.asarray(frame[plane]), ramp)
        return frame

    blank = core.std.BlankClip(width=5, height=3, format=vs.YUV444P8, length=1)
    even, note = clip_to_yuv(blank.std.ModifyFrame(blank, fill), "420")
    assert note == "YUV444P8 5x3 is converted to YUV420P8 6x4"
    with even.get_frame(0) as frame:
        assert np.array_equal(np.asarray(frame[0]), np.pad(ramp, ((0, 1), (0, 1)), mode="edge"))


@pytest.mark.parametrize("width", [4, 5])
@pytest.mark.parametrize("range_", [0, 1])
def test_luma_alone_keeps_its_numbers_and_its_range(width: int, range_: int) -> None:
    grey = core.std.BlankClip(width=width, height=3, format=vs.GRAY10, length=2, color=1000)
    colour, _ = clip_to_yuv(grey.std.SetFrameProps(_Range=range_), "420")
    assert (colour.format.id, colour.height, len(colour)) == (vs.YUV420P10, 4, 2)
    with colour.get_frame(1) as frame:
        assert [set(np.asarray(plane).flat) for plane in frame] == [{1000}, {512}, {512}]
        assert int(frame.props["_Range"]) == range_


def test_an_encoder_without_the_chroma_gets_as_much_as_it_has() -> None:
    clip = core.std.BlankClip(width=8, height=8, format=vs.YUV444P8, length=1)
    assert chroma_for(clip, ("420", "422")) == "422"
    assert chroma_for(clip, ("420", "422", "444")) == "444"


@pytest.mark.parametrize("deep", [False, True])
def test_images_have_the_depth_of_the_first(tmp_path: Path, deep: bool) -> None:
    levels = np.array([[[0, 128, 255]]], np.uint8).repeat(16, 0).repeat(16, 1)
    exact = levels.astype(np.uint16) * np.uint16(257)
    first, second = (exact, levels) if deep else (levels, levels.astype(np.uint16) * 256 + 7)
    write_png(first, tmp_path / "0.png")
    write_png(second.astype(np.uint8 if deep else np.uint16), tmp_path / "1.png")
    clip = image_clip(look_at_images(tmp_path, image_names(tmp_path)), fps=Fraction(25))
    for n in range(2):
        with clip.get_frame(n) as frame:
            assert np.array_equal(frame_array(frame), first)


@pytest.mark.parametrize(("place", "number"), [(0, 1), (2, 3)])
def test_where_chroma_lies_is_said_in_the_numbers_of_h273(place: int, number: int) -> None:
    clip = core.std.BlankClip(width=16, height=16, format=vs.YUV420P8, length=1)
    with clip.std.SetFrameProps(_ChromaLocation=place).get_frame(0) as frame:
        tags = Tags.of(frame)
    assert f"chroma_location={number}" in tags.filters()
    assert tags.copy_options()["chroma_sample_location:v:0"] == number
