"""A folder of images as an output: it appears whole, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import vapoursynth as vs

from vsj4r.errors import Vsj4rError
from vsj4r.media.images import check_replaced, write_png
from vsj4r.media.sources import Source
from vsj4r.media.video import Sink
from vsj4r.media.whole import whole_folder

_DIGITS = 6


@contextmanager
def image_sink(folder: Path, source: Source) -> Iterator[Sink]:
    """PNG images of RGB24 or RGB48 frames, one for each of ``source``, with its names and colours.

    Raises:
        Vsj4rError: other images would stay among them, or two would have one name.
    """
    name_of = _namer(source)
    known = 0 if source.pipe else len(source.timestamps)
    check_replaced(folder, [name_of(n) for n in range(known)])
    with whole_folder(folder) as temporary:
        yield _ImageSink(temporary, name_of, source)


class _ImageSink:
    def __init__(self, folder: Path, name_of: Callable[[int], str], source: Source) -> None:
        self._folder, self._name_of, self._source = folder, name_of, source

    def put(self, n: int, frame: vs.VideoFrame) -> None:
        write_png(frame, self._folder / self._name_of(n), self._source.colours(n))

    def finish(self) -> None:
        """Each file was written as it came."""


def _namer(source: Source) -> Callable[[int], str]:
    """The name of each image: the input's with .png, or the number of the frame in its input.

    Raises:
        Vsj4rError: two images differ in their suffix alone.
    """
    if source.image_names is None:
        first = 0 if source.part is None else source.part.start
        last = first + len(source.timestamps) - 1
        digits = _DIGITS if source.pipe else max(_DIGITS, len(str(last)))
        return lambda n: f"{first + n:0{digits}d}.png"
    names = [Path(name).stem + ".png" for name in source.image_names]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise Vsj4rError(f"{source.path} has two images that would both become {doubled[0]}")
    return names.__getitem__
