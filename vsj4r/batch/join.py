"""Parts made one output: encoded ones of a video without encoding again, images side by side."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import IO, Any

import av

from vsj4r.errors import Vsj4rError
from vsj4r.media.command import Encode, copy_command
from vsj4r.media.demuxing import MOV
from vsj4r.media.nut import BUFFER_BYTES
from vsj4r.media.process import FFmpeg
from vsj4r.media.tags import Tags
from vsj4r.media.video import check_video, cover_files
from vsj4r.media.whole import is_clutter, whole_file, whole_folder


def join_video(
    parts: Sequence[Path],
    output: Path,
    tags: Tags,
    encode: Encode,
    *,
    replaces: bool = True,
    on_packet: Callable[[int], None] = lambda done: None,
    on_command: Callable[[list[str]], None] = lambda command: None,
    on_whole: Callable[[Path], None] = lambda whole: None,
) -> None:
    """Write the frames of ``parts`` into ``output``, whole or not at all (see ``whole_file``).

    ``encode.timestamps`` are those of all frames; what the parts say of time matters for their order alone.
    ``on_packet`` is told how many packets have been read, ``on_whole`` the file that gets the name of
    ``output`` next.

    Raises:
        Vsj4rError: the parts do not fit together, ffmpeg fails, or not every frame arrived.
    """
    order = _shown_order(parts)
    if len(order) != len(encode.timestamps):
        raise Vsj4rError(f"the parts of {output} hold {len(order)} of {len(encode.timestamps)} frames")
    with whole_file(output, replaces=replaces) as temporary, cover_files(encode.extras) as covers:
        timed = _in_milliseconds(encode)
        late = _lateness(order, timed, parts[0])
        if not late:
            timed = encode
        is_alone = len(order) == 1 and encode.container.of_quicktime
        # NUT has neither times of decoding nor how long a frame lasts: where there is one alone, QuickTime's
        # kind shows none that lasts no time
        packets = "mov" if late or is_alone else encode.encoder.packet_muxer
        late_seconds = late * timed.time_base
        command = copy_command(temporary, tags, encode, packets=packets, late=late_seconds, covers=covers)
        on_command(command)
        joins = FFmpeg(command, folder=encode.folder, output=output)
        with joins as process, av.open(str(parts[0])) as template:
            writer = _PacketWriter(template, packets, timed.time_base)
            ahead = timed.ahead + late
            times = _times(order, timed)
            for done, (packet, (pts, dts, lasts)) in enumerate(zip(_packets(parts), times, strict=True), 1):
                process.put(writer.packet(packet, pts + ahead, dts + ahead, lasts))
                on_packet(done)
            process.put(writer.end)
            process.finish()
        check_video(temporary, encode, output)
        on_whole(temporary)


def join_images(
    parts: Sequence[Path],
    output: Path,
    *,
    frames: int,
    replaces: bool = True,
    on_whole: Callable[[Path], None],
) -> None:
    """Put the images of the folders ``parts`` into the folder ``output`` (see ``whole_folder``); they stay in
    the parts, too. ``on_whole`` is told the folder whose files get their names next.

    Raises:
        Vsj4rError: they are not ``frames``, or cannot be written.
    """
    images = [image for part in parts for image in sorted(part.iterdir()) if not is_clutter(image.name)]
    if len(images) != frames:
        raise Vsj4rError(f"the parts of {output} hold {len(images)} of {frames} frames")
    with whole_folder(output, replaces=replaces) as temporary:
        for image in images:
            _link_or_copy(image, temporary / image.name)
        on_whole(temporary)


def _link_or_copy(image: Path, name: Path) -> None:
    """Another name of ``image``; on another disk, or without hard links, a copy."""
    try:
        name.hardlink_to(image)
    except OSError:
        shutil.copy2(image, name)


class _PacketWriter:
    """Gives jobs that write packets to a stream, as a stream like the first of ``template``."""

    def __init__(self, template: av.container.InputContainer, packets: str, time_base: Fraction) -> None:
        self._template = template.streams.video[0]
        self._format, self._time_base = packets, time_base
        self._container: av.container.OutputContainer | None = None

    def packet(self, packet: Any, pts: int, dts: int, lasts: int) -> Callable[[IO[bytes]], None]:
        def write(stream: IO[bytes]) -> None:
            container = self._container = self._container or self._open(stream)
            packet.stream = container.streams.video[0]
            packet.time_base = self._time_base
            packet.pts, packet.dts, packet.duration = pts, dts, lasts
            container.mux_one(packet)

        return write

    def end(self, stream: IO[bytes]) -> None:
        """The last job."""
        if self._container is not None:
            self._container.close()

    def _open(self, stream: IO[bytes]) -> av.container.OutputContainer:
        options = {"avoid_negative_ts": "disabled"}  # the first frame is at its own time, B-frames or not
        if self._format == "mov":
            # a pipe cannot go back, and times are not to begin anew
            options["movflags"] = "empty_moov+frag_keyframe+frag_discont+default_base_moof"
            options["use_editlist"] = "0"
        container = av.open(stream, "w", format=self._format, options=options, buffer_size=BUFFER_BYTES)
        video = container.add_stream_from_template(self._template, opaque=True)
        video.time_base = self._time_base
        if self._format == "mov" and self._template.container.format.name == MOV:
            video.codec_context.codec_tag = (
                self._template.codec_context.codec_tag
            )  # tells ProRes 4444 from 422
        return container


def _shown_order(parts: Sequence[Path]) -> list[int]:
    """For each packet, in the order of the file, the number of the frame that it shows."""
    order: list[int] = []
    head: bytes | None = None
    for part in parts:
        with av.open(str(part)) as container:
            video = container.streams.video[0]
            extradata = bytes(video.codec_context.extradata or b"")
            if head is not None and extradata != head:
                raise Vsj4rError(f"{part} was encoded in another way than the parts before it")
            head = extradata
            stamps = [packet.pts or 0 for packet in container.demux(video) if packet.size]
        rank = {stamp: n for n, stamp in enumerate(sorted(stamps), len(order))}
        if len(rank) != len(stamps):
            raise Vsj4rError(f"{part} has frames without a time of their own")
        order += [rank[stamp] for stamp in stamps]
    return order


def _in_milliseconds(encode: Encode) -> Encode:
    """The same times in a unit of a millisecond at most: a frame is too much to be late by where sound and
    picture are cut."""
    finer = ceil(1000 * encode.time_base)
    stamps = [stamp * finer for stamp in encode.timestamps]
    return replace(encode, time_base=encode.time_base / finer, timestamps=stamps)


def _times(order: list[int], encode: Encode) -> Iterator[tuple[int, int, int]]:
    """(pts, dts, duration) of each packet: decoded as early as the deepest reordering needs, no earlier;
    before the first frame as far apart as frames are, so that a constant rate is constant in dts too."""
    delay, step, timestamps = _delay(order), _step(encode), encode.timestamps
    lasts = [after - before for before, after in pairwise(timestamps)]
    lasts.append(lasts[-1] if lasts else _frame_lasts(encode))
    for place, shown in enumerate(order):
        early = place - delay
        decoded = timestamps[early] if early >= 0 else timestamps[0] + early * step
        yield timestamps[shown], decoded, lasts[shown]


def _frame_lasts(encode: Encode) -> int:
    """How long a frame is shown where there is one alone, in units of the time base, a frame of images."""
    return max(1, round(1 / (encode.rate * encode.time_base)))


def _step(encode: Encode) -> int:
    """The shortest time between two frames, in units of the time base; a container may have no finer ticks
    than milliseconds."""
    steps = (after - before for before, after in pairwise(encode.timestamps))
    return max(_millisecond(encode), min(steps, default=0))


def _millisecond(encode: Encode) -> int:
    """At least that, in units of the time base."""
    return max(1, ceil(Fraction(1, 1000) / encode.time_base))


def _delay(order: list[int]) -> int:
    """How many frames the decoder is ahead of what is shown, at most."""
    return max((place - shown for place, shown in enumerate(order)), default=0)


def _lateness(order: list[int], encode: Encode, part: Path) -> int:
    """By how much packets have to be late on their way, so that none is decoded before 0: a pipe cannot say
    that. Where a stream reorders, or might, ffmpeg would guess when they are decoded, and drop the first
    picture where it cuts at 0. A millisecond more, for ffmpeg rounds.
    """
    delay = _delay(order)
    if not delay and not _may_reorder(part):
        return 0
    return delay * _step(encode) + _millisecond(encode)


def _may_reorder(part: Path) -> bool:
    with av.open(str(part)) as container:
        return bool(container.streams.video[0].codec_context.has_b_frames)


def _packets(parts: Sequence[Path]) -> Iterator[Any]:
    for part in parts:
        with av.open(str(part)) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.size:
                    yield packet
