"""Weights fitted to one clip: what the clip says of its rain, and that a worse result is never written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests import media  # noqa: E402
from tests.cli import assert_refused, vsj4r  # noqa: E402
from vsj4r.adaptation import fitting  # noqa: E402
from vsj4r.adaptation.stretches import Stretches, read_stretches  # noqa: E402
from vsj4r.adaptation.target import YuvClip, estimate_target, rain_mask  # noqa: E402
from vsj4r.engine.loading import load_net  # noqa: E402
from vsj4r.engine.weights import find_model  # noqa: E402
from vsj4r.errors import Vsj4rError  # noqa: E402
from vsj4r.evaluation.real_rain import RealScores, measure_real  # noqa: E402
from vsj4r.rain import draw_style, render_rain  # noqa: E402
from vsj4r.training.footage import clip_frames  # noqa: E402
from vsj4r.training.recipe import Clips  # noqa: E402
from vsj4r.training.step import evaluate_batch  # noqa: E402


def scene(frames: int, height: int = 144, width: int = 160) -> np.ndarray:
    """Smooth colours that pan by 2 pixels a frame: (T, H, W, 3) uint8."""
    coarse = np.random.default_rng(5).integers(30, 180, (height // 8 + 2, width // 8 + 60, 3))
    wide = np.kron(coarse, np.ones((8, 8, 1), int)).astype(np.uint8)
    return np.stack([wide[:height, 2 * t : 2 * t + width] for t in range(frames)])


def write(path: Path, clip: np.ndarray) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = clip.shape[2], clip.shape[1], "yuv420p"
        for frame in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def video_clip(path: Path) -> np.ndarray:
    return np.stack([frame[:] for frame in clip_frames(path)])


def rained_on(clip: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(1)
    return render_rain(clip, draw_style(rng, "light", 288), rng).rainy


@pytest.fixture(scope="module")
def rainy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("rain") / "rain.mkv", rained_on(scene(32)))


def test_the_target_takes_streaks_and_leaves_what_moves() -> None:
    y = torch.from_numpy(scene(7)[..., 1].astype(np.float32) / 255)[:, None]
    rain = y.clone()
    rain[3, 0, 20:60, 40:42] += 0.3
    uv = torch.zeros(7, 2, 72, 80)
    uv[3, :, 10:30, 20] = 0.05
    target = estimate_target(YuvClip(rain, uv))
    streak = (slice(3, 4), slice(None), slice(24, 56), slice(40, 42))
    assert (target.y - y)[streak].abs().max() < 0.02
    assert target.uv[3, :, 12:28, 20].abs().max() < 0.01, "chroma goes with luma"
    elsewhere = torch.ones_like(y, dtype=torch.bool)
    elsewhere[3] = False
    changed = (target.y != rain) & elsewhere
    assert changed[..., 4:-4, 16:-16].float().mean() < 0.002, "a dry frame is its own truth"


def test_what_is_brighter_and_darker_is_no_rain() -> None:
    """Leaves, water, a motion that was not found."""
    moves = torch.full((1, 1, 48, 48), 0.5)
    moves[..., 10:20, ::2] += 0.2
    moves[..., 10:20, 1::2] -= 0.1
    rain, dry = moves.clone(), torch.full((1, 1, 48, 48), 0.5)
    rain[..., 10:20, 1::2] += 0.1
    assert not rain_mask(moves, dry).any()
    assert rain_mask(rain, dry)[..., 10:20, ::2].all()
    assert not rain_mask(dry + 2 / 255, dry).any()


def test_a_part_of_the_clip_is_kept_to_judge_by(rainy: Path, tmp_path: Path) -> None:
    stretches = read_stretches(rainy, aligns=True)
    assert [len(clip) for clip in stretches.learned] == [24]
    assert len(stretches.judged) == 8
    long = read_stretches(write(tmp_path / "long.mkv", rained_on(scene(150, 128, 144))), aligns=True)
    assert [len(clip) for clip in (*long.learned, long.judged)] == [24] * 5
    with pytest.raises(Vsj4rError, match="has 9 frames: adapting takes 24 at least"):
        read_stretches(write(tmp_path / "short.mkv", scene(9)), aligns=True)
    with pytest.raises(Vsj4rError, match="has 48x32: adapting takes 128 px a side"):
        read_stretches(write(tmp_path / "small.mkv", scene(24, 32, 48)), aligns=True)


def test_it_is_judged_where_it_rains(tmp_path: Path) -> None:
    clip = scene(32)
    clip[:16] = rained_on(clip[:16])
    stretches = read_stretches(write(tmp_path / "stops.mkv", clip), aligns=True)
    assert np.array_equal(stretches.judged, video_clip(tmp_path / "stops.mkv")[8:16])
    assert [len(clip) for clip in stretches.learned] == [8, 16]
    long = np.concatenate([rained_on(scene(60, 128, 144)), scene(90, 128, 144)])
    stretches = read_stretches(write(tmp_path / "long.mkv", long), aligns=True)
    assert np.array_equal(stretches.judged, video_clip(tmp_path / "long.mkv")[31:55])
    pattern = ("-f", "lavfi", "-i", "testsrc=s=160x160:r=25", "-frames:v", "30")
    media.ffmpeg(*pattern, "-c:v", "libx264", f"{tmp_path}/drawn.mkv")  # a digit of it changes
    write(tmp_path / "dry.mkv", scene(24))
    for name in ("dry.mkv", "drawn.mkv"):
        with pytest.raises(Vsj4rError, match=f"no rain can be measured in .*{name}"):
            read_stretches(tmp_path / name, aligns=True)


def test_a_large_clip_is_learned_from_as_the_network_sees_it(tmp_path: Path) -> None:
    large = write(tmp_path / "large.mkv", rained_on(scene(24, 832, 832)))
    assert read_stretches(large, aligns=True).judged.shape[1:] == (416, 416, 3)
    assert read_stretches(large, aligns=False).judged.shape[1:] == (832, 832, 3)


def adapt(
    rainy: Path,
    state: Path,
    *,
    stop_at: int | None = None,
    steps: list[int] | None = None,
    model: str = "j4r-lite",
    replaces: bool = False,
) -> fitting.Adapted:
    """``stop_at``: Ctrl-C comes after that step; ``steps`` gets the number of each."""

    def watch(now: fitting.Standing) -> None:
        if steps is not None:
            steps.append(now.step)
        if now.step % fitting.JUDGE_EVERY_STEPS == 0:
            assert torch.load(state, weights_only=True)["step"] == now.step, "a power cut loses no more"
        if now.step == stop_at:
            raise KeyboardInterrupt

    net, device = load_net(find_model(model)), torch.device("cpu")
    return fitting.fit_to_clip(rainy, net, state, minutes=5, device=device, replaces=replaces, on_step=watch)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, one_torch_thread: None) -> None:
    monkeypatch.setattr(fitting, "JUDGE_EVERY_STEPS", 2)
    monkeypatch.setattr(fitting, "PATIENCE", 2)
    monkeypatch.setattr(fitting, "CLIPS", Clips(frames=3, patch_px=32, batch=1))


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_what_is_worse_is_never_given(rainy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "LEARNING_RATE", 0.5)  # ruins any network
    found = adapt(rainy, tmp_path / "state")
    assert not found.better
    assert found.after == found.before
    before = load_net(find_model("j4r-lite")).state_dict()
    assert all(torch.equal(before[name], value) for name, value in found.net.state_dict().items())


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_the_best_that_was_judged_is_given(
    rainy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.3, 0.5, 0.4, 0.45, 0.1])  # the start's, then one for every two steps
    monkeypatch.setattr(
        fitting, "measure_real", lambda a, b: measure_real(a, b)._replace(score=next(scores), sharpness=1.0)
    )
    found = adapt(rainy, tmp_path / "state")
    assert found.better
    assert (found.before.score, found.after.score, found.steps) == (0.3, 0.5, 6)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("scores", "sharpness"),
    [([0.3, 0.304, 0.2, 0.1], [1.0] * 4), ([0.3, 0.9, 0.9, 0.9], [0.99, 0.97, 0.97, 0.97])],
    ids=["chance", "softer"],
)
def test_what_is_hardly_better_or_softer_is_not_given(
    rainy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scores: list[float], sharpness: list[float]
) -> None:
    found = iter([{"score": a, "sharpness": b} for a, b in zip(scores, sharpness, strict=True)])
    monkeypatch.setattr(fitting, "measure_real", lambda a, b: measure_real(a, b)._replace(**next(found)))
    assert not adapt(rainy, tmp_path / "state").better


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_loss_that_is_no_number_ends_it(
    rainy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([1, 1, 1, float("nan")])

    def evaluated(*arguments: Any) -> Any:
        found = evaluate_batch(*arguments)
        return found._replace(loss=found.loss * next(losses))

    monkeypatch.setattr(fitting, "evaluate_batch", evaluated)
    found = adapt(rainy, tmp_path / "state")
    assert found.steps == 3
    saved = torch.load(tmp_path / "state", weights_only=True)
    assert all(value.isfinite().all() for value in saved["net"].values())


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_an_interrupted_one_goes_on(rainy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        adapt(rainy, state, stop_at=3)
    assert torch.load(state, weights_only=True)["step"] == 3
    monkeypatch.setattr(fitting, "PATIENCE", 9)
    steps: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        adapt(rainy, state, stop_at=7, steps=steps)
    assert steps == [4, 5, 6, 7]
    assert torch.load(state, weights_only=True)["step"] == 7
    noise = np.random.default_rng(1)

    def read_noise(path: Path, *, aligns: bool) -> Stretches:
        learned, judged = read_stretches(path, aligns=aligns)
        *others, last = (noise.integers(0, 255, clip.shape, np.uint8) for clip in (*learned, judged))
        return Stretches(others, last)

    with pytest.raises(Vsj4rError, match="learned of another clip or model: --overwrite begins anew"):
        adapt(tmp_path / "not looked at", state, model="j4r-lite-free")
    (tmp_path / "torn").write_bytes(state.read_bytes()[:99])
    with pytest.raises(Vsj4rError, match="torn is not a checkpoint: --overwrite begins anew"):
        adapt(rainy, tmp_path / "torn")
    with pytest.raises(KeyboardInterrupt):
        adapt(rainy, tmp_path / "torn", stop_at=1, replaces=True)
    monkeypatch.setattr(fitting, "read_stretches", read_noise)
    with pytest.raises(Vsj4rError, match="learned of another clip or model: --overwrite begins anew"):
        adapt(rainy, state, stop_at=1)
    assert torch.load(state, weights_only=True)["step"] == 7
    with pytest.raises(KeyboardInterrupt):
        adapt(rainy, state, stop_at=1, replaces=True)
    assert torch.load(state, weights_only=True)["step"] == 1


@pytest.mark.slow
def test_what_is_published(tmp_path: Path) -> None:
    """As it was to the byte, or with ranges that hold the clip's and those begun from."""
    model = find_model("j4r-lite")
    scores = RealScores(*[0.5] * len(RealScores._fields))
    node = next(iter(model.int8))
    ranges = {node: (-99.0, 0.0)}
    found = fitting.Adapted(load_net(model), scores, scores, False, 9, 1.0, ranges)
    out = tmp_path / "mine.onnx"
    fitting.publish_adapted(found, model, out, version="1", replaces=False)
    for kind in (".onnx", ".safetensors", ".json"):
        assert out.with_suffix(kind).read_bytes() == model.onnx.with_suffix(kind).read_bytes()
    with pytest.raises(Vsj4rError, match="has appeared meanwhile: it is kept"):
        fitting.publish_adapted(found._replace(better=True), model, out, version="1", replaces=False)
    fitting.publish_adapted(found._replace(better=True), model, out, version="1", replaces=True)
    adapted = find_model(str(out))
    assert adapted.training == {"adapted_from": "j4r-lite", "steps": 9, "version": "1"}
    assert adapted.int8[node] == (-99.0, model.int8[node][1])


def test_frames_of_two_sizes_are_refused(tmp_path: Path) -> None:
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(ts(tmp_path, size) for size in ("160x144", "192x144")))
    with pytest.raises(Vsj4rError, match="a frame of 192x144 follows frames of 160x144"):
        read_stretches(both, aligns=True)
    done = vsj4r("rain", both, tmp_path / "rain")
    assert_refused(done, 1, "a frame of 192x144 follows frames of 160x144", tmp_path)


def ts(folder: Path, size: str) -> bytes:
    path = folder / f"{size}.ts"
    media.ffmpeg(*media.picture(seconds=1, size=size), *media.QUICK, f"file:{path}")
    return path.read_bytes()


@pytest.mark.slow
def test_the_command_line(rainy: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.onnx"
    done = vsj4r("adapt", rainy, "--out", out, "--model", "j4r-lite", "--minutes", 0.02, "--threads", 1)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(out))
    assert {path.name for path in tmp_path.iterdir()} == {"mine.onnx", "mine.safetensors", "mine.json"}
    assert find_model(str(out)).int8.keys() == find_model("j4r-lite").int8.keys()
    derained = vsj4r("run", rainy, tmp_path / "clean.mkv", "--model", out)
    assert derained.returncode == 0, derained.stderr

    again = ("adapt", rainy, "--out", out, "--model", out, "--overwrite")
    assert_refused(vsj4r(*again), 1, f"output {out} would overwrite {out}, which is read", tmp_path)
    refused = vsj4r("adapt", rainy, "--out", tmp_path / "mine.pt")
    assert (refused.returncode, "--out must end with .onnx" in refused.stderr) == (2, True)
    paper = vsj4r("adapt", rainy, "--out", tmp_path / "paper.onnx", "--model", "j4r-paper")
    assert (paper.returncode, "adapt j4r or j4r-lite" in paper.stderr) == (1, True)
