"""Rainy training clips, made on the fly; each is a pure function of (seed, index, footage, bank)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from vsj4r.arrays import Pixels
from vsj4r.rain import StreakBank
from vsj4r.rain.colour import Matrix, Yuv, rgb_to_yuv420
from vsj4r.training.blades import add_blades
from vsj4r.training.compression import compress, draw_compression
from vsj4r.training.foliage import add_foliage
from vsj4r.training.grain import draw_grain
from vsj4r.training.lighting import light
from vsj4r.training.motion import add_object, draw_path, simulate_motion
from vsj4r.training.recipe import Clips
from vsj4r.training.sway import draw_sway

SWAY_SHARE = 0.4  # of the clips from stills: parts of the picture sway
OBJECT_SHARE = 0.4  # of the clips from stills: something moves over the moving background
BLADES_SHARE = 0.3  # of the clips from stills: thin bright things sway, which are no rain
FOLIAGE_SHARE = 0.4  # of the clips from stills: leaves flutter, and what is between them comes and goes
GRAINY_SHARE = (
    0.3  # the truth of a rainy clip has none of it, that of a dry one all: dry film keeps its grain
)
VIVID_SHARE, LIT_SHARE = 0.15, 0.25  # of the clips: strong colours, light that changes
LARGE_SHARE, LARGEST_PX = (
    0.3,
    2160,
)  # of the clips: rain as it is in pieces of pictures of any size up to this
COMPRESSED_SHARE = 0.3  # of the rainy clips: dry ones are left alone, for the network is to leave them alone


class TrainingClip(NamedTuple):
    """One clip, or a batch of them (frames first then): ``o_y`` and ``b_y`` (T, 1, P, P), ``o_uv`` and
    ``b_uv`` (T, 2, P/2, P/2), ``alpha`` (T, 1, P, P); full-range planes, float32."""

    o_y: Tensor
    o_uv: Tensor
    b_y: Tensor
    b_uv: Tensor
    alpha: Tensor


class RainyClips(Dataset[TrainingClip]):
    """Clips from stills (H, W, 3) and videos (T, H, W, 3), uint8 RGB; one of the two lists may be empty."""

    def __init__(self, stills: list[Pixels], videos: list[Pixels], bank: StreakBank, clips: Clips) -> None:
        if not stills and not videos:
            raise ValueError("stills or videos must hold something, got neither")
        self.stills, self.videos, self.bank, self.clips = stills, videos, bank, clips
        self._still_share = clips.still_share if stills and videos else float(bool(stills))
        lengths = np.array([len(video) for video in videos], float)
        self._video_odds = lengths / max(lengths.sum(), 1)

    def __getitem__(self, index: int) -> TrainingClip:
        rng = np.random.default_rng([self.clips.seed, index, 0xC11])
        source = self._from_still if rng.random() < self._still_share else self._from_video
        clean, shorter_px = source(rng)
        if shorter_px < LARGEST_PX and rng.random() < LARGE_SHARE:
            shorter_px = round(shorter_px * (LARGEST_PX / shorter_px) ** rng.random())
        if rng.random() < 0.5:
            clean = clean[:, :, ::-1]
        if rng.random() < 0.5:
            clean = _expose(clean, rng)
        if rng.random() < VIVID_SHARE:
            clean = _saturate(clean, rng)
        if rng.random() < LIT_SHARE:
            clean = light(clean, rng)
        rain = self.bank.clip(
            np.ascontiguousarray(clean),
            self.clips.seed,
            index,
            preset=self.clips.rain,
            shorter_px=shorter_px,
        )
        matrix: Matrix = "bt709" if rng.random() < 0.5 else "bt601"
        o, b = rgb_to_yuv420(rain.rainy, matrix), rgb_to_yuv420(rain.background, matrix)
        dry = np.array_equal(rain.rainy, rain.background)
        if rng.random() < GRAINY_SHARE:
            grain = draw_grain(rng, o.y.shape)
            o = _plus(o, grain)
            b = o if dry else b
        if rng.random() < COMPRESSED_SHARE and not dry:
            o = compress(o, draw_compression(rng))
        alpha = torch.from_numpy(rain.alpha.astype(np.float32))[:, None]
        return TrainingClip(*to_tensors(o), *to_tensors(b), alpha)

    def _from_still(self, rng: np.random.Generator) -> tuple[Pixels, int]:
        """A clip, and the shorter side of the picture that it was cut from."""
        image = self.stills[int(rng.integers(len(self.stills)))]
        size, frames = self.clips.patch_px, self.clips.frames
        path = draw_path(rng, frames)
        sway = draw_sway(rng, frames, (size, size)) if rng.random() < SWAY_SHARE else None
        clip = simulate_motion(image, path, (size, size), frames, sway)
        if rng.random() < OBJECT_SHARE:
            add_object(clip, self.stills[int(rng.integers(len(self.stills)))], rng)
        if rng.random() < BLADES_SHARE:
            add_blades(clip, rng)
        if rng.random() < FOLIAGE_SHARE:
            add_foliage(clip, rng)
        return clip, min(image.shape[:2])

    def _from_video(self, rng: np.random.Generator) -> tuple[Pixels, int]:
        """The same of a video: a window that stands still or moves by whole pixels, a second camera over the
        video's own."""
        video = self.videos[int(rng.choice(len(self.videos), p=self._video_odds))]
        size, frames = self.clips.patch_px, self.clips.frames
        stride = 2 if len(video) > 2 * frames and rng.random() < 0.2 else 1
        first = int(rng.integers(len(video) - stride * (frames - 1)))
        chosen = video[first : first + stride * frames : stride]
        if rng.random() < 0.3:
            chosen = chosen[::-1]
        speed = rng.normal(0, 6, 2) if rng.random() < 0.35 else np.zeros(2)
        room = np.array(video.shape[1:3]) - size
        path = rng.uniform(0, room) + speed * np.arange(frames)[:, None]
        reflected = np.abs((path + room) % np.maximum(2 * room, 1) - room)
        corners = np.minimum(np.rint(reflected), room).astype(int)
        cut = [f[y : y + size, x : x + size] for f, (y, x) in zip(chosen, corners, strict=True)]
        return np.stack(cut), min(video.shape[1:3])


def _expose(clean: Pixels, rng: np.random.Generator) -> Pixels:
    """Another exposure: a gamma and a gain, by table."""
    levels = np.linspace(0, 1, 256) ** np.exp(rng.normal(0, 0.25)) * rng.uniform(0.6, 1.15)
    table: Pixels = np.rint(np.clip(levels, 0, 1) * 255).astype(np.uint8)
    return table[clean]


def _saturate(clean: Pixels, rng: np.random.Generator) -> Pixels:
    """More colour than there was, up to neon; (T, H, W, 3)."""
    grey = clean.mean(-1, dtype=np.float32, keepdims=True)
    vivid: Pixels = np.rint(np.clip(grey + (clean - grey) * rng.uniform(1, 4), 0, 255)).astype(np.uint8)
    return vivid


def _plus(planes: Yuv, grain: Yuv) -> Yuv:
    y, u, v = (plane + noise for plane, noise in zip(planes, grain, strict=True))
    return Yuv(y.clip(0, 1), u.clip(-0.5, 0.5), v.clip(-0.5, 0.5))


def to_tensors(planes: Yuv) -> tuple[Tensor, Tensor]:
    """A 4:2:0 clip as ``J4RNet`` takes it: y (T, 1, H, W) and uv (T, 2, H/2, W/2)."""
    return torch.from_numpy(planes.y)[:, None], torch.from_numpy(np.stack((planes.u, planes.v), 1))


def batch_clips(clips: list[TrainingClip]) -> TrainingClip:
    """Clips side by side, time-major and flat, as ``J4RNet.forward`` takes them: (T * N, ...)."""
    return TrainingClip(*(torch.stack(planes, 1).flatten(0, 1) for planes in zip(*clips, strict=True)))


class Onward(Sampler[list[int]]):
    """Batches of clip indices, step ``first`` to step ``last`` - 1; no index comes twice.

    Of the ``batch`` clips of a step, process ``rank`` of ``world`` gets every ``world``-th.
    """

    def __init__(self, first: int, last: int, batch: int, rank: int = 0, world: int = 1) -> None:
        self.first, self.last, self.batch, self.rank, self.world = first, last, batch, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first, self.last):
            yield list(range(step * self.batch + self.rank, (step + 1) * self.batch, self.world))
