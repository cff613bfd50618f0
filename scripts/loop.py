"""The before/after loop of the start page: python -m scripts.loop DEMO

DEMO is the folder that `vsj4r demo` has filled. Writes docs/images/loop.mp4 and its first picture, loop.webp:
left of a moving line the rainy clip, right of it the derained one. The demo's camera comes back to where it
began, and so does the line, so that the clip has no seam.
"""

from __future__ import annotations

import math
import subprocess
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from vsj4r.media.encoders import ffmpeg_executable
from vsj4r.training.footage import read_clip

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
FPS = 24
SWING = 0.38  # of the width, to either side of the middle


def loop(
    demo: Annotated[Path, typer.Argument(help="the folder of `vsj4r demo`")],
    images: Annotated[Path, typer.Option(help="where both files go")] = IMAGES,
) -> None:
    """Join both clips of the demo along a line that moves."""
    rainy, derained = (read_clip(demo / name) for name in ("rain.mkv", "clean.mkv"))
    frames, height, width = rainy.shape[:3]
    joined = derained.copy()
    for t in range(frames):
        line = round(width * (0.5 - SWING * math.sin(2 * math.pi * t / frames)))
        joined[t, :, :line] = rainy[t, :, :line]
        joined[t, :, line - 1 : line + 1] = 255
    Image.fromarray(joined[0]).save(images / "loop.webp", quality=80)
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(FPS), "-i", "-"]
    to_yuv = ["-vf", "scale=out_color_matrix=bt709", "-pix_fmt", "yuv420p", "-colorspace", "bt709"]
    coded = ["-c:v", "libx264", "-preset", "veryslow", "-crf", "27", "-movflags", "+faststart"]
    subprocess.run(
        [ffmpeg_executable(), "-loglevel", "error", "-y", *raw, *to_yuv, *coded, str(images / "loop.mp4")],
        input=np.ascontiguousarray(joined).tobytes(),
        check=True,
    )


if __name__ == "__main__":
    typer.run(loop)
