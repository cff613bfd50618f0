"""An input of any kind that a person has named: a video, images, a pipe, a VapourSynth script.

A batch and a comparison open files alone (`files.open_source`): a script is a program, and a pipe cannot
be read twice.
"""

from __future__ import annotations

import contextlib
import runpy
import traceback
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import FrameType

import vapoursynth as vs

from vsj4r.errors import InputError
from vsj4r.media.colours import with_consistent_colours
from vsj4r.media.files import open_source
from vsj4r.media.frame_errors import first_line, frame_errors
from vsj4r.media.pipes import Pipe, display_path, is_pipe
from vsj4r.media.probe import Probe
from vsj4r.media.reading import missing_error
from vsj4r.media.sources import Reading, Source, check_constant
from vsj4r.media.times import FASTEST_RATE

SCRIPT = ".vpy"
_DERAINED_TWICE = "the script derains already (core.j4r.Derain): what it gives is derained once more"


def open_input(
    path: Path,
    reading: Reading,
    on_probe: Callable[[Probe], None] = lambda found: None,
    on_look: Callable[[float], None] = lambda share: None,
) -> Source:
    """What ``path`` is; of ``on_probe`` and ``on_look`` see ``files.open_source``.

    Raises:
        InputError: it is damaged, interlaced, or none of what can be read.
        Vsj4rError: it is not there, or cannot be opened.
    """
    if reading.track is not None and (is_pipe(path) or path.suffix.lower() == SCRIPT or path.is_dir()):
        raise InputError(f"{display_path(path)} has one picture: --track is for video files")
    if is_pipe(path):
        return _open_pipe(path, reading)
    if not path.exists():
        raise missing_error(path)
    return (
        _open_script(path, reading)
        if path.suffix.lower() == SCRIPT
        else open_source(path, reading, on_probe=on_probe, on_look=on_look)
    )


def _open_pipe(path: Path, reading: Reading) -> Source:
    pipe = Pipe(path)
    name, head = pipe.name, pipe.head
    if head.is_interlaced and not reading.assume_progressive:
        raise InputError(
            f"{name} is interlaced: deinterlace it first (bwdif in ffmpeg); "
            "where only its head says so, --assume-progressive"
        )
    rate, said = _rate_of(name, head.rate, reading)
    clip = pipe.clip.std.AssumeFPS(fpsnum=rate.numerator, fpsden=rate.denominator)
    return Source(path, clip, 1 / rate, range(len(clip)), pipe=pipe, said=said)


def _open_script(path: Path, reading: Reading) -> Source:
    """The output 0 of a script, which runs in this process."""
    vs.clear_outputs()
    try:
        with contextlib.chdir(path.parent):  # as vspipe does, and whatever folder it goes to, we come back
            runpy.run_path(path.name, run_name="__vapoursynth__")
        outputs = vs.get_outputs()
    except (Exception, SystemExit) as error:
        numbers = [line for frame, line in traceback.walk_tb(error.__traceback__) if _is_of(path, frame)]
        where = f" in line {numbers[-1]}" if numbers else ""
        said = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(f"script {path} ends with an error{where}: {said}") from error
    output = outputs.get(0)
    clip = getattr(output, "clip", None)
    if not isinstance(clip, vs.VideoNode):
        raise InputError(f"{path} sets no video as output 0: clip.set_output() does")
    check_constant(path, clip)
    rate, guess = _rate_of(str(path), Fraction(clip.fps), reading)
    with frame_errors(), clip.get_frame(0) as first:
        clip, colours = with_consistent_colours(clip, first)
        again = (_DERAINED_TWICE,) if "J4RRain" in first.props else ()
    clip = clip.std.AssumeFPS(fpsnum=rate.numerator, fpsden=rate.denominator)
    if reading.assume_progressive:
        clip = clip.std.SetFieldBased(0)
    alpha = (
        ("the alpha of the script's output is left out: what is written is opaque",)
        if getattr(output, "alpha", None)
        else ()
    )
    return Source(path, clip, 1 / rate, range(len(clip)), said=(*guess, *colours, *again, *alpha))


def _is_of(script: Path, frame: FrameType) -> bool:
    return frame.f_code.co_filename == script.name


def _rate_of(name: str, rate: Fraction | None, reading: Reading) -> tuple[Fraction, tuple[str, ...]]:
    """Frames a second, and a line where that is a guess, because the source has no ``rate``."""
    is_said = rate is not None and 0 < rate <= FASTEST_RATE
    reading.check_rate(name, is_said=is_said)
    if rate is not None and is_said:
        return rate, ()
    return reading.rate, tuple(reading.guess_of_rate(name, rate))
