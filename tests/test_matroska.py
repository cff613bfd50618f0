"""What Matroska says and ffmpeg passes over."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from tests.cli import run
from tests.media import QUICK, SINE, ffmpeg, picture
from tests.tried import tried
from vsj4r.media.matroska import Arrangement, read_arrangement
from vsj4r.media.probe import probe

TRACKS, CHAPTERS, CLUSTER = 0x1654AE6B, 0x1043A770, 0x1F43B675


def element(number: int, *content: bytes) -> bytes:
    inside = b"".join(content)
    return number.to_bytes((number.bit_length() + 7) // 8) + (1 << 56 | len(inside)).to_bytes(8) + inside


def track(language: bytes | None) -> bytes:
    return element(0xAE, element(0xD7, b"\1"), b"" if language is None else element(0x22B59D, language))


def chapter(*content: bytes, names: int = 1, hidden: bool = False) -> bytes:
    shown = names * element(0x80, element(0x85, b"Rain"))
    return element(0xB6, shown, element(0x98, bytes([hidden])), *content)


def matroska(path: Path, *parts: bytes) -> Path:
    path.write_bytes(element(0x1A45DFA3, element(0x4282, b"matroska")) + element(0x18538067, *parts))
    return path


def test_languages_of_tracks(tmp_path: Path) -> None:
    tracks = element(TRACKS, track(b"zh-Hant"), track(None), track(b"pt-BR\0"))
    assert read_arrangement(matroska(tmp_path / "a.mkv", tracks)).languages == ("zh-Hant", "", "pt-BR")


@pytest.mark.parametrize(
    ("editions", "lacks"),
    [
        ([[chapter(), chapter()]], ()),
        ([[chapter()], [chapter()]], ("other editions",)),
        ([[element(0x45DD, b"\1"), chapter()]], ("their own order",)),
        ([[element(0x45DD, b"\0"), chapter()]], ()),
        ([[chapter(chapter())]], ("chapters within chapters",)),
        ([[chapter(names=2), chapter(hidden=True)]], ("names in other languages", "that some are hidden")),
    ],
)
def test_what_a_list_of_chapters_lacks(
    tmp_path: Path, editions: list[list[bytes]], lacks: tuple[str, ...]
) -> None:
    chapters = element(CHAPTERS, *(element(0x45B9, *parts) for parts in editions))
    assert read_arrangement(matroska(tmp_path / "a.mkv", chapters)).chapters == lacks
    behind = matroska(tmp_path / "b.mkv", element(CLUSTER, bytes(40)), chapters)
    assert read_arrangement(behind) == Arrangement()  # a look through a whole film for them is not worth it


@pytest.mark.parametrize("cut", [0, 1, 4, 30, 45, 60])
def test_a_damaged_file_says_nothing_wrong(tmp_path: Path, cut: int) -> None:
    whole = matroska(tmp_path / "a.mkv", element(TRACKS, track(b"pt-BR")))
    whole.write_bytes(whole.read_bytes()[:cut])
    assert read_arrangement(whole).languages in ((), ("",))
    whole.write_bytes(b"\x1a\x45\xdf\xa3\xff\x18\x53\x80\x67" + bytes(range(256)))
    assert read_arrangement(whole) == Arrangement()


@tried("Matroska and WebM", "languages such as pt-BR and zh-Hant, as mkvmerge writes them", "kept")
def test_a_language_with_its_country_is_kept(model: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "a.mkv", tmp_path / "out.mkv"
    ffmpeg(
        *picture(seconds=0.2), *SINE, *QUICK, "-metadata:s:a", "language=pt-BR", "-t", "0.2", f"file:{source}"
    )
    content = source.read_bytes()
    assert b"\x22\xb5\x9c\x85pt-BR" in content
    source.write_bytes(content.replace(b"\x22\xb5\x9c\x85pt-BR", b"\x22\xb5\x9d\x85pt-BR"))
    with av.open(str(source)) as container:
        assert (
            container.streams.audio[0].metadata.get("language") != "pt-BR"
        )  # ffmpeg reads the older element
    assert probe(source).streams[1].metadata["language"] == "pt-BR"
    run(source, output, "--model", model)
    with av.open(str(output)) as container:
        assert container.streams.audio[0].metadata["language"] == "pt-BR"
