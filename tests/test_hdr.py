"""HDR10: mastering display and light levels come through `vsj4r run` in every container that has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import media
from tests.cli import run
from tests.tiny_model import write_tiny_model


@pytest.mark.parametrize(
    ("encoder", "suffix"), [("x265", ".mkv"), ("x265", ".mp4"), ("vp9", ".webm"), ("ffv1", ".mkv")]
)
def test_hdr10_is_kept(tmp_path: Path, encoder: str, suffix: str) -> None:
    model = write_tiny_model(tmp_path)
    source, output = media.hdr10(tmp_path / "hdr.mkv"), tmp_path / f"clean{suffix}"
    run(source, output, "--model", model, "--encoder", encoder)
    assert media.hdr_props(source)["MasteringDisplayMinLuminance"] == 0.005
    assert media.hdr_props(output) == media.hdr_props(source)
    if encoder == "x265":  # a display may see nothing but the bitstream
        bare = tmp_path / "bare.hevc"
        media.ffmpeg("-i", f"file:{output}", "-c:v", "copy", "-f", "hevc", f"file:{bare}")
        assert media.hdr_props(bare) == media.hdr_props(source)


def test_what_is_no_hdr10_does_not_become_it(tmp_path: Path) -> None:
    model, source = write_tiny_model(tmp_path), media.plain(tmp_path / "plain.mkv")
    run(source, tmp_path / "clean.mkv", "--model", model)
    assert not any("Mastering" in prop or "Light" in prop for prop in media.hdr_props(tmp_path / "clean.mkv"))
