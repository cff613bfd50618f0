"""``vsj4r eval`` with the tiny model: what it measures, what it writes, and every bad input with its line."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("skimage")
pytest.importorskip("onnx")

from PIL import Image

from tests.tiny_footage import Pixels, picture, write_frames, write_picture
from vsj4r.errors import Vsj4rError
from vsj4r.evaluation import benchmark, measurement, metrics
from vsj4r.evaluation.benchmark import clean_clips, dry_clips
from vsj4r.evaluation.measurement import Measured
from vsj4r.evaluation.real_rain import measure_real
from vsj4r.training.footage import read_frames

ROOT = Path(__file__).resolve().parent.parent


def eval_(*arguments: object, columns: int = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vsj4r.cli", "eval", *map(str, arguments)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": str(columns)}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, check=False)


def noisy(clip: Pixels, seed: int = 0) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, 12, clip.shape)
    return np.clip(clip + noise, 0, 255).astype(np.uint8)


def write_clip(folder: Path, clip: Pixels) -> None:
    for t, frame in enumerate(clip):
        write_picture(folder / f"{t:03d}.png", frame)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """gt and rain, two clips of odd sides in each."""
    folder = tmp_path_factory.mktemp("pairs")
    for n, frames in ((0, 4), (1, 14)):
        clean = write_frames(folder / "gt" / f"clip{n}", frames, 45, 67, seed=n)
        write_clip(folder / "rain" / f"clip{n}", noisy(read_frames(clean)))
    return folder


def test_a_folder_pair_to_table_json_and_sheet(pairs: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json", tmp_path / "sheet.png"
    done = eval_(
        "--gt", pairs / "gt", "--rain", pairs / "rain", "--model", model, "--json", out[0], "--sheet", out[1]
    )
    assert done.returncode == 0, done.stderr
    assert "gt / rain: mean of 2 clips" in done.stdout
    found: dict[str, Any] = json.loads(out[0].read_text())["gt / rain"]
    methods = ["input", "median 3", "median 5", str(model)]
    assert list(found["mean"]) == methods
    assert [(row["clip"], row["method"]) for row in found["clips"]] == [
        (clip, method) for clip in ("clip0", "clip1") for method in methods
    ]
    clean, rainy = (read_frames(pairs / kind / "clip0") for kind in ("gt", "rain"))
    expected = metrics.score_clip(rainy, clean)._asdict()
    assert {k: v for k, v in found["clips"][0].items() if k in expected} == pytest.approx(expected)
    for figure in expected:
        both = [row[figure] for row in found["clips"] if row["method"] == "median 3"]
        assert found["mean"]["median 3"][figure] == pytest.approx(np.mean(both))
    for method in methods:
        line = next(text for text in done.stdout.splitlines() if method[:12] in text)
        assert f"{found['mean'][method]['psnr']:.2f}" in line
    with Image.open(out[1]) as sheet:
        assert sheet.size == (5 * 240, 2 * round(45 * 240 / 67))


def test_one_clip_is_a_pair_too(pairs: Path, model: Path, tmp_path: Path) -> None:
    gt, rain = pairs / "gt" / "clip1", pairs / "rain" / "clip1"
    done = eval_("--gt", gt, "--rain", rain, "--model", model, "--frames", 3, "--json", tmp_path / "o.json")
    assert done.returncode == 0, done.stderr
    (row, *_) = json.loads((tmp_path / "o.json").read_text())["clip1 / clip1"]["clips"]
    assert row["psnr"] == pytest.approx(metrics.score_clip(read_frames(rain, 3), read_frames(gt, 3)).psnr)


def test_benchmarks_and_damage_without_rain(model: Path, tmp_path: Path) -> None:
    scene = noisy(picture(0, 48, 80)[None])[0]
    write_clip(tmp_path / "val" / "video" / "clip", np.stack([scene[:, t : t + 64] for t in range(5)]))
    arguments = (
        "--benchmark",
        "light",
        "--benchmark",
        "clean",
        "--model",
        model,
        "--json",
        tmp_path / "o.json",
    )
    done = eval_(tmp_path / "val", *arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "o.json").read_text())
    assert list(found) == ["light", "clean"]
    assert found["light"]["mean"]["input"]["psnr"] < 40
    untouched = found["clean"]["mean"]["input"]
    assert untouched == {"psnr": 100, "ssim": pytest.approx(1), "chroma_psnr": 100, "flicker": 0}
    assert found["clean"]["mean"]["median 3"]["psnr"] < 60, "a median harms what moves"


def test_a_folder_of_videos_is_enough(model: Path, tmp_path: Path) -> None:
    from tests import media

    (tmp_path / "video").mkdir()
    media.plain(tmp_path / "video" / "a.mkv", seconds=0.2)
    done = eval_(tmp_path, "--model", model, "--json", tmp_path / "o.json")
    assert done.returncode == 0, done.stderr
    assert "long is left out" in done.stdout
    found = json.loads((tmp_path / "o.json").read_text())
    assert list(found) == ["light", "complex", "clean"]
    assert {row["clip"] for row in found["clean"]["clips"]} == {"a.mkv"}


def test_what_was_measured_before_a_failure_is_kept(pairs: Path, model: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "val" / "stills" / "a.png", picture(0, 240, 352))
    (tmp_path / "broken.mkv").write_bytes(b"not a video")
    pair = ("--gt", tmp_path / "broken.mkv", "--rain", tmp_path / "broken.mkv")
    arguments = ("--benchmark", "clean", *pair, "--json", tmp_path / "o.json")
    done = eval_(tmp_path / "val", *arguments, "--model", model)
    assert done.returncode == 1
    assert "broken.mkv cannot be read as a video" in done.stderr
    assert list(json.loads((tmp_path / "o.json").read_text())) == ["clean"]


def test_a_long_clip_tells_early_from_late(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(tmp_path / "stills" / "tall.png", picture(1, 400, 100))
    write_picture(tmp_path / "stills" / "wide.png", picture(2, 250, 360))
    monkeypatch.setattr("vsj4r.evaluation.benchmark.LONG_FRAMES", 3)
    clean, rainy = benchmark.long_clip(tmp_path)
    assert np.array_equal(clean, picture(2, 250, 360)[5:245, 4:356])
    assert rainy.shape == (3, *clean.shape)
    assert not np.array_equal(rainy[0], rainy[1])
    ramp = [np.full((4, 4, 3), 100 + (t >= 900), np.uint8) for t in range(1000)]
    found = measurement.drift(ramp, np.full((4, 4, 3), 102, np.uint8))
    assert found.late - found.early == pytest.approx(20 * np.log10(2), abs=1e-3), "half the error"
    done = eval_(tmp_path / "stills", "--benchmark", "long", "--model", model)
    assert "must hold a picture of 352x240 px or more in stills/" in done.stderr


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips: a camera over a scene in rain, upright streaks, and the scene without."""
    folder = tmp_path_factory.mktemp("real")
    for name, light in (("rain", 60), ("dry", 0)):
        scene = np.kron(picture(3, 96, 128), np.ones((1, 1, 1), np.uint8)) // 2 + 40
        clip = np.stack([scene[t : t + 64, 2 * t : 2 * t + 80] for t in range(8)])
        tops = np.random.default_rng(0).random(clip.shape[:3]) < 0.004
        clip += (light * np.logical_or.reduce([np.roll(tops, k, 1) for k in range(6)]))[..., None].astype(
            np.uint8
        )
        write_clip(folder / "clips" / name, clip)
    return folder / "clips"


@pytest.mark.parametrize("name", ["gt/clip0", "model", "notes.txt"])
def test_nothing_is_written_over(pairs: Path, model: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("precious")
    read = {"gt/clip0": next((pairs / "gt" / "clip0").iterdir()), "model": model}.get(name)
    output = tmp_path / "o.png"
    (tmp_path / "notes.txt").rename(output) if read is None else output.hardlink_to(read)
    before = output.read_bytes()
    for option in ("--json", "--sheet"):
        given = ["--gt", pairs / "gt", "--rain", pairs / "rain", "--model", model, option, output]
        done = eval_(*given, *(["--overwrite"] if read else []))
        assert done.returncode == 1
        assert ("which is read" if read else "exists already: --overwrite replaces it") in done.stderr
        assert output.read_bytes() == before


def test_outputs_of_eval_are_two_files(real: Path, model: Path, tmp_path: Path) -> None:
    given = ("--real", real, "--model", model)
    done = eval_(*given, "--json", tmp_path / "o.png", "--sheet", tmp_path / "o.png")
    assert (done.returncode, "--json and --sheet must be two files" in done.stderr) == (1, True)
    done = eval_(*given, "--sheet", tmp_path / "o.jpg")
    assert (done.returncode, "--sheet is a PNG: name it so" in done.stderr) == (1, True)
    assert not list(tmp_path.glob("o.*"))


def test_a_terminal_without_a_width_and_names_that_look_like_markup(
    real: Path, model: Path, tmp_path: Path
) -> None:
    clip = shutil.copytree(real / "rain", tmp_path / "[v2] [b]a")
    done = eval_("--real", clip, "--model", model, columns=0)
    assert done.returncode == 0, done.stderr
    assert "[v2] [b]a: real rain, 8 frames" in done.stdout


def test_real_rain_to_table_json_and_sheet(real: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json", tmp_path / "sheet.png"
    done = eval_("--real", real, "--model", model, "--json", out[0], "--sheet", out[1])
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(out[0].read_text())["real"]
    methods = ["input", "median 3", "median 5", str(model)]
    assert [(row["clip"], row["method"]) for row in found["clips"]] == [
        (clip, method) for clip in ("dry", "rain") for method in methods
    ]
    rows = {(row["clip"], row["method"]): row for row in found["clips"]}
    rainy = read_frames(real / "rain")
    expected = measure_real(rainy, measurement.temporal_median(3)(rainy))._asdict()
    known = {key: value for key, value in expected.items() if not math.isnan(value)}
    assert rows["rain", "median 3"] == {
        "clip": "rain",
        "method": "median 3",
        **dict.fromkeys(expected),
        **known,
    }
    assert rows["rain", "input"]["rain_left"] == 1
    assert rows["dry", "median 3"]["rain_left"] is None, "there is none to be a share of"
    assert "no rain stands out" in done.stdout
    assert found["median"]["median 3"]["rain_left"] == rows["rain", "median 3"]["rain_left"]
    assert found["median"]["input"]["score"] == 0
    assert "rain: real rain, 8 frames" in done.stdout
    assert "median of 2 clips, rain stands out in 1" in done.stdout
    assert f"{rows['rain', 'median 3']['rain_left']:.2f}" in done.stdout
    narrow = eval_("--real", real / "rain", "--model", model, columns=80)
    head = r"method +left +low +high +U +V +sharp +damage +flicker +harm +score"
    assert re.search(head, narrow.stdout), "the table fits a terminal of 80 columns"
    with Image.open(out[1]) as sheet:
        assert sheet.width == 150 + 4 * (320 + 4)
        assert sheet.height > 2 * 240


def test_real_rain_as_a_phone_films_it(real: Path, model: Path, tmp_path: Path) -> None:
    """A video that lies and is shown upright, and 16 bit: the same figures as the pictures."""
    from tests import media

    lying, turned, deep = tmp_path / "lying.mp4", tmp_path / "turned.mp4", tmp_path / "deep"
    deep.mkdir()
    frames = ("-framerate", "25", "-i", real / "rain" / "%03d.png")
    lossless = ("-c:v", "libx264rgb", "-qp", "0", f"file:{lying}")
    media.ffmpeg(*map(str, frames), "-vf", "transpose=cclock", *lossless)
    media.ffmpeg("-display_rotation", "-90", "-i", f"file:{lying}", "-c", "copy", f"file:{turned}")
    raw = tmp_path / "raw"  # ffmpeg's own way from 8 to 16 bit is not exact
    shown = read_frames(real / "rain")
    raw.write_bytes((shown.astype(">u2") * 257).tobytes())
    size = f"{shown.shape[2]}x{shown.shape[1]}"
    layout = ("-f", "rawvideo", "-pix_fmt", "rgb48be", "-s", size)
    media.ffmpeg(*layout, "-i", f"file:{raw}", f"{deep}/%03d.png")
    given = [value for clip in (real / "rain", turned, deep) for value in ("--real", clip)]
    done = eval_(*given, "--model", model, "--frames", 6, "--json", tmp_path / "o.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "o.json").read_text())["real"]["clips"]
    upright, others = rows[:4], (rows[4:8], rows[8:])
    for other in others:
        for one, same in zip(upright, other, strict=True):
            figures = [key for key, value in one.items() if isinstance(value, float)]
            assert [same[key] for key in figures] == pytest.approx([one[key] for key in figures], rel=1e-6)
            assert same["method"] == one["method"]
    assert "6 frames" in done.stdout


def test_a_broken_still_is_found_before_anything_is_measured(tmp_path: Path) -> None:
    write_picture(tmp_path / "stills" / "a.png", picture(1, 100, 400))
    benchmark.check_clips(tmp_path)
    (tmp_path / "stills" / "b.png").write_bytes(b"not a picture")
    with pytest.raises(Vsj4rError, match=r"b\.png cannot be read"):
        benchmark.check_clips(tmp_path)


@pytest.mark.slow
def test_bad_inputs_get_one_line(pairs: Path, model: Path, tmp_path: Path) -> None:
    write_frames(tmp_path / "short" / "clip0", 3, 45, 67)
    write_frames(tmp_path / "short" / "clip1", 3, 45, 67)
    write_frames(tmp_path / "late", 5, 45, 67)
    sorted((tmp_path / "late").iterdir())[0].unlink()
    write_frames(tmp_path / "tiny", 3, 8, 8)
    write_frames(tmp_path / "small" / "video" / "clip", 3, 11, 40)
    write_clip(tmp_path / "still", np.zeros((4, 48, 48, 3), np.uint8))
    write_clip(tmp_path / "narrow", np.zeros((5, 40, 16, 3), np.uint8))
    (tmp_path / "empty").mkdir()
    (tmp_path / "dir.png").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "0.png").write_bytes(b"not a picture")
    (tmp_path / "video.mkv").write_bytes(b"not a video")
    write_picture(tmp_path / "tall" / "stills" / "tall.png", picture(1, 400, 100))
    both = ("--gt", pairs / "gt", "--rain", pairs / "rain")
    for arguments, text in (
        ((), "nothing to measure: give a validation folder, --gt with --rain, or --real"),
        ((tmp_path / "none",), "none does not exist"),
        ((tmp_path / "empty",), "pictures wider than high in stills/, got neither"),
        ((tmp_path / "small",), "clip must be over 11 px a side, got 40x11"),
        ((tmp_path / "tall",), "pictures wider than high in stills/, got neither"),
        (
            (tmp_path, "--benchmark", "heavy"),
            "benchmark must be one of light, complex, clean, long, got 'heavy'",
        ),
        ((*both, "--benchmark", "light"), "--benchmark needs a validation folder"),
        (("--gt", pairs / "gt"), "--gt and --rain go together"),
        (("--gt", pairs / "gt", "--rain", tmp_path / "none"), "none does not exist"),
        (("--gt", pairs / "gt", "--rain", tmp_path / "empty"), "clip0 does not exist"),
        (("--gt", tmp_path / "empty", "--rain", pairs / "rain"), "empty holds no clips"),
        (("--gt", pairs / "gt", "--rain", tmp_path / "short"), "equal frames, got 4 of 67x45 and 3 of 67x45"),
        (
            ("--gt", tmp_path / "tiny", "--rain", tmp_path / "tiny"),
            "must be 11 px a side or more, got 3 of 8x8",
        ),
        (
            ("--gt", pairs / "gt" / "clip0", "--rain", tmp_path / "late"),
            "clip0 and " + str(tmp_path / "late") + " must hold the same frames",
        ),
        ((*both, "--model", "nothing"), "unknown model 'nothing'"),
        ((*both, "--precision", "f64"), "precision must be one of auto, f32, bf16, int8, got 'f64'"),
        ((*both, "--json", tmp_path / "none" / "o.json"), "none to write o.json into: make it first"),
        ((*both, "--sheet", tmp_path / "dir.png"), "is a folder already"),
        (("--real", tmp_path / "broken"), "0.png cannot be read"),
        (("--real", tmp_path / "video.mkv"), "video.mkv cannot be read as a video"),
        (("--real", tmp_path / "empty"), "empty holds no clips"),
        (("--real", tmp_path / "none"), "none does not exist"),
        (("--real", tmp_path / "still"), "still must have 5 frames or more, got 4"),
        (("--real", tmp_path / "narrow"), "narrow must be 32 px a side or more, got 16x40"),
        (("--real", pairs / "gt" / "clip1", "--frames", 4), "--frames must be 5 or more for --real, got 4"),
        (
            ("--real", pairs / "gt" / "clip1", *both, "--sheet", tmp_path / "s.png"),
            "--sheet of --real is another sheet",
        ),
    ):
        given = arguments if "--model" in arguments else (*arguments, "--model", model)
        done = eval_(*given)
        assert done.returncode == 1, arguments
        assert done.stderr.startswith("vsj4r: "), done.stderr
        assert text in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_median_of_three_and_the_ends() -> None:
    clip = np.random.default_rng(0).integers(0, 256, (5, 12, 13, 3)).astype(np.uint8)
    restored = np.stack(list(measurement.temporal_median(3)(clip)))
    for t in range(5):
        around = clip[[max(t - 1, 0), t, min(t + 1, 4)]]
        assert np.array_equal(restored[t], np.median(around, 0))


def test_a_model_gets_one_state_and_one_frame_of_look_ahead(model: Path) -> None:
    """The tiny model's equations, by hand, on grey frames whose sides need padding."""
    levels = np.array([40, 90, 60, 120])
    clip = np.repeat(levels, 21 * 35 * 3).reshape(4, 21, 35, 3).astype(np.uint8)
    average, expected = float(levels[0]), []
    for t, y in enumerate(levels):
        average = y if t == 0 else 0.5 * average + 0.25 * y
        expected.append(y + 0.5 * 0.25 * (average + levels[min(t + 1, 3)] - 2 * y))
    restored = np.stack(list(measurement.derain_by(str(model), precision="f32", threads=1)(clip)))
    assert restored.shape == clip.shape
    assert np.array_equal(restored, np.broadcast_to(np.rint(expected)[:, None, None, None], clip.shape))


def test_a_long_clip_is_derained_in_the_segments_of_the_filter(model: Path) -> None:
    """From the second anchor on nothing depends on what lies before its run-in."""
    clip = np.random.default_rng(3).integers(0, 255, (126, 16, 16, 3), dtype=np.uint8)
    run = measurement.derain_by(str(model), precision="f32", threads=1)
    whole = list(run(clip))
    assert np.array_equal(whole[120:], list(run(clip[112:]))[8:])
    assert not np.array_equal(whole[119], list(run(clip[112:]))[7])


@pytest.mark.slow
def test_a_long_clip_is_never_copied(model: Path) -> None:
    """400 frames: what is measured passes frame by frame."""
    clip = np.zeros((400, 32, 48, 3), np.uint8)
    clip[:, ::2] = np.arange(400)[:, None, None, None] % 256
    methods = {
        "input": measurement.identity,
        "median 5": measurement.temporal_median(5),
        "tiny": measurement.derain_by(str(model), threads=1),
    }
    list(measurement.measure_methods([("short", clip[:9], clip[:9])], methods))  # what is imported late
    tracemalloc.start()
    rows = list(measurement.measure_methods([("long", clip, clip)], methods))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row.method for row in rows] == list(methods)
    assert peak < clip.nbytes


def test_as_json_is_json() -> None:
    clip = np.zeros((2, 16, 16, 3), np.uint8)
    rows = [Measured("a", "input", metrics.score_clip(clip, clip))]
    assert "Infinity" not in json.dumps(measurement.benchmarks_as_json({"clean": rows}))


def test_dry_clips_are_their_own_truth(tmp_path: Path) -> None:
    write_frames(tmp_path / "video" / "clip", 3, 32, 48)
    found: Iterator[tuple[str, Pixels, Pixels]] = dry_clips(tmp_path)
    for (name, clean), (dry, truth, rainy) in zip(clean_clips(tmp_path), found, strict=True):
        assert name == dry
        assert np.array_equal(truth, clean)
        assert np.array_equal(rainy, clean)
