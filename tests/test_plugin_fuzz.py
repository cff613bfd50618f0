"""Any arguments at all: each call works, or says in one ``Derain:`` line what is wrong. And every size."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.clips import noise_clip
from tests.filtering import derain

core = vs.core
CALLS = int(os.environ.get("VSJ4R_FUZZ_CALLS", "150"))  # 2000 before a release
NUMBERS = [0, 1, 2, 3, 7, 40, -1, 1 << 31, -(1 << 62), 1 << 62]
WORDS = ["", "auto", "cpu", "f32", "derained", "rain", "occlusion", "snow", "ünï", "x" * 5000]
FLOATS = [0, 0.5, 1, -0.0, 1.0001, -1, 1e300, float("nan"), float("inf")]


def random_format(rng: random.Random) -> int:
    family = rng.choice([vs.GRAY, vs.RGB, vs.YUV])
    sample, bits = rng.choice(
        [(vs.INTEGER, b) for b in (8, 9, 10, 12, 14, 16, 17, 32)] + [(vs.FLOAT, b) for b in (16, 32)]
    )
    subsampling = (rng.randrange(4), rng.randrange(4)) if family == vs.YUV else (0, 0)
    return int(core.query_video_format(family, sample, bits, *subsampling).id)


def random_clip(rng: random.Random, vs_format: int) -> Any:
    width, height = (rng.choice([8, 16, 24, 40]) for _ in range(2))
    video = core.get_video_format(vs_format)
    width += rng.randrange(3) << video.subsampling_w
    height += rng.randrange(3) << video.subsampling_h
    return core.std.BlankClip(width=width, height=height, format=vs_format, length=rng.randrange(1, 9))


def random_arguments(rng: random.Random, model: str, folder: Path) -> dict[str, Any]:
    qpfile = folder / "cuts"
    qpfile.write_bytes(
        rng.choice([b"0 K\n", b"1 K\n5 I -1\n", b"", b"\xff", b"{}", b"1\n", b'{"scenes": 3}', b"9 K"])
    )

    def several(values: list[Any]) -> list[Any]:
        return [rng.choice(values) for _ in range(rng.randrange(1, 4))]

    good: dict[str, Any] = {"threads": 1, "model": model}
    every: dict[str, Any] = {
        "model": rng.choice([model, *WORDS]),
        "strength": rng.choice(FLOATS),
        "device": rng.choice(WORDS),
        "precision": rng.choice(WORDS),
        "threads": rng.choice([1, -1, -(1 << 62)]),
        "segment": rng.choice(NUMBERS),
        "warmup": rng.choice(NUMBERS),
        "scene_detect": rng.choice(NUMBERS),
        "scenes": several(NUMBERS),
        "qpfile": rng.choice([str(qpfile), str(qpfile), *WORDS]),
        "mask": random_clip(rng, rng.choice([vs.GRAY8, vs.GRAYS, random_format(rng)])),
        "planes": several(NUMBERS),
        "output": several(WORDS[4:]),
        "tile": several(NUMBERS),
    }
    return good | {name: every[name] for name in rng.sample(sorted(every), rng.randrange(4))}


@pytest.mark.parametrize("seed", range(5))
def test_any_arguments_work_or_are_refused_in_one_line(tiny: str, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    worked = 0
    for _ in range(CALLS // 5):
        clip = random_clip(rng, random_format(rng))
        arguments = random_arguments(rng, tiny, tmp_path)
        try:
            out = core.j4r.Derain(clip, **arguments)
        except vs.Error as error:
            text = str(error)
            assert text.startswith("Derain: "), (arguments, text)
            assert "\n" not in text
            assert "Traceback" not in text
            assert "Error:" not in text, (arguments, text)  # an exception that nobody foresaw
        else:
            worked += 1
            out.get_frame(rng.randrange(len(clip)))
    assert worked > CALLS // 50


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 16), (17, 16), (31, 19), (16, 130), (65, 17)], ids=str)
@pytest.mark.parametrize("vs_format", [vs.GRAY8, vs.YUV444P10, vs.RGBS])
def test_every_size_is_taken(tiny: str, size: tuple[int, int], vs_format: int) -> None:
    clip = noise_clip(width=size[0], height=size[1], length=3, vs_format=vs_format)
    frame = derain(clip, tiny).get_frame(1)
    assert (frame.width, frame.height) == size
    assert all(np.isfinite(np.asarray(plane)).all() for plane in frame)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 31)], ids=str)
def test_the_shipped_model_takes_the_smallest_sizes(size: tuple[int, int]) -> None:
    clip = noise_clip(width=size[0], height=size[1], length=3, vs_format=vs.GRAY16)
    frame = derain(clip, "j4r").get_frame(2)
    assert (frame.width, frame.height) == size
