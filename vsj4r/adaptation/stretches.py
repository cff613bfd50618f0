"""Stretches of the user's own clip, held in memory: most to learn from, one to judge by."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vsj4r.arrays import Pixels
from vsj4r.engine.downscaled import choose_downscale
from vsj4r.errors import Vsj4rError
from vsj4r.evaluation.real_rain import measure_input
from vsj4r.media.demuxing import open_container, video_at
from vsj4r.media.probe import probe
from vsj4r.training.footage import clip_frames
from vsj4r.words import count_of

STRETCHES, FRAMES = 5, 24
"""At most so many stretches of so many frames: 190 MB of 1080p, which is halved."""
FEWEST_FRAMES, SMALLEST_PX = 24, 128
PIECES = 4
"""A clip that is one stretch is cut into so many: one of them is the judged one."""
FEWEST_LEARNED = 8
"""Frames of a stretch that is learned from."""
LEAST_RAIN = 0.002
"""Rain energy (``RealScores``) of a stretch to judge by: less is found where none falls."""


class Stretches(NamedTuple):
    """``learned``: clips (T, H, W, 3) uint8 RGB to learn from; ``judged``: one that is never learned from."""

    learned: list[Pixels]
    judged: Pixels


def read_stretches(path: Path, *, aligns: bool) -> Stretches:
    """The clip whole where it is short, otherwise stretches of it, evenly spread; frames as large as a
    network that ``aligns`` by motion, or not, will see them. The judged one is the last in which it surely
    rains: by another, no weights are better than others.

    Raises:
        Vsj4rError: it cannot be read, has under ``FEWEST_FRAMES`` frames or ``SMALLEST_PX`` a side, or no
            rain that can be measured.
    """
    video = probe(path).video
    if min(video.width, video.height) < SMALLEST_PX:
        raise Vsj4rError(f"{path} has {video.width}x{video.height}: adapting takes {SMALLEST_PX} px a side")
    shorter_px = min(video.width, video.height)
    shorter_px //= choose_downscale(video.height, video.width, aligns=aligns)
    count = _count(path, video.index)
    if count < FEWEST_FRAMES:
        raise Vsj4rError(f"{path} has {count_of(count, 'frame')}: adapting takes {FEWEST_FRAMES} at least")
    if count <= STRETCHES * FRAMES:
        clip = np.stack([_crop_to_even(frame) for frame in clip_frames(path, shorter_px=shorter_px)])
        cuts = [round(len(clip) * k / PIECES) for k in range(PIECES + 1)]
        parted = [Stretches([clip[:a], clip[b:]], clip[a:b]) for a, b in pairwise(cuts)]
    else:
        firsts = np.linspace(0, count - FRAMES, STRETCHES).astype(int)
        wanted = {int(first) + t for first in firsts for t in range(FRAMES)}
        frames = enumerate(clip_frames(path, shorter_px=shorter_px))
        kept = [_crop_to_even(frame) for n, frame in frames if n in wanted]
        clips = [np.stack(kept[k : k + FRAMES]) for k in range(0, len(kept) - FRAMES // 2, FRAMES)]
        parted = [Stretches(clips[:k] + clips[k + 1 :], judged) for k, judged in enumerate(clips)]
    for learned, judged in reversed(parted):
        if _surely_rains(judged):
            return Stretches([clip for clip in learned if len(clip) >= FEWEST_LEARNED], judged)
    raise Vsj4rError(
        f"no rain can be measured in {path}, whose scene moves too much or in which it hardly rains: "
        "adapting would have nothing to judge by"
    )


def _crop_to_even(frame: Pixels) -> Pixels:
    """``frame`` cut to sides that motion is found in."""
    height, width = (side // 16 * 16 for side in frame.shape[:2])
    return frame[:height, :width]


def _surely_rains(clip: Pixels) -> bool:
    try:
        found = measure_input(clip)
        return bool(np.isfinite(found.rain_left)) and found.rain_energy >= LEAST_RAIN
    except Vsj4rError:  # no scene of it is long enough
        return False


def _count(path: Path, index: int) -> int:
    with open_container(path) as container:
        return sum(1 for packet in container.demux(video_at(container, index)) if packet.size)
