"""What goes into the output beside the picture's samples: the source's other streams, its tags, and what only
its container says. What the output cannot hold becomes a line: nothing is lost without one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from vsj4r.media.containers import CONTAINERS, Container
from vsj4r.media.demuxing import MOV
from vsj4r.media.extras import Along, Cover, Extras
from vsj4r.media.languages import spell_language
from vsj4r.media.probe import Probe
from vsj4r.media.sound import sound_change, sound_codec_for, sound_options
from vsj4r.media.streams import PICTURE_FLAGS, Stream
from vsj4r.media.subtitles import subtitle_options
from vsj4r.words import count_of

_FILE_TAGS = frozenset(
    {
        "encoder", "software", "duration", "vendor_id", "handler_name", "major_brand", "minor_version",
        "compatible_brands", "bps", "number_of_frames", "number_of_bytes", "_statistics_tags",
        "_statistics_writing_app", "_statistics_writing_date_utc", "uid", "generation_uid", "product_uid",
        "material_package_umid", "file_package_umid", "company_name", "product_name", "product_version",
        "product_version_num", "application_platform", "toolkit_version", "toolkit_version_num",
        "operational_pattern_ul", "modification_date",
    }
)  # fmt: skip
"""Tags that describe the file that was read, not what it shows: the output has its own."""

_HANDLED_TAGS = frozenset({"language", "stereo_mode", "alpha_mode", "rotate", "filename", "mimetype"})
_LONGEST_WAIT_SECONDS = 60  # for a picture and for sound
_LONGEST_TAG_BYTES = 100_000  # Linux takes 128 KiB in one argument

_IMPLIED_FLAGS = {"captions": "hearing_impaired", "descriptions": "visual_impaired"}

_SIDE_DATA: Mapping[str, str] = {
    "display_matrix": "",
    "stereo_3d": "",
    "frame_cropping": "",
    "mastering_display_metadata": "",
    "content_light_level": "",
    "cpb_properties": "",
    "palette": "",
    "spherical": "that it is spherical (VR, 360 degrees)",
    "dovi_conf": "its Dolby Vision configuration",
    "icc_profile": "its ICC profile",
    "ambient_viewing_environment": "its ambient viewing environment",
}
"""ffmpeg's names of what a container says of the picture, and in words what is lost; "": it is kept."""

_STEREO = {
    0: ("mono", "mono"),
    1: ("left_right", "right_left"),
    2: ("top_bottom", "bottom_top"),
    3: ("block_lr", "block_rl"),
    4: ("checkerboard_lr", "checkerboard_rl"),
    6: ("row_interleaved_lr", "row_interleaved_rl"),
    7: ("col_interleaved_lr", "col_interleaved_rl"),
}
"""ffmpeg's AVStereo3DType, and Matroska's word for it, with the left eye first and the right one."""
_UNNAMED_STEREO = "by a second layer, or in a way without a name"


def find_extras(source: Probe, suffix: str) -> Extras:
    """Plan what of ``source`` goes along into an output whose name ends in ``suffix``."""
    planner = _Planner(source, suffix.lower())
    streams = planner.streams()
    tags, more_tags = planner.file_tags(beside_cover=any(along.kind == "video" for along in streams))
    video_tags = planner.video_tags()
    return Extras(
        streams=streams,
        covers=tuple(planner.covers),
        tags=tags,
        more_tags=more_tags,
        video_tags=video_tags,
        video_flags=planner.flags(source.video, "video"),
        start_seconds=float(source.start_seconds or 0)
        if _begins_anywhere(source, planner.container)
        else 0.0,
        notes=(*planner.lost, *planner.changed),
    )


class _Planner:
    """Walks over a source once. What its methods find on the way is in ``covers``, and in lines for what is
    ``lost`` and what is ``changed``."""

    def __init__(self, source: Probe, suffix: str) -> None:
        self.container = CONTAINERS[suffix]
        self.covers: list[Cover] = []
        self.lost: list[str] = []
        self.changed: list[str] = []
        self._source = source
        self._suffix = suffix

    def streams(self) -> tuple[Along, ...]:
        streams = []
        for stream in self._source.others:
            if stream.kind == "data" and (stream.is_passed_over or stream.tag("timecode")):
                continue  # ffmpeg writes the titles of chapters, and time codes, anew
            if self.container.attached and stream.is_cover and stream.index in self._source.covers:
                self.covers.append(self._cover(stream))
                continue
            codec = self._codec_for(stream)
            if codec:
                streams.append(self._along(stream, codec))
        elsewhere = [str(stream.index) for stream in self._source.other_programs]
        if elsewhere:
            self.lost.append(f"stream {', '.join(elsewhere)} of another program than the picture's: left out")
        if self._source.chapters and not self.container.chapters:
            self._lose(count_of(len(self._source.chapters), "chapter"))
        elif self._source.beyond_chapters:
            lost = ", ".join(self._source.beyond_chapters)
            self.lost.append(f"the chapters become a plain list, which lacks: {lost}")
        return tuple(streams)

    def file_tags(self, *, beside_cover: bool) -> tuple[dict[str, str], bool]:
        """The tags of the file, and whether they need the other way of writing, which takes no cover."""
        tags = self._plain_tags(self._source.metadata)
        lost = [name for name in tags if not self.container.holds_tag(name)]
        if lost and self.container.more_tags and not beside_cover:
            return tags, True
        if lost:
            self._lose(f"the tags {', '.join(lost)}" if len(lost) > 1 else f"the tag {lost[0]}")
        return {name: value for name, value in tags.items() if name not in lost}, False

    def video_tags(self) -> dict[str, str]:
        video = self._source.video
        self._look_at_side_data(video)
        tags = dict(video.metadata)
        if not video.tag("timecode"):
            data = (stream for stream in self._source.streams if stream.kind == "data")
            clock = next((stream for stream in data if stream.tag("timecode")), None)
            tags |= {name: clock.tag(name) for name in ("timecode", "reel_name")} if clock else {}
        kept = self._stream_tags(video, tags, copied=False)
        stereo = video.tag("stereo_mode") or _stereo_mode(video)
        if stereo and stereo != _UNNAMED_STEREO and self.container.stereo:
            kept["stereo_mode"] = stereo
        elif stereo not in ("", "mono"):
            self._lose(f"that the picture is stereo ({stereo})")
        return kept

    def flags(self, stream: Stream, what: str) -> tuple[str, ...]:
        """What ``stream``, called ``what``, is said to be for; the pictures' flags go with their codec."""
        kept = stream.flags & (self.container.flags | PICTURE_FLAGS)
        for flag in sorted(stream.flags - kept):
            implied = _IMPLIED_FLAGS.get(flag) in kept
            if not implied and (flag != "default" or self._is_choice(stream)):
                self._lose(f"that {what} is {flag}")
        return tuple(sorted(kept))

    def _lose(self, what: str) -> None:
        self.lost.append(f"{self._suffix} cannot hold {what}: left out")

    def _codec_for(self, stream: Stream) -> str:
        """What ffmpeg writes ``stream`` with; "" with a line where it is left out."""
        container, name = self.container, _name_of(stream)
        match stream.kind:
            case "audio":
                codec = sound_codec_for(container, stream)
                if codec not in ("", "copy", stream.codec):
                    rate = container.sound_rate if container.sound_rate != stream.sample_rate else 0
                    how = sound_change(codec, stream, container)
                    told = f"{codec.removeprefix('lib')}{f' of {rate // 1000} kHz' if rate else ''}"
                    had = f"{stream.codec}{f' of {stream.sample_rate / 1000:g} kHz' if rate else ''}"
                    self.changed.append(f"{name} becomes {told}, {how}: {self._suffix} cannot hold {had}")
            case "subtitle":
                codec = container.subtitles.get(stream.codec, "")
                if codec not in ("", "copy"):
                    simpler = ", without its styles and places" if stream.codec == "ass" else ""
                    simpler += ", of one line at a time" if codec == "mov_text" else ""
                    self.changed.append(
                        f"{name} becomes {codec}{simpler}: {self._suffix} cannot hold {stream.codec}"
                    )
            case "video" if not stream.is_cover:
                self.lost.append(
                    f"{name} is left out: video stream {self._source.video.index} is derained "
                    "(--track, or track in a job file, chooses another)"
                )
                return ""
            case "video":
                codec = "copy" if stream.codec in container.covers else ""
            case "attachment":
                codec = "copy" if container.attachments else ""
            case _:
                codec = "copy" if stream.codec in container.data and self._source.format == MOV else ""
        if not stream.codec and stream.kind != "attachment":
            self.lost.append(f"{name} is left out: ffmpeg does not know its codec")
        elif not codec:
            self._lose(name)
        return codec

    def _along(self, stream: Stream, codec: str) -> Along:
        tags = self._stream_tags(stream, stream.metadata, copied=codec in ("copy", stream.codec))
        if stream.kind == "attachment":
            tags |= {key: value for key, value in stream.metadata.items() if key in ("filename", "mimetype")}
        return Along(
            index=stream.index,
            kind=stream.kind,
            codec=codec,
            options=self._options(codec, stream),
            flags=self.flags(stream, f"{stream.kind} stream {stream.index}"),
            tags=tags,
            packets=(_without(stream.hidden),) if stream.hidden else (),
        )

    def _options(self, codec: str, stream: Stream) -> dict[str, str]:
        match stream.kind:
            case "audio":
                return sound_options(codec, stream, self.container)
            case "subtitle":
                return subtitle_options(codec, stream, self.container)
            case _:
                return {}

    def _cover(self, stream: Stream) -> Cover:
        kind = {"mjpeg": "jpeg"}.get(stream.codec, stream.codec or "png")
        name = Path(stream.metadata.get("filename", "")).name or f"cover.{kind.replace('jpeg', 'jpg')}"
        taken = {cover.filename for cover in self.covers}
        return Cover(
            filename=f"{stream.index}-{name}" if name in taken else name,
            mimetype=stream.metadata.get("mimetype", f"image/{kind}"),
            content=self._source.covers[stream.index],
        )

    def _stream_tags(self, stream: Stream, tags: Mapping[str, str], *, copied: bool) -> dict[str, str]:
        """Those of ``tags`` that ``stream`` keeps, its language among them."""
        of_picture = stream.index == self._source.video.index
        of = "the picture" if of_picture else f"{stream.kind} stream {stream.index}"

        def held(name: str) -> bool:
            return self.container.holds_stream_tag(name, of_picture=of_picture)

        plain = self._plain_tags(tags)
        if "name" in plain and "title" not in plain and self._source.format == MOV:
            plain["title"] = plain.pop("name")
        lost = [name for name in plain if not held(name) and name.lower() != "creation_time"]
        if lost:
            self._lose(f"the {'tags' if len(lost) > 1 else 'tag'} {', '.join(lost)} of {of}")
        about_file = ("handler_name", "encoder") if copied else ("handler_name",)
        plain |= {name: value for name, value in tags.items() if name.lower() in about_file}
        kept = {name: value for name, value in plain.items() if held(name)}
        language = tags.get("language", "und")
        if language != "und":
            spelled = spell_language(language, self.container) if held("language") else ""
            if spelled:
                kept["language"] = spelled
            if not spelled or ("-" in language and spelled != language):
                less = f": it becomes {spelled}" if spelled else ": left out"
                self.lost.append(f"{self._suffix} cannot hold the language {language} of {of}{less}")
        return kept

    def _plain_tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """``tags`` that say something of the content, each with one value."""
        plain = {}
        for name, value in tags.items():
            known = name.lower().removesuffix("-eng")  # as MP4 and mkvmerge have it; ffmpeg gives MP4's twice
            if known in _FILE_TAGS or known in _HANDLED_TAGS or not value:
                continue
            if known != name.lower() and tags.get(name[:-4]) == value:
                continue
            if len(value.encode(errors="surrogateescape")) > _LONGEST_TAG_BYTES or "=" in name or not name:
                self.lost.append(f"the tag {name or '(without a name)'} is too long or oddly named: left out")
                continue
            # a date that a file gives twice is joined by ffmpeg
            plain[name] = value.split(";")[0] if known == "creation_time" else value
        return plain

    def _look_at_side_data(self, video: Stream) -> None:
        for name in video.side_data:
            lost = _SIDE_DATA.get(name, f"its {name.replace('_', ' ')}")
            if lost:
                self.lost.append(f"of the picture {lost} is left out")

    def _is_choice(self, stream: Stream) -> bool:
        """Whether it says something that ``stream`` is a default one: not where the first is, or all are."""
        kin = [other for other in self._source.streams if other.kind == stream.kind and not other.is_cover]
        defaults = [other.index for other in kin if "default" in other.flags]
        return len(kin) > 1 and defaults not in ([kin[0].index], [other.index for other in kin])


def _without(hidden: Iterable[tuple[int, int]]) -> str:
    """ffmpeg's bitstream filter that takes away the packets ``hidden``, first and last of each run."""
    runs = "+".join(f"between(n,{first},{last})" for first, last in hidden)
    return f"noise=drop='{runs}'"


def _name_of(stream: Stream) -> str:
    name = stream.metadata.get("filename") or stream.codec
    if stream.kind == "data":
        name = stream.tag("handler_name") or name
    return f"{stream.kind} stream {stream.index} ({name or 'unknown'})"


def _begins_anywhere(source: Probe, container: Container) -> bool:
    """Whether what time ``source`` begins at means nothing in ``container``: of a transport stream nowhere;
    that of the day, which Matroska may hold, in formats that count from 0."""
    return source.has_wandering_clock or (
        not container.says_day and (source.start_seconds or 0) > _LONGEST_WAIT_SECONDS
    )


def _stereo_mode(video: Stream) -> str:
    """Matroska's word for the stereo of ``video``; "" where it is not."""
    content = video.side_data.get("stereo_3d", b"")
    if len(content) < 2 * 4:
        return ""
    kind, flags = struct.unpack_from("=2i", content)
    return _STEREO[kind][flags & 1] if kind in _STEREO else _UNNAMED_STEREO
