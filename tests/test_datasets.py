"""Training clips: pure, of the stated shapes, with rain that fell in RGB; and footage that can't be used."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import ExifTags, Image, ImageOps  # noqa: E402

from tests.media import ffmpeg, plain  # noqa: E402
from tests.tiny_footage import Pixels, picture, write_frames, write_picture  # noqa: E402
from vsj4r.errors import Vsj4rError  # noqa: E402
from vsj4r.rain import Preset, RainStyle, StreakBank, draw_style  # noqa: E402
from vsj4r.rain.colour import MATRICES, Yuv, rgb_to_yuv420  # noqa: E402
from vsj4r.training.datasets import Onward, RainyClips, TrainingClip, batch_clips  # noqa: E402
from vsj4r.training.footage import load_stills, load_videos, read_clip, read_still  # noqa: E402
from vsj4r.training.grain import draw_grain  # noqa: E402
from vsj4r.training.recipe import Clips  # noqa: E402

CLIPS = Clips(frames=3, patch_px=32, batch=2, seed=4)
INDICES = range(12)


def stills() -> list[Pixels]:
    return [picture(n, 80, 90) for n in range(3)]


def videos() -> list[Pixels]:
    wide = picture(9, 60, 100)
    return [np.stack([wide[:, 2 * t : 2 * t + 80] for t in range(8)]), np.stack([picture(8)] * 3)]


@pytest.fixture(scope="module")
def bank() -> StreakBank:
    return StreakBank(4, patch_px=16)


@pytest.fixture(scope="module")
def dataset(bank: StreakBank) -> RainyClips:
    return RainyClips(stills(), videos(), bank, CLIPS)


def equal(a: TrainingClip, b: TrainingClip) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def shares(monkeypatch: pytest.MonkeyPatch, *, grainy: int, compressed: int) -> None:
    monkeypatch.setattr("vsj4r.training.datasets.GRAINY_SHARE", grainy)
    monkeypatch.setattr("vsj4r.training.datasets.COMPRESSED_SHARE", compressed)


def test_a_clip_is_a_function_of_seed_and_index(dataset: RainyClips) -> None:
    forwards = [dataset[n] for n in INDICES]
    again = RainyClips(stills(), videos(), StreakBank(4, patch_px=16), CLIPS)
    for n in reversed(INDICES):
        assert equal(again[n], forwards[n]), n
    assert not any(equal(forwards[0], other) for other in forwards[1:])
    reseeded = RainyClips(stills(), videos(), dataset.bank, Clips(frames=3, patch_px=32, seed=5))
    assert not equal(reseeded[0], forwards[0])


def test_shapes_and_ranges(dataset: RainyClips) -> None:
    for n in INDICES:
        clip = dataset[n]
        for y, uv in ((clip.o_y, clip.o_uv), (clip.b_y, clip.b_uv)):
            assert (y.shape, uv.shape) == ((3, 1, 32, 32), (3, 2, 16, 16))
            assert y.dtype == uv.dtype == torch.float32
            assert y.min() >= -1e-6
            assert y.max() <= 1 + 1e-6
            assert uv.abs().max() <= 0.5 + 1e-6
        assert clip.alpha.shape == (3, 1, 32, 32)
        assert ((clip.alpha == 0) | (clip.alpha == 1)).all()


def test_occlusions_reach_the_mask(dataset: RainyClips) -> None:
    assert any(dataset[n].alpha.any() for n in range(40))


def test_a_batch_is_time_major(dataset: RainyClips) -> None:
    clips = [dataset[n] for n in (0, 1)]
    batch = batch_clips(clips)
    assert batch.o_y.shape == (6, 1, 32, 32)
    for t in range(3):
        for n, clip in enumerate(clips):
            assert torch.equal(batch.b_uv[2 * t + n], clip.b_uv[t])


def test_rain_fell_in_rgb_before_yuv(dataset: RainyClips, monkeypatch: pytest.MonkeyPatch) -> None:
    """O_t and B_t are 8-bit RGB pictures, clipped and rounded, and only then 4:2:0 planes."""
    seen: list[Pixels] = []

    def watching(rgb: Pixels, matrix: str) -> Yuv:
        seen.append(rgb)
        return rgb_to_yuv420(rgb, matrix)  # type: ignore[arg-type]

    monkeypatch.setattr("vsj4r.training.datasets.rgb_to_yuv420", watching)
    shares(monkeypatch, grainy=0, compressed=0)
    rainy_chroma = 0
    for n in INDICES:
        seen.clear()
        clip = dataset[n]
        o_t, b_t = seen
        assert o_t.dtype == b_t.dtype == np.uint8
        assert o_t.shape == b_t.shape == (3, 32, 32, 3)
        planes = [Yuv(*(plane.numpy() for plane in (y[:, 0], uv[:, 0], uv[:, 1])))
                  for y, uv in ((clip.o_y, clip.o_uv), (clip.b_y, clip.b_uv))]  # fmt: skip
        for rgb, yuv in zip((o_t, b_t), planes, strict=True):
            assert any(
                all(np.array_equal(a, b) for a, b in zip(rgb_to_yuv420(rgb, matrix), yuv, strict=True))
                for matrix in MATRICES
            )
        rainy_chroma += bool((clip.o_uv - clip.b_uv).abs().max() > 0.02)
    assert rainy_chroma > len(INDICES) / 2, "rain shows in chroma too"


def test_compression_comes_after_the_rain_and_where_there_is_none_not_at_all(
    bank: StreakBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = RainyClips(stills(), videos(), bank, CLIPS)
    shares(monkeypatch, grainy=0, compressed=0)
    plain_clips = [clips[n] for n in range(60)]
    shares(monkeypatch, grainy=0, compressed=1)
    for n, before in enumerate(plain_clips):
        after = clips[n]
        assert torch.equal(after.b_y, before.b_y)
        assert torch.equal(after.b_uv, before.b_uv)
        dry = torch.equal(before.o_y, before.b_y)
        assert torch.equal(after.o_y, before.o_y) == dry
        change = (after.o_y - before.o_y).square().mean().sqrt()
        assert change < 0.08, "the same picture, coded"
    assert any(torch.equal(clip.o_y, clip.b_y) for clip in plain_clips), "some clips are dry"


def test_grain_stays_in_dry_clips_and_goes_from_rainy_ones(
    bank: StreakBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = RainyClips(stills(), videos(), bank, CLIPS)
    shares(monkeypatch, grainy=0, compressed=0)
    smooth = [clips[n] for n in range(60)]
    shares(monkeypatch, grainy=1, compressed=0)
    dry_clips = 0
    for n, before in enumerate(smooth):
        after = clips[n]
        dry = torch.equal(before.o_y, before.b_y)
        dry_clips += dry
        assert not torch.equal(after.o_y, before.o_y)
        assert torch.equal(after.b_y, after.o_y) == dry
        assert torch.equal(after.b_y, before.b_y) != dry
        assert torch.equal(after.b_uv, before.b_uv) != dry
    assert dry_clips


@pytest.mark.parametrize("seed", range(8))
def test_grain_has_its_level_in_every_plane_and_is_new_in_every_frame(seed: int) -> None:
    grain = draw_grain(np.random.default_rng(seed), (3, 64, 80))
    level = 255 * float(grain.y.std())
    assert 0.45 < level < 6.5
    assert 255 * grain.u.std() == pytest.approx(0.4 * level, rel=0.1)
    assert 255 * grain.v.std() == pytest.approx(0.4 * level, rel=0.1)
    assert abs(np.corrcoef(grain.y[0].ravel(), grain.y[1].ravel())[0, 1]) < 0.1
    assert grain.y.dtype == grain.u.dtype == np.float32


def test_stills_or_videos_alone(bank: StreakBank) -> None:
    for clips in (RainyClips(stills(), [], bank, CLIPS), RainyClips([], videos(), bank, CLIPS)):
        for n in INDICES:
            assert clips[n].o_y.shape == (3, 1, 32, 32)
    with pytest.raises(ValueError, match="stills or videos must hold something"):
        RainyClips([], [], bank, CLIPS)


def test_rain_has_the_size_of_the_picture_that_a_clip_is_cut_from(
    bank: StreakBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shorter side of a still, or of a video; for a share of the clips that of a larger picture."""
    heights: list[int] = []

    def watching(rng: np.random.Generator, preset: Preset, shorter_px: int, **rest: bool) -> RainStyle:
        heights.append(shorter_px)
        return draw_style(rng, preset, shorter_px, **rest)

    monkeypatch.setattr("vsj4r.rain.bank.draw_style", watching)
    tall = [np.stack([picture(8, 120, 70)] * 3)]
    clips = RainyClips([picture(0, 80, 90)], tall, bank, CLIPS)
    for n in range(40):
        clips[n]
    assert {80, 70} <= set(heights)
    larger = [height for height in heights if height not in (80, 70)]
    assert 2 < len(larger) < 24
    assert all(70 < height <= 2160 for height in larger)
    assert max(larger) > 800


def test_ranks_share_a_step_and_a_resumed_run_goes_on() -> None:
    whole = list(Onward(0, 5, 4))
    assert [n for step in whole for n in step] == list(range(20))
    assert list(Onward(2, 5, 4)) == whole[2:]
    shares = [list(Onward(0, 5, 4, rank, 2)) for rank in (0, 1)]
    for step, (first, second) in zip(whole, zip(*shares, strict=True), strict=True):
        assert not set(first) & set(second)
        assert sorted(first + second) == step


class TestFootageThatCannotBeUsed:
    """Named in the log and skipped; refused where nothing is left."""

    def test_stills(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        write_picture(tmp_path / "good.png", picture(0))
        write_picture(tmp_path / "small.png", picture(0, 20, 80))
        write_picture(tmp_path / "%03d.png", picture(1))
        (tmp_path / "text.txt").write_text("nothing to see")
        (tmp_path / "torn.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
        (tmp_path / "empty.jpg").touch()
        (tmp_path / ".hidden").touch()
        (tmp_path / "folder").mkdir()
        with caplog.at_level(logging.WARNING):
            found = load_stills(tmp_path, 32)
        assert len(found) == 2
        assert np.array_equal(found[1], picture(0))
        lines = [record.getMessage() for record in caplog.records]
        assert len(lines) == 5
        assert f"skipped: {tmp_path / 'small.png'} is 80x20, smaller than 32 px a side" in lines
        for name in ("text.txt", "torn.png", "empty.jpg", "folder"):
            assert any(f"skipped: image {tmp_path / name} cannot be read" in line for line in lines), name

    def test_videos(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        write_frames(tmp_path / "good", 5)
        (tmp_path / "good" / "._000.png").write_bytes(b"what macOS leaves beside a file")
        plain(tmp_path / "good.mkv")
        write_frames(tmp_path / "short", 2)
        write_frames(tmp_path / "small", 5, 20, 20)
        write_frames(tmp_path / "mixed", 5)
        write_picture(tmp_path / "mixed" / "003.png", picture(0, 64, 96))
        write_frames(tmp_path / "torn", 5)
        (tmp_path / "torn" / "002.png").write_bytes(b"no")
        (tmp_path / "empty").mkdir()
        (tmp_path / "broken.mkv").write_bytes((tmp_path / "good.mkv").read_bytes()[:100])
        write_picture(tmp_path / "still.png", picture(0))
        with caplog.at_level(logging.WARNING):
            found = load_videos(tmp_path, 4, 32)
        assert [len(video) for video in found] == [5, 24]
        said = "\n".join(record.getMessage() for record in caplog.records)
        for line in (
            f"{tmp_path / 'short'} has 2 frames, a clip needs 4",
            f"{tmp_path / 'still.png'} has 1 frames, a clip needs 4",
            f"{tmp_path / 'small'} is 20x20, smaller than 32 px a side",
            f"{tmp_path / 'mixed' / '003.png'}: a frame of 96x64 follows frames of 80x64",
            f"image {tmp_path / 'torn' / '002.png'} cannot be read",
            f"{tmp_path / 'empty'} holds no images",
            f"{tmp_path / 'broken.mkv'} cannot be read as a video",
        ):
            assert f"skipped: {line}" in said, line
        assert len(caplog.records) == 7

    def test_nothing_left_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(
            Vsj4rError, match=r"footage folder .*none does not exist: make it, or name another"
        ):
            load_videos(tmp_path / "none", 4, 32)
        with pytest.raises(Vsj4rError, match="must hold pictures of 32 px a side or more, got nothing"):
            load_stills(tmp_path, 32)
        write_frames(tmp_path / "short", 2)
        wanted = (
            "must hold videos, or folders of frames, of 4 frames and 32 px a side or more, got 1 that can't"
        )
        with pytest.raises(Vsj4rError, match=wanted):
            load_videos(tmp_path, 4, 32)

    def test_a_clip_by_its_path(self, tmp_path: Path) -> None:
        with pytest.raises(Vsj4rError, match="none does not exist"):
            read_clip(tmp_path / "none")
        write_frames(tmp_path / "clip", 5)
        assert read_clip(tmp_path / "clip", 3).shape == (3, 64, 80, 3)


@pytest.mark.parametrize(("size", "turn"), [("800x400", "0"), ("400x800", "0"), ("800x400", "90")])
def test_coded_videos_are_shrunk_alike_however_they_were_held(tmp_path: Path, size: str, turn: str) -> None:
    plain(tmp_path / "lying.mp4", "-c:v", "libx264", seconds=0.2, size=size)
    (tmp_path / "videos").mkdir()
    out = f"file:{tmp_path / 'videos' / 'shown.mp4'}"
    ffmpeg("-display_rotation", turn, "-i", f"file:{tmp_path / 'lying.mp4'}", "-c", "copy", out)
    (video,) = load_videos(tmp_path / "videos", 3, 32)
    assert video.shape[1:3] == ((360, 720) if (size, turn) == ("800x400", "0") else (720, 360))


@pytest.mark.parametrize(
    ("lines", "coded", "tag", "exact"),
    [
        (718, "bt601", "unknown", True),
        (720, "bt709", "unknown", True),
        (720, "bt601", "unknown", False),
        (720, "bt601", "smpte170m", True),
        (718, "bt709", "bt709", True),
    ],
)
def test_the_colours_of_a_video_by_its_tag_or_its_size(
    tmp_path: Path, lines: int, coded: str, tag: str, exact: bool
) -> None:
    """A plain orange, written in one matrix or the other; 3 levels are what 8 bits of YUV cost."""
    path, orange = f"file:{tmp_path / 'a.mkv'}", (230, 120, 20)
    source = f"color=c=0x{bytes(orange).hex()}:s=64x{lines}:r=5:d=0.4,format=gbrp"
    scaled = f"scale=out_color_matrix={coded}:out_range=tv,format=yuv444p,setparams=colorspace={tag}"
    ffmpeg("-f", "lavfi", "-i", source, "-vf", scaled, "-c:v", "ffv1", path)
    off = np.abs(read_clip(tmp_path / "a.mkv").astype(int) - orange).max()
    assert bool(off <= 3) == exact


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_photographs_are_turned_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(picture(0)).save(tmp_path / f"a.{kind}", exif=exif)
    with Image.open(tmp_path / f"a.{kind}") as image:
        shown = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    found = read_still(tmp_path / f"a.{kind}")
    assert found.shape == shown.shape
    assert np.abs(found - shown).mean() < 10
