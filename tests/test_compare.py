"""``vsj4r compare``: what it measures, what it chooses, what it writes and what it refuses."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import av
import numpy as np
import pytest
import vapoursynth as vs

from tests import media
from tests.cli import Done, assert_refused, leftovers, vsj4r
from vsj4r.compare.choice import SHOWN, choose_frames
from vsj4r.compare.comparison import Comparison
from vsj4r.compare.comparison import write_comparison as write_comparison
from vsj4r.compare.measures import Measures, measure_sides
from vsj4r.compare.pictures import picture_clip
from vsj4r.compare.plots import HEIGHT, Line, draw_graph, frame_x
from vsj4r.compare.quality import measure_quality
from vsj4r.compare.sides import choose_timed_side, finite, open_sides
from vsj4r.errors import Vsj4rError
from vsj4r.media.images import write_png
from vsj4r.media.plates import write_plate

SOFT = "lutyuv=y=val*0.5+64"  # leaves room for a change
LIGHTER = f"{SOFT},lutyuv=y=val+5"


def nothing(*_: object) -> None:
    """For those who want no progress."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same clip three times: with luma 5 higher, as it is, and as it is."""
    folder = tmp_path_factory.mktemp("clips")
    media.plain(folder / "before.mkv", "-vf", LIGHTER)
    media.plain(folder / "after.mkv", "-vf", SOFT)
    media.plain(folder / "truth.mkv", "-vf", SOFT)
    return folder


def compare(*arguments: object, cwd: Path | None = None) -> Done:
    done = vsj4r("compare", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done


def test_a_video_says_what_it_leaves_out(rich: Path, tmp_path: Path) -> None:
    outputs = ("-o", tmp_path / "page.html", "--video", tmp_path / "both.mp4")
    done = compare(rich, rich, *outputs)
    assert ".mp4 cannot hold attachment stream 3 (font.ttf): left out" in done.stderr
    with av.open(str(tmp_path / "both.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "subtitle", "data"]


def test_images_with_alpha_are_compared_opaque(tmp_path: Path) -> None:
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
        for n in range(2):
            pixels = np.random.default_rng(n).integers(0, 256, (64, 96, 4)).astype(np.uint8)
            write_png(pixels, tmp_path / folder / f"{n}.png")
    outputs = ("-o", tmp_path / "page.html", "--video", tmp_path / "both.mp4")
    compare(tmp_path / "before", tmp_path / "after", *outputs)
    assert len(media.planes(tmp_path / "both.mp4")) == 2


def test_figures_are_right(folder: Path) -> None:
    sides = open_sides(folder / "before.mkv", folder / "after.mkv", folder / "truth.mkv")
    before, after = measure_quality(sides[:2], sides[2], nothing)
    assert before.psnr == pytest.approx([20 * math.log10(255 / 5)] * 24, abs=0.01)
    assert after.psnr == [math.inf] * 24
    assert after.ssim == [1.0] * 24
    assert 0.9 < max(before.ssim) < 1
    assert len(after.vmaf) == len(before.vmaf) == 24
    assert min(after.vmaf) > 95
    measures = measure_sides(sides[0], sides[1], nothing)
    assert measures.removed == pytest.approx([100 * 5 / 219] * 24, abs=0.01)
    luma = media.planes(folder / "before.mkv")[7][0]
    assert measures.brightness[7] == pytest.approx(100 * (luma.mean() - 16) / 219, abs=0.01)


def test_frames_that_are_equal_do_not_hide_those_that_are_not(folder: Path, tmp_path: Path) -> None:
    """PSNR of the clip is the mean of its frames, an equal one counting 100 dB."""
    nearly, page = tmp_path / "nearly.mkv", tmp_path / "page.html"
    media.plain(nearly, "-vf", f"{SOFT},lutyuv=y=val+5:enable='eq(n,7)'")
    done = compare(folder / "before.mkv", nearly, "--gt", folder / "truth.mkv", "-o", page)
    one = 20 * math.log10(255 / 5)
    assert f"PSNR {one:.2f} dB -> {(23 * 100 + one) / 24:.2f} dB" in done.stdout
    assert "identical" in page.read_text(), "of single frames it may be said"


def test_no_timestamp_pairs_the_wrong_frames(tmp_path: Path) -> None:
    source, copy = media.rich(tmp_path), tmp_path / "copy.mp4"
    media.ffmpeg("-i", f"file:{source}", "-map", "0:v", "-c:v", "libx264", "-qp", "0", f"file:{copy}")
    sides = open_sides(copy, copy, source)
    assert measure_quality(sides[:2], sides[2], nothing)[0].psnr == [math.inf] * 41


def test_deeper_clips_are_measured_deeper(tmp_path: Path) -> None:
    deep = ("-pix_fmt", "yuv420p10le")
    before = media.plain(tmp_path / "before.mkv", *deep, "-vf", f"{SOFT},format=yuv420p10le,lutyuv=y=val+1")
    truth = media.plain(tmp_path / "truth.mkv", *deep, "-vf", f"{SOFT},format=yuv420p10le")
    sides = open_sides(before, truth, truth)
    one_of_1023 = measure_quality(sides[:2], sides[2], nothing)[0].psnr
    assert one_of_1023 == pytest.approx([20 * math.log10(1023)] * 24, abs=0.01)


def test_untagged_footage_has_the_matrix_of_its_stored_size(tmp_path: Path) -> None:
    """As where it is derained: 640 lines that stand upright are 1280."""
    lying, turned = tmp_path / "lying.mp4", tmp_path / "turned.mp4"
    media.ffmpeg(*media.picture(seconds=0.1, size="1280x640"), "-c:v", "libx264", f"file:{lying}")
    media.ffmpeg("-display_rotation", "90", "-i", f"file:{lying}", "-c", "copy", f"file:{turned}")
    for side in open_sides(lying, lying, None)[:1] + open_sides(turned, turned, None)[:1]:
        assert side.clip.get_frame(0).props["_Matrix"] == vs.MATRIX_ST170_M


def test_rotated_footage_is_compared_upright(tmp_path: Path) -> None:
    lying, turned, shown = (tmp_path / name for name in ("lying.mp4", "turned.mp4", "shown.mkv"))
    media.ffmpeg(*media.picture(seconds=0.5), "-c:v", "libx264", "-qp", "0", f"file:{lying}")
    media.ffmpeg("-display_rotation", "90", "-i", f"file:{lying}", "-c", "copy", f"file:{turned}")
    media.ffmpeg("-i", f"file:{turned}", "-c:v", "ffv1", f"file:{shown}")
    sides = open_sides(turned, shown, None)
    assert (sides[0].clip.width, sides[0].clip.height) == (64, 96)
    assert measure_quality(sides[:1], sides[1], nothing)[0].psnr == [math.inf] * 12


def test_what_coding_loses_is_no_rain(tmp_path: Path) -> None:
    """As much brighter as darker."""
    (tmp_path / "before").mkdir()
    (tmp_path / "after").mkdir()
    grey = np.full((32, 32, 3), 100, np.uint8)
    lost = grey + np.where(np.indices((32, 32)).sum(axis=0) % 2, 6, -6)[..., None]
    streak = lost.copy()
    streak[:, 4] -= 40
    for n, after in enumerate([grey, lost, streak]):
        write_png(grey, tmp_path / "before" / f"{n}.png")
        write_png(after.astype(np.uint8), tmp_path / "after" / f"{n}.png")
    sides = open_sides(tmp_path / "before", tmp_path / "after", None)
    found = measure_sides(sides[0], sides[1], nothing).removed
    assert found == pytest.approx([0, 0, 100 * 40 / 255 / 32], abs=0.01)


@pytest.mark.parametrize("other", ["bt709:range=tv", "bt709:range=pc", "smpte170m:range=pc", "png"])
def test_the_same_picture_coded_in_another_way_is_the_same(tmp_path: Path, other: str) -> None:
    def coded(name: str, how: str) -> Path:
        matrix, _, range_ = how.partition(":range=")
        scale = f"format=gbrp,scale=out_color_matrix={matrix}:out_range={range_},format=yuv444p"
        return media.plain(tmp_path / name, "-vf", f"{scale},setparams=colorspace={matrix}:range={range_}")

    before = coded("before.mkv", "smpte170m:range=tv")
    if other == "png":
        after = tmp_path / "after"
        after.mkdir()
        media.ffmpeg(*media.picture(seconds=1), "-vf", "format=gbrp,format=rgb24", f"{after}/%03d.png")
    else:
        after = coded("after.mkv", other)
    sides = open_sides(before, after, after)
    assert max(measure_sides(sides[0], sides[1], nothing).removed) < 0.3
    assert min(measure_quality(sides[:1], sides[2], nothing)[0].psnr) > 45


def test_chosen_are_the_frames_that_tell() -> None:
    length = 1000
    removed, brightness, motion, psnr = ([10.0] * length for _ in range(4))
    removed[123], brightness[400], brightness[600], motion[800], psnr[950] = 30, 90, 1, 70, 2
    reasons = {c.frame: c.reasons for c in choose_frames(Measures(removed, brightness, motion), psnr)}
    for frame, reason in (
        (123, "most rain removed"),
        (400, "brightest"),
        (600, "darkest"),
        (800, "most motion"),
        (950, "lowest PSNR"),
    ):
        assert reasons[frame] == [reason]
    assert len(reasons) == SHOWN
    assert reasons[250] == [], "the widest gap"
    motion[125] = 80
    assert choose_frames(Measures(removed, brightness, motion))[0].reasons == [
        "most rain removed",
        "most motion",
    ]


@pytest.mark.parametrize("length", [1, 2, 5, 6, 50])
def test_a_clip_in_which_nothing_stands_out(length: int) -> None:
    same = [1.0] * length
    chosen = choose_frames(Measures(same, same, same))
    assert [choice.frame for choice in chosen] == sorted({choice.frame for choice in chosen})
    assert len(chosen) == min(length, SHOWN)
    assert all(0 <= choice.frame < length and not choice.reasons for choice in chosen)


def test_samples_that_are_no_number_count_as_nothing() -> None:
    clip = vs.core.std.BlankClip(format=vs.GRAYS, width=32, height=32, length=1, color=0.5)

    def broken(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        samples = np.asarray(frame[0])
        samples[0], samples[1], samples[2] = np.nan, np.inf, -np.inf
        return frame

    with finite(clip.std.ModifyFrame(clip, broken)).get_frame(0) as frame:
        assert np.asarray(frame[0])[:4, 0].tolist() == [0, 2, -2, 0.5]


def test_a_cut_is_no_motion(tmp_path: Path) -> None:
    frames = [(50, 50)] * 6 + [(200, 200)] * 2 + [(200, 120), (200, 40)] + [(200, 40)] * 3
    for n, halves in enumerate(frames):
        picture = np.repeat(np.array(halves, np.uint8), 16)[None, :, None] * np.ones((16, 1, 3), np.uint8)
        write_png(picture, tmp_path / f"{n:02}.png")
    sides = open_sides(tmp_path, tmp_path, None)
    motion = measure_sides(sides[0], sides[1], nothing).motion
    assert motion.index(max(motion)) == 8
    assert motion[6] == 0, "the cut"


def test_graphs_keep_their_spikes_and_leave_gaps() -> None:
    spiky = [1.0] * 100_000
    spiky[54_321] = 9.0
    graph = draw_graph("spikes", [Line("after", spiky)], from_zero=True)
    heights = [float(y) for y in re.findall(r"[ML]\S+ ([\d.]+)", graph.paths[0][1])]
    assert len(heights) < 2100
    assert [text for _, text in graph.ticks] == ["0", "5", "10"]
    assert min(heights) == pytest.approx(HEIGHT / 10)
    dip = [9.0] * 100_000
    dip[54_321] = 1.0
    graph = draw_graph("dips", [Line("after", dip)], from_zero=True)
    heights = [float(y) for y in re.findall(r"[ML]\S+ ([\d.]+)", graph.paths[0][1])]
    assert max(heights) == pytest.approx(HEIGHT * 0.9)
    assert [frame_x(n, 11) for n in (0, 5, 10)] == [0, 500, 1000]
    assert draw_graph("gap", [Line("after", [1.0, math.inf, 2.0])]).paths[0][1].count("M") == 2
    for numbers in ([math.inf] * 3, [0.0, 0.0], [100.0], [1e-9, 2e-9]):
        graph = draw_graph("hardly anything", [Line("after", numbers)])
        assert all(0 <= y <= HEIGHT for y, _ in graph.ticks)


def test_ssim_and_psnr_are_of_luma(tmp_path: Path) -> None:
    truth = media.plain(tmp_path / "truth.mkv", "-pix_fmt", "yuv420p", seconds=0.2)
    grey = ["-pix_fmt", "yuv420p", "-vf", "lutyuv=u=128:v=128"]
    before = media.plain(tmp_path / "before.mkv", *grey, seconds=0.2)
    sides = open_sides(before, truth, truth)
    quality = measure_quality(sides[:2], sides[2], nothing)[0]
    assert set(quality.ssim) == {1.0}
    assert set(quality.psnr) == {math.inf}


def test_times_are_those_of_the_first_video(tmp_path: Path) -> None:
    video, images = media.plain(tmp_path / "video.mkv", seconds=0.2), tmp_path / "images"
    images.mkdir()
    media.ffmpeg("-i", f"file:{video}", f"{images}/%03d.png")
    sides = open_sides(images, video, None)
    assert choose_timed_side(sides) is sides[1]


def test_pictures_of_large_frames_are_smaller() -> None:
    clip = vs.core.std.BlankClip(width=3840, height=1000, format=vs.YUV420P8, length=1)
    small = picture_clip(clip.std.SetFrameProps(_Matrix=1))
    assert (small.width, small.height) == (1920, 500)


def test_page_and_video(folder: Path, tmp_path: Path) -> None:
    source = media.rich(tmp_path)
    lighter = tmp_path / "lighter.mkv"
    media.ffmpeg(
        "-i", f"file:{source}", "-vf", "lutyuv=y=val+20", "-fps_mode", "passthrough", f"file:{lighter}"
    )
    page, video = tmp_path / "page.html", tmp_path / "both.mkv"
    done = compare(source, lighter, "--output", page, "--video", video)
    assert done.stdout.startswith(f"{page}, {video}: ")
    assert done.stderr == ""
    assert media.seconds_of_frames(video) == media.seconds_of_frames(source)
    assert media.audio_packets(video) == media.audio_packets(source)
    clip = vs.core.bs.VideoSource(str(video), cachemode=0)
    assert (clip.width, clip.height) == (192, 64)
    left, right = (media.planes(video)[30][0][40:, at : at + 96] for at in (0, 96))
    assert np.abs(left.astype(float) - media.planes(source)[30][0][40:]).mean() < 3
    assert 10 < np.mean(right.astype(float) - left) < 22
    assert not leftovers(tmp_path)
    text = page.read_text("utf-8")
    assert not re.search(r"https?://|//", re.sub(r"base64,[^\"]*", "", text)), "nothing from outside"
    summary = compare(folder / "before.mkv", folder / "after.mkv", "--gt", folder / "truth.mkv", cwd=tmp_path)
    assert "PSNR 34.15 dB -> identical" in summary.stdout
    assert (tmp_path / "compare.html").exists()


@pytest.mark.skipif(os.name == "nt", reason="names that Windows has not")
def test_names_of_any_kind(folder: Path, tmp_path: Path) -> None:
    names = ["-50% 'of' \"it\"\n雨.mkv", "%03d <b>&amp;.mkv"]
    for name in names:
        (tmp_path / name).write_bytes((folder / "after.mkv").read_bytes())
    raw = os.fsdecode(b"not \xff UTF-8")
    (tmp_path / raw).mkdir()
    write_png(np.zeros((32, 32, 3), np.uint8), tmp_path / raw / os.fsdecode(b"\xff.png"))
    compare("-o", "-page %d\n.html", "--video", "-v %d:|.mp4", "--", *names, cwd=tmp_path)
    compare("--gt", raw, "-o", os.fsdecode(b"\xfe.html"), raw, raw, cwd=tmp_path)
    made = {"-page %d\n.html", "-v %d:|.mp4", os.fsdecode(b"\xfe.html")}
    assert {entry.name for entry in tmp_path.iterdir()} == {*names, raw} | made
    text = (tmp_path / "-page %d\n.html").read_text("utf-8")
    assert "%03d &lt;b&gt;&amp;amp;.mkv" in text
    assert "<b>&amp;.mkv" not in text


def test_refusals(folder: Path, tmp_path: Path) -> None:
    before, after, page = folder / "before.mkv", folder / "after.mkv", tmp_path / "page.html"

    def refused(text: str, *clips: Path, page: Path = page, video: Path | None = None) -> None:
        comparison = Comparison(clips[0], clips[1], clips[2] if len(clips) > 2 else None, page, video)
        with pytest.raises(Vsj4rError, match=re.escape(text)):
            write_comparison(comparison, nothing, version="")
        assert not page.exists()
        assert not leftovers(tmp_path)

    small = media.plain(tmp_path / "small.mkv", size="64x64")
    short = media.plain(tmp_path / "short.mkv", seconds=0.5)
    quick = tmp_path / "quick.mkv"
    media.ffmpeg(*media.picture(seconds=0.8, rate=30), "-c:v", "ffv1", f"file:{quick}")
    unnamed = tmp_path / os.fsdecode(b"\xff.mkv")
    unnamed.write_bytes(before.read_bytes())
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        for n in range(3):
            write_png(np.zeros((64, 96, 3), np.uint8), tmp_path / name / f"{n + (name == 'other')}.png")
    odd = f"{tmp_path / 'one'} and {tmp_path / 'other'} must hold the same frames, got 0 beside 1"
    refused(odd, tmp_path / "one", tmp_path / "other")
    has = f"must have the same frames: {before} has 24 frames of 96x64"
    refused(f"{has}, {small} has 24 frames of 64x64", before, small)
    refused(f"{has}, {short} has 12 frames of 96x64", before, after, short)
    refused(f"24 frames a second, {quick} has 30", before, quick)
    refused("no such file or folder", before, tmp_path / "absent.mkv")
    refused("rain.mp4 is an address: fetch it first", before, Path("https://example.invalid/rain.mp4"))
    refused("the video is H.264: name ", before, after, video=page)
    tiny = media.plain(tmp_path / "tiny.mkv", size="64x16")
    refused("a ground truth must have 32 px a side or more, got 64x16", tiny, tiny, tiny)
    refused("cannot be read as a video", before, Path(__file__))
    refused("needs names in UTF-8", unnamed, after)
    refused("no folder", before, after, video=tmp_path / "absent" / "x.mkv")
    folder_of_plates = tmp_path / "plates"
    folder_of_plates.mkdir()
    for n in range(2):
        noise = np.random.default_rng(n).random((32, 32, 3), np.float32)
        write_plate(noise, folder_of_plates / f"{n}.exr")
    (folder_of_plates / "1.exr").write_bytes((folder_of_plates / "0.exr").read_bytes()[:500])
    refused("1.exr cannot be read", folder_of_plates, folder_of_plates)
    done = vsj4r("compare", small, small, "-o", page, "--video", small)
    assert_refused(done, 1, "which is read", tmp_path)
    for name in ("page.mp4", "page.txt"):
        done = vsj4r("compare", small, small, "-o", tmp_path / name)
        assert_refused(done, 1, "the page is HTML: name", tmp_path)
    page.write_text("earlier")
    assert_refused(vsj4r("compare", "-o", page, before, after), 1, "--overwrite replaces it", tmp_path)
    failed = vsj4r("compare", "-o", page, before, after, "--overwrite", "--video", tmp_path / "x.webm")
    assert_refused(failed, 1, "the video is H.264: name ", tmp_path)
    assert page.read_text() == "earlier"
    assert not (tmp_path / "x.webm").exists()
