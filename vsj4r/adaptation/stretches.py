"""Stretches of the user's own clip, held in memory: most to learn from, the last one to judge by."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from vsj4r.arrays import Pixels
from vsj4r.engine.downscaled import choose_downscale
from vsj4r.errors import Vsj4rError
from vsj4r.media.demuxing import open_container, video_at
from vsj4r.media.probe import probe
from vsj4r.training.footage import video_frames
from vsj4r.words import count_of

STRETCHES, FRAMES = 5, 24
"""At most so many stretches of so many frames: 190 MB of 1080p, which is halved."""
FEWEST_FRAMES, SMALLEST_PX = 24, 128
JUDGED_SHARE = 0.25  # of a clip that is one stretch


class Stretches(NamedTuple):
    """``learned``: clips (T, H, W, 3) uint8 RGB to learn from; ``judged``: one that is never learned from."""

    learned: list[Pixels]
    judged: Pixels


def read_stretches(path: Path, *, aligns: bool) -> Stretches:
    """The clip whole where it is short, otherwise stretches of it, evenly spread; frames as large as a
    network that ``aligns`` by motion, or not, will see them.

    Raises:
        Vsj4rError: it cannot be read, or has under ``FEWEST_FRAMES`` frames or ``SMALLEST_PX`` a side.
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
        clip = np.stack([frame[:] for frame in video_frames(path, shorter_px=shorter_px)])
        learned = round(len(clip) * (1 - JUDGED_SHARE))
        return Stretches([clip[:learned]], clip[learned:])
    firsts = np.linspace(0, count - FRAMES, STRETCHES).astype(int)
    wanted = {int(first) + t for first in firsts for t in range(FRAMES)}
    kept = [frame for n, frame in enumerate(video_frames(path, shorter_px=shorter_px)) if n in wanted]
    clips = [np.stack(kept[k : k + FRAMES]) for k in range(0, len(kept) - FRAMES // 2, FRAMES)]
    return Stretches(clips[:-1], clips[-1])


def _count(path: Path, index: int) -> int:
    with open_container(path) as container:
        return sum(1 for packet in container.demux(video_at(container, index)) if packet.size)
