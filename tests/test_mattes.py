"""What post-production asks of `run` and `batch`: mattes, masks, planes, scenes, strength by shot."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from tests import media
from tests.cli import assert_refused, batch, leftovers, parts, run, vsj4r
from vsj4r.engine.base import Plane
from vsj4r.media.images import write_png
from vsj4r.media.reading import Image, read_image

FRAMES = 150  # over the beginning of a segment


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of limited range, with sound."""
    path = tmp_path_factory.mktemp("shot") / "shot.mkv"
    tone = ["-f", "lavfi", "-i", "sine=d=6"]
    media.ffmpeg(*media.picture(seconds=6, rate=25), *tone, "-c:v", "ffv1", "-c:a", "flac", f"file:{path}")
    return path


@pytest.fixture(scope="module")
def clean(shot: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clean") / "clean.mkv"
    run(shot, path, "--model", model, "--encoder", "ffv1")
    return path


def assert_sums_up(shot: Path, derained: Path, rain: Path) -> None:
    """Derained + rain - black is the shot, where the difference fits."""
    triples = zip(*(media.planes(path) for path in (shot, derained, rain)), strict=True)
    for before, after, layer in triples:
        for plane, (a, b, r) in enumerate(zip(before, after, layer, strict=True)):
            zero = 16 if plane == 0 else 128
            back = b.astype(int) + r - zero
            fits = (a.astype(int) - b + zero >= 0) & (a.astype(int) - b + zero <= 255)
            assert np.array_equal(back[fits], a[fits])
            assert fits.mean() > 0.9


@pytest.mark.slow
def test_mattes_lie_beside_the_picture(shot: Path, clean: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    named = ("--output", "derained,rain", "--output", "occlusion")
    run(shot, output, "--model", model, "--encoder", "ffv1", *named)
    names = ["out.mkv", "out.occlusion.mkv", "out.rain.mkv"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == names
    media.assert_same_frames(output, clean)
    assert_sums_up(shot, output, tmp_path / "out.rain.mkv")
    run(shot, tmp_path / "alone.mkv", "--model", model, "--encoder", "ffv1", "--output", "occlusion")
    media.assert_same_frames(tmp_path / "alone.mkv", tmp_path / "out.occlusion.mkv")
    for name, streams, colour in zip(names, (2, 1, 1), ("tv", "pc", "tv"), strict=True):
        with av.open(str(tmp_path / name)) as container:
            assert len(container.streams) == streams
            assert container.streams.video[0].codec_context.color_range == {"tv": 1, "pc": 2}[colour]
        assert media.seconds_of_frames(tmp_path / name) == media.seconds_of_frames(shot)


def test_mattes_as_images(shot: Path, model: Path, tmp_path: Path) -> None:
    done = run(shot, tmp_path / "out", "--model", model, "--trim", "0:3", "--output", "rain,occlusion")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out", "out.occlusion"]
    names = ["000000.png", "000001.png", "000002.png"]
    assert [sorted(entry.name for entry in folder.iterdir()) for folder in tmp_path.iterdir()] == [names] * 2
    assert "3 frames" in done.stderr
    grey = read_image(tmp_path / "out.occlusion" / "000002.png")
    assert np.array_equal(grey[..., 0], grey[..., 2])


@pytest.mark.slow
def test_one_matte_that_exists_stops_all(shot: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "out.rain.mkv").write_text("earlier")
    done = vsj4r("run", shot, tmp_path / "out.mkv", "--model", model, "--output", "derained,rain")
    assert_refused(done, 1, "out.rain.mkv exists already", tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.rain.mkv"]
    failed = vsj4r(
        "run", shot, tmp_path / "out.mkv", "--model", model, "--output", "derained,rain", "--overwrite",
        "--encoder", "prores", "--ffmpeg", "-vf fps=5",
    )  # fmt: skip
    assert failed.returncode == 1
    assert (tmp_path / "out.rain.mkv").read_text() == "earlier"
    assert not leftovers(tmp_path)
    done = vsj4r("run", shot, "-", "--model", model, "--output", "derained,rain")
    assert_refused(done, 2, "a pipe takes one output: give --output once", tmp_path)


def left_half(frame: Plane) -> Plane:
    return frame[:, : frame.shape[1] // 2]


def right_half(frame: Plane) -> Plane:
    return frame[:, frame.shape[1] // 2 :]


def assert_right_half_alone(output: Path, shot: Path, clean: Path) -> None:
    changed = False
    for found, before, after in zip(*map(media.planes, (output, shot, clean)), strict=True):
        for f, b, a in zip(found, before, after, strict=True):
            assert np.array_equal(left_half(f), left_half(b))
            assert np.array_equal(right_half(f), right_half(a))
            changed |= not np.array_equal(left_half(a), left_half(b))
    assert changed


def mask_image(path: Path, depth: type[np.uint8 | np.uint16] = np.uint8) -> Path:
    image: Image = np.zeros((64, 96, 3), depth)
    image[:, 48:] = np.iinfo(depth).max
    write_png(image, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["png", "16 bit", "folder", "video"])
def test_a_mask_of_any_kind(shot: Path, clean: Path, model: Path, tmp_path: Path, kind: str) -> None:
    mask = mask_image(tmp_path / "mask.png", np.uint16 if kind == "16 bit" else np.uint8)
    if kind == "folder":
        (tmp_path / "masks").mkdir()
        for n in range(3):
            mask_image(tmp_path / "masks" / f"{n}.png")
        mask = tmp_path / "masks"
    elif kind == "video":  # of limited range, black is 16
        mask = tmp_path / "mask.mkv"
        picture = ["-i", f"file:{tmp_path / 'mask.png'}", "-vf", "scale=out_range=tv", "-pix_fmt", "yuv444p"]
        media.ffmpeg(*picture, "-c:v", "ffv1", f"file:{mask}")
    output = tmp_path / "out.mkv"
    run(shot, output, "--model", model, "--encoder", "ffv1", "--mask", mask)
    assert_right_half_alone(output, shot, clean)


def test_a_mask_that_does_not_fit(shot: Path, model: Path, tmp_path: Path) -> None:
    write_png(np.zeros((64, 90, 3), np.uint8), tmp_path / "mask.png")
    done = vsj4r("run", shot, tmp_path / "out.mkv", "--model", model, "--mask", tmp_path / "mask.png")
    assert_refused(done, 1, "mask must be 96x64 like the clip, got 90x64", tmp_path)
    done = vsj4r("run", shot, tmp_path / "out.mkv", "--model", model, "--mask", "absent.png")
    assert_refused(done, 1, "no such file or folder: absent.png", tmp_path)


def test_planes_that_are_left_alone(shot: Path, clean: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    run(shot, output, "--model", model, "--encoder", "ffv1", "--planes", "0")
    for found, before, after in zip(*map(media.planes, (output, shot, clean)), strict=True):
        assert np.array_equal(found[0], after[0])
        assert all(np.array_equal(a, b) for a, b in zip(found[1:], before[1:], strict=True))


@pytest.mark.slow
def test_scenes_that_are_named(shot: Path, clean: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "cuts.qp").write_text("0 K\n40 K\n")
    common = ("--model", model, "--encoder", "ffv1")
    run(shot, tmp_path / "scenes.mkv", *common, "--scenes", "0,40")
    run(shot, tmp_path / "qpfile.mkv", *common, "--qpfile", tmp_path / "cuts.qp")
    media.assert_same_frames(tmp_path / "scenes.mkv", tmp_path / "qpfile.mkv")
    named, found = media.planes(tmp_path / "scenes.mkv"), media.planes(clean)
    assert np.array_equal(named[38][0], found[38][0])
    assert not np.array_equal(named[40][0], found[40][0])


@pytest.mark.slow
def test_strength_by_shot(shot: Path, clean: Path, model: Path, tmp_path: Path) -> None:
    curve = tmp_path / "curve.txt"
    curve.write_text("# from frame 50 on, all of it\n0 0\n50 1.0\n\n120 0.5\n")
    common = ("--model", model, "--encoder", "ffv1")
    run(shot, tmp_path / "out.mkv", *common, "--strength", curve)
    run(shot, tmp_path / "half.mkv", *common, "--strength", "0.5")
    found = media.planes(tmp_path / "out.mkv")
    for n, source in ((0, shot), (49, shot), (50, clean), (119, clean), (120, tmp_path / "half.mkv")):
        assert np.array_equal(found[n][0], media.planes(source)[n][0]), n


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--strength", "2"], "--strength must be between 0 and 1, got 2.0"),
        (["--strength", "half"], "--strength must be a number or a file of FRAME STRENGTH, got 'half'"),
        (["--output", "snow"], "--output must be one or more of derained, rain, occlusion, got ['snow']"),
        (["--output", "rain,rain"], "--output must name each once, got 'rain' twice"),
        (["--planes", "Y"], "--planes must be whole numbers such as 0,120, got 'Y'"),
        (["--planes", "3"], "--planes must be among 0, 1 and 2, such as [0] for luma, got [3]"),
        (["--scenes", "0", "--qpfile", "x"], "--scenes must be given alone, got qpfile too"),
        (
            ["--encoder", "ffv1", "--crf", "3", "--depth", "11"],
            "--crf: encoder ffv1 has no crf; --depth of ffv1",
        ),
    ],
)
def test_options_that_mean_nothing(shot: Path, tmp_path: Path, options: list[str], text: str) -> None:
    assert_refused(vsj4r("run", shot, tmp_path / "out.mkv", *options), 2, text, tmp_path)


@pytest.mark.slow
def test_a_curve_that_means_nothing(shot: Path, tmp_path: Path) -> None:
    curve = tmp_path / "curve.txt"
    for text, said in (
        ("0 0.5\n40\n", "curve.txt:2: must be a frame and a strength, such as 120 0.5, got '40'"),
        ("10 0.5\n", "--strength must begin at frame 0, and its frames must rise, got [10]"),
        ("0 0.5\n9 1\n9 0\n", "and its frames must rise, got [0, 9, 9]"),
        ("0 0.5\n9 7\n", "--strength must be between 0 and 1, got 7.0"),
        ("", "--strength must be a number, or pairs like [[0, 0.5], [120, 1.0]], got []"),
    ):
        curve.write_text(text)
        done = vsj4r("run", shot, tmp_path / "out.mkv", "--strength", curve)
        assert_refused(done, 2, said, tmp_path)


def job_file(folder: Path, model: Path, shot: Path, more: str, name: str = "out.mkv") -> None:
    head = f"[defaults]\nmodel = {json.dumps(str(model))}\nchunk = 120\nencoder = 'ffv1'\n"
    body = f"[[job]]\ninput = {json.dumps(str(shot))}\noutput = '{name}'\n{more}\n"
    (folder / "jobs.toml").write_text(head + body)


@pytest.mark.slow
def test_a_batch_writes_mattes_too(shot: Path, model: Path, tmp_path: Path) -> None:
    names = "derained,rain,occlusion"
    run(shot, tmp_path / "run.mkv", "--model", model, "--encoder", "ffv1", "--output", names)
    job_file(tmp_path, model, shot, f"outputs = {json.dumps(names.split(','))}")
    events = batch(tmp_path)
    assert next(event["chunks"] for event in events if event["event"] == "plan") == 2
    for name in ("", ".rain", ".occlusion"):
        media.assert_same_frames(tmp_path / f"out{name}.mkv", tmp_path / f"run{name}.mkv")
        with (
            av.open(str(tmp_path / f"out{name}.mkv")) as one,
            av.open(str(tmp_path / f"run{name}.mkv")) as two,
        ):
            ranges = [each.streams.video[0].codec_context.color_range for each in (one, two)]
            assert ranges[0] == ranges[1]
            assert len(one.streams) == len(two.streams)
    assert not parts(tmp_path)
    assert [event for event in batch(tmp_path) if event["event"] == "chunk"] == []
    (tmp_path / "jobs.toml").write_text((tmp_path / "jobs.toml").read_text().replace("out.mkv", "new.mkv"))
    (tmp_path / "new.rain.mkv").write_text("somebody's")
    problems = batch(tmp_path, code=2)
    assert "new.rain.mkv exists already" in problems[0]["text"]


@pytest.mark.slow
def test_a_run_and_a_batch_reduce_frames_alike(shot: Path, clean: Path, model: Path, tmp_path: Path) -> None:
    run(shot, tmp_path / "run.mkv", "--model", model, "--encoder", "ffv1", "--downscale", 2)
    job_file(tmp_path, model, shot, "downscale = 2")
    batch(tmp_path)
    media.assert_same_frames(tmp_path / "run.mkv", tmp_path / "out.mkv")
    assert not np.array_equal(media.planes(tmp_path / "run.mkv")[5][0], media.planes(clean)[5][0])
    done = vsj4r("run", shot, tmp_path / "no.mkv", "--model", model, "--downscale", 9)
    assert_refused(done, 2, "downscale must be a whole number from 0 to 8, got 9", tmp_path)


@pytest.mark.slow
def test_a_batch_has_masks_and_curves(shot: Path, clean: Path, model: Path, tmp_path: Path) -> None:
    mask_image(tmp_path / "mask.png")
    job_file(tmp_path, model, shot, "mask = 'mask.png'\nstrength = [[0, 0.0], [20, 1.0]]")
    batch(tmp_path)
    found, before, after = map(media.planes, (tmp_path / "out.mkv", shot, clean))
    assert np.array_equal(found[19][0], before[19][0])
    assert np.array_equal(left_half(found[140][0]), left_half(before[140][0]))
    assert np.array_equal(right_half(found[140][0]), right_half(after[140][0]))
    write_png(np.full((64, 96, 3), 255, np.uint8), tmp_path / "mask.png")
    assert any(event["event"] == "chunk" for event in batch(tmp_path)), "another mask is other work"
    (tmp_path / "mask.png").unlink()
    assert "no such file or folder" in batch(tmp_path, code=2)[0]["text"]
