"""Twenty or more small pictures of each kind, with what such files hold."""

from __future__ import annotations

import io
import struct
import zlib
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

from tests import media
from tests.fuzz.videos import Make, made

WIDTH, HEIGHT = 24, 16


def _rgb(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Smooth, with one edge."""
    y, x = np.mgrid[:height, :width]
    picture = np.stack([x * 255 // width, y * 255 // height, (x + y) * 4 % 256], -1).astype(np.uint8)
    picture[height // 2 :, : width // 2] //= 2
    return picture


def _image(mode: str = "RGB", width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    return Image.fromarray(_rgb(width, height)).convert(mode)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    into = io.BytesIO()
    image.save(into, kind, **options)
    return into.getvalue()


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "a picture"
    return exif.tobytes()


def _frames(mode: str = "RGB") -> dict[str, Any]:
    more = [_image(mode).transpose(Image.Transpose.ROTATE_180), _image(mode)]
    return {"save_all": True, "append_images": more, "duration": 40}


# PNG, written by hand where Pillow has no word for it


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    samples: NDArray[np.integer[Any]],
    colour: int,
    depth: int,
    *before: tuple[bytes, bytes],
    interlaced: bool = False,
) -> bytes:
    """``samples``: (H, W, channels) of ``depth`` bits; ``before``: (kind, content) of chunks."""
    height, width = samples.shape[:2]
    passes = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    rows = b""
    for left, top, across, down in passes if interlaced else ((0, 0, 1, 1),):
        part = samples[top::down, left::across]
        for row in part if part.size else ():
            if depth == 16:
                packed = row.astype(">u2").tobytes()
            else:
                bits = np.unpackbits(row.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - depth :]
                packed = np.packbits(bits.reshape(-1)).tobytes()
            rows += b"\0" + packed
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    chunks = [_chunk(kind, content) for kind, content in before]
    end = _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + b"".join(chunks) + end


def _grey(levels: int) -> NDArray[np.int64]:
    return _rgb()[..., :1].astype(np.int64) * (levels - 1) // 255


_PALETTE = (b"PLTE", bytes(range(48)))


def _deep(channels: int) -> NDArray[np.int64]:
    deep = _rgb().astype(np.int64) * 257
    alpha = np.full((HEIGHT, WIDTH, 1), 40000)
    return np.concatenate([deep[..., : channels - (channels in (2, 4))], alpha], -1)[..., :channels]


def _text_png() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "plain")
    text.add_text("Long", "z" * 400, zip=True)
    text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>", "en", "xmp", zip=True)
    return _saved(_image(), "PNG", pnginfo=text)


_HDR = (
    (b"cICP", bytes([9, 16, 0, 1])),
    (b"mDCV", struct.pack(">8H2I", 35400, 14600, 8500, 39850, 6550, 2300, 15635, 16450, 10000000, 50)),
    (b"cLLI", struct.pack(">2I", 10000000, 4000000)),
)
_COLOURS = (
    (b"gAMA", struct.pack(">I", 45455)),
    (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
    (b"sRGB", b"\0"),
    (b"pHYs", struct.pack(">IIB", 2835, 2835, 1)),
    (b"bKGD", struct.pack(">3H", 1, 2, 3)),
    (b"tIME", struct.pack(">H5B", 2026, 1, 2, 3, 4, 5)),
)


def _by_oiio(
    suffix: str, kind: str, *, channels: int = 3, bits: int = 0, tile: int = 0, compression: str = "zip"
) -> bytes:
    """As OpenImageIO writes it."""
    import OpenImageIO

    oiio: Any = OpenImageIO
    oiio.attribute("threads", 1)  # a process with threads is never forked
    oiio.attribute("exr_threads", -1)
    spec = oiio.ImageSpec(WIDTH, HEIGHT, channels, kind)
    if suffix == "exr":
        spec["compression"] = compression
    if bits:
        spec["oiio:BitsPerSample"] = bits
    spec.tile_width = spec.tile_height = tile
    ramp = np.linspace(0, 1, HEIGHT * WIDTH * channels, dtype=np.float32).reshape(HEIGHT, WIDTH, channels)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{suffix}"
        output = oiio.ImageOutput.create(str(path))
        if not output.open(str(path), spec) or not output.write_image(ramp):
            raise RuntimeError(output.geterror())
        output.close()
        return path.read_bytes()


PNG: dict[str, Make] = {
    "rgb": lambda: png(_rgb(), 2, 8),
    "rgb48": lambda: png(_deep(3), 2, 16),
    "grey": lambda: png(_grey(256), 0, 8),
    "grey16": lambda: png(_deep(1), 0, 16),
    "grey1": lambda: png(_grey(2), 0, 1),
    "grey2": lambda: png(_grey(4), 0, 2),
    "palette": lambda: png(_grey(16), 3, 8, _PALETTE),
    "palette4_translucent": lambda: png(_grey(16), 3, 4, _PALETTE, (b"tRNS", bytes(range(0, 160, 16)))),
    "rgba": lambda: _saved(_image("RGBA"), "PNG"),
    "rgba64": lambda: png(_deep(4), 6, 16),
    "grey_alpha": lambda: _saved(_image("LA"), "PNG"),
    "grey16_alpha": lambda: png(_deep(2), 4, 16),
    "interlaced": lambda: png(_rgb(), 2, 8, interlaced=True),
    "interlaced_grey1": lambda: png(_grey(2), 0, 1, interlaced=True),
    "icc": lambda: _saved(_image(), "PNG", icc_profile=_profile()),
    "exif": lambda: _saved(_image(), "PNG", exif=_exif(6)),
    "apng": lambda: _saved(_image(), "PNG", **_frames()),
    "colours": lambda: png(_rgb(), 2, 8, *_COLOURS),
    "hdr": lambda: png(_deep(3), 2, 16, *_HDR, (b"eXIf", _exif(3)[6:])),
    "text_odd_size": _text_png,
}

JPEG: dict[str, Make] = {
    "plain": lambda: _saved(_image(), "JPEG"),
    "444": lambda: _saved(_image(), "JPEG", subsampling="4:4:4", quality=95),
    "422": lambda: _saved(_image(), "JPEG", subsampling="4:2:2"),
    "progressive": lambda: _saved(_image(), "JPEG", progressive=True),
    "grey": lambda: _saved(_image("L"), "JPEG"),
    "cmyk": lambda: _saved(_image("CMYK"), "JPEG"),
    "rgb": lambda: _saved(_image(), "JPEG", keep_rgb=True),
    "optimized": lambda: _saved(_image(), "JPEG", optimize=True),
    "restarts": lambda: _saved(_image(), "JPEG", restart_marker_blocks=1),
    "exif6": lambda: _saved(_image(), "JPEG", exif=_exif(6)),
    "exif2": lambda: _saved(_image(), "JPEG", exif=_exif(2)),
    "icc": lambda: _saved(_image(), "JPEG", icc_profile=_profile()),
    "large_icc": lambda: _saved(_image(), "JPEG", icc_profile=_profile() + bytes(70000)),
    "quality1": lambda: _saved(_image(), "JPEG", quality=1),
    "comment": lambda: _saved(_image(), "JPEG", comment=b"a comment", xmp=b"<x:xmpmeta/>"),
    "one_pixel": lambda: _saved(_image(width=1, height=1), "JPEG"),
    "odd_size": lambda: _saved(_image(width=31, height=17), "JPEG"),
    "several": lambda: _saved(_image(), "MPO", save_all=True, append_images=[_image()]),
    "density": lambda: _saved(_image(), "JPEG", dpi=(300, 150)),
    "lossless": lambda: _by_ffmpeg("ljpeg", "bgr24", "jpg"),
}

TIFF: dict[str, Make] = {
    "plain": lambda: _saved(_image(), "TIFF"),
    "lzw": lambda: _saved(_image(), "TIFF", compression="tiff_lzw"),
    "deflate": lambda: _saved(_image(), "TIFF", compression="tiff_adobe_deflate"),
    "packbits": lambda: _saved(_image(), "TIFF", compression="packbits"),
    "jpeg": lambda: _saved(_image(), "TIFF", compression="jpeg"),
    "lzw_predictor": lambda: _saved(
        _image(), "TIFF", compression="tiff_lzw", tiffinfo={317: 2}, strip_size=128
    ),
    "rgb48": lambda: _by_ffmpeg("tiff", "rgb48le", "tiff"),
    "grey16": lambda: _saved(Image.fromarray(_deep(1)[..., 0].astype(np.uint16)), "TIFF"),
    "grey": lambda: _saved(_image("L"), "TIFF"),
    "bilevel": lambda: _saved(_image("1"), "TIFF"),
    "group4": lambda: _saved(_image("1"), "TIFF", compression="group4"),
    "group3": lambda: _saved(_image("1"), "TIFF", compression="group3"),
    "palette": lambda: _saved(_image("P"), "TIFF"),
    "rgba": lambda: _saved(_image("RGBA"), "TIFF"),
    "yuv": lambda: _by_ffmpeg("tiff", "yuv420p", "tiff"),
    "float": lambda: _saved(_image("F"), "TIFF"),
    "icc": lambda: _saved(_image(), "TIFF", icc_profile=_profile()),
    "pages": lambda: _saved(_image(), "TIFF", save_all=True, append_images=[_image()]),
    "turned": lambda: _saved(_image(), "TIFF", tiffinfo={0x0112: 8}),
    "tiles": lambda: _stored(_deep(3).astype(np.uint16), tile=(16, 16)),
    "float_tiles": lambda: _stored(_rgb().astype(np.float32), tile=(16, 16)),
    "planes": lambda: _stored(np.moveaxis(_rgb(), -1, 0), planarconfig="separate"),
    "long": lambda: _stored(_rgb().astype(np.uint32), photometric="rgb"),
    "big": lambda: _stored(_rgb(), bigtiff=True),
    "cmyk": lambda: _stored(np.dstack([_rgb(), _rgb()[..., :1]]).astype(np.uint16), photometric="separated"),
    "big_endian": lambda: _big_endian_tiff(),  # noqa: PLW0108 (defined below)
}

EXR: dict[str, Make] = {
    **{
        how: partial(_by_oiio, "exr", "half", compression=how) for how in ("none", "rle", "zip", "piz", "b44")
    },
    "dwaa": partial(_by_oiio, "exr", "half", compression="dwaa"),
    "pxr24": partial(_by_oiio, "exr", "float", compression="pxr24"),
    "float": partial(_by_oiio, "exr", "float", compression="zips"),
    "uint": partial(_by_oiio, "exr", "uint", compression="zip"),
    "alpha": partial(_by_oiio, "exr", "half", channels=4),
    "grey": partial(_by_oiio, "exr", "half", channels=1),
    "many": partial(_by_oiio, "exr", "half", channels=7),
    "tiles": partial(_by_oiio, "exr", "half", tile=16),
}

DPX: dict[str, Make] = {
    "10": partial(_by_oiio, "dpx", "uint16", bits=10),
    "12": partial(_by_oiio, "dpx", "uint16", bits=12),
    "16": partial(_by_oiio, "dpx", "uint16"),
    "8": partial(_by_oiio, "dpx", "uint8"),
    "alpha": partial(_by_oiio, "dpx", "uint16", channels=4, bits=10),
    "grey": partial(_by_oiio, "dpx", "uint16", channels=1, bits=10),
}

WEBP: dict[str, Make] = {
    "plain": lambda: _saved(_image(), "WEBP"),
    "lossless": lambda: _saved(_image(), "WEBP", lossless=True),
    "alpha": lambda: _saved(_translucent(), "WEBP"),
    "alpha_lossless": lambda: _saved(_translucent(), "WEBP", lossless=True),
    "alpha_coarse": lambda: _saved(_translucent(), "WEBP", alpha_quality=1),
    "quality1": lambda: _saved(_image(), "WEBP", quality=1),
    "best": lambda: _saved(_image(), "WEBP", quality=100, method=6),
    "animated": lambda: _saved(_image(), "WEBP", **_frames()),
    "animated_lossless": lambda: _saved(_image(), "WEBP", lossless=True, **_frames()),
    "animated_alpha": lambda: _saved(_translucent(), "WEBP", **_frames("RGBA")),
    "animated_mixed": lambda: _saved(_image(), "WEBP", allow_mixed=True, minimize_size=True, **_frames()),
    "icc": lambda: _saved(_image(), "WEBP", icc_profile=_profile()),
    "exif": lambda: _saved(_image(), "WEBP", exif=_exif(6)),
    "exif_alpha": lambda: _saved(_translucent(), "WEBP", exif=_exif(3), lossless=True),
    "xmp": lambda: _saved(_image(), "WEBP", xmp=b"<x:xmpmeta/>"),
    "one_pixel": lambda: _saved(_image(width=1, height=1), "WEBP"),
    "odd_size": lambda: _saved(_image(width=31, height=17), "WEBP"),
    "odd_lossless": lambda: _saved(_image(width=17, height=31), "WEBP", lossless=True),
    "two_colours": lambda: _saved(_image("1").convert("RGB"), "WEBP", lossless=True),
    "grey": lambda: _saved(_image("L"), "WEBP"),
}


def _translucent() -> Image.Image:
    image = _image("RGBA")
    image.putalpha(Image.fromarray(_rgb()[..., 0]))
    return image


def _by_ffmpeg(codec: str, pixels: str, suffix: str) -> bytes:
    shown = media.picture(seconds=0.04, size=f"{WIDTH}x{HEIGHT}", rate=25)
    return made(f"a.{suffix}", *shown, "-pix_fmt", pixels, "-c:v", codec, "-frames:v", "1")


def _stored(picture: NDArray[Any], **kind: Any) -> bytes:
    into = io.BytesIO()
    tifffile.imwrite(into, picture, **{"photometric": "rgb"} | kind)
    return into.getvalue()


def _big_endian_tiff() -> bytes:
    """16 bit RGB in planes of their own."""
    prefix = b"MM\x00\x2a"
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix + bytes(4))
    planes = [_deep(3)[..., channel].astype(">u2").tobytes() for channel in range(3)]
    starts = [8, 8 + len(planes[0]), 8 + 2 * len(planes[0])]
    directory[256], directory[257], directory[258] = WIDTH, HEIGHT, (16, 16, 16)
    directory[259], directory[262], directory[277], directory[284] = 1, 2, 3, 2
    directory[278] = HEIGHT
    directory[273], directory[279] = tuple(starts), (len(planes[0]),) * 3
    pixels = b"".join(planes)
    at = 8 + len(pixels)
    return prefix + struct.pack(">I", at) + pixels + directory.tobytes(at)
