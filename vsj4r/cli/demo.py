"""``vsj4r demo``: rain over a photograph under a moving camera, and the same clip derained."""

from __future__ import annotations

from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsj4r.errors import Vsj4rError
from vsj4r.pip_commands import install_extra

if TYPE_CHECKING:
    from vsj4r.arrays import Pixels

PHOTOGRAPH = "motorcycle_left.png"  # Middlebury stereo 2014, shipped in scikit-image's wheel
HEIGHT, WIDTH, FRAMES, FPS = 360, 640, 72, 24
SEED = 4


def demo(
    output_dir: Annotated[Path, typer.Argument(help="Where the results go.")] = Path("demo"),
    model: Annotated[str, typer.Option(help="A shipped model, or the path of an .onnx file.")] = "j4r",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Make a rainy clip from a photograph, derain it, and leave both and a picture of the two.

    Results: rain.mkv (lossless), clean.mkv, side-by-side.png.
    """
    photograph = _photograph()  # before anything slow or written
    from vsj4r.batch.checks import require_device
    from vsj4r.cli.report import BarReport
    from vsj4r.cli.run_report import derain_with_report
    from vsj4r.engine.devices import check_device
    from vsj4r.engine.weights import find_model
    from vsj4r.media.whole import Read, check_output
    from vsj4r.run.job import Job
    from vsj4r.run.settings import RunSettings

    find_model(model)
    settings = RunSettings(model=model, device=check_device(device), overwrite=True)
    require_device(device)
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Vsj4rError(f"{output_dir} cannot be made: {error.strerror}") from error
    rain, clean, picture = (output_dir / name for name in ("rain.mkv", "clean.mkv", "side-by-side.png"))
    for output in (rain, clean, picture):
        check_output(output, read=Read([]), folder=False, overwrite=overwrite)
    job = Job(input=rain, output=clean, to_folder=False, settings=settings)
    _write_rain(_rainy(photograph), rain)
    try:
        with BarReport() as report:
            derain_with_report(job, report)
        _write_side_by_side(rain, clean, picture)
    except BaseException:
        for output in (rain, clean):  # or the next try would find them in its way
            output.unlink(missing_ok=True)
        raise
    typer.echo(f"rain: {rain}\nderained: {clean}\nboth: {picture}")


def _photograph() -> Pixels:
    """(H, W, 3) uint8 RGB."""
    if find_spec("skimage") is None:
        raise Vsj4rError(f"the demo's photograph comes with scikit-image: {install_extra('demo')}")
    from vsj4r.media.reading import read_image

    with as_file(files("skimage.data") / PHOTOGRAPH) as path:
        return read_image(path)


def _rainy(photograph: Pixels) -> Pixels:
    """(T, H, W, 3) uint8 RGB: a hand-held swing over the photograph, in light rain."""
    import numpy as np

    from vsj4r.rain import rain_by
    from vsj4r.training.motion import CameraPath, simulate_motion

    rng = np.random.default_rng(SEED)
    turn = 2 * np.pi * np.arange(FRAMES) / FRAMES
    path = CameraPath(
        y_px=60 * np.sin(turn),
        x_px=45 * np.sin(2 * turn),
        zoom=np.full(FRAMES, 1.0),
        angle_deg=np.zeros(FRAMES),
    )
    clean = simulate_motion(photograph, path, (HEIGHT, WIDTH), FRAMES)
    return rain_by(clean, "light", rng).rainy


def _write_rain(rainy: Pixels, output: Path) -> None:
    from fractions import Fraction

    from vsj4r.media.command import Encode
    from vsj4r.media.containers import container_for
    from vsj4r.media.encoders import find_encoder
    from vsj4r.media.images import array_clip
    from vsj4r.media.pixels import clip_to_yuv
    from vsj4r.media.video import write_video

    clip, _ = clip_to_yuv(array_clip(rainy, fps=FPS), "420")
    encode = Encode(
        container=container_for(output),
        encoder=find_encoder("ffv1"),
        time_base=Fraction(1, FPS),
        timestamps=list(range(len(rainy))),
        rate=Fraction(FPS),
    )
    write_video(clip, output, encode)


def _write_side_by_side(rain: Path, clean: Path, output: Path) -> None:
    import numpy as np

    from vsj4r.media.files import open_source
    from vsj4r.media.images import frame_array, write_png
    from vsj4r.media.pixels import clip_to_rgb
    from vsj4r.media.whole import whole_file

    halves = []
    for video in (rain, clean):
        clip = clip_to_rgb(open_source(video).clip)
        with clip.get_frame(len(clip) // 2) as frame:
            halves.append(frame_array(frame))
    with whole_file(output) as part:
        write_png(np.hstack(halves), part)
