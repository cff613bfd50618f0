"""How much of a file is missing, by its container's own word: a broken copy or download plays up to there,
and no decoder says a word.

| Container | What says how long it should be          |
|-----------|------------------------------------------|
| MP4, MOV  | where the index has the last packets     |
| Matroska  | the size of the Segment (RFC 9559)       |
| AVI       | the size of the first RIFF chunk         |
| y4m       | how many frames its head says, or whole  |
|           | ones                                     |
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from av.container import InputContainer

from vsj4r.errors import InputError
from vsj4r.media import demuxing
from vsj4r.media.matroska import find_segment
from vsj4r.media.y4m import LONGEST_LINE, parse_head


def missing_share(path: Path, container: InputContainer) -> float:
    """The share of the bytes of ``path``, opened as ``container``, that is not there, 0 to 1; 0 where nothing
    is known."""
    has = path.stat().st_size
    match container.format.name:
        case demuxing.MOV:
            ends = [stream.index_entries[-1] for stream in container.streams if len(stream.index_entries)]
            wanted = max((entry.pos + entry.size for entry in ends), default=0)
        case "matroska,webm":
            with path.open("rb") as file:
                segment = find_segment(file)
                wanted = 0 if segment is None else segment.ends
        case "avi":
            with path.open("rb") as file:
                wanted = 8 + int.from_bytes(file.read(8)[4:], "little")
        case "yuv4mpegpipe":
            with path.open("rb") as file:
                wanted = _end_of_y4m(file, has)
        case _:
            wanted = 0
    return max(0.0, 1 - has / wanted) if wanted else 0.0


def _end_of_y4m(file: BinaryIO, has: int) -> int:
    """Where the last frame ends of a y4m file that has so many bytes; 0 where its head is not understood."""
    try:
        head = parse_head(file.readline(LONGEST_LINE))
    except InputError:
        return 0
    begins = file.tell()
    step = len(file.readline(LONGEST_LINE)) + head.frame_bytes
    frames = -(-(has - begins) // step) if head.frames is None else head.frames
    return begins + frames * step
