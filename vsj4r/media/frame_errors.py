"""What a frame of a clip fails with, as one of our errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import vapoursynth as vs

from vsj4r.errors import InputError, UnsteadyError, Vsj4rError

_ERRORS = f"{Vsj4rError.__module__}."
_SOURCE_FILTER = "VideoSource: "
_UNSTEADY = "No frame returned"


def frame_error(error: vs.Error) -> Vsj4rError:
    """``error`` of a frame as one of ours; that of the source filter is the input's."""
    text = first_line(error)
    if text.startswith(_SOURCE_FILTER):
        return UnsteadyError(text) if _UNSTEADY in text else InputError(text)
    return InputError(text) if f"{_ERRORS}{InputError.__name__}: {text}" in str(error) else Vsj4rError(text)


def decode_error(path: Path, error: UnsteadyError) -> InputError:
    """``error`` of ``path`` when one thread reads it no better."""
    found = re.search(r"frame number (\d+)", str(error))
    where = f"frame {found[1]} of {path}" if found else str(path)
    return InputError(
        f"{where} cannot be decoded: the file is damaged; "
        "repair it first (ffmpeg -i INPUT -c:v ffv1 repaired.mkv)"
    )


@contextmanager
def frame_errors() -> Iterator[None]:
    """What a frame fails with is one of our errors here.

    Raises:
        Vsj4rError: as ``frame_error`` has it.
    """
    try:
        yield
    except vs.Error as error:
        raise frame_error(error) from error


def first_line(error: BaseException) -> str:
    """The part of a VapourSynth error that a user can read: of a Python traceback, its last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if not lines[0].startswith("Traceback"):
        return lines[0]
    ours, _, text = lines[-1].partition(": ")
    return text if ours.startswith(_ERRORS) else lines[-1]
