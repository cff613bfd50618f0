"""What a source holds is in the output, or a line says that it is not: over a table of containers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests import media
from tests.running import derain_quickly
from tests.tried import tried
from vsj4r.media.containers import CONTAINERS
from vsj4r.media.images import write_png
from vsj4r.media.languages import spell_language
from vsj4r.media.probe import Probe, probe
from vsj4r.media.streams import Stream

OUTPUTS = (".mkv", ".mp4", ".mov", ".webm", ".ts", ".avi")
FILE_TAGS = {
    "title": "A title",
    "artist": "Somebody",
    "comment": "A comment; with = and ü",
    "date": "2024-05-06",
    "creation_time": "2024-01-01T18:04:05.000000Z",
    "location": "+35.6000-139.7000/",
    "MYTAG": "of my own",
}
PHONE_TAGS = FILE_TAGS | {
    "com.apple.quicktime.make": "Apple",
    "com.apple.quicktime.location.ISO6709": "+35.6000-139.7000+010.000/",
    "com.apple.quicktime.creationdate": "2024-01-02T03:04:05+0900",
}


@dataclass(frozen=True)
class Made:
    """How a source is made: its encoders of picture, sound and subtitles, and what else ffmpeg is told."""

    suffix: str
    sound: str
    subtitles: str = ""
    picture: str = "libx264"
    tags: tuple[tuple[str, str], ...] = tuple(FILE_TAGS.items())
    options: tuple[str, ...] = ()
    attached: bool = False
    cover: bool = False


SOURCES = {
    "matroska": Made(
        ".mkv", "libopus", "ass", options=("-metadata:s:v", "stereo_mode=left_right"), attached=True
    ),
    "mp4": Made(".mp4", "aac", "mov_text", options=("-timecode", "01:02:03:04"), cover=True),
    "phone": Made(".mov", "aac", tags=tuple(PHONE_TAGS.items()), options=("-movflags", "use_metadata_tags")),
    "quicktime": Made(".mov", "pcm_s16be", "mov_text"),
    "webm": Made(".webm", "libvorbis", "webvtt", picture="libvpx-vp9"),
    "avi": Made(".avi", "libmp3lame", picture="mpeg4"),
    "ts": Made(".ts", "mp2"),
    "disc": Made(".m2ts", "pcm_bluray"),
    "nut": Made(".nut", "flac"),
    "mxf": Made(".mxf", "pcm_s16le", picture="mpeg2video", tags=(), options=("-timecode", "01:02:03:04")),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each source: half a second of picture, two streams of sound, and all that its container takes."""
    folder = tmp_path_factory.mktemp("sources")
    return {name: make(folder / f"{name}{how.suffix}", how) for name, how in SOURCES.items()}


def make(path: Path, how: Made) -> Path:
    words, chapters, font, cover = (path.with_suffix(suffix) for suffix in (".srt", ".txt", ".ttf", ".png"))
    words.write_text("1\n00:00:00,100 --> 00:00:00,400\nhello\n")
    chapters.write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=one\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=200\nEND=500\ntitle=two\n"
    )
    font.write_bytes(media.ATTACHMENT)
    write_png(np.full((16, 16, 3), 99, np.uint8), cover)
    picture = media.picture(seconds=0.5, rate=25, size="160x96")
    inputs = [*picture, "-f", "lavfi", "-i", "sine=d=0.5:r=48000", "-i", str(words), "-i", str(chapters)]
    maps = ["-map", "0", "-map", "1", "-map", "1", "-map_chapters", "3"]
    coded = ["-c:v", how.picture, "-g", "5", "-pix_fmt", "yuv420p", "-c:a", how.sound, "-vf", "setsar=4/3"]
    said = ["-metadata:s:v:0", "title=the picture", "-metadata:s:v:0", "language=jpn"]
    said += ["-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=fra"]
    said += ["-metadata:s:a:1", "title=director's words", "-disposition:a:0", "original"]
    said += ["-disposition:a:1", "default+comment", *how.options]
    if how.subtitles:
        maps += ["-map", "2"]
        coded += ["-c:s", how.subtitles]
        said += ["-metadata:s:s:0", "language=spa", "-disposition:s:0", "forced+hearing_impaired"]
    if how.cover:
        inputs += ["-i", str(cover)]
        maps += ["-map", "4"]
        coded += ["-c:v:1", "copy", "-filter:v:0", "setsar=4/3"]
        coded[coded.index("-vf") : coded.index("-vf") + 2] = []
        said += ["-disposition:v:1", "attached_pic"]
    if how.attached:
        said += ["-attach", str(font), "-metadata:s:t", "mimetype=font/ttf"]
    for name, value in how.tags:
        said += ["-metadata", f"{name}={value}"]
    media.ffmpeg(*inputs, *maps, *coded, *said, f"file:{path}")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("suffix", OUTPUTS)
@pytest.mark.parametrize("name", SOURCES)
@tried(
    "Streams and tags",
    "MKV, WebM, MP4, MOV, AVI, TS, M2TS, NUT, MXF into six containers: each stream, tag and flag",
    "it is there, or a line says that it is not",
)
def test_it_is_there_or_a_line_says_that_it_is_not(
    made: dict[str, Path], model: Path, tmp_path: Path, name: str, suffix: str
) -> None:
    output = tmp_path / f"out{suffix}"
    notes = derain_quickly(made[name], output, model, encoder="vp9" if suffix == ".webm" else "x264")
    before, after = probe(made[name]), probe(output)
    lost = [fact for fact in facts(before) if fact not in facts(after) and not is_told(fact, notes)]
    assert not lost, "\n".join([*map(str, lost), "said:", *notes])
    # Matroska has whole pixels, of each eye's picture
    assert abs(shown_width(after.video) - shown_width(before.video)) < 2


@dataclass(frozen=True)
class Fact:
    """One thing that a file says. ``words``: what a line about it names."""

    what: str
    value: str
    words: tuple[str, ...] = field(compare=False)


def shown_width(video: Stream) -> float:
    return float(video.width * (video.sample_aspect or 1))


OF_THE_FILE = (
    "encoder", "software", "handler_name", "vendor_id", "duration", "major_brand", "minor_version",
    "compatible_brands", "product", "language", "stereo_mode", "filename", "mimetype", "timecode",
    "alpha_mode",
    "operational_pattern_ul", "company_name", "product_name", "product_version", "product_version_num",
    "application_platform", "toolkit_version_num", "modification_date",
)  # fmt: skip


def facts(found: Probe) -> list[Fact]:
    """Everything that ``found`` says, but of its own making."""
    gathered = [Fact(f"tag {name}", value, (name,)) for name, value in tags_of(found.metadata)]
    counts: dict[str, int] = {}
    for stream in found.streams:
        if stream.kind == "data" or stream.is_passed_over:
            continue
        cover = stream.is_cover
        kind = "cover" if cover else stream.kind
        place = counts[kind] = counts.get(kind, -1) + 1
        called = (
            ("the picture",)
            if stream.index == found.video.index
            else (f"{stream.kind} stream {stream.index}",)
        )
        gathered.append(Fact(f"{kind} {place}", "", called))
        if not cover:
            gathered += stream_facts(f"{kind} {place}", stream, called)
    if found.chapters:
        titles = [chapter["metadata"].get("title", "") for chapter in found.chapters]
        gathered.append(Fact("chapters", str(titles), ("chapters",)))
    of_file = {name.lower(): value for name, value in found.metadata.items()}
    code = found.video.tag("timecode") or of_file.get("timecode", "")
    if code:
        gathered.append(Fact("timecode", code, ("timecode",)))
    stereo = found.video.tag("stereo_mode")
    return [*gathered, Fact("stereo", stereo, ("stereo",))] if stereo else gathered


def stream_facts(what: str, stream: Stream, called: tuple[str, ...]) -> list[Fact]:
    tags = {name: value for name, value in tags_of(stream.metadata) if name != "creation_time"}
    if "name" in tags:
        tags["title"] = tags.pop("name")
    gathered = [Fact(f"{what} tag {name}", value, (*called, name)) for name, value in tags.items()]
    language = stream.tag("language")
    if language not in ("", "und"):
        spelled = spell_language(language, CONTAINERS[".mov"]) or language
        gathered.append(Fact(f"{what} language", spelled, (*called, language)))
    purposes = stream.flags - {"default", "captions", "descriptions", "attached_pic"}
    return gathered + [Fact(f"{what} is {flag}", "", (*called, flag)) for flag in sorted(purposes)]


def tags_of(metadata: object) -> list[tuple[str, str]]:
    assert isinstance(metadata, dict)
    kept = [(name.lower(), value) for name, value in metadata.items() if name.lower() not in OF_THE_FILE]
    own = [
        (name, value) for name, value in kept if not ("uid" in name or "umid" in name or name[-4:] == "-eng")
    ]
    return [(name, as_read(name, value)) for name, value in own]


def as_read(name: str, value: str) -> str:
    """MP4 writes places with more digits, and a time that is told twice is joined by ffmpeg."""
    if name == "location":
        return value[:8]
    return value.split(";")[0] if name == "creation_time" else value


def is_told(fact: Fact, notes: list[str]) -> bool:
    """A stream that is left out takes along what is said of it."""
    for note in (note.lower() for note in notes):
        gone = "left out" in note and f"cannot hold {fact.words[0]} (" in note
        if gone or all(word in note for word in fact.words):
            return True
    return False
