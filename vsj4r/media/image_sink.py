"""A folder of images as an output: it appears whole, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import vapoursynth as vs

from vsj4r.errors import Vsj4rError
from vsj4r.media.images import check_replaced, write_png
from vsj4r.media.sources import Source
from vsj4r.media.video import Sink
from vsj4r.media.whole import whole_folder


@contextmanager
def image_sink(folder: Path, source: Source) -> Iterator[Sink]:
    """PNG images of RGB24 or RGB48 frames, one for each of ``source``, with its names and colours.

    Raises:
        Vsj4rError: other images would stay among them, or two would have one name.
    """
    names = _png_names(source)
    check_replaced(folder, names)
    with whole_folder(folder) as temporary:
        yield _ImageSink(temporary, names, source)


class _ImageSink:
    def __init__(self, folder: Path, names: list[str], source: Source) -> None:
        self._folder, self._names, self._source = folder, names, source

    def put(self, n: int, frame: vs.VideoFrame) -> None:
        write_png(frame, self._folder / self._names[n], self._source.colours(n))

    def finish(self) -> None:
        """Each file was written as it came."""


def _png_names(source: Source) -> list[str]:
    """The input's names with .png, or the numbers of the frames.

    Raises:
        Vsj4rError: two images differ in their suffix alone.
    """
    if source.image_names is None:
        part = range(len(source.clip)) if source.part is None else source.part
        digits = max(6, len(str(part.stop - 1)))
        return [f"{n:0{digits}d}.png" for n in part]
    names = [Path(name).stem + ".png" for name in source.image_names]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise Vsj4rError(f"{source.path} has two images that would both become {doubled[0]}")
    return names
