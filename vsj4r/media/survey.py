"""A video decoded once from end to end before the work begins, to know what would stop it on the way.

Damage and interlaced frames are said by the decoder alone, frame by frame. The source filter tells neither,
and with many threads it decodes a damaged file now like this, now like that.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise

from av.container import InputContainer

from vsj4r.media.demuxing import AVI, READ_ERRORS, open_container, video_at
from vsj4r.media.index import Index
from vsj4r.media.probe import Probe

BESIDE = {
    "A53_CC": "closed captions",
    "DYNAMIC_HDR_PLUS": "HDR10+ metadata",
    "DOVI_RPU_BUFFER": "Dolby Vision metadata",
}
"""FFmpeg's names of what a frame carries beside its picture, and in words."""

# PyAV 19 crashes in `frame.side_data` of a PNG with an ICC profile
_CARRYING_CODECS = frozenset({"h264", "hevc", "vvc", "av1", "vp9", "mpeg2video", "mpeg1video"})
_NAME = "survey-4"
_TELL_EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Survey:
    """``frames`` that ffmpeg decodes, ``damaged`` ones among them and those that were lost,
    ``interlaced_from``: the first interlaced one, None where all are progressive. ``beside``: what of
    ``BESIDE`` some of them carry. ``last_lasts``: for how long the container says that the last frame is
    shown, in units of the stream; 0 where it does not. ``aspects``: the shapes of a sample that the decoder
    tells, in the order in which they come, such as "4:3". ``shown_at``: of an AVI whose frames are not shown
    for as long, when each is, in units of the stream: the source filter knows no times of reordered frames
    there. None are of any other file."""

    frames: int
    damaged: int
    interlaced_from: int | None
    beside: tuple[str, ...] = ()
    last_lasts: int = 0
    aspects: tuple[str, ...] = ()
    shown_at: tuple[int, ...] = ()


def look_through(
    source: Probe, index: Index, *, to_the_end: bool, on_look: Callable[[float], None] = lambda share: None
) -> Survey:
    """Look at every frame of ``source``. Without ``to_the_end`` it ends at the first interlaced frame.

    ``on_look`` is told now and then what share of the file it has seen; what it raises ends the look.

    Raises:
        Vsj4rError: it cannot be opened.
    """
    name = f"{_NAME}-{source.video.index}"
    kept = _read_kept(index, name)
    if kept is not None and (kept.interlaced_from is None or not to_the_end):
        return kept
    with open_container(source.path) as container:
        found = _look(container, source.video.index, to_the_end=to_the_end, on_look=on_look)
    if found.interlaced_from is None:
        index.write(name, json.dumps(asdict(found)).encode())
    return found


def _look(
    container: InputContainer, index: int, *, to_the_end: bool, on_look: Callable[[float], None]
) -> Survey:
    video = video_at(container, index)
    video.thread_type = "AUTO"
    if video.codec_context.name == "hevc":  # its decoder marks no frame as damaged
        video.codec_context.options = {"err_detect": "explode"}
    carries = video.codec_context.name in _CARRYING_CODECS
    frames = damaged = 0
    beside: set[str] = set()
    last = (-math.inf, 0)
    aspects: dict[str, None] = {}
    times: list[int | None] | None = [] if container.format.name == AVI else None
    interlaced_from: int | None = None
    told = time.monotonic()
    packets = container.demux(video)
    while True:
        try:
            packet = next(packets, None)
        except READ_ERRORS:
            damaged += 1  # the rest of the file cannot be read
            break
        if packet is None:
            break
        if packet.pts is not None:
            last = max(last, (packet.pts, packet.duration or 0))
        try:
            decoded = video.decode(packet)
        except READ_ERRORS:
            damaged += frames > 0  # a broadcast begins before its first key frame
            continue
        if decoded and (aspect := video.codec_context.sample_aspect_ratio):
            aspects[f"{aspect.numerator}:{aspect.denominator}"] = None
        for frame in decoded:
            damaged += frame.is_corrupt
            if times is not None:
                times.append(frame.dts)
            if carries:
                beside.update(BESIDE.keys() & {getattr(kind, "name", "") for kind in frame.side_data})
            if frame.interlaced_frame and interlaced_from is None:
                interlaced_from = frames
                if not to_the_end:
                    return Survey(frames, damaged, interlaced_from)
            frames += 1
        if packet.pos and container.size and time.monotonic() - told >= _TELL_EVERY_SECONDS:
            told = time.monotonic()
            on_look(min(packet.pos / container.size, 1.0))
    return Survey(
        frames,
        damaged,
        interlaced_from,
        tuple(sorted(beside)),
        last[1],
        tuple(aspects),
        _varying_times(times or []),
    )


def _varying_times(decoded: list[int | None]) -> tuple[int, ...]:
    """When frames that leave a decoder are shown, from 0, by the times of decoding, of which the last ones
    have none; nothing where they do not rise, or all by the same."""
    known = [moment for moment in decoded if moment is not None]
    steps = {after - before for before, after in pairwise(known)}
    if len(steps) < 2 or min(steps) < 1 or None in decoded[: len(known)]:
        return ()
    known += [known[-1] + min(steps) * n for n in range(1, len(decoded) - len(known) + 1)]
    return tuple(moment - known[0] for moment in known)


def _read_kept(index: Index, name: str) -> Survey | None:
    try:
        return Survey(**json.loads(index.read(name) or b""))
    except (ValueError, TypeError):
        return None
