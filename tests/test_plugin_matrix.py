"""Every format, full, odd and tiny frames, every order of requests: bit for bit what the engine gives."""

from __future__ import annotations

import random
from typing import Any

import pytest
import vapoursynth as vs

from tests.clips import noise_clip, planes_of
from tests.filtering import assert_same, derain, reference
from vsj4r.frames.segments import Segments

pytestmark = pytest.mark.usefixtures("restored_threads")
core = vs.core
LAYOUTS = {"420": (1, 1), "422": (1, 0), "444": (0, 0), "411": (2, 0), "440": (0, 1)}
SAMPLES = [(vs.INTEGER, 8), (vs.INTEGER, 10), (vs.INTEGER, 16), (vs.FLOAT, 16), (vs.FLOAT, 32)]
FORMATS = [
    *((f"YUV{name}", vs.YUV, *sample, *LAYOUTS[name]) for name in LAYOUTS for sample in SAMPLES),
    *(("GRAY", vs.GRAY, *sample, 0, 0) for sample in SAMPLES),
    *(("RGB", vs.RGB, *sample, 0, 0) for sample in SAMPLES),
    *(("YUV420", vs.YUV, vs.INTEGER, bits, 1, 1) for bits in (9, 12, 14)),
]
SIZES = {"full": (48, 32), "odd": (36, 20), "tiny": (0, 0)}
LENGTH = 9


def noise_of(geometry: str, name: str, family: int, sample: int, bits: int, ssw: int, ssh: int) -> Any:
    """``odd`` is as odd as the layout allows, ``tiny`` one chroma sample."""
    width, height = SIZES[geometry]
    if geometry != "full":
        width, height = width + (1 << ssw), height + (1 << ssh)
    video = core.query_video_format(family, sample, bits, ssw, ssh)
    return noise_clip(width=width, height=height, length=LENGTH, vs_format=video.id)


@pytest.mark.slow
@pytest.mark.parametrize("geometry", SIZES)
@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: f"{kind[0]}-{'f' if kind[2] else 'i'}{kind[3]}")
def test_every_format_size_and_order(tiny: str, kind: tuple[Any, ...], geometry: str) -> None:
    clip = noise_of(geometry, *kind)
    arguments = {"segment": 4, "warmup": 1}
    expected = reference(clip, tiny, Segments(LENGTH, 4, 1, 1), full=kind[1] == vs.RGB)
    core.num_threads = 4
    out = derain(clip, tiny, **arguments)
    assert (out.format.id, out.width, out.height) == (clip.format.id, clip.width, clip.height)
    for frame, planes in zip(out.frames(), expected, strict=True):
        assert_same(frame, planes)
    backwards = derain(clip, tiny, **arguments)
    for n in reversed(range(LENGTH)):
        assert_same(backwards.get_frame(n), expected[n])
    order = [n for n in range(LENGTH) for _ in range(2)]
    random.Random(geometry).shuffle(order)
    shuffled = derain(clip, tiny, **arguments)
    for n, future in [(n, shuffled.get_frame_async(n)) for n in order]:
        assert_same(future.result(), expected[n])
    if geometry != "tiny":  # in tiles
        tiled = derain(clip, tiny, tile=[16, 16], **arguments)
        for n in (5, 0, 8):
            assert_same(tiled.get_frame(n), expected[n])
    untouched = derain(clip, tiny, strength=0, **arguments)
    for n in (8, 3):
        assert_same(untouched.get_frame(n), planes_of(clip.get_frame(n)))
