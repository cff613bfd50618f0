"""What can be known to go wrong before anything is begun: outputs in the way, encoders, room on the disks."""

from __future__ import annotations

import os
import shutil
import stat
from collections import defaultdict
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from vsj4r.batch.job_settings import Settings
from vsj4r.batch.jobfile import FileJob, JobFile
from vsj4r.engine.cuda.driver import find_trouble
from vsj4r.engine.devices import device_index
from vsj4r.errors import InputError, Vsj4rError
from vsj4r.media.containers import container_for
from vsj4r.media.encoders import AUTO, KNOWN_ENCODERS, encoder_for, find_encoder, known_options
from vsj4r.media.images import ImageSet, look_at_images
from vsj4r.media.probe import GUESSED_RATE, Probe, probe
from vsj4r.media.reading import find_images, missing_error
from vsj4r.media.trial import require_hardware, try_settings
from vsj4r.media.trim import find_part
from vsj4r.media.whole import Read, is_text, output_trouble
from vsj4r.plugin.cut_files import read_cuts
from vsj4r.run.settings import check_encoder

_GIB = 1 << 30
_IMAGE_BITS_PER_PIXEL = 48
"""At most: RGB of 16 bits, or half floats."""


def check_batch(batch: JobFile, *, owned: Collection[Path], devices: bool = True) -> dict[Path, int]:
    """Add to ``batch.problems`` all that is wrong with its files; gives how many frames each output will
    have, roughly. An input that is damaged is no reason to refuse the batch: it will fail by itself.

    ``owned``: outputs that are this batch's own and may be replaced, or left as they are. ``devices``:
    whether the work is done on this machine, with what it has.
    """
    _check_names(batch, owned)
    _check_folders(batch)
    bytes_needed: dict[Path, int] = defaultdict(int)
    frames: dict[Path, int] = {}
    largest = 0
    damaged: list[tuple[int, str]] = []
    for file in batch.files:
        settings = file.settings
        pictures = None
        try:
            pictures = _look_at(file.input, settings.track)
        except InputError as error:
            damaged.append((file.line, f"{file.job}: {error}"))
        except (Vsj4rError, OSError) as error:
            batch.complain(file.line, f"{file.job}: {error}")
            continue
        checks: list[Callable[[], object]] = [partial(require_device, settings.device if devices else "cpu")]
        encoder = ""
        if not file.to_folder and (pictures is not None or settings.encoder != AUTO):
            container = container_for(file.output)
            picture = None if pictures is None else pictures.picture
            encoder, _ = encoder_for(settings.encoder, picture, container, settings.depth)
            checks[:0] = [
                partial(check_encoder, settings, encoder),
                partial(find_encoder, encoder),
                partial(_try_encoder, encoder, settings, container.muxer),
            ]
        for check in checks:
            try:
                check()
            except Vsj4rError as error:
                batch.complain(file.line, f"{file.job}: {error}")
                break  # an encoder that is not there cannot be tried
        if pictures is None:
            continue
        try:
            _check_guides(file, pictures)
        except (Vsj4rError, OSError) as error:
            batch.complain(file.line, f"{file.job}: {error}")
        frames[file.output], expected = _expected_bytes(file, encoder, pictures)
        if file.output not in owned:
            bytes_needed[_nearest_above(file.output)] += expected
            largest = max(largest, expected)
    there = sum(_bytes_of(part) for part in (batch.state / "parts").rglob("*"))
    bytes_needed[batch.path.parent] += max(0, largest - there)  # the parts
    _check_room(batch, bytes_needed)
    if batch.problems:
        for line, text in damaged:
            batch.complain(line, text)
    return frames


def require_device(device: str) -> None:
    """Refuse a CUDA device that does not work here.

    Raises:
        Vsj4rError: why.
    """
    if device not in ("auto", "cpu") and (trouble := find_trouble(device_index(device))) is not None:
        raise Vsj4rError(f"device must be cpu or auto here, got {device!r}: {trouble.text}")


def _check_names(batch: JobFile, owned: Collection[Path]) -> None:
    read = Read([batch.path, *(each for f in batch.files for each in (f.input, *f.settings.files()))])
    outputs: dict[str, FileJob] = {}
    for file in batch.files:
        for output in file.settings.paths(file.output):
            other = outputs.setdefault(os.path.normcase(output), file)
            if other is not file:
                batch.complain(file.line, f"{file.input} and {other.input} would both become {output}")
            elif trouble := output_trouble(
                output,
                read=read,
                folder=file.to_folder,
                replaces=output in owned or file.settings.overwrite,
                how="overwrite = true",
            ):
                batch.complain(file.line, trouble)
            elif batch.state in (output, *output.parents):
                batch.complain(
                    file.line, f"output {output} would be in {batch.state}, the batch's own folder"
                )
            elif not (above := _nearest_above(output)).is_dir():
                batch.complain(file.line, f"output {output} lies below {above}, which is a file")
            elif not os.access(above, os.W_OK | os.X_OK):
                batch.complain(file.line, f"folder {above} cannot be written")
        for name in filter(None, (file.settings.mask, file.settings.qpfile)):
            if not Path(name).exists():
                batch.complain(file.line, f"{file.job}: {missing_error(name)}")
            elif not Path(name).is_file() and name != file.settings.mask:
                batch.complain(file.line, f"{file.job}: {name} is no file")


def _check_folders(batch: JobFile) -> None:
    """A folder of images is one output; nothing else may be in it."""
    outputs = [(file, output) for file in batch.files for output in file.settings.paths(file.output)]
    folders = {os.path.normcase(output) for file, output in outputs if file.to_folder}
    for file, output in outputs:
        for above in output.parents:
            if os.path.normcase(above) in folders:
                batch.complain(file.line, f"output {output} lies in {above}, which is an output itself")


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


def _look_at(path: Path, track: int | None) -> Probe | ImageSet:
    """What is known of an input without decoding it.

    Raises:
        InputError: it is damaged, or no video.
        Vsj4rError: its name is no Unicode.
    """
    if not is_text(path):
        raise Vsj4rError(f"{path} has a name that is no Unicode: rename it")
    found = find_images(path)
    return probe(path, track=track) if found is None else look_at_images(*found)


def _check_guides(file: FileJob, pictures: Probe | ImageSet) -> None:
    """What is read beside the input fits it, as far as that is known before it is decoded.

    Raises:
        Vsj4rError: the mask is none, or of another size; the file of cuts is none.
    """
    settings = file.settings
    if settings.qpfile is not None and Path(settings.qpfile).is_file():
        read_cuts(settings.qpfile)
    if settings.mask is not None and Path(settings.mask).exists():
        wanted, got = _shown_size(pictures), _shown_size(_look_at(Path(settings.mask), None))
        even = wanted[0] & ~1, wanted[1] & ~1  # an odd column may be one that the picture's samples lack
        if got not in (wanted, even):
            raise Vsj4rError(
                f"mask {settings.mask} must be {wanted[0]}x{wanted[1]} like the input, got {got[0]}x{got[1]}"
            )


def _shown_size(pictures: Probe | ImageSet) -> tuple[int, int]:
    """Width and height as a player shows them."""
    if isinstance(pictures, ImageSet):
        return pictures.width, pictures.height
    return pictures.video.shown_size


def _expected_bytes(file: FileJob, encoder: str, pictures: Probe | ImageSet) -> tuple[int, int]:
    """How many frames and bytes the output will have, roughly; the input's size stands for its
    other streams. ``encoder`` is "" for images."""
    settings = file.settings
    bits = _IMAGE_BITS_PER_PIXEL if file.to_folder else KNOWN_ENCODERS[encoder].bits_per_pixel
    per_pixel = bits / 8 * len(settings.outputs)
    if isinstance(pictures, Probe):
        video, rate = pictures.video, pictures.rate or GUESSED_RATE
        count = video.frames or int((pictures.duration_seconds or 0) * rate)
        size, others = video.width * video.height, file.input.stat().st_size
    else:
        rate = settings.reading().rate
        count, size, others = len(pictures.names), pictures.width * pictures.height, 0
    if file.to_folder:
        others = 0
    frames = len(find_part(settings.trim, range(count), 1 / rate).frames)
    return frames, int(frames * size * per_pixel) + others


def _try_encoder(encoder_name: str, settings: Settings, muxer: str) -> None:
    encoder = KNOWN_ENCODERS[encoder_name]
    known = known_options(encoder) if settings.options else frozenset()
    for name, _ in settings.options:  # those of ffmpeg itself could open files and connections
        if name not in known:
            raise Vsj4rError(f"encoder {encoder_name} has no option {name!r}")
    chroma = settings.chroma or encoder.chroma[0]
    depth = encoder.depth_of(chroma, settings.depth or min(encoder.depths))
    form = chroma, depth
    require_hardware(encoder_name)
    said = try_settings(encoder_name, settings.crf, form, settings.options, muxer)
    if said:
        given = "".join(f" {name}={value}" for name, value in settings.options)
        raise Vsj4rError(f"encoder {encoder_name}{given} cannot write {muxer}: {said}")


def _bytes_of(part: Path) -> int:
    """0 for a folder, and for a file that a batch at work has done away with meanwhile."""
    try:
        found = part.stat()
    except FileNotFoundError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _nearest_above(path: Path) -> Path:
    """Of what has to be a folder above ``path``, the nearest that is there."""
    return next(above for above in path.parents if above.exists())
