"""Sequences of images as a post house has them: EXR, DPX, TIFF and 16 bit PNG, with alpha, in and out."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
import pytest
import tifffile
from numpy.typing import NDArray

from tests import media
from tests.cli import assert_refused, batch, parts, run, vsj4r
from tests.running import Notes
from vsj4r.media.images import write_png
from vsj4r.media.plates import to_display, to_light
from vsj4r.media.reading import gaps_in, images_in, read_image
from vsj4r.run import writing
from vsj4r.run.encodable import make_images
from vsj4r.run.job import Job, run_job
from vsj4r.run.settings import RunSettings

HEIGHT, WIDTH = 32, 48
Pixels = NDArray[Any]


def noise(n: int, channels: int = 3) -> Pixels:
    """(H, W, C) float32 in [0, 1)."""
    return np.random.default_rng(n).random((HEIGHT, WIDTH, channels), np.float32)


def write(path: Path, pixels: Pixels, kind: str, **said: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, channels = pixels.shape
    spec = OpenImageIO.ImageSpec(width, height, channels, kind)
    if channels == 1:
        spec.channelnames = ("Y",)
    if pixels.shape[2] == 5:
        spec.channelnames = ("R", "G", "B", "A", "Z")
    spec.x, spec.y, spec.full_width, spec.full_height = said.pop("window", (0, 0, width, height))
    if "whole" in said:
        spec.channelformats = (*(OpenImageIO.TypeDesc("half"),) * 4, OpenImageIO.TypeDesc(said.pop("whole")))
    for name, value in said.items():
        spec.attribute(name.replace("__", ":"), value)
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output is not None
    assert output.open(str(path), spec)
    assert output.write_image(pixels)
    assert output.close()


def read(path: Path) -> tuple[Pixels, Any]:
    as_stored = OpenImageIO.ImageSpec()
    as_stored.attribute("oiio:UnassociatedAlpha", 1)  # or it multiplies by alpha
    image = OpenImageIO.ImageInput.open(str(path), as_stored)
    assert image is not None, OpenImageIO.geterror()
    spec = image.spec()
    pixels = image.read_image(str(spec.format))
    image.close()
    assert pixels is not None
    return pixels, spec


def exr_shot(folder: Path, kind: str = "half", frames: int = 3) -> Path:
    """Scene-linear, from -0.5 to 3.5, with alpha and depth."""
    for n in range(frames):
        write(
            folder / f"shot.{n + 1001}.exr",
            noise(n, 5) * 4 - 0.5,
            kind,
            Copyright="the studio",
            compression="zip",
        )
    return folder


def test_a_data_window_is_kept_or_told(model: Path, tmp_path: Path) -> None:
    for n in range(2):
        write(tmp_path / "shot" / f"{n}.exr", noise(n), "half", window=(5, 7, 200, 200))
    kept = run(tmp_path / "shot", tmp_path / "exr/", "--model", model)
    assert "display window" not in kept.stderr
    _, spec = read(tmp_path / "exr" / "1.exr")
    assert (spec.x, spec.y, spec.full_width, spec.width) == (5, 7, 200, WIDTH)
    told = run(tmp_path / "shot", tmp_path / "out.mkv", "--model", model)
    assert "2 of 2 images show another part than their display window: that part is written" in told.stderr
    write(tmp_path / "shot" / "2.exr", noise(2), "half", window=(6, 7, 200, 200))
    done = vsj4r("run", tmp_path / "shot", tmp_path / "no.mkv", "--model", model)
    assert_refused(done, 1, "2.exr must have its data window at (5, 7) of the display window", tmp_path)


def test_a_compression_with_loss_is_told(model: Path, tmp_path: Path) -> None:
    write(tmp_path / "shot" / "0.exr", noise(0), "half", compression="dwab:45")
    done = run(tmp_path / "shot", tmp_path / "exr/", "--model", model)
    assert "1 of 1 images are compressed with loss, and so is what is written" in done.stderr
    assert (
        "with loss"
        not in run(tmp_path / "shot", tmp_path / "png/", "--model", model, "--image", "png").stderr
    )
    write(tmp_path / "shot" / "0.exr", noise(0), "half", compression="zip")
    assert "with loss" not in run(tmp_path / "shot", tmp_path / "zip/", "--model", model).stderr


def test_channels_of_whole_numbers_are_told(model: Path, tmp_path: Path) -> None:
    write(tmp_path / "shot" / "0.exr", noise(0, 5), "half", whole="uint")
    done = run(tmp_path / "shot", tmp_path / "out/", "--model", model)
    assert "1 of 1 images have channels of 32 bit whole numbers: 24 bits are kept" in done.stderr
    assert "whole numbers" not in run(tmp_path / "shot", tmp_path / "out.mkv", "--model", model).stderr


def test_the_curve_goes_both_ways() -> None:
    light = np.array([-3, -1e-3, 0, 1e-4, 0.18, 1, 7, 65504], np.float32)
    display = to_display(light)
    np.testing.assert_allclose(to_light(display), light, rtol=1e-5)
    assert display[4] == pytest.approx(0.4613, abs=1e-4)
    assert display[5] == pytest.approx(1)
    assert np.all(np.diff(display) > 0)


@pytest.mark.parametrize("kind", ["half", "float"])
def test_exr_comes_back_to_the_bit_where_nothing_is_changed(model: Path, tmp_path: Path, kind: str) -> None:
    source = exr_shot(tmp_path / "in", kind)
    run(source, tmp_path / "out", "--model", model, "--strength", 0)
    assert images_in(tmp_path / "out") == images_in(source)
    for name in images_in(source):
        (before, said), (after, says) = read(source / name), read(tmp_path / "out" / name)
        assert np.array_equal(before, after)
        assert (says.channelnames, str(says.format)) == (said.channelnames, kind)
        assert says.getattribute("Copyright") == "the studio"
        assert says.getattribute("compression") == "zip"


def test_exr_is_derained_as_a_display_shows_it(model: Path, tmp_path: Path) -> None:
    """Each frame as 16 bit PNG through the same curve gives the same change; alpha and depth stay."""
    source = tmp_path / "in"
    for n in range(3):
        linear = to_light(noise(n, 5))
        write(source / f"{n}.exr", linear, "float")
        shown = np.rint(to_display(linear[..., :3]) * 65535).astype(np.uint16)
        (tmp_path / "png").mkdir(exist_ok=True)
        write_png(shown, tmp_path / "png" / f"{n}.png")
    run(source, tmp_path / "out", "--model", model)
    run(tmp_path / "png", tmp_path / "out_png", "--model", model)
    for n in range(3):
        (before, _), (after, _) = read(source / f"{n}.exr"), read(tmp_path / "out" / f"{n}.exr")
        assert not np.array_equal(before[..., :3], after[..., :3])
        assert np.array_equal(before[..., 3:], after[..., 3:])
        as_png = read_image(tmp_path / "out_png" / f"{n}.png").astype(np.float32) / 65535
        np.testing.assert_allclose(np.clip(to_display(after[..., :3]), 0, 1), as_png, atol=4e-4)


def test_dpx_keeps_its_codes_and_what_it_says(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    for n in range(3):
        codes = (noise(n) * 1023).astype(np.uint16)
        said: dict[str, Any] = {"oiio__BitsPerSample": 10, "dpx__Transfer": "Printing density"}
        write(source / f"f{n}.dpx", (codes << 6) | (codes >> 4), "uint16", **said)
    run(source, tmp_path / "same", "--model", model, "--strength", 0)
    run(source, tmp_path / "out", "--model", model)
    told = run(source, tmp_path / "out.mov", "--model", model, "--encoder", "prores").stderr
    assert "the output has" not in told, "10 bits are no loss"
    for name in images_in(source):
        (before, _), (after, says) = read(source / name), read(tmp_path / "same" / name)
        assert np.array_equal(before, after)
        assert says.getattribute("oiio:BitsPerSample") == 10
        assert says.getattribute("dpx:Transfer") == "Printing density"
        assert not np.array_equal(before, read(tmp_path / "out" / name)[0])


def rgba_png(path: Path, n: int, dtype: type[np.uint8 | np.uint16]) -> Pixels:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels: Pixels = (noise(n, 4) * np.iinfo(dtype).max).astype(dtype)
    write_png(pixels, path)
    return pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["png", "tif"])
def test_alpha_is_carried_through(
    model: Path, tmp_path: Path, dtype: type[np.uint8 | np.uint16], kind: str
) -> None:
    wanted = [rgba_png(tmp_path / "in" / f"{n}.png", n, dtype) for n in range(3)]
    done = run(tmp_path / "in", tmp_path / "out", "--model", model, "--strength", 0, "--image", kind)
    assert "alpha channel" not in done.stderr
    for n in range(3):
        found, says = read(tmp_path / "out" / f"{n}.{kind}")
        assert says.getattribute("oiio:UnassociatedAlpha") == 1
        assert found.dtype == dtype
        assert np.array_equal(found, wanted[n])


def test_alpha_of_a_png_is_multiplied_into_an_exr(model: Path, tmp_path: Path) -> None:
    wanted = rgba_png(tmp_path / "in" / "0.png", 0, np.uint16).astype(np.float32) / 65535
    run(tmp_path / "in", tmp_path / "out", "--model", model, "--strength", 0, "--image", "exr")
    found, _ = read(tmp_path / "out" / "0.exr")
    np.testing.assert_allclose(found[..., 3], wanted[..., 3], atol=1e-3)
    np.testing.assert_allclose(found[..., :3], to_light(wanted[..., :3]) * wanted[..., 3:], atol=1e-3)


def test_alpha_of_an_exr_is_told_where_it_stays_in_the_colour(model: Path, tmp_path: Path) -> None:
    said = "the alpha of 3 of 3 images is in their colour, too, and stays in it"
    shot = exr_shot(tmp_path / "in")
    assert said in run(shot, tmp_path / "out", "--model", model, "--image", "png").stderr
    assert said not in run(shot, tmp_path / "exr", "--model", model).stderr


def test_alpha_of_exr_stays_associated_in_tiff(model: Path, tmp_path: Path) -> None:
    done = run(exr_shot(tmp_path / "in"), tmp_path / "out", "--model", model, "--image", "tif")
    assert read(tmp_path / "out" / "shot.1001.tif")[1].getattribute("oiio:UnassociatedAlpha") is None
    said = "EXR is scene-linear: it goes into .tif by sRGB's curve, and what is below 0 or above 1 is clipped"
    assert f"vsj4r: {said}" in done.stderr.splitlines()


def test_a_tiff_of_floats_becomes_an_exr(model: Path, tmp_path: Path) -> None:
    light = np.linspace(-0.5, 4, 96 * 64 * 4, dtype=np.float32).reshape(64, 96, 4)
    for n in range(3):
        (tmp_path / "in").mkdir(exist_ok=True)
        tifffile.imwrite(
            tmp_path / "in" / f"{n}.tif", light, photometric="rgb", tile=(32, 32), extrasamples=["assocalpha"]
        )
    run(tmp_path / "in", tmp_path / "out", "--model", model, "--strength", 0)
    found, says = read(tmp_path / "out" / "1.exr")
    assert str(says.format) == "float"
    assert np.abs(found - light).max() < 1e-6
    done = run(tmp_path / "in", tmp_path / "tif", "--model", model, "--image", "tif")
    assert "vsj4r: TIFF of floats is scene-linear: it goes into .tif by sRGB's curve" in done.stderr
    assert read(tmp_path / "tif" / "1.tif")[0].dtype == np.uint16


@pytest.mark.parametrize(("depth", "bits"), [((), 16), (("--depth", 10), 10)])
def test_dpx_has_the_depth_of_what_comes(
    model: Path, tmp_path: Path, depth: tuple[str, int], bits: int
) -> None:
    wanted = rgba_png(tmp_path / "in" / "0.png", 0, np.uint16)
    run(tmp_path / "in", tmp_path / "out", "--model", model, "--strength", 0, "--image", "dpx", *depth)
    found, says = read(tmp_path / "out" / "0.dpx")
    assert says.getattribute("oiio:BitsPerSample") == bits
    assert np.abs(found.astype(int) - wanted).max() < 65536 / 2**bits


@pytest.mark.slow
def test_a_video_becomes_a_sequence_and_comes_back(model: Path, tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / "png").mkdir(exist_ok=True)
        write_png((noise(n) * 255).astype(np.uint8), tmp_path / "png" / f"{n}.png")
    common = ("--model", model, "--strength", 0)
    run(tmp_path / "png", tmp_path / "in.mkv", *common, "--encoder", "ffv1", "--chroma", "444")
    done = run(tmp_path / "in.mkv", tmp_path / "exr", *common, "--image", "exr")
    assert "EXR is scene-linear: the picture goes there by the inverse of sRGB's curve" in done.stderr
    assert images_in(tmp_path / "exr") == ["000000.exr", "000001.exr", "000002.exr"]
    run(tmp_path / "in.mkv", tmp_path / "dpx", *common, "--image", "dpx")
    for n in range(3):
        wanted = read_image(tmp_path / "png" / f"{n}.png").astype(np.float32) / 255
        np.testing.assert_allclose(read_image(tmp_path / "exr" / f"{n:06d}.exr"), wanted, atol=0.02)
    done = run(tmp_path / "exr", tmp_path / "out.mkv", *common)
    assert "EXR is scene-linear: it goes into a video by sRGB's curve" in done.stderr


def test_mattes_in_exr_are_numbers(model: Path, tmp_path: Path) -> None:
    source = exr_shot(tmp_path / "in")
    run(source, tmp_path / "out", "--model", model, "--output", "derained,occlusion")
    pixels, spec = read(tmp_path / "out.occlusion" / "shot.1003.exr")
    assert spec.channelnames == ("R", "G", "B")
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


def test_the_order_of_names_is_natural_and_gaps_are_told(model: Path, tmp_path: Path) -> None:
    for n in (1, 2, 10, 11, 3):
        (tmp_path / "in").mkdir(exist_ok=True)
        write_png(np.full((HEIGHT, WIDTH, 3), 10 * n, np.uint8), tmp_path / "in" / f"f{n}.png")
    assert images_in(tmp_path / "in") == ["f1.png", "f2.png", "f3.png", "f10.png", "f11.png"]
    done = run(tmp_path / "in", tmp_path / "out.mkv", "--model", model)
    said = "vsj4r: numbers 4 to 9 missing: f3.png is followed by f10.png"
    assert said in done.stderr.splitlines()
    assert gaps_in(["a.png", "b.png", "c1.png", "d3.png"]) == []
    assert gaps_in(["f01.png", "f1.png", "f2.png"]) == ["number 01 twice: f01.png is followed by f1.png"]
    assert gaps_in(["A_1.png", "A_2.png", "B_1.png", "B_2.png"]) == [
        "2 sequences become one (A_#.png and B_#.png): give each a folder of its own"
    ]
    assert len(gaps_in([f"{2 * n:04d}.exr" for n in range(9)])) == 6


@pytest.mark.slow
def test_plates_that_cannot_be_read(model: Path, tmp_path: Path) -> None:
    source = exr_shot(tmp_path / "in")
    name = source / "shot.1002.exr"
    whole = name.read_bytes()

    def refused(text: str) -> None:
        done = vsj4r("run", source, tmp_path / "out", "--model", model)
        assert_refused(done, 1, text, tmp_path)

    odd = bytearray(whole)
    odd[whole.index(b"channels")] = 0xE4  # a name that is no text, which the library quotes
    for content in (b"", whole[:60], whole[: len(whole) // 2], b"\0" * 500, bytes(odd)):
        name.write_bytes(content)
        refused(f"image {name} cannot be read")
    write(name, noise(0, 1), "half")
    refused(f"image {name} must have the channels R, G and B, got Y")
    write(name, np.zeros((HEIGHT, WIDTH + 2, 3), np.float32), "half")
    refused(f"image {name} must be 48x32 like the first, got 50x32")


def test_a_mask_may_be_an_exr(model: Path, tmp_path: Path) -> None:
    source = exr_shot(tmp_path / "in")
    mask = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    mask[:, WIDTH // 2 :] = 1
    write(tmp_path / "mask.exr", mask, "half")
    run(source, tmp_path / "out", "--model", model, "--mask", tmp_path / "mask.exr")
    before, after = read(source / "shot.1002.exr")[0], read(tmp_path / "out" / "shot.1002.exr")[0]
    assert np.array_equal(before[:, : WIDTH // 2], after[:, : WIDTH // 2])
    assert not np.array_equal(before, after)


def sequence_jobs(folder: Path, model: Path, *bodies: str) -> None:
    head = f"[defaults]\nmodel = {json.dumps(str(model))}\nchunk = 120\npreset = 'archive'\n"
    (folder / "jobs.toml").write_text(head + "".join(f"[[job]]\n{body}\n" for body in bodies))


@pytest.mark.slow
def test_a_batch_writes_sequences_in_chunks_as_a_run_does(model: Path, tmp_path: Path) -> None:
    """EXR with other channels and mattes, and a video into 16 bit TIFF, in three chunks each."""
    exr_shot(tmp_path / "in", frames=250)
    media.plain(tmp_path / "a.mkv", seconds=250 / 24, size="48x32")
    sequence_jobs(
        tmp_path,
        model,
        'input = "in"\noutput = "out/{name}"\noutputs = ["derained", "occlusion"]',
        'input = "a.mkv"\noutput = "tif/{stem}/"\nimage = "tif"\ntrim = [3, 249]\ndepth = 16',
    )
    events = batch(tmp_path)
    assert [each["chunks"] for each in events if each["event"] == "plan"] == [3, 3]
    common = ("--model", model)
    run(tmp_path / "in", tmp_path / "run", *common, "--output", "derained,occlusion")
    run(tmp_path / "a.mkv", tmp_path / "run_tif", *common, "--image", "tif", "--trim", "3:249", "--depth", 16)
    for one, other in (("out/in", "run"), ("out/in.occlusion", "run.occlusion"), ("tif/a", "run_tif")):
        assert images_in(tmp_path / one) == images_in(tmp_path / other)
        for name in images_in(tmp_path / one)[::31]:
            (before, _), (after, _) = read(tmp_path / other / name), read(tmp_path / one / name)
            assert np.array_equal(before, after)
    assert images_in(tmp_path / "tif" / "a")[0] == "000003.tif"
    assert not parts(tmp_path)


@pytest.mark.slow
def test_a_sequence_of_a_batch_is_done_once_and_again_when_it_must_be(model: Path, tmp_path: Path) -> None:
    for n in range(3):
        rgba_png(tmp_path / "in" / f"{n}.png", n, np.uint8)
    job = 'input = "in"\noutput = "out/"\n'

    def events(*options: object, code: int = 0) -> list[str]:
        return [str(each["event"]) for each in batch(tmp_path, *options, code=code)]

    sequence_jobs(tmp_path, model, job)
    assert "done" in events()
    first = (tmp_path / "out" / "1.png").stat()
    assert "plan" not in events()
    sequence_jobs(tmp_path, model, job + "strength = 0")
    assert "done" in events()
    assert (tmp_path / "out" / "1.png").stat() != first
    (tmp_path / "out" / "1.png").unlink()  # it is no longer the batch's own
    assert events(code=2) == ["problem"]
    sequence_jobs(tmp_path, model, job + "strength = 0\noverwrite = true")
    (tmp_path / "out" / "old.png").write_bytes(b"")
    assert "failed" in events(code=1)
    (tmp_path / "out" / "old.png").unlink()
    assert "done" in events()
    assert images_in(tmp_path / "out") == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize("moved", [0, 1, 3])
def test_killed_while_a_sequence_gets_its_names(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    """Another strength into the same folder: whatever is there afterwards, the same command goes on."""
    for n in range(3):
        rgba_png(tmp_path / "in" / f"{n}.png", n, np.uint8)
    job = 'input = "in"\noutput = "out/"\n'
    sequence_jobs(tmp_path, model, job)
    batch(tmp_path)
    sequence_jobs(tmp_path, model, job + "strength = 0")
    (tmp_path / "dying.py").write_text(
        f"import os\nfrom pathlib import Path\nreal, left = Path.replace, [{moved}]\n"
        "def replace(self, target):\n"
        "    if Path(target).parent.name == 'out':\n"
        "        if not left[0]: os._exit(9)\n"
        "        left[0] -= 1\n"
        "    return real(self, target)\n"
        "Path.replace = replace\n"
        "import vsj4r.batch.manifest as m\n"
        "done = m.Manifest.done\n"
        "m.Manifest.done = lambda *given, **more: os._exit(9)\n"
        "from vsj4r.cli.app import main\nmain()\n"
    )
    killed = subprocess.run(
        [sys.executable, tmp_path / "dying.py", "batch", "jobs.toml"], cwd=tmp_path, check=False, timeout=120
    )
    assert killed.returncode == 9
    batch(tmp_path)
    for n in range(3):
        assert np.array_equal(
            read_image(tmp_path / "out" / f"{n}.png"), read_image(tmp_path / "in" / f"{n}.png")
        )
    assert not parts(tmp_path)


def test_what_a_sequence_has_no_use_for(model: Path, tmp_path: Path) -> None:
    rgba_png(tmp_path / "in" / "0.png", 0, np.uint8)
    done = vsj4r("run", tmp_path / "in", tmp_path / "out", "--model", model, "--encoder", "x265")
    assert_refused(done, 2, "--encoder has no use here: the output is a folder of images", tmp_path)
    done = vsj4r("run", tmp_path / "in", tmp_path / "out.mkv", "--model", model, "--image", "exr")
    assert_refused(done, 2, "--image has no use here: the output is a video", tmp_path)
    sequence_jobs(tmp_path, model, 'input = "in"\noutput = "out/"\ncrf = 20')
    (problem,) = batch(tmp_path, code=2)
    assert problem["text"] == "crf has no use here: the output is a folder of images"


def test_an_exr_is_decoded_once(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What more there is of it (alpha, depth) waits until it is written, however late that begins."""
    source, decoded = exr_shot(tmp_path / "in", frames=12), []
    real = OpenImageIO.ImageInput.read_image

    def read_image(self: Any, *given: Any) -> Any:
        pixels = real(self, *given)
        decoded.append(self.format_name())
        return pixels

    def make_late(*given: Any, **more: Any) -> Any:
        while not decoded:
            time.sleep(0.01)
        return make_images(*given, **more)

    monkeypatch.setattr(OpenImageIO.ImageInput, "read_image", read_image)
    monkeypatch.setattr(writing, "make_images", make_late)
    job = Job(source, tmp_path / "out", to_folder=True, settings=RunSettings(model=str(model)))
    run_job(job, Notes())
    assert len(decoded) == 12
    (before, _), (after, _) = read(source / "shot.1007.exr"), read(tmp_path / "out" / "shot.1007.exr")
    assert np.array_equal(before[..., 3:], after[..., 3:])


def test_an_exr_of_several_parts_is_refused(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    specs = []
    for name in ("left", "right"):
        spec = OpenImageIO.ImageSpec(96, 64, 3, "half")
        spec.attribute("oiio:subimagename", name)
        specs.append(spec)
    path = str(source / "a.exr")
    file: Any = OpenImageIO.ImageOutput.create(path)
    assert file.open(path, tuple(specs))
    for place, spec in enumerate(specs):
        assert place == 0 or file.open(path, spec, "AppendSubimage")
        file.write_image(np.full((64, 96, 3), 0.5, np.float32))
    file.close()
    said = "a.exr has several parts, and one alone would be kept: split them first"
    assert_refused(vsj4r("run", source, tmp_path / "out", "--model", model), 1, said, tmp_path)
