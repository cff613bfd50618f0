"""The rain model: Eq. 3 exactly, its layers' properties measured from the pixels, and purity."""

from __future__ import annotations

from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

from tests.showers import LAYER, direction_deg, off_direction_deg, rng, scene
from vsj4r.arrays import Floats
from vsj4r.errors import Vsj4rError
from vsj4r.media.reading import read_image
from vsj4r.rain import RainStyle, draw_style, render_rain
from vsj4r.rain.colour import Yuv, matlab_luma, rgb_to_yuv420, rgb_to_yuv444, yuv_to_rgb
from vsj4r.rain.database import StreakDatabase
from vsj4r.rain.presets import Preset
from vsj4r.rain.streaks import StreakLayer, line_kernel, render_layer
from vsj4r.rain.synthesis import Renderer, compose, rain_on, streaks


class TestEquation3:
    def test_additive_where_alpha_is_0_and_reliance_where_it_is_1(self) -> None:
        b_t = scene(1)[0]
        s_t = rng(1).random(b_t.shape[:2], np.float32)
        a_t = rng(2).random(b_t.shape[:2], np.float32)
        alpha_t = rng(3).random(b_t.shape[:2]) < 0.3
        o_t = compose(b_t, s_t, alpha_t, a_t, RainStyle())
        added = np.rint(np.clip(b_t + 255.0 * s_t[..., None], 0, 255))
        hidden = np.rint(255.0 * a_t[..., None]) + np.zeros(3)
        assert np.abs(o_t - np.where(alpha_t[..., None], hidden, added)).max() <= 1
        assert np.mean(o_t == np.where(alpha_t[..., None], hidden, added)) > 0.999  # ties of float32 rounding

    def test_saturation_changes_chroma(self) -> None:
        sky = np.full((2, 2, 3), (90, 140, 250), np.uint8)
        o_t = compose(sky, np.full((2, 2), 0.2, np.float32), np.zeros((2, 2), bool), None, RainStyle())
        assert o_t[0, 0].tolist() == [141, 191, 255]
        before, after = rgb_to_yuv420(sky), rgb_to_yuv420(o_t)
        assert before.u - after.u > 0.05

    def test_screen_hides_as_much_background_as_the_streak_is_bright(self) -> None:
        b_t = np.full((1, 1, 3), 200, np.uint8)
        s_t = np.full((1, 1), 0.5, np.float32)
        o_t = compose(b_t, s_t, np.zeros((1, 1), bool), None, RainStyle(tint=(0.6, 0.7, 1.0), screen=1.0))
        assert o_t[0, 0].tolist() == [
            np.rint(100 + 127.5 * c) for c in (0.6, 0.7, 1.0)
        ]  # darker where B > tint

    def test_no_rain_changes_nothing(self) -> None:
        clean = scene()
        clip = render_rain(clean, RainStyle(), rng())
        assert np.array_equal(clip.rainy, clean)
        assert np.array_equal(clip.background, clean)
        assert not clip.s.any()
        assert not clip.alpha.any()

    def test_veil_lowers_contrast_of_the_background(self) -> None:
        clean = scene()
        clip = render_rain(clean, RainStyle(veil=0.25, veil_level=0.8), rng())
        assert np.array_equal(clip.background, np.rint(0.75 * clean + 0.25 * 0.8 * 255))
        assert np.array_equal(clip.rainy, clip.background)

    def test_clip_obeys_the_equation_with_its_own_layers(self) -> None:
        style = RainStyle(layers=(LAYER,), occlusion=replace(LAYER, brightness=1.0, hardness=1.0))
        clip = render_rain(scene(), style, rng())
        assert 0 < clip.alpha.mean() < 0.2
        expected = np.rint(np.clip(clip.background + 255 * clip.s[..., None], 0, 255))
        outside = ~clip.alpha
        assert np.abs(clip.rainy - expected)[outside].max() <= 1
        spread = np.ptp(clip.rainy[clip.alpha].astype(int), axis=-1)
        assert not spread.any(), "an occluded pixel shows grey rain and nothing of the scene"

    def test_rejects_what_is_no_clip(self) -> None:
        with pytest.raises(ValueError, match=r"clean must be \(T, H, W, 3\) uint8, got \(4, 4, 3\)"):
            render_rain(np.zeros((4, 4, 3), np.uint8), RainStyle(), rng())


class TestStreaks:
    def test_kernel_has_its_length_width_and_peak(self) -> None:
        kernel = line_kernel(40, 3, 0, hardness=1.0)
        middle = kernel.shape[0] // 2
        assert kernel.max() == 1
        assert kernel[:, middle].sum() == pytest.approx(40, abs=1)
        assert kernel[middle].sum() == pytest.approx(3, abs=0.1)
        soft = line_kernel(40, 6, 0)
        assert (soft[middle] >= 0.5).sum() == pytest.approx(6, abs=1)  # full width at half maximum

    @pytest.mark.parametrize("angle_deg", [-60, -20, 0, 35, 80])
    def test_direction(self, angle_deg: float) -> None:
        assert abs(off_direction_deg(Renderer(), angle_deg)) < 3

    def test_frames_are_independent_and_alike(self) -> None:
        style = RainStyle(layers=(replace(LAYER, density=0.003),), gain_jitter=0.0)
        s = render_rain(np.zeros((6, 128, 128, 3), np.uint8), style, rng()).s
        apart = s.reshape(6, -1) - s.reshape(6, -1).mean(1, keepdims=True)
        correlation = np.asarray(np.corrcoef(apart))[np.triu_indices(6, 1)]
        assert np.abs(correlation).max() < 0.15
        assert np.ptp([direction_deg(frame) for frame in s]) < 5
        assert s.mean((1, 2)).std() < 0.35 * s.mean()

    def test_density_and_range(self) -> None:
        sparse, dense = (render_layer(replace(LAYER, density=d), 200, 200, rng(1)) for d in (0.0005, 0.002))
        assert dense.min() >= 0
        assert dense.max() <= 1
        assert 3 < dense.sum() / sparse.sum() < 5

    def test_tiny_frames(self) -> None:
        assert render_layer(LAYER, 1, 1, rng()).shape == (1, 1)
        assert render_layer(LAYER, 5, 300, rng()).shape == (5, 300)


def test_mixture_is_diverse() -> None:
    styles = [draw_style(rng(i), "mixed", 288, database=True) for i in range(600)]
    kinds = [style.kind for style in styles]
    assert set(kinds) == {"none", "light", "complex", "soft", "photo"}
    assert 0.02 < kinds.count("none") / 600 < 0.09
    assert any(s.turn_deg for s in styles)
    assert any(s.veil for s in styles)
    assert any(s.occlusion for s in styles)
    widths = [layer.width_px for s in styles for layer in s.layers]
    assert min(widths) >= 1
    assert 20 < max(widths) <= 26
    assert any(layer.stay_frames > 1 for s in styles for layer in s.layers)
    assert any(s.glow for s in styles)
    assert any(s.gust_deg for s in styles)
    assert {s.linear for s in styles} == {False, True}
    assert "photo" not in {draw_style(rng(i), "mixed", 288).kind for i in range(100)}


def test_the_papers_rain_is_that_of_its_two_sets() -> None:
    kinds = [draw_style(rng(i), "paper", 288).kind for i in range(300)]
    assert set(kinds) == {"none", "light", "complex"}
    assert 0.13 < kinds.count("none") / 300 < 0.28
    assert 0.13 < kinds.count("complex") / 300 < 0.28


@pytest.mark.parametrize("preset", ["light", "complex", "soft"])
def test_presets_are_deterministic(preset: Preset) -> None:
    first, second = (render_rain(scene(2), draw_style(r, preset, 96), r) for r in (rng(4), rng(4)))
    assert np.array_equal(first.rainy, second.rainy)
    assert np.array_equal(first.s, second.s)


def test_unknown_preset() -> None:
    with pytest.raises(
        ValueError, match="preset must be one of light, complex, paper, soft, photo, mixed, got 'x'"
    ):
        draw_style(rng(), "x", 288)  # type: ignore[arg-type]


def test_sizes_grow_with_the_frame() -> None:
    small, large = (draw_style(rng(3), "soft", height).layers[2] for height in (288, 576))
    assert large.length_px == pytest.approx(2 * small.length_px)
    assert large.width_px == pytest.approx(min(2 * small.width_px, 12))


def test_calibrated_presets_are_frozen() -> None:
    """A draw of each, summed up: what changes it changes every published figure."""
    found = {}
    for preset in ("light", "complex"):
        style = draw_style(rng(2018), preset, 288)
        layers = [*style.layers, *([style.occlusion] if style.occlusion else [])]
        assert all(layer.stay_frames == 1 and layer.fall_px == 0 for layer in layers)
        assert {style.glow, style.gust_deg, style.linear} == {0}
        total = sum(sum(astuple(layer)[:7]) for layer in layers)
        found[preset] = total, style.reliance, style.sparkle, style.sparkle_level, style.gain_jitter
    assert found["light"] == pytest.approx((47.978747, 0.8, 0.0, 0.0, 0.1))
    assert found["complex"] == pytest.approx((139.599628, 0.788568, 0.002, 0.6, 0.1))


class Noted(Renderer):
    """Remembers what it is asked for, and draws nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[float, float]] = []

    def add(self, s_t: Floats, layer: StreakLayer, gain: float, rng: np.random.Generator) -> None:
        self.asked.append((layer.angle_deg, gain))


class TestAsFilmed:
    """What real footage has and the paper's model has not."""

    def test_rain_takes_the_colour_and_the_light_around_it(self) -> None:
        b_t = np.zeros((20, 40, 3), np.uint8)
        b_t[:, :20] = (200, 20, 20)  # a red lamp on the left, night on the right
        s_t = np.full((20, 40), 0.5, np.float32)
        o_t = compose(b_t, s_t, np.zeros((20, 40), bool), None, RainStyle(glow=1.0))
        gain = o_t.astype(int) - b_t
        assert gain[10, 2, 0] > 3 * gain[10, 2, 1] > 0
        assert not gain[10, -2].any(), "no light, no rain"
        white = compose(b_t, s_t, np.zeros((20, 40), bool), None, RainStyle())
        assert white[10, -2].min() > 100

    def test_rain_in_linear_light_lifts_the_dark_more(self) -> None:
        b_t = np.array([[[10] * 3, [200] * 3]], np.uint8)
        s_t = np.full((1, 2), 0.1, np.float32)
        none = np.zeros((1, 2), bool)
        linear = compose(b_t, s_t, none, None, RainStyle(linear=True)).astype(int) - b_t
        coded = compose(b_t, s_t, none, None, RainStyle()).astype(int) - b_t
        assert (coded == 26).all() or (coded == 25).all()
        assert linear[0, 0, 0] == round(255 * ((10 / 255) ** 2.2 + 0.1) ** (1 / 2.2)) - 10
        assert linear[0, 0, 0] > 3 * linear[0, 1, 0] > 0
        dry = compose(b_t, np.zeros((1, 2), np.float32), none, None, RainStyle(linear=True))
        assert np.array_equal(dry, b_t)

    @pytest.mark.parametrize(("angle_deg", "side"), [(0, 0), (31, 4), (-31, -4)])
    def test_streaks_that_stay_fall(self, angle_deg: float, side: int) -> None:
        layer = replace(LAYER, angle_deg=angle_deg, stay_frames=2, fall_px=7.0)
        s = render_rain(np.zeros((5, 96, 96, 3), np.uint8), RainStyle(layers=(layer,), seed=3), rng()).s
        assert s[0].any()
        down = 7 if side == 0 else 6

        def fell(before: Floats, after: Floats) -> bool:
            return np.array_equal(before[:-down, 4:-4], after[down:, 4 + side : 92 + side])

        assert fell(s[0], s[1])
        assert fell(s[2], s[3])
        assert not fell(s[1], s[2]), "other streaks now"
        other = render_rain(np.zeros((1, 96, 96, 3), np.uint8), RainStyle(layers=(layer,), seed=4), rng()).s
        assert not np.array_equal(other[0], s[0])

    def test_gusts_swing_the_direction(self) -> None:
        noted = Noted()
        style = RainStyle(layers=(LAYER,), gust_deg=30.0, gust_frames=8.0)
        render_rain(np.zeros((8, 4, 4, 3), np.uint8), style, rng(), source=noted)
        swing = np.array([angle for angle, _ in noted.asked]) - LAYER.angle_deg
        assert swing == pytest.approx(30 * np.sin(np.pi / 4 * np.arange(8)), abs=1e-6)


class TestStyle:
    def test_the_wind_turns_and_the_brightness_changes_from_frame_to_frame(self) -> None:
        noted = Noted()
        style = RainStyle(layers=(replace(LAYER, angle_deg=5.0),), turn_deg=2.0, gain_jitter=0.1)
        for t in range(200):
            streaks(style, t, 8, 8, noted, rng(t))
        angles, gains = np.array(noted.asked).T
        assert angles.tolist() == [5 + 2 * t for t in range(200)]
        assert np.mean(gains) == pytest.approx(1, abs=0.03)
        assert np.std(gains) == pytest.approx(0.1, rel=0.2)

    def test_haze_is_smooth_and_as_bright_as_it_says(self) -> None:
        s_t = streaks(RainStyle(haze=0.2), 0, 60, 80, Renderer(), rng(1))
        assert s_t.min() >= 0
        assert 0.1 < s_t.max() <= 0.2
        assert max(np.abs(np.diff(s_t, axis=axis)).max() for axis in (0, 1)) < 0.02

    def test_sparkle_is_isolated_bright_pixels(self) -> None:
        s_t = streaks(RainStyle(sparkle=0.01, sparkle_level=0.6), 0, 200, 200, Renderer(), rng(1))
        assert (s_t > 0).mean() == pytest.approx(0.01, rel=0.2)
        assert s_t[s_t > 0].min() >= 0.18 - 1e-6

    def test_what_hides_is_tinted_and_as_bright_as_it_says(self) -> None:
        half, everywhere = np.full((1, 1), 0.5, np.float32), np.ones((1, 1), bool)
        dry = np.zeros((1, 1), np.float32)
        o_t = compose(np.full((1, 1, 3), 9, np.uint8), dry, everywhere, half, RainStyle(tint=(0.4, 0.6, 1.0)))
        assert o_t[0, 0].tolist() == [51, 76, 128]
        style = RainStyle(occlusion=replace(LAYER, brightness=1.0, hardness=1.0), reliance=0.4)
        o_t, _, alpha_t = rain_on(np.zeros((96, 96, 3), np.uint8), style, 0, rng(1), Renderer())
        levels = o_t[alpha_t] / 255
        assert levels.min() > 0.75 * 0.95 * 0.4 - 0.01
        assert levels.max() < 1.05 * 0.4 + 0.01


class TestDatabase:
    def test_its_folder_its_mirror_and_its_gain(self, tmp_path: Path) -> None:
        images = pytest.importorskip("vsj4r.media.images")
        for folder, column in (("a", 1), ("b", 5)):
            (tmp_path / folder).mkdir()
            image = np.zeros((20, 30, 3), np.uint8)
            image[:, column] = 200
            images.write_png(image, tmp_path / folder / "0.png")
            (tmp_path / folder / "._0.png").write_bytes(b"hidden")
        database = StreakDatabase(tmp_path)

        def added(folder: float, mirror: bool, gain: float = 1.0) -> tuple[int, float]:
            s_t = np.zeros((20, 30), np.float32)
            database.add(s_t, folder, mirror, gain, rng())
            return int(s_t[0].argmax()), float(s_t.max())

        where = [added(*how)[0] for how in ((0.0, False), (0.49, True), (0.5, False), (0.99, True))]
        assert where == [1, 28, 5, 24]
        assert added(0, False, 0.5)[1] == pytest.approx(added(0, False)[1] / 2)
        style = RainStyle(photographed=1, photo_gain=0.5, gain_jitter=0.0)
        brightest = streaks(style, 0, 20, 30, Renderer(database), rng()).max() * 255 / 200
        assert 0.3 < brightest < 0.65

    def test_layers_of_a_folder(self, tmp_path: Path) -> None:
        io = pytest.importorskip("skimage.io")
        (tmp_path / "angle").mkdir()
        stroke = np.zeros((20, 30), np.uint8)
        stroke[:, 10] = 200
        io.imsave(tmp_path / "angle" / "one.png", stroke, check_contrast=False)
        (tmp_path / "angle" / "broken.png").write_bytes(b"not a picture")
        database = StreakDatabase(tmp_path)
        assert [len(group) for group in database.groups] == [1]
        assert np.array_equal(database.groups[0][0], stroke)
        style = RainStyle(photographed=1, photo_gain=0.5)
        s = render_rain(np.zeros((1, 40, 60, 3), np.uint8), style, rng(), source=Renderer(database)).s
        assert (s > 0).mean() == pytest.approx(1 / 30, abs=0.02)

    def test_nothing_to_read(self, tmp_path: Path) -> None:
        with pytest.raises(Vsj4rError, match="must hold grey images, got none that can be read"):
            StreakDatabase(tmp_path)
        with pytest.raises(Vsj4rError, match="must be a folder of grey images"):
            StreakDatabase(tmp_path / "absent")


class TestColour:
    def test_primaries(self) -> None:
        red = np.array([[[255, 0, 0]]], np.uint8)
        assert rgb_to_yuv444(red, "bt601").y[0, 0] == pytest.approx(0.299)
        assert rgb_to_yuv444(red, "bt709").y[0, 0] == pytest.approx(0.2126)
        assert rgb_to_yuv444(red, "bt601").v[0, 0] == pytest.approx(0.5)

    @pytest.mark.parametrize("matrix", ["bt601", "bt709"])
    def test_there_and_back(self, matrix: str) -> None:
        rgb = scene(1)[0]
        assert np.array_equal(yuv_to_rgb(rgb_to_yuv444(rgb, matrix), matrix), rgb)  # type: ignore[arg-type]

    def test_chroma_is_the_mean_of_four(self) -> None:
        rgb = scene(2)
        full, half = rgb_to_yuv444(rgb), rgb_to_yuv420(rgb)
        assert half.u.shape == (2, 48, 64)
        assert half.v[1, 3, 5] == pytest.approx(full.v[1, 6:8, 10:12].mean(), abs=1e-6)
        with pytest.raises(ValueError, match="sides must be even"):
            rgb_to_yuv420(rgb[:, :95])

    def test_matlab_luma(self) -> None:
        # rgb2ycbcr(uint8) of black, white and pure colours
        colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
        assert matlab_luma(colours)[0].tolist() == [16, 235, 81, 145, 41]

    def test_repeats_chroma(self) -> None:
        grey = Yuv(
            np.full((4, 4), 0.5, np.float32), np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32)
        )
        assert (yuv_to_rgb(grey) == 128).all()

    def test_what_is_too_bright_is_clipped(self) -> None:
        planes = (np.full((2, 2), level, np.float32) for level in (1.0, 0.4, -0.4))
        assert yuv_to_rgb(Yuv(*planes))[0, 0].tolist() == [94, 255, 255]


class TestCommand:
    def test_layers_obey_the_equation(self, tmp_path: Path) -> None:
        images = pytest.importorskip("vsj4r.media.images")
        from vsj4r.cli.rain import rain

        (tmp_path / "clean").mkdir()
        for name, frame in zip("ab", scene(2), strict=True):
            images.write_png(frame, tmp_path / "clean" / f"{name}.png")
        rain(tmp_path / "clean", tmp_path / "out", preset="complex", seed=1)
        for name in ("a.png", "b.png"):
            rainy, clean, s_t, mask = (
                read_image(tmp_path / "out" / layer / name) for layer in ("rainy", "clean", "streaks", "mask")
            )
            assert np.array_equal(clean, read_image(tmp_path / "clean" / name))
            assert set(np.unique(mask)) == {0, 255}
            expected = np.minimum(clean.astype(int) + s_t, 255)
            assert np.abs(rainy - expected)[mask == 0].max() <= 1

    def test_rain_falls_down_on_turned_footage(self, tmp_path: Path) -> None:
        media = pytest.importorskip("tests.media")
        pytest.importorskip("vsj4r.media.images")
        from vsj4r.cli.rain import rain

        lying, turned = tmp_path / "lying.mp4", tmp_path / "turned.mp4"
        media.plain(lying, "-c:v", "libx264", seconds=0.1)
        media.ffmpeg("-display_rotation", "90", "-i", f"file:{lying}", "-c", "copy", f"file:{turned}")
        rain(turned, tmp_path / "out")
        assert read_image(tmp_path / "out" / "clean" / "000000.png").shape == (96, 64, 3)

    def test_what_it_does_not_take_of_images_is_told(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        images = pytest.importorskip("vsj4r.media.images")
        from vsj4r.cli.rain import rain

        (tmp_path / "in").mkdir()
        for n in (1, 2, 5):
            pixels = np.full((48, 64, 4), 99 * 257, np.uint16)
            images.write_png(pixels, tmp_path / "in" / f"{n}.png")
        rain(tmp_path / "in", tmp_path / "out")
        assert capsys.readouterr().err.splitlines() == [
            "vsj4r: numbers 3 to 4 missing: 2.png is followed by 5.png",
            "vsj4r: the alpha of 3 of 3 images is left out",
            "vsj4r: 16 bit become 8 bit",
        ]

    def test_all_of_it_or_nothing(self, tmp_path: Path) -> None:
        images = pytest.importorskip("vsj4r.media.images")
        from vsj4r.cli.rain import rain

        (tmp_path / "clean").mkdir()
        images.write_png(scene(1)[0], tmp_path / "clean" / "a.png")
        (tmp_path / "clean" / "b.png").write_bytes(b"no picture")
        for out in (tmp_path / "out", tmp_path / "deep" / "out"):
            for _ in range(2):
                with pytest.raises(Vsj4rError, match=r"b\.png cannot be read"):
                    rain(tmp_path / "clean", out)
            assert not list(out.parent.glob("*out*"))

    @pytest.mark.parametrize("size", [(320, 96), (96, 320)])
    def test_rain_has_the_size_of_the_shorter_side(
        self, tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        images = pytest.importorskip("vsj4r.media.images")
        from vsj4r.cli.rain import rain

        sides: list[int] = []

        def watching(source: np.random.Generator, preset: Preset, shorter_px: int) -> RainStyle:
            sides.append(shorter_px)
            return draw_style(source, preset, shorter_px)

        monkeypatch.setattr("vsj4r.rain.presets.draw_style", watching)
        (tmp_path / "clean").mkdir()
        images.write_png(scene(1, *size)[0], tmp_path / "clean" / "a.png")
        rain(tmp_path / "clean", tmp_path / "out")
        assert sides == [96]

    def test_rejections(self, tmp_path: Path) -> None:
        from vsj4r.cli.rain import rain

        with pytest.raises(Vsj4rError, match=r"absent\.mkv does not exist"):
            rain(tmp_path / "absent.mkv", tmp_path / "out")
        with pytest.raises(Vsj4rError, match="--preset photo and --layers go together"):
            rain(tmp_path, tmp_path / "out", preset="photo")
        (tmp_path / "file").touch()
        with pytest.raises(Vsj4rError, match="must be a new or an empty folder"):
            rain(tmp_path, tmp_path)
