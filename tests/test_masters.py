"""Masters and tracks: RGB that stays 4:4:4, DNxHR, presets, the video stream that is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from tests import media
from tests.cli import assert_refused, batch, run, vsj4r
from vsj4r.media.images import write_rgb
from vsj4r.media.reading import read_image


def picture_of(path: Path) -> tuple[str, str, str]:
    """Codec, profile and pixel format."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return context.name, context.profile or "", str(context.pix_fmt)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Colours that change from pixel to pixel, which 4:2:0 would mix."""
    folder = tmp_path / "images"
    folder.mkdir()
    for n in range(3):
        pixels = np.random.default_rng(n).integers(0, 256, (128, 256, 3))
        write_rgb(pixels.astype(np.uint8), folder / f"{n}.png")
    return folder


@pytest.mark.parametrize(
    ("preset", "name", "found"),
    [
        ("ffv1", "out.mkv", ("ffv1", "", "yuv444p10le")),
        ("prores", "out.mov", ("prores", "4444", "yuv444p12le")),
        ("dnxhr", "out.mov", ("dnxhd", "DNXHR 444", "yuv444p10le")),
        ("web", "out.mp4", ("h264", "High", "yuv420p")),
    ],
)
def test_rgb_in_a_master_is_444_of_10_bits(
    images: Path, model: Path, tmp_path: Path, preset: str, name: str, found: tuple[str, str, str]
) -> None:
    run(images, tmp_path / name, "--model", model, "--strength", 0, "--preset", preset)
    assert picture_of(tmp_path / name) == found
    if preset != "ffv1":
        return
    run(tmp_path / name, tmp_path / "back", "--model", model, "--strength", 0)
    for n in range(3):
        back = (read_image(tmp_path / "back" / f"{n:06d}.png") / 257).round()
        assert np.abs(back - read_image(images / f"{n}.png")).max() <= 1


@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        ("yuv420p", ("dnxhd", "DNXHR HQ", "yuv422p")),
        ("yuv422p10le", ("dnxhd", "DNXHR HQX", "yuv422p10le")),
        ("yuv444p", ("dnxhd", "DNXHR 444", "yuv444p10le")),
    ],
)
def test_dnxhr_has_the_profile_of_the_picture(
    model: Path, tmp_path: Path, pixels: str, found: tuple[str, str, str]
) -> None:
    source = media.plain(tmp_path / "in.mkv", "-pix_fmt", pixels, seconds=0.3, size="256x128")
    run(source, tmp_path / "out.mov", "--model", model, "--encoder", "dnxhr")
    assert picture_of(tmp_path / "out.mov") == found
    (tmp_path / "jobs.toml").write_text(
        "[[job]]\ninput = 'in.mkv'\noutput = 'batch.mov'\npreset = 'dnxhr'\n"
        f"model = {json.dumps(str(model))}\n"
    )
    batch(tmp_path)
    assert picture_of(tmp_path / "batch.mov") == found
    media.assert_same_frames(tmp_path / "out.mov", tmp_path / "batch.mov")


def test_a_track_is_chosen(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "two.mkv"
    media.ffmpeg(
        *media.picture(seconds=0.5), *media.picture(seconds=0.25, size="64x48"), "-map", "0", "-map", "1",
        "-c:v", "ffv1", f"file:{source}",
    )  # fmt: skip
    common = ("--model", model, "--encoder", "ffv1")
    run(source, tmp_path / "usual.mkv", *common)
    run(source, tmp_path / "second.mkv", *common, "--track", 1)
    run(source, tmp_path / "first.mkv", *common, "--track", 0)
    shapes = [media.planes(tmp_path / f"{name}.mkv")[0][0].shape for name in ("usual", "first", "second")]
    assert shapes == [(64, 96), (64, 96), (48, 64)]
    assert len(media.planes(tmp_path / "second.mkv")) == 6
    done = vsj4r("run", source, tmp_path / "no.mkv", "--model", model, "--track", 2)
    assert_refused(done, 1, "two.mkv has no video track 2: its last one is 1", tmp_path)
