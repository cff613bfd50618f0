"""Containers opened for reading, and what is said of those that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import av.error
from av.container import InputContainer

from vsj4r.errors import InputError

MOV = "mov,mp4,m4a,3gp,3g2,mj2"
"""ffmpeg's name of the demuxer of MP4 and MOV."""
MATROSKA, AVI = "matroska,webm", "avi"
READ_ERRORS = (av.error.FFmpegError, OSError, ValueError, IndexError, OverflowError)
"""What PyAV raises for a file that it cannot read."""


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """The file ``path``, opened by PyAV. What the body raises is the body's.

    Raises:
        InputError: it cannot be opened as a video, or is none: what waits in a pipe hears no Ctrl-C.
    """
    if path.exists() and not path.is_file():
        what = "a folder, and a video is wanted" if path.is_dir() else "no file"
        raise InputError(f"{path} is {what}")
    try:
        container = av.open(str(path.absolute()))
    except READ_ERRORS as error:
        raise read_error(path, error) from error
    with container:
        yield container


def read_error(path: Path, error: BaseException) -> InputError:
    """``error`` as that of the video ``path``."""
    with suppress(OSError):
        if path.stat().st_size == 0:
            return InputError(f"{path} is empty: look at what should have written it")
    return InputError(f"{path} cannot be read as a video: {reason_of(error)}")


def reason_of(error: BaseException) -> str:
    """What ``error`` says, without the name of a file; its class where it says nothing."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def video_at(container: InputContainer, index: int) -> av.VideoStream:
    """The video stream that has ffmpeg's number ``index``."""
    return next(stream for stream in container.streams.video if stream.index == index)
