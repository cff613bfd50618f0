"""What can be known to go wrong before anything is begun: outputs in the way, encoders, room on the disks."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from vsj4r.batch.jobfile import FileJob, JobFile
from vsj4r.batch.settings import Settings
from vsj4r.errors import Vsj4rError
from vsj4r.media.containers import container_for
from vsj4r.media.encoders import ENCODERS, ffmpeg_executable, find_encoder, known_options
from vsj4r.media.images import look_at_images
from vsj4r.media.pixels import pixel_format
from vsj4r.media.probe import probe
from vsj4r.media.process import environment
from vsj4r.media.reading import absent, image_names

_GIB = 1 << 30
_TRIAL_SECONDS = 120


def check_batch(batch: JobFile, *, owned: Collection[Path]) -> None:
    """Add to ``batch.problems`` all that is wrong with its files.

    ``owned``: outputs that are this batch's own and may be replaced, or left as they are.
    """
    _check_names(batch, owned)
    bytes_needed: dict[Path, int] = defaultdict(int)
    largest = 0
    for file in batch.files:
        try:
            find_encoder(file.settings.encoder)
            _try_encoder(file.settings, container_for(file.output).muxer)
            expected = _expected_bytes(file)
        except (Vsj4rError, OSError) as error:
            batch.complain(file.line, f"{file.job}: {error}")
            continue
        if file.output not in owned:
            bytes_needed[_existing(file.output)] += expected
            largest = max(largest, expected)
    there = sum(_bytes_of(part) for part in (batch.state / "parts").rglob("*"))
    bytes_needed[batch.path.parent] += max(0, largest - there)  # the parts
    _check_room(batch, bytes_needed)


def _check_names(batch: JobFile, owned: Collection[Path]) -> None:
    inputs = {_identity(file.input): file.input for file in batch.files}
    outputs: dict[str, FileJob] = {}
    for file in batch.files:
        is_ours = file.output in owned  # and with it those beside it
        for output in file.settings.paths(file.output):
            other = outputs.setdefault(os.path.normcase(output), file)
            if other is not file:
                batch.complain(file.line, f"{file.input} and {other.input} would both become {output}")
            elif output.exists() and _identity(output) in inputs:
                batch.complain(file.line, f"output {output} would overwrite an input")
            elif output.is_dir():
                batch.complain(file.line, f"output {output} is a folder")
            elif output.exists() and not (is_ours or output in owned or file.settings.overwrite):
                batch.complain(file.line, f"output {output} exists already: overwrite = true replaces it")
            elif not os.access(_existing(output), os.W_OK | os.X_OK):
                batch.complain(file.line, f"folder {_existing(output)} cannot be written")
        for name in (file.settings.mask, file.settings.qpfile):
            if name is not None and not Path(name).exists():
                batch.complain(file.line, f"{file.job}: {absent(name)}")


def _check_room(batch: JobFile, bytes_needed: dict[Path, int]) -> None:
    by_disk: dict[int, tuple[Path, int]] = {}
    for folder, needed in bytes_needed.items():
        disk = folder.stat().st_dev
        path, before = by_disk.get(disk, (folder, 0))
        by_disk[disk] = path, before + needed
    for path, needed in by_disk.values():
        free = shutil.disk_usage(path).free
        if needed > free:
            batch.complain(1, f"{path} has {_size(free)} free, the outputs may take {_size(needed)}")


def _size(count: int) -> str:
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / _GIB * 1024:.0f} MiB"


def _expected_bytes(file: FileJob) -> int:
    """What the output may take, roughly; the input's size stands for its other streams.

    Raises:
        Vsj4rError: the input cannot be read, or is no video.
    """
    if not _is_text(file.input):
        raise Vsj4rError(f"{file.input} has a name that is no Unicode: rename it")
    per_pixel = ENCODERS[file.settings.encoder].bits_per_pixel / 8 * len(file.settings.outputs)
    if file.input.is_dir():
        names = image_names(file.input)
        images = look_at_images(file.input, names)
        return int(len(names) * images.height * images.width * per_pixel)
    found = probe(file.input)
    video = found.video
    frames = video.frames or float(found.duration_seconds or 0) * float(found.rate or 25)
    return int(frames * video.width * video.height * per_pixel) + file.input.stat().st_size


def _try_encoder(settings: Settings, muxer: str) -> None:
    encoder = ENCODERS[settings.encoder]
    known = known_options(encoder) if settings.options else frozenset()
    for name, _ in settings.options:  # those of ffmpeg itself could open files and connections
        if name not in known:
            raise Vsj4rError(f"encoder {settings.encoder} has no option {name!r}")
    pixels = pixel_format(settings.chroma or encoder.chroma[0], settings.depth or min(encoder.depths))
    said = _trial(settings.encoder, settings.crf, pixels, settings.options, muxer)
    if said:
        options = " ".join(f"{name}={value}" for name, value in settings.options)
        raise Vsj4rError(f"encoder {settings.encoder} {options} does not write {muxer}: {said}")


@cache
def _trial(name: str, crf: int | None, pixels: str, options: tuple[tuple[str, str], ...], muxer: str) -> str:
    """What ffmpeg says against these settings, found out on a few black frames; "" when it takes them."""
    encoder = ENCODERS[name]
    given = encoder.with_options(options)
    crf = encoder.crf if crf is None else crf
    if crf is not None:
        given["crf"] = str(crf)
    with TemporaryDirectory(prefix="vsj4r-") as folder:
        source = ["-f", "lavfi", "-i", "color=size=256x144:duration=0.2"]
        command = [ffmpeg_executable(), "-hide_banner", "-loglevel", "error", "-nostdin", *source]
        command += [
            "-c:v",
            encoder.codec,
            "-pix_fmt",
            pixels,
            *(text for key, value in given.items() for text in (f"-{key}", value)),
            "-f",
            muxer,
            f"file:{Path(folder) / 'trial'}",
        ]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                check=False,
                cwd=folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                timeout=_TRIAL_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"it had not ended after {_TRIAL_SECONDS} s"
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[0] if lines else f"it ended with code {done.returncode}"


def _bytes_of(part: Path) -> int:
    """0 for a folder, and for a file that a batch at work has done away with meanwhile."""
    try:
        found = part.stat()
    except FileNotFoundError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _is_text(path: Path) -> bool:
    """Names of other encodings come as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in str(path))


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _existing(path: Path) -> Path:
    """The nearest folder above ``path`` that is there."""
    above: Iterable[Path] = path.parents
    return next(folder for folder in above if folder.is_dir())
