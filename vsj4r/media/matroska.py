"""What a Matroska file says and ffmpeg passes over: languages of BCP 47, and how its chapters are arranged.

Elements are those of RFC 9559, sizes those of RFC 8794, 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_TRACKS, _TRACK, _LANGUAGE_BCP47 = 0x1654AE6B, 0xAE, 0x22B59D
_CHAPTERS, _EDITION, _IS_ORDERED = 0x1043A770, 0x45B9, 0x45DD
_CHAPTER, _IS_HIDDEN, _DISPLAY = 0xB6, 0x98, 0x80
_TEXT_BYTES = 256  # at most, of a language
_MOST_ELEMENTS = 100_000  # in a file of hours


class Element(NamedTuple):
    """``begins`` is the offset of its content, ``ends`` that behind it."""

    id: int
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Arrangement:
    """``languages``: of each track the tag of BCP 47, "" where it has none. ``chapters``: in words what a
    plain list of the chapters lacks."""

    languages: tuple[str, ...] = ()
    chapters: tuple[str, ...] = ()


def read_arrangement(path: Path) -> Arrangement:
    """Of the file ``path``, as far as it is Matroska and says it before the first picture."""
    with path.open("rb") as file:
        segment = find_segment(file)
        if segment is None:
            return Arrangement()
        languages: list[str] = []
        chapters: set[str] = set()
        for part in elements(file, segment.begins, segment.ends):
            if part.id == _CLUSTER:
                break
            if part.id == _TRACKS:
                tracks = [each for each in elements(file, part.begins, part.ends) if each.id == _TRACK]
                languages += [_language(file, track) for track in tracks]
            elif part.id == _CHAPTERS:
                chapters |= _beyond_a_list(file, part)
        return Arrangement(tuple(languages), tuple(sorted(chapters)))


def find_segment(file: BinaryIO) -> Element | None:
    """The Segment of a Matroska file; None where it is none, or its size is not said, as while it is being
    written."""
    size = file.seek(0, 2)
    head = next(elements(file, 0, size), None)
    if head is None or head.id != _EBML:
        return None
    found = next(elements(file, head.ends, size), None)
    return found if found is not None and found.id == _SEGMENT else None


def elements(file: BinaryIO, begins: int, ends: int) -> Iterator[Element]:
    """The elements that lie from ``begins`` to ``ends``, up to one whose size is not known."""
    for _ in range(_MOST_ELEMENTS):
        if begins >= ends:
            return
        file.seek(begins)
        number, size = _read_number(file, keeps_marker=True), _read_number(file, keeps_marker=False)
        if number is None or size is None:
            return
        begins = file.tell()
        yield Element(number, begins, begins + size)
        begins += size


def _read_number(file: BinaryIO, *, keeps_marker: bool) -> int | None:
    """An element's ID, which includes the bit that marks its length, or a size. None where there is none, and
    for a size that is not known."""
    first = (file.read(1) or b"\0")[0]
    length = 9 - first.bit_length()
    if length > 8:
        return None
    value = int.from_bytes(bytes([first]) + file.read(length - 1))
    if keeps_marker:
        return value
    value &= (1 << 7 * length) - 1
    return None if value == (1 << 7 * length) - 1 else value


def _language(file: BinaryIO, track: Element) -> str:
    for part in elements(file, track.begins, track.ends):
        if part.id == _LANGUAGE_BCP47:
            return _read(file, part).rstrip(b"\0").decode("ascii", "replace")
    return ""


def _beyond_a_list(file: BinaryIO, chapters: Element) -> set[str]:
    editions = [each for each in elements(file, chapters.begins, chapters.ends) if each.id == _EDITION]
    found = {"other editions"} if len(editions) > 1 else set()
    for edition in editions:
        for part in elements(file, edition.begins, edition.ends):
            if part.id == _IS_ORDERED and any(_read(file, part)):
                found.add("their own order")
            elif part.id == _CHAPTER:
                found |= _beyond_an_entry(file, part)
    return found


def _beyond_an_entry(file: BinaryIO, chapter: Element) -> set[str]:
    parts = list(elements(file, chapter.begins, chapter.ends))
    found = {"chapters within chapters"} if any(part.id == _CHAPTER for part in parts) else set()
    if sum(part.id == _DISPLAY for part in parts) > 1:
        found.add("names in other languages")
    if any(part.id == _IS_HIDDEN and any(_read(file, part)) for part in parts):
        found.add("that some are hidden")
    return found


def _read(file: BinaryIO, element: Element) -> bytes:
    file.seek(element.begins)
    return file.read(min(element.ends - element.begins, _TEXT_BYTES))
