"""A first try: what does not fit together is known before a night's work and not after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import vapoursynth as vs

from vsj4r.errors import DiskFullError, Vsj4rError
from vsj4r.media.command import Encode
from vsj4r.media.probe import main_video
from vsj4r.media.video import write_video

_SECONDS = 0.5


def try_out(clip: vs.VideoNode, encode: Encode, suffix: str) -> None:
    """Write the first frame of ``clip``, with the sound, into a file with ``suffix``, and decode it again.

    Raises:
        Vsj4rError: ffmpeg refuses, or what it has written cannot be read.
    """
    extras = encode.extras
    sound = _sound(encode)
    streams = [each for each in extras.streams if each[0] in sound]  # sparse ones are read to the end
    begins = float(encode.timestamps[0] * encode.time_base) - extras.start_seconds
    end = ("-t", f"{max(0.0, begins) + _SECONDS:.6f}")
    short = replace(
        encode,
        timestamps=encode.timestamps[:1],
        extras=replace(extras, streams=streams, covers=[], dispositions=[], length_seconds=None),
        arguments=(*encode.arguments, *end),
    )
    codec = encode.encoder.codec
    with TemporaryDirectory(prefix="vsj4r-") as folder:
        written = Path(folder) / f"trial{suffix}"
        try:
            write_video(clip[:1], written, short)
        except DiskFullError:
            raise
        except Vsj4rError as error:
            reason = str(error).replace(str(written), f"the {suffix}")
            raise Vsj4rError(f"a first try of {codec} in {suffix} failed: {reason}") from error
        if not _decodes(written):
            raise Vsj4rError(f"a first try of {codec} in {suffix} failed: it cannot be decoded")


def _sound(encode: Encode) -> set[int]:
    streams = () if encode.source is None else encode.source.streams
    return {stream.index for stream in streams if stream.kind == "audio"}


def _decodes(written: Path) -> bool:
    with av.open(str(written)) as container:
        video = main_video(container)
        try:
            return video is not None and next(container.decode(video), None) is not None
        except av.FFmpegError:
            return False
