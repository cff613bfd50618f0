"""What other programs run of VapourSynth, word for word: see docs/use/integrations.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.media import ffmpeg, picture
from tests.tiny_model import write_tiny_model
from vsj4r.plugin.signature import ARGUMENTS

BIN = Path(sys.executable).parent
SCRIPT = """
import vapoursynth as vs

clip = vs.core.bs.VideoSource("rain.mkv")
if "AV1AN_PERFORM_SCENE_DETECTION" not in globals():
    clip = vs.core.j4r.Derain(clip, model="tiny.onnx", segment=20, warmup=4)
clip.set_output()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("integrations")
    write_tiny_model(folder)
    noise = ["-vf", "noise=alls=40:allf=t", "-pix_fmt", "yuv420p"]
    ffmpeg(*picture(seconds=2, size="64x48"), *noise, "-c:v", "ffv1", str(folder / "rain.mkv"))
    (folder / "encode.vpy").write_text(SCRIPT)
    return folder


def frames(folder: Path, *words: str) -> list[bytes]:
    """The samples of each frame that ``vspipe`` writes on stdout."""
    done = subprocess.run([str(BIN / "vspipe"), *words], cwd=folder, capture_output=True, check=True)
    return done.stdout.split(b"\nFRAME\n", 1)[1].split(b"FRAME\n")


@pytest.mark.parametrize(
    "words",
    ["-c y4m - -s {first} -e {last}", "- --container y4m --start {first} --end {last}"],
    ids=["Av1an", "StaxRip"],
)
def test_chunks_are_parts_of_the_whole(folder: Path, words: str) -> None:
    whole = frames(folder, "encode.vpy", "-c", "y4m", "-")
    assert len(whole) == 48
    for first, last in ((0, 11), (12, 30), (31, 47)):
        chunk = frames(folder, "encode.vpy", *words.format(first=first, last=last).split())
        assert chunk == whole[first : last + 1]


def test_av1an_looks_for_scenes_without_deraining(folder: Path) -> None:
    looked_at = frames(folder, "-a", "AV1AN_PERFORM_SCENE_DETECTION=1", "encode.vpy", "-c", "y4m", "-")
    (folder / "source.vpy").write_text(SCRIPT.replace("not in", "in"))
    assert looked_at == frames(folder, "source.vpy", "-c", "y4m", "-")
    assert looked_at != frames(folder, "encode.vpy", "-c", "y4m", "-")


def test_vsstubs_tells_editors_of_every_argument(tmp_path: Path) -> None:
    pytest.importorskip("vsstubs")
    out = tmp_path / "vapoursynth-stubs" / "__init__.pyi"
    subprocess.run([str(BIN / "vsstubs"), "--output", str(out)], capture_output=True, check=True)
    text = out.read_text(encoding="utf-8")
    called = text.split("class _j4r:")[1].split("def Derain(")[1].split(")")[0]
    assert [argument.name for argument in ARGUMENTS if f"{argument.name}: " not in called] == []
