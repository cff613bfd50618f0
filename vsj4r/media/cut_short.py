"""How much of a file is missing, by its container's own word: a broken copy or download plays up to there,
and no decoder says a word.

| Container | What says how long it should be          |
|-----------|------------------------------------------|
| MP4, MOV  | where the index has the last packets     |
| Matroska  | the size of the Segment (RFC 9559)       |
| AVI       | the size of the first RIFF chunk         |
"""

from __future__ import annotations

from pathlib import Path

from av.container import InputContainer

from vsj4r.media import demuxing
from vsj4r.media.matroska import find_segment


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
        case _:
            wanted = 0
    return max(0.0, 1 - has / wanted) if wanted else 0.0
