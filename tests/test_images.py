"""Images as editors, cameras and scanners write them: ICC profiles, orientations, depths, damage."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import tifffile
import vapoursynth as vs
from PIL import Image

from tests import media
from tests.cli import assert_refused, batch, run, vsj4r
from tests.tried import tried
from vsj4r.errors import InputError, Vsj4rError
from vsj4r.media.files import open_source
from vsj4r.media.frame_errors import frame_error
from vsj4r.media.image_head import read_head
from vsj4r.media.images import look_at_images, write_png
from vsj4r.media.plates import to_light
from vsj4r.media.reading import image_names, read_image, read_translucent
from vsj4r.training.footage import read_clip

SIZE = 48, 32
LIMITED = """
import resource; resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
from vsj4r.cli.app import main; main()
"""


def profile(space: bytes = b"RGB ") -> bytes:
    """As much of an ICC profile as programs look at before they use it."""
    head = bytes(8) + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp"
    return struct.pack(">I", 132) + head.ljust(124, b"\0") + bytes(4)


def picture(shift: int = 0) -> Image.Image:
    ramp = np.add.outer(np.arange(SIZE[1]) + shift, np.arange(SIZE[0]))
    return Image.fromarray((ramp[..., None] * [3, 2, 1]).astype(np.uint8))


def saved(path: Path, image: Image.Image | None = None, **options: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    (image or picture()).save(path, **options)
    return path


def chunks(path: Path) -> dict[bytes, bytes]:
    """Of a PNG, by type; every check must be right."""
    content, place, found = path.read_bytes(), 8, {}
    while place < len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        body = content[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", content, place + 8 + length) == (zlib.crc32(kind + body),)
        found[kind] = body
        place += 12 + length
    return found


def profile_in(path: Path) -> bytes:
    name, packed = chunks(path)[b"iCCP"].split(b"\0", 1)
    assert 1 <= len(name) <= 79
    return zlib.decompress(packed[1:])


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.png", "RGB"),
        ("a.png", "RGBA"),
        ("a.png", "P"),
        ("a.jpg", "RGB"),
        ("a.tif", "RGB"),
        ("a.webp", "RGB"),
        ("a.png", "L"),
        ("a.png", "LA"),
        ("a.jpg", "L"),
        ("a.tif", "L"),
    ],
)
@tried(
    "Images",
    "PNG, JPEG, TIFF and WebP with an ICC profile, in RGB, grey, palette and alpha",
    "read as any image; the profile is in the PNG that comes out",
)
def test_the_icc_profile_of_an_image_is_kept(model: Path, tmp_path: Path, name: str, mode: str) -> None:
    packed = profile(b"GRAY" if mode == "L" else b"RGB ")
    source = saved(tmp_path / "in" / name, picture().convert(mode), icc_profile=packed)
    run(source.parent, tmp_path / "out", "--model", model)
    output = tmp_path / "out" / "a.png"
    assert profile_in(output) == packed
    assert list(chunks(output))[:2] == [b"IHDR", b"iCCP"]
    with Image.open(output) as image:
        assert image.info["icc_profile"] == packed
        assert image.mode == {"P": "RGB", "LA": "RGBA"}.get(mode, mode)


@tried("Images", "16 bit and animated PNG with an ICC profile", "the profile is kept")
def test_profiles_of_16_bit_and_of_animated_png(model: Path, tmp_path: Path) -> None:
    packed = b"x\0\0" + zlib.compress(profile())
    write_png(np.full((32, 48, 3), 999, np.uint16), saved(tmp_path / "in" / "0.png"), [(b"iCCP", packed)])
    moving: dict[str, Any] = {"save_all": True, "append_images": [picture(5)], "icc_profile": profile()}
    saved(tmp_path / "in" / "1.png", **moving)
    run(tmp_path / "in", tmp_path / "out", "--model", model)
    for n in range(2):
        assert profile_in(tmp_path / "out" / f"{n}.png") == profile()
        assert read_image(tmp_path / "out" / f"{n}.png").dtype == np.uint16


@tried("Images", "one image in place of a video", "one image of its name")
def test_one_image_is_a_folder_of_one(model: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = saved(tmp_path / "in" / "a.jpg", icc_profile=profile(), exif=exif)
    saved(tmp_path / "in" / "b.jpg")
    run(source, tmp_path / "out", "--model", model)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]
    assert profile_in(tmp_path / "out" / "a.png") == profile()
    assert read_image(tmp_path / "out" / "a.png").shape == (48, 32, 3)


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
@tried("Images", "animated PNG and WebP", "read as a video")
def test_an_animated_image_is_a_video(model: Path, tmp_path: Path, name: str) -> None:
    frames = [picture(40 * n) for n in range(1, 4)]
    source = saved(tmp_path / name, save_all=True, append_images=frames, duration=40, icc_profile=profile())
    run(source, tmp_path / "out.mkv", "--model", model)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4


@tried(
    "Faults of libraries, worked round",
    "PyAV 19: `frame.side_data` of a PNG with an ICC profile ends the process",
    "the profile is read from the file itself (`media/image_head.py`)",
)
def test_images_with_a_profile_are_read_everywhere(model: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path / "in" / "a.png", icc_profile=profile()).parent
    run(folder, tmp_path / "out.mkv", "--model", model)
    assert vsj4r("compare", folder, folder, "-o", tmp_path / "page.html").returncode == 0
    assert vsj4r("rain", folder, tmp_path / "rain").returncode == 0
    assert profile_in(tmp_path / "rain" / "rainy" / "a.png") == profile()
    assert b"iCCP" not in chunks(tmp_path / "rain" / "mask" / "a.png")
    assert read_clip(folder).shape == (1, 32, 48, 3)


@tried("Images", "PNG with cICP, gAMA and cHRM", "kept in PNG")
def test_what_a_png_says_of_its_colours_is_kept(model: Path, tmp_path: Path) -> None:
    said = [(b"cICP", b"\x09\x10\x00\x01"), (b"gAMA", struct.pack(">I", 45455)), (b"cHRM", bytes(32))]
    write_png(np.full((32, 48, 3), 999, np.uint16), saved(tmp_path / "in" / "a.png"), said)
    run(tmp_path / "in", tmp_path / "out", "--model", model)
    found = chunks(tmp_path / "out" / "a.png")
    assert [(kind, found[kind]) for kind, _ in said] == said


@pytest.mark.parametrize(
    ("mode", "space", "written"),
    [("CMYK", b"CMYK", "RGB"), ("RGB", b"GRAY", "RGB"), ("L", b"RGB ", "grey"), ("LA", b"GRAY", "RGB")],
)
@tried("Images", "an ICC profile for other channels than are written (CMYK)", "left out, with a line")
def test_a_profile_for_other_channels_is_left_out_aloud(
    model: Path, tmp_path: Path, mode: str, space: bytes, written: str
) -> None:
    name = "a.jpg" if mode == "CMYK" else "a.png"
    source = saved(tmp_path / "in" / name, picture().convert(mode), icc_profile=profile(space))
    done = run(source.parent, tmp_path / "out", "--model", model)
    said = f"vsj4r: the ICC profile of 1 of 1 images is not for {written}: left out"
    assert said in done.stderr.splitlines()
    assert b"iCCP" not in chunks(tmp_path / "out" / "a.png")


@pytest.mark.parametrize(("bits", "kind"), [(8, "png"), (16, "png"), (16, "tif"), (8, "dpx")])
@tried("Images", "grey PNG, JPEG and TIFF, opaque", "grey; with images of colour among them, RGB")
def test_grey_images_stay_grey(model: Path, tmp_path: Path, bits: int, kind: str) -> None:
    (tmp_path / "in").mkdir()
    random = np.random.default_rng(3)
    for n in range(2):
        samples = random.integers(0, 1 << bits, (32, 48, 1)).astype(np.uint8 if bits == 8 else np.uint16)
        write_png(samples, tmp_path / "in" / f"{n}.png")
    run(tmp_path / "in", tmp_path / "out", "--model", model, "--image", kind, "--strength", "0")
    if kind != "dpx":
        with Image.open(tmp_path / "out" / f"1.{kind}") as image:
            assert image.mode == ("L" if bits == 8 else "I;16")
    before, after = (read_image(tmp_path / path) for path in ("in/1.png", f"out/1.{kind}"))
    assert np.array_equal(before, after)
    if kind == "png":
        done = run(tmp_path / "in", tmp_path / "video.mp4", "--model", model)
        assert "4:4:4" not in done.stderr
        with av.open(str(tmp_path / "video.mp4")) as container:
            assert container.streams.video[0].pix_fmt == "yuv420p" + "10le" * (bits == 16)
    write_png(np.full((32, 48, 3), 9, np.uint8), tmp_path / "in" / "2.png")
    run(tmp_path / "in", tmp_path / "mixed", "--model", model)
    with Image.open(tmp_path / "mixed" / "1.png") as image:
        assert image.mode == "RGB"


def test_a_video_has_no_icc_profile(model: Path, tmp_path: Path) -> None:
    source = saved(tmp_path / "in" / "a.png", icc_profile=profile())
    saved(tmp_path / "in" / "b.png")
    done = run(source.parent, tmp_path / "out.mkv", "--model", model)
    said = "vsj4r: the ICC profile of 1 of 2 images cannot go into a video: left out"
    assert said in done.stderr.splitlines()
    done = run(source.parent, tmp_path / "out", "--model", model, "--image", "exr")
    assert said.replace("a video", ".exr") in done.stderr.splitlines()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
@tried("Images", "PNG, JPEG, TIFF and WebP in the eight EXIF orientations", "derained as it is shown")
def test_orientation_beside_a_profile(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless: dict[str, Any] = {"lossless": True} if name == "a.webp" else {}
    path = saved(tmp_path / name, exif=exif, icc_profile=profile(), **lossless)
    head, shown = read_head(path), read_image(path)
    assert head is not None
    assert head.orientation == orientation
    assert shown.shape[:2] == (head.height, head.width)
    upright = saved(tmp_path / "upright.png", picture())
    turns = {3: 2, 5: 1, 6: -1, 7: 1, 8: 1}
    expected = np.rot90(read_image(upright), turns.get(orientation, 0))
    if orientation in (2, 5, 7):
        expected = expected[:, ::-1] if orientation != 5 else expected[::-1]
    if orientation == 4:
        expected = expected[::-1]
    assert np.abs(shown.astype(int) - expected).mean() < 8


@tried("Images", "a folder of images of several sizes", "refused before the first frame; the image is named")
def test_another_size_is_refused_before_the_first_frame(model: Path, tmp_path: Path) -> None:
    for n in range(40):
        saved(tmp_path / "in" / f"{n:02d}.png", picture().resize((20, 32)) if n in (7, 30) else None)
    done = vsj4r("run", "--json", tmp_path / "in", tmp_path / "out", "--model", model)
    assert done.returncode == 1
    assert '"plan"' not in done.stdout
    said = "07.png must be 48x32 like the first, got 20x32 (and 1 more of another size)"
    assert said in done.stderr + done.stdout


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
@tried("Damage", "an image that is cut short", "refused before the first frame")
def test_an_image_that_is_cut_short_is_refused_at_once(model: Path, tmp_path: Path, name: str) -> None:
    saved(tmp_path / "in" / "0.png")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8))
    path = saved(tmp_path / "in" / name, noise)
    path.write_bytes(path.read_bytes()[:-200])
    done = vsj4r("run", tmp_path / "in", tmp_path / "out", "--model", model)
    assert_refused(done, 1, f"image {path} cannot be read: the file is cut short", tmp_path)


@tried("Damage", "a JPEG that is cut short", "read as far as it goes, with a line")
def test_a_jpeg_that_is_cut_short_is_read_with_a_line(model: Path, tmp_path: Path) -> None:
    path = saved(tmp_path / "in" / "a.jpg")
    path.write_bytes(path.read_bytes()[:-60])
    done = run(tmp_path / "in", tmp_path / "out", "--model", model)
    said = "vsj4r: 1 of 1 images are cut short: the decoder fills in the rest"
    assert said in done.stderr.splitlines()


@pytest.mark.parametrize("is_big", [False, True])
@tried("Images", "a TIFF of several pages", "the first is read, with a line; a preview or a mask is no page")
def test_pages_after_the_first_are_left_out_with_a_line(model: Path, tmp_path: Path, is_big: bool) -> None:
    (folder := tmp_path / "in").mkdir()
    pages = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3)).astype(np.uint8)
    mask = {"subfiletype": 4, "photometric": "mask"}
    more: list[tuple[Any, dict[str, Any]]] = [(pages[1], {"subfiletype": kind}) for kind in (0, 1, 2)]
    for n, (page, kind) in enumerate([*more, (pages[1, ..., 0] > 127, mask)]):
        with tifffile.TiffWriter(folder / f"{n}.tif", bigtiff=is_big) as file:
            file.write(pages[0])
            file.write(page, **kind)
    tifffile.imwrite(folder / "4.tif", pages[2], bigtiff=is_big)
    done = run(folder, tmp_path / "out", "--model", model)
    said = "vsj4r: 2 of 5 images have several pages: the first is read, the others are left out"
    assert said in done.stderr.splitlines()


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF    WEBP", b"II*\0", b"BM"]
)
def test_an_image_of_nothing_is_refused(model: Path, tmp_path: Path, content: bytes) -> None:
    path = saved(tmp_path / "in" / "a.png")
    path.write_bytes(content)
    done = vsj4r("run", tmp_path / "in", tmp_path / "out", "--model", model)
    assert_refused(done, 1, f"image {path} cannot be read: ", tmp_path)


def test_a_jpeg_of_no_markers_is_refused(model: Path, tmp_path: Path) -> None:
    path = saved(tmp_path / "in" / "a.jpg")
    path.write_bytes(b"\xff\xd8" + b"\xff\0" * 5000)
    done = vsj4r("run", tmp_path / "in", tmp_path / "out", "--model", model)
    assert_refused(done, 1, f"image {path} cannot be read: ", tmp_path)


def test_a_depth_that_nothing_has_is_refused(model: Path, tmp_path: Path) -> None:
    path = saved(tmp_path / "in" / "a.jpg")
    content = path.read_bytes()
    place = content.index(b"\xff\xc0") + 4  # of the frame header: bits a sample
    path.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
    done = vsj4r("run", tmp_path / "in", tmp_path / "out", "--model", model)
    assert_refused(done, 1, f"image {path} says that it has 255 bits a sample", tmp_path)


def test_any_head_is_read_or_refused(tmp_path: Path) -> None:
    """Bytes changed at random, in each format: a head, or a line."""
    rng, path = np.random.default_rng(0), tmp_path / "a"
    for kind in ("png", "jpeg", "tiff", "webp", "bmp"):
        whole = io.BytesIO()
        options: dict[str, Any] = {} if kind == "bmp" else {"icc_profile": profile()}
        picture().save(whole, kind, **options)
        for _ in range(200):
            content = bytearray(whole.getvalue())
            for place in rng.integers(0, min(len(content), 400), 4):
                content[place] = rng.integers(256)
            path.write_bytes(content)
            with suppress(Vsj4rError):
                read_head(path)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ((1 << 30, 16), "says that it is 1073741824x16: nothing decodes that"),
        ((20000, 12000), "is 20000x12000: that takes 34332 MiB of memory, "),
    ],
    ids=str,
)
@tried(
    "Damage",
    "a header that claims frames of any size",
    "refused in one line, before memory is taken",
)
def test_a_header_that_says_anything_takes_no_memory(
    model: Path, tmp_path: Path, size: tuple[int, int], text: str
) -> None:
    path = saved(tmp_path / "in" / "a.png")
    content = path.read_bytes()
    header = struct.pack(">4sII", b"IHDR", *size) + content[24:29]
    path.write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])
    command = [sys.executable, "-c", LIMITED, "run", str(tmp_path / "in"), str(tmp_path / "out")]
    done = subprocess.run([*command, "--model", str(model)], capture_output=True, text=True, check=False)
    assert_refused(done, 1, f"{path} {text}", tmp_path)


@tried(
    "Damage",
    "an image with a whole head and damaged data",
    "one line that names it; a batch goes on with its other files, and does not try again",
)
def test_a_picture_that_is_damaged_behind_its_head_is_the_inputs_fault(model: Path, tmp_path: Path) -> None:
    """A batch does not try it again; no traceback's class is in the line."""
    (tmp_path / "in").mkdir()
    path = saved(tmp_path / "in" / "0.png")
    content = path.read_bytes()
    place = content.index(b"IDAT") + 4
    path.write_bytes(content[:place] + bytes(8) + content[place + 8 :])
    source = open_source(tmp_path / "in")
    with pytest.raises(vs.Error) as raised:
        source.clip.get_frame(0)
    error = frame_error(raised.value)
    assert isinstance(error, InputError)
    assert str(error).startswith(f"image {path} cannot be read: ")
    for output in ("out/", "out.mkv"):
        done = vsj4r("run", "in", output, "--model", model, cwd=tmp_path)
        assert_refused(done, 1, "image in/0.png cannot be read: ", tmp_path)
    (tmp_path / "jobs.toml").write_text(f'[[job]]\ninput = "in"\noutput = "out.mkv"\nmodel = "{model}"\n')
    (failed,) = (event for event in batch(tmp_path, code=1) if event["event"] == "failed")
    assert failed["message"] == str(error)


def ramp(kind: str) -> np.ndarray[Any, Any]:
    """A picture of every level, as integers from 0 to the largest, or floats from 0 to 1."""
    light = np.linspace(0, 1, 96)[None, :, None] * np.linspace(0.3, 1, 64)[:, None, None] * [1.0, 0.5, 0.25]
    if kind.startswith("float"):
        return light.astype(kind)
    picture: np.ndarray[Any, Any] = np.rint(light * np.iinfo(kind).max).astype(kind)
    return picture


def to_cmyk(rgb: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.dstack([~rgb, np.zeros_like(rgb[..., 0])])


@pytest.mark.parametrize(
    ("dtype", "depth", "store", "kind"),
    [
        ("uint8", 8, None, {"tile": (32, 32)}),
        ("uint16", 16, None, {"tile": (32, 32), "compression": "zlib", "predictor": True}),
        ("uint32", 16, None, {}),
        ("uint16", 16, None, {"bigtiff": True}),
        ("uint16", 16, None, {"bigtiff": True, "byteorder": ">", "tile": (32, 32)}),
        ("uint16", 16, lambda rgb: np.moveaxis(rgb, -1, 0), {"planarconfig": "separate"}),
        ("uint8", 8, to_cmyk, {"photometric": "separated"}),
        ("uint16", 16, to_cmyk, {"photometric": "separated"}),
        ("float16", 32, None, {}),
        ("float32", 32, None, {"tile": (32, 32)}),
        ("float64", 32, None, {}),
    ],
)
@tried(
    "Images",
    "TIFF in tiles or planes, of 32 bit integers or floats, in CMYK of 16 bits, and BigTIFF",
    "read as any TIFF; floats are scene-linear and become EXR",
)
def test_every_kind_of_tiff_is_the_same_picture(
    tmp_path: Path, dtype: str, depth: int, store: Any, kind: dict[str, Any]
) -> None:
    rgb, path = ramp(dtype), tmp_path / "a.tif"
    tifffile.imwrite(path, rgb if store is None else store(rgb), **{"photometric": "rgb"} | kind)
    head, image = read_head(path), read_image(path)
    assert head is not None
    assert (head.width, head.height, head.depth) == (96, 64, depth)
    light = to_light(image) if depth == 32 else image / np.iinfo(image.dtype).max
    assert np.abs(light - ramp("float64")).max() < 0.003


@pytest.mark.parametrize("kind", [{"tile": (32, 32)}, {"bigtiff": True}])
def test_a_tiff_without_its_end_is_known_by_its_head(tmp_path: Path, kind: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ramp("uint16"), photometric="rgb", **kind)
    read_head(path)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(InputError, match="the file is cut short"):
        read_head(path)


def test_a_tiff_of_signed_numbers_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4, 3), np.int16), photometric="rgb")
    with pytest.raises(InputError, match="a TIFF of signed numbers: save it with unsigned ones, or floats"):
        look_at_images(tmp_path, ["a.tif"])


@pytest.mark.parametrize(
    ("kinds", "alpha", "others"), [([0], None, 1), ([2], 70, 0), ([0, 2], 71, 1), ([1, 0], 70, 1)]
)
def test_of_the_samples_beside_colour_alpha_is_what_says_so(
    tmp_path: Path, kinds: list[int], alpha: int | None, others: int
) -> None:
    beside = [np.full((4, 6, 1), 70 + n, np.uint8) for n in range(len(kinds))]
    pixels = np.concatenate([np.full((4, 6, 3), 9, np.uint8), *beside], axis=-1)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", planarconfig="contig", extrasamples=kinds)
    images = look_at_images(tmp_path, ["a.tif"])
    assert (images.translucent, images.others) == (int(alpha is not None), others)
    colour, found = read_translucent(tmp_path / "a.tif")
    assert (colour == 9).all()
    assert (None if found is None else found.tolist()) == (None if alpha is None else [[alpha] * 6] * 4)


def test_a_tiff_in_lab_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", ramp("uint8"), photometric="cielab")
    with pytest.raises(InputError, match=r"a\.tif cannot be read: a TIFF in Lab: save it as RGB"):
        read_head(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["png", "tif", "exr", "dpx"])
@tried("Images", "samples that are not square, in PNG, TIFF, EXR and DPX", "their shape comes and goes")
def test_the_shape_of_samples_goes_into_images_and_back(model: Path, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "in.mkv"
    picture = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.08", "-vf", "setsar=16/11"]
    media.ffmpeg(*picture, "-c:v", "ffv1", f"file:{source}")
    run(source, tmp_path / "out", "--image", kind, "--model", model)
    run(tmp_path / "out", tmp_path / "again", "--model", model)
    run(tmp_path / "again", tmp_path / "back.mkv", "--encoder", "ffv1", "--model", model)
    for folder in (tmp_path / "out", tmp_path / "again"):
        assert look_at_images(folder, image_names(folder)).aspect == Fraction(16, 11)
    with av.open(str(tmp_path / "back.mkv")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


def aspect_in(image: Path) -> Fraction:
    head = read_head(image)
    assert head is not None
    return head.aspect


@tried("Images", "JPEG with a shape of samples; TIFF and PNG that say none", "it is kept; they are square")
def test_a_shape_is_read_or_taken_as_square(tmp_path: Path) -> None:
    wide = saved(tmp_path / "a.jpg", dpi=(16, 11)).read_bytes()
    (tmp_path / "a.jpg").write_bytes(wide[:13] + b"\0" + wide[14:])  # no unit
    assert aspect_in(tmp_path / "a.jpg") == Fraction(16, 11)
    assert aspect_in(saved(tmp_path / "c.tif")) == 1
    assert aspect_in(saved(tmp_path / "d.tif", dpi=(300, 300))) == 1
    assert aspect_in(saved(tmp_path / "e.png")) == 1
    huge = saved(tmp_path / "h.png", dpi=(72, 72)).read_bytes()
    at = huge.index(b"pHYs") + 4
    (tmp_path / "h.png").write_bytes(huge[:at] + b"\xff\xff\xff\xff\0\0\0\1" + huge[at + 8 :])
    assert aspect_in(tmp_path / "h.png") == 1
    assert aspect_in(saved(tmp_path / "g.tif", dpi=(300, 301))) == 1, "a rounded density"
    nothing = saved(tmp_path / "f.png", dpi=(72, 72)).read_bytes()
    at = nothing.index(b"pHYs") + 4
    (tmp_path / "f.png").write_bytes(nothing[:at] + bytes(8) + nothing[at + 8 :])
    assert aspect_in(tmp_path / "f.png") == 1


@tried("Images", "a file with sound, chapters and varying times, into images", "what is left out is told")
def test_what_images_cannot_hold_is_told(model: Path, tmp_path: Path) -> None:
    source = media.rich(tmp_path)
    done = run(source, tmp_path / "out", "--model", model)
    assert "a folder of images cannot hold" in done.stderr
    assert "audio stream" in done.stderr
