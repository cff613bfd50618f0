"""A clip written as a video file through ffmpeg, with timestamps of its own and another file's streams."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import vapoursynth as vs

from vsj4r.errors import Vsj4rError
from vsj4r.media.command import Encode, encode_command
from vsj4r.media.muxing import Extras, video_times
from vsj4r.media.nut import NutWriter
from vsj4r.media.pixels import chroma_of
from vsj4r.media.process import FFmpeg
from vsj4r.media.sources import frame_error
from vsj4r.media.tags import Tags
from vsj4r.media.whole import whole_file

_CONTAINER_TICK_SECONDS = Fraction(1, 500)
_FRAMES_ASKED_FOR = 3  # the network works on one frame at a time: more would only take memory


def write_video(
    clip: vs.VideoNode,
    output: Path,
    encode: Encode,
    *,
    on_frame: Callable[[int], None] = lambda done: None,
    on_command: Callable[[list[str]], None] = lambda command: None,
) -> None:
    """Write ``clip`` (such as ``pixels.to_yuv`` gives), whole or not at all; tagged as its first frame is.

    ``on_frame`` is told how many frames are done, ``on_command`` what is run.

    Raises:
        Vsj4rError: a frame or ffmpeg fails, or not every frame arrived in the file.
    """
    bits, chroma = clip.format.bits_per_sample, str(chroma_of(clip))
    with whole_file(output) as temporary, cover_files(encode.extras) as covers:
        writer = NutWriter(clip, time_base=encode.time_base)
        with closing(frames_in_order(clip)) as frames:
            first = next(frames)
            command = encode_command(
                temporary, Tags.of(first), encode, bits=bits, chroma=chroma, covers=covers
            )
            on_command(command)
            with FFmpeg(command, folder=encode.folder) as process:
                for n, frame in enumerate(chain([first], frames)):
                    process.put(writer.frame(frame, encode.timestamps[n] + encode.ahead))
                    on_frame(n + 1)
                process.put(writer.end)
                process.finish()
        check_video(temporary, encode, output)


def check_video(written: Path, encode: Encode, output: Path) -> None:
    """See whether all frames of ``encode`` are in ``written``, which is to become ``output``.

    Raises:
        Vsj4rError: another number of frames, or they last longer or shorter.
    """
    try:
        stamps = video_times(written)
    except av.FFmpegError:
        stamps = []
    frames = len(encode.timestamps)
    if len(stamps) != frames:
        raise Vsj4rError(f"{len(stamps)} of {frames} frames arrived in {output}: it is not kept")
    if encode.muxer == "avi":
        return  # it says when frames are decoded, not when they are shown
    lasts = stamps[-1] - stamps[0]
    wanted = (encode.timestamps[-1] - encode.timestamps[0]) * encode.time_base
    if abs(lasts - wanted) > max(wanted / frames, _CONTAINER_TICK_SECONDS):
        raise Vsj4rError(f"{output} lasts {float(lasts):.3f} s, not {float(wanted):.3f} s: it is not kept")


@contextmanager
def cover_files(extras: Extras) -> Iterator[Path]:
    """A folder that holds the cover pictures; none is made where there are none."""
    if not extras.covers:
        yield Path()
        return
    with TemporaryDirectory(prefix="vsj4r-") as folder:
        for cover in extras.covers:
            (Path(folder) / cover.filename).write_bytes(cover.content)
        yield Path(folder)


def frames_in_order(clip: vs.VideoNode) -> Generator[vs.VideoFrame]:
    """All frames, each closed when the next one is asked for.

    However it ends, no frame is under way afterwards: a process may end then, threads and all.

    Raises:
        Vsj4rError: the filter's or the source's own words.
    """
    waiting: deque[Future[vs.VideoFrame]] = deque()
    asked = 0
    try:
        for _ in range(len(clip)):
            while asked < len(clip) and len(waiting) < _FRAMES_ASKED_FOR:
                waiting.append(clip.get_frame_async(asked))
                asked += 1
            with waiting[0].result() as frame:
                waiting.popleft()
                yield frame
    except vs.Error as error:
        raise frame_error(error) from error
    finally:
        for future in waiting:
            if future.exception() is None:
                future.result().close()
