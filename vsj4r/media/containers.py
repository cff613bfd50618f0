"""What each kind of output file can hold: the one table of what may be written into what.

Everything beside the picture is copied as it is where the table says so, converted without loss where it says
that, and else left out with a line. A codec is in the table only if what ffmpeg writes is found and decoded
again (tests/test_containers.py tries it): ffmpeg writes more, which nothing can play.

| Sound that a container does not hold | becomes                                             |
|--------------------------------------|-----------------------------------------------------|
| PCM, in .mkv .mov .avi .nut          | PCM of the same samples, lowest byte first          |
| any other, in .mov .avi .nut         | PCM of the samples that its decoder gives           |
| any other, in .mkv; any, in .mp4     | FLAC of 16 bit, or of 24 where it has more          |
| any, in .webm                        | Opus, with loss: .webm has no sound without         |
| any, in .ts                          | left out                                            |
| any, in .mxf                         | PCM of 48 kHz, of 16 bit, or of 24 where it has more|
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from vsj4r.errors import Vsj4rError

ANY = frozenset({"*"})
"""Whatever there is."""


@dataclass(frozen=True, slots=True)
class Container:
    """One kind of output file. Names of codecs, flags and tags are ffmpeg's.

    ``sound``: codecs that are copied; ``other_pcm`` and ``other_sound``: what PCM, and sound, of other codecs
    becomes ("pcm, 48 kHz" has 16 or 24 bit), "" where it is left out. ``subtitles``: codec to "copy" or to
    the encoder that it goes through.
    ``data``: codecs that are copied. ``covers``: codecs of cover pictures, which are ``attached`` as files or
    streams. ``attachments``, ``chapters``: whether it has them. ``turns``: whether it can say how to turn the
    picture; ``stereo``: that it is stereo.
    ``flags``: what a stream can be said to be for. ``tags`` of the file, ``stream_tags`` of a stream;
    ``more_tags``: whether another way of writing takes all tags, but no cover; ``tags_of_picture``: whether
    the picture's stream has any. ``sound_rate``: the one of all sound, 0 is any. ``rates``: frames a
    second, one of these for all frames; empty is any. ``only_with_picture``: no sound before the picture or
    after it. ``plain_pcm``: PCM is one run of samples, without times; ``placed_pcm``: all its channels have
    places. ``sound_at_once``: all sound begins with the file. ``of_quicktime``: of QuickTime's kind, whose
    edit list hides what is to be shown before time 0; ``hides_beginnings``: it can hide such sound.
    ``counts_frames``: no times but frames' numbers. ``says_rate``: a rate beside its times. ``says_day``: may
    begin at the time of day. ``languages``: those that it has words for. ``encoder``: the usual one of its
    pictures; ``h264``, ``hevc``: whether it holds those.
    """

    muxer: str
    sound: frozenset[str]
    other_pcm: Literal["pcm", "pcm, 48 kHz", "flac", "opus", ""] = ""
    other_sound: Literal["pcm", "pcm, 48 kHz", "flac", "opus", ""] = ""
    subtitles: Mapping[str, str] = field(default_factory=dict)
    data: frozenset[str] = frozenset()
    covers: frozenset[str] = frozenset()
    attached: bool = False
    attachments: bool = False
    chapters: bool = False
    turns: bool = False
    stereo: bool = False
    flags: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    more_tags: bool = False
    tags_of_picture: bool = True
    stream_tags: frozenset[str] = frozenset()
    sound_rate: int = 0
    rates: frozenset[Fraction] = frozenset()
    only_with_picture: bool = False
    plain_pcm: bool = False
    placed_pcm: bool = False
    sound_at_once: bool = False
    of_quicktime: bool = False
    hides_beginnings: bool = False
    counts_frames: bool = False
    says_rate: bool = False
    says_day: bool = False
    languages: Literal["all", "three letters", "QuickTime's"] = "three letters"
    encoder: str = "x264"
    h264: bool = True
    hevc: bool = False

    def holds_tag(self, name: str) -> bool:
        return self.tags is ANY or name.lower() in self.tags

    def holds_stream_tag(self, name: str, *, of_picture: bool) -> bool:
        if of_picture and not self.tags_of_picture:
            return False
        return self.stream_tags is ANY or name.lower() in self.stream_tags


_PCM_LITTLE = frozenset({"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"})
_PCM_BIG = frozenset({"pcm_s16be", "pcm_s24be", "pcm_s32be"})
_PCM_BIG_FLOAT = frozenset({"pcm_f32be", "pcm_f64be"})
_LAWS = frozenset({"pcm_alaw", "pcm_mulaw"})
_MPEG = frozenset({"mp1", "mp2", "mp3", "aac", "ac3", "eac3", "dts"})
_PURPOSES = frozenset(
    {"default", "forced", "comment", "dub", "hearing_impaired", "visual_impaired", "descriptions"}
)
_WAVE = frozenset(
    {"adpcm_ima_wav", "adpcm_ms", "adpcm_yamaha", "adpcm_g722", "adpcm_g726", "wmav1", "wmav2", "wmapro"}
)

_TEXT = frozenset({"subrip", "ass", "mov_text", "webvtt", "text"})
_BITMAPS = frozenset({"dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle"})

_MATROSKA = Container(
    "matroska",
    says_rate=True,
    hides_beginnings=True,
    sound=frozenset({"opus", "vorbis", "flac", "alac", "truehd", "mlp", "wavpack", "amr_nb", "amr_wb"})
    | _MPEG | _WAVE | _PCM_LITTLE | _PCM_BIG | _LAWS,
    other_pcm="pcm",
    other_sound="flac",
    subtitles=dict.fromkeys(_TEXT | _BITMAPS, "copy") | {"mov_text": "srt", "text": "srt"},
    covers=ANY,
    attached=True,
    attachments=True,
    chapters=True,
    turns=True,
    stereo=True,
    flags=_PURPOSES | {"original"},
    tags=ANY,
    stream_tags=ANY,
    says_day=True,
    languages="all",
    hevc=True,
)  # fmt: skip

_WEBM = Container(
    "webm",
    says_rate=True,
    hides_beginnings=True,
    sound=frozenset({"opus", "vorbis"}),
    other_pcm="opus",
    other_sound="opus",
    subtitles=dict.fromkeys(_TEXT, "webvtt") | {"webvtt": "copy"},
    chapters=True,
    turns=True,
    stereo=True,
    flags=frozenset({"default", "forced"}),
    tags=ANY,
    stream_tags=ANY,
    says_day=True,
    languages="all",
    encoder="svtav1",
    h264=False,
)

_MP4 = Container(
    "mp4",
    sound=frozenset({"aac", "ac3", "eac3", "dts", "mp2", "mp3", "opus", "flac", "alac", "vorbis"})
    | (_PCM_LITTLE - {"pcm_u8"}) | _PCM_BIG | _PCM_BIG_FLOAT,
    other_pcm="flac",
    other_sound="flac",
    subtitles=dict.fromkeys(_TEXT, "mov_text") | {"mov_text": "copy", "dvd_subtitle": "copy"},
    data=frozenset({"bin_data"}),
    covers=frozenset({"mjpeg", "png", "bmp"}),
    chapters=True,
    turns=True,
    flags=_PURPOSES | {"captions"},
    tags=frozenset(
        {
            "title", "artist", "album", "album_artist", "composer", "date", "creation_time", "comment",
            "genre", "description", "synopsis", "copyright", "track", "disc", "show", "episode_id", "network",
            "keywords", "lyrics", "grouping", "compilation", "media_type", "hd_video", "gapless_playback",
            "season_number", "episode_sort", "location", "timecode",
        }
    ),
    more_tags=True,
    stream_tags=frozenset({"language", "title", "handler_name", "creation_time", "timecode"}),
    plain_pcm=True,
    placed_pcm=True,
    of_quicktime=True,
    hides_beginnings=True,
    hevc=True,
)  # fmt: skip

_MOV = Container(
    "mov",
    sound=frozenset({"aac", "ac3", "eac3", "dts", "mp2", "mp3", "alac", "amr_nb", "amr_wb", "adpcm_ima_qt"})
    | _PCM_LITTLE | _PCM_BIG | _PCM_BIG_FLOAT | _LAWS | {"pcm_s8"},
    other_pcm="pcm",
    other_sound="pcm",
    subtitles=dict.fromkeys(_TEXT, "mov_text") | {"mov_text": "copy"},
    data=frozenset({"bin_data"}),
    chapters=True,
    turns=True,
    flags=frozenset({"default"}),
    tags=frozenset(
        {
            "title", "artist", "album", "date", "creation_time", "comment", "copyright", "genre", "location",
            "make", "model", "timecode",
        }
    ),
    more_tags=True,
    stream_tags=frozenset({"language", "title", "handler_name", "creation_time", "timecode", "reel_name"}),
    plain_pcm=True,
    of_quicktime=True,
    hides_beginnings=True,
    languages="QuickTime's",
    hevc=True,
)  # fmt: skip

_AVI = Container(
    "avi",
    sound=_PCM_LITTLE | _LAWS | _MPEG | _WAVE | {"flac"},
    other_pcm="pcm",
    other_sound="pcm",
    tags=frozenset(
        {"title", "artist", "date", "comment", "copyright", "genre", "track", "encoded_by", "timecode"}
    ),
    stream_tags=frozenset({"title"}),
    plain_pcm=True,
    sound_at_once=True,
    counts_frames=True,
)

_NUT = Container(
    "nut",
    sound=_PCM_LITTLE | _PCM_BIG | _PCM_BIG_FLOAT | _LAWS | (_MPEG - {"mp1"})
    | {"opus", "vorbis", "flac", "wavpack", "adpcm_g722", "pcm_s8"},
    other_pcm="pcm",
    other_sound="pcm",
    subtitles=dict.fromkeys(
        (_TEXT - {"subrip", "webvtt", "mov_text"}) | (_BITMAPS - {"hdmv_pgs_subtitle"}), "copy"
    ),
    chapters=True,
    flags=frozenset({"default", "dub", "original", "comment", "lyrics", "karaoke"}),
    tags=ANY,
    stream_tags=ANY,
    says_day=True,
    languages="all",
)  # fmt: skip

_TS = Container(
    "mpegts",
    sound=frozenset({"mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "opus", "s302m"}),
    subtitles={"dvb_subtitle": "copy", "dvb_teletext": "copy"},
    flags=frozenset({"hearing_impaired", "visual_impaired", "clean_effects", "descriptions"}),
    stream_tags=frozenset({"language"}),
    tags_of_picture=False,
    hevc=True,
)

_WHOLE_RATES = frozenset(map(Fraction, (24, 25, 30, 48, 50, 60, 100, 120)))
_MXF = Container(
    "mxf",
    sound=frozenset({"pcm_s16le", "pcm_s24le"}),
    other_pcm="pcm, 48 kHz",
    other_sound="pcm, 48 kHz",
    tags=frozenset({"timecode"}),
    stream_tags=frozenset({"timecode"}),
    sound_rate=48_000,
    only_with_picture=True,
    plain_pcm=True,
    sound_at_once=True,
    counts_frames=True,
    encoder="dnxhr",
    rates=_WHOLE_RATES | {Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120)},
)

CONTAINERS: Mapping[str, Container] = {
    ".mkv": _MATROSKA,
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": _MOV,
    ".webm": _WEBM,
    ".avi": _AVI,
    ".nut": _NUT,
    ".ts": _TS,
    ".mxf": _MXF,
}
"""By the suffix of the output's name."""


def names_folder(name: str) -> bool:
    """Whether the output ``name`` means a folder of images: it ends with a separator, has no suffix, or is a
    folder already that is not called like a video. No pipe is one, and neither is stdout (-)."""
    path = Path(name)
    if name == "-" or (path.exists() and not path.is_dir() and not path.is_file()):
        return False
    if name.endswith(tuple(filter(None, (os.sep, os.altsep)))) or not path.suffix:
        return True
    return path.is_dir() and path.suffix.lower() not in CONTAINERS


def container_for(output: Path) -> Container:
    """What a file of the name ``output`` can hold.

    Raises:
        Vsj4rError: an unknown suffix.
    """
    suffix = output.suffix.lower()
    if suffix not in CONTAINERS:
        raise Vsj4rError(
            f"unknown type of output {output.name!r}: known are {', '.join(CONTAINERS)}; "
            "for a folder of images end the name with /"
        )
    return CONTAINERS[suffix]
