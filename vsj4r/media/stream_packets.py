"""The packets of a file, one after the other, as ffmpeg reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from vsj4r.media.demuxing import READ_ERRORS, open_container
from vsj4r.media.streams import positive


def packets_of(path: Path, streams: Collection[int]) -> Iterator[tuple[av.Packet[Any], Fraction]]:
    """The packets of ``streams`` in the file ``path``, to its end or as far as ffmpeg reads it, each with
    the seconds of one unit of its times.

    Raises:
        InputError: it cannot be opened.
    """
    with open_container(path) as container:
        chosen = [stream for stream in container.streams if stream.index in streams]
        bases = {stream.index: positive(stream.time_base) or Fraction(1) for stream in chosen}
        packets = container.demux(chosen)
        while True:
            try:
                packet = next(packets, None)
            except READ_ERRORS:
                return
            if packet is None:
                return
            if packet.size and packet.stream_index in bases:
                yield packet, bases[packet.stream_index]
