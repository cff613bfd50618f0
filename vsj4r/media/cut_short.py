"""How much of a file is missing, by its container's own word: a broken copy or download plays up to there,
and no decoder says a word.

| Container | What says how long it should be          |
|-----------|------------------------------------------|
| MP4, MOV  | where the index has the last packets     |
| Matroska  | the size of the Segment (RFC 9559)       |
| AVI       | the size of the first RIFF chunk         |

An MP4 of fragments has no index of the whole: each box says its own size alone.
"""

from __future__ import annotations

import struct
from pathlib import Path

from av.container import InputContainer

from vsj4r.media import demuxing
from vsj4r.media.matroska import find_segment

_BOX_HEAD = 8  # bytes: size and kind (ISO/IEC 14496-12, 4.2)


def missing_of(path: Path, container: InputContainer) -> str:
    """What is not there of ``path``, opened as ``container``, in words; "" where nothing is known."""
    has = path.stat().st_size
    match container.format.name:
        case demuxing.MOV:
            are_whole = _are_fragments_whole(path)
            if are_whole is not None:
                return "" if are_whole else "an unknown part of it (its last fragment is not whole)"
            ends = [stream.index_entries[-1] for stream in container.streams if len(stream.index_entries)]
            wanted = max((entry.pos + entry.size for entry in ends), default=0)
        case demuxing.MATROSKA:
            with path.open("rb") as file:
                segment = find_segment(file)
                wanted = 0 if segment is None else segment.ends
        case demuxing.AVI:
            with path.open("rb") as file:
                wanted = 8 + int.from_bytes(file.read(8)[4:], "little")
        case _:
            wanted = 0
    return missing_share(has, wanted)


def missing_share(has: int, wanted: int) -> str:
    """In words, what is missing of a file of ``has`` bytes that should be ``wanted``; "" for nothing."""
    if wanted <= has:
        return ""
    share = 1 - has / wanted
    return f"{100 * share:.0f} % of it" if share >= 0.01 else "less than 1 % of it"


def _are_fragments_whole(path: Path) -> bool | None:
    """Whether the last box of an MP4 of fragments is all there; None of one with an index of the whole."""
    has, at, is_fragmented = path.stat().st_size, 0, False
    with path.open("rb") as file:
        while at + _BOX_HEAD <= has:
            file.seek(at)
            size, kind = struct.unpack(">I4s", file.read(_BOX_HEAD))
            if size == 1:  # of 64 bits, which follow
                size = int.from_bytes(file.read(8), "big")
            if size < _BOX_HEAD:  # 0: to the end of the file
                return True if is_fragmented else None
            is_fragmented = is_fragmented or kind == b"moof"
            at += size
    return at == has if is_fragmented else None
