"""Footage that a player turns: derained as it is shown, stored as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests import media
from tests.cli import run
from tests.clips import bytes_of, noise_clip, planes_of
from tests.tiny_model import write_tiny_model
from tests.tried import tried
from vsj4r.media.reading import read_image
from vsj4r.media.rotation import turn_output_upright, turn_upright
from vsj4r.run.filtering import derain_clips

# ffmpeg's options (counter-clockwise degrees, then the flip) and numpy's way from stored to shown
TURNS: dict[str, tuple[list[str], Any]] = {
    "90": (["-display_rotation", "90"], np.rot90),
    "180": (["-display_rotation", "180"], lambda plane: np.rot90(plane, 2)),
    "270": (["-display_rotation", "270"], lambda plane: np.rot90(plane, 3)),
    "mirror": (["-display_rotation", "0", "-display_hflip"], lambda plane: plane[:, ::-1]),
    "90 mirror": (["-display_rotation", "90", "-display_hflip"], lambda plane: np.rot90(plane)[:, ::-1]),
    "270 mirror": (["-display_rotation", "270", "-display_hflip"], lambda plane: np.rot90(plane, 3)[:, ::-1]),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"), slant=0.2)  # so it is not the same sideways


def turned_file(folder: Path, turn: str, *, suffix: str = ".mp4", pixels: str = "yuv420p") -> Path:
    lying, path = folder / "lying.mkv", folder / f"turned{suffix}"
    media.plain(lying, "-pix_fmt", pixels, "-vf", "setsar=4/3", "-c:v", "libx264", "-qp", "0", seconds=0.5)
    options = TURNS[turn][0] if turn else []
    media.ffmpeg(*options, "-i", f"file:{lying}", "-c", "copy", f"file:{path}")
    return path


def upright_copy(source: Path, turn: str, folder: Path) -> Path:
    """A lossless file of the frames as ffmpeg shows them."""
    path = folder / "upright.mkv"
    media.ffmpeg("-i", f"file:{source}", "-c:v", "ffv1", f"file:{path}")
    shown = [TURNS[turn][1](plane) for plane in media.planes(lying_twin(source))[3]]
    assert all(np.array_equal(a, b) for a, b in zip(media.planes(path)[3], shown, strict=True))
    return path


def lying_twin(source: Path) -> Path:
    return source.parent / "lying.mkv"


def shape(path: Path) -> tuple[int, int, int, int]:
    """Width and height as stored, and the pixel aspect ratio."""
    clip = vs.core.bs.VideoSource(str(path), cachemode=0, apply_rotation=0)
    props = clip.get_frame(0).props
    return clip.width, clip.height, props["_SARNum"], props["_SARDen"]


def display_matrix(path: Path) -> tuple[int, int]:
    clip = vs.core.bs.VideoSource(str(path), cachemode=0, apply_rotation=0)
    props = clip.get_frame(0).props
    return props["Rotation"], props["FlipVertical"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "turn"),
    [
        (".mp4", "90"),
        (".mp4", "180"),
        (".mp4", "mirror"),
        (".mov", "270 mirror"),
        (".mkv", "270"),
        (".mkv", "90 mirror"),
    ],
)
@tried("MP4 and MOV", "a phone's upright video", "derained as it is shown, stored as it was")
def test_rain_falls_down_and_the_file_lies_as_it_lay(
    model: Path, tmp_path: Path, turn: str, suffix: str
) -> None:
    source = turned_file(tmp_path, turn)
    copy = upright_copy(source, turn, tmp_path)
    output, expected = tmp_path / f"clean{suffix}", tmp_path / "expected.mkv"
    done = run(source, output, "--model", model, "--encoder", "ffv1")
    run(copy, expected, "--model", model, "--encoder", "ffv1")
    assert "upright" not in done.stderr
    assert display_matrix(output) == display_matrix(source) != (0, 0)
    assert shape(output) == (96, 64, 4, 3)
    shown = tmp_path / "shown.mkv"
    media.ffmpeg("-i", f"file:{output}", "-c:v", "ffv1", f"file:{shown}")
    media.assert_same_frames(shown, expected)


@pytest.mark.slow
@tried(
    "AVI, raw streams and others",
    "a phone's upright video into a container that cannot turn (AVI, TS, NUT)",
    "written upright, with a line",
)
def test_a_container_that_cannot_turn_gets_upright_frames(model: Path, tmp_path: Path) -> None:
    source = turned_file(tmp_path, "90")
    expected = tmp_path / "expected.nut"
    run(upright_copy(source, "90", tmp_path), expected, "--model", model, "--encoder", "ffv1")
    output, images = tmp_path / "clean.nut", tmp_path / "images"
    done = run(source, output, "--model", model, "--encoder", "ffv1")
    said = "vsj4r: .nut cannot store a rotation: the picture is written upright"
    assert done.stderr.splitlines()[0] == said
    assert all(
        np.array_equal(a, b)
        for got, wanted in zip(media.planes(output), media.planes(expected), strict=True)
        for a, b in zip(got, wanted, strict=True)
    )
    assert shape(output) == (64, 96, 3, 4)
    run(source, images, "--model", model)
    assert read_image(images / "000000.png").shape == (96, 64, 3)


def test_what_needs_no_turn_gets_no_matrix(model: Path, tmp_path: Path) -> None:
    source = turned_file(tmp_path, "")
    output = tmp_path / "clean.mp4"
    run(source, output, "--model", model)
    assert display_matrix(output) == (0, 0)


@pytest.mark.parametrize(
    "pixels", [vs.YUV420P8, vs.YUV422P10, vs.YUV440P8, vs.YUV411P8, vs.YUV444P16, vs.GRAY8, vs.RGB24]
)
@pytest.mark.parametrize(("degrees", "flipped"), [(90, 0), (270, 1), (180, 1), (315, 0)])
def test_every_format_lies_as_it_lay(model: Path, pixels: int, degrees: int, flipped: int) -> None:
    clip = noise_clip(width=48, height=32, length=3, vs_format=pixels)
    clip = clip.std.SetFrameProps(Rotation=degrees, FlipVertical=flipped, _Matrix=1, _SARNum=4, _SARDen=3)
    shown, lie_back = turn_upright(clip)
    same = lie_back(shown)
    (derained,) = derain_clips(clip, ["derained"], model=str(model), strength=1, device="cpu")
    apart = turn_output_upright(derained, source=clip)
    (alone,) = derain_clips(
        turn_output_upright(clip, source=clip), ["derained"], model=str(model), strength=1, device="cpu"
    )
    for n in range(3):
        assert bytes_of(same.get_frame(n)) == bytes_of(clip.get_frame(n))
        assert bytes_of(apart.get_frame(n)) == bytes_of(alone.get_frame(n))
        props = derained.get_frame(n).props
        assert (props["Rotation"], props["FlipVertical"]) == (degrees, flipped)
    assert derained.format.id == clip.format.id
    assert (derained.width, derained.height) == (48, 32)
    shown = apart.get_frame(0)
    assert (shown.props["Rotation"], shown.props["FlipVertical"]) == (0, 0)
    sides = (shown.props["_SARNum"], shown.props["_SARDen"])
    assert sides == ((3, 4) if degrees in (90, 270) else (4, 3))
    assert not np.array_equal(planes_of(shown)[0], planes_of(clip.get_frame(0))[0])
