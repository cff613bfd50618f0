"""The engine protocol, proved on the CPU engine with a tiny model whose arithmetic is known."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny_model import write_tiny_model
from vsj4r.arrays import Floats
from vsj4r.engine import EngineCache, cpu, open_engine
from vsj4r.engine.base import Engine, Tensors
from vsj4r.engine.cpu import Arrays, CpuEngine, CpuState
from vsj4r.engine.runtime import ov
from vsj4r.engine.weights import find_model, models
from vsj4r.errors import Vsj4rError

HEIGHT, WIDTH = 32, 48


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path)


@pytest.fixture
def engine(onnx: Path) -> CpuEngine:
    opened = open_engine(find_model(str(onnx)), height=HEIGHT, width=WIDTH, precision="f32", threads=1)
    assert isinstance(opened, CpuEngine)
    return opened


def frames(count: int, height: int = HEIGHT, width: int = WIDTH) -> list[Tensors]:
    rng = np.random.default_rng(7)
    return [
        Tensors(
            y=rng.random((height, width), dtype=np.float32),
            uv=rng.random((2, height // 2, width // 2), dtype=np.float32) - np.float32(0.5),
        )
        for _ in range(count)
    ]


def run(engine: CpuEngine, clip: list[Tensors], state: CpuState | None = None) -> list[Floats]:
    """Luma residuals of ``clip`` in order; the last frame looks ahead at itself."""
    state = state or new_state(engine)
    ahead = [*clip[1:], clip[-1]]
    return [
        engine.step(o_t, o_next, state).residual.y.copy() for o_t, o_next in zip(clip, ahead, strict=True)
    ]


def new_state(engine: CpuEngine) -> CpuState:
    state = engine.new_state()
    assert isinstance(state, CpuState)
    return state


def contents(state: CpuState) -> dict[str, Floats]:
    return {name: array.copy() for name, array in state.current.items()}


def test_step_computes_the_graph_and_carries_its_state(engine: CpuEngine) -> None:
    clip = frames(5)
    state = new_state(engine)
    avg = clip[0].y
    for t in range(4):
        o_t, o_next = clip[t], clip[t + 1]
        step = engine.step(o_t, o_next, state)
        avg = 0.5 * avg + 0.25 * o_t.y if t else o_t.y
        np.testing.assert_allclose(step.residual.y, 0.125 * (avg + o_next.y - 2 * o_t.y), atol=1e-6)
        assert o_t.uv is not None
        assert o_next.uv is not None
        assert step.residual.uv is not None
        np.testing.assert_allclose(step.residual.uv, 0.5 * (o_next.uv - o_t.uv), atol=1e-6)
        two_before = clip[t - 2].y.reshape(16, 2, 24, 2).mean(axis=(1, 3)) if t > 1 else np.zeros((16, 24))
        np.testing.assert_allclose(step.alpha, two_before, atol=1e-6)


def test_state_shapes_follow_from_the_frame_size(engine: CpuEngine) -> None:
    state = new_state(engine)
    assert state.shapes["state.older"] == (1, 1, HEIGHT, WIDTH)
    assert state.shapes["state.seen"] == (1, 1, 1, 1)
    for held in (state.current, state.spare):
        assert sum(array.nbytes for array in held.values()) == 4 * (3 * HEIGHT * WIDTH + 1)


def test_state_starts_at_zero_and_reset_goes_back_there(engine: CpuEngine) -> None:
    state = new_state(engine)
    assert all(not array.any() for array in contents(state).values())
    first = run(engine, frames(3), state)
    state.reset()
    assert all(not array.any() for array in contents(state).values())
    again = run(engine, frames(3), state)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_the_order_of_frames_matters_and_states_are_independent(engine: CpuEngine) -> None:
    clip = frames(3)
    assert not np.array_equal(run(engine, clip)[-1], run(engine, [clip[1], clip[0], clip[2]])[-1])
    state, other = new_state(engine), new_state(engine)
    alone = run(engine, clip)
    interleaved = []
    for o_t, o_next in zip(clip, [*clip[1:], clip[-1]], strict=True):
        interleaved.append(engine.step(o_t, o_next, state).residual.y.copy())
        engine.step(clip[2], clip[0], other)
    assert all(np.array_equal(a, b) for a, b in zip(alone, interleaved, strict=True))


def test_double_buffer_swaps_without_copying(engine: CpuEngine) -> None:
    clip = frames(2)
    state = new_state(engine)
    read, written = state.current, state.spare
    engine.step(clip[0], clip[1], state)
    assert state.current is written
    assert state.spare is read
    assert all(not array.any() for array in read.values()), "a step must not write what it reads"
    np.testing.assert_array_equal(written["state.back"][0, 0], clip[0].y)


def test_a_failed_step_leaves_the_state(engine: CpuEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = frames(3)
    state = new_state(engine)
    engine.step(clip[0], clip[1], state)
    before = contents(state)
    infer = engine._infer

    def fail_after_writing(arrays: Arrays) -> None:
        infer(arrays)
        raise RuntimeError("Exception from src/graph.cpp:1:\nout of memory")

    monkeypatch.setattr(engine, "_infer", fail_after_writing)
    with pytest.raises(Vsj4rError, match="model tiny: OpenVINO failed: out of memory"):
        engine.step(clip[1], clip[2], state)
    assert all(np.array_equal(before[name], array) for name, array in contents(state).items())
    monkeypatch.undo()
    resumed = engine.step(clip[1], clip[2], state).residual.y.copy()
    assert np.array_equal(resumed, run(engine, clip)[1])


def test_wrong_arrays_are_refused_before_anything_changes(engine: CpuEngine) -> None:
    good = frames(1)[0]
    state = new_state(engine)
    wide = frames(1, HEIGHT, WIDTH + 16)[0]
    assert good.uv is not None
    for bad in (
        wide,
        Tensors(y=good.y, uv=None),
        Tensors(y=good.y.astype(np.float64), uv=good.uv),
        Tensors(y=np.asfortranarray(good.y), uv=good.uv),
        Tensors(y=good.y, uv=good.uv[:, :8]),
    ):
        with pytest.raises(ValueError, match="must"):
            engine.step(bad, good, state)
        with pytest.raises(ValueError, match="must"):
            engine.step(good, bad, state)
    with pytest.raises(ValueError, match="looks ahead"):
        engine.step(good, None, state)
    assert all(not array.any() for array in contents(state).values())


def test_a_state_of_another_size_is_refused(engine: CpuEngine, onnx: Path) -> None:
    other = open_engine(find_model(str(onnx)), height=HEIGHT, width=WIDTH + 16, threads=1)
    good = frames(1)[0]
    with pytest.raises(ValueError, match="another model or frame size"):
        engine.step(good, good, other.new_state())


@pytest.mark.parametrize(("height", "width"), [(HEIGHT + 1, WIDTH), (HEIGHT, WIDTH - 2), (0, WIDTH)])
def test_sides_must_be_multiples(onnx: Path, height: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"multiples of 16, got height = {height}, width = {width}"):
        open_engine(find_model(str(onnx)), height=height, width=width)


def test_precision_is_always_chosen(onnx: Path) -> None:
    chosen = {
        precision: open_engine(
            find_model(str(onnx)), height=HEIGHT, width=WIDTH, precision=precision, threads=1
        )
        for precision in ("auto", "f32")
    }
    assert isinstance(chosen["auto"], CpuEngine)
    assert isinstance(chosen["f32"], CpuEngine)
    assert chosen["f32"].precision == "f32"
    assert chosen["auto"].precision in ("bf16", "f32")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "gpu9"}, "device must be one of auto, cpu, cuda or cuda:N, got 'gpu9'"),
        ({"precision": "f16"}, "precision must be one of auto, f32, bf16, int8, got 'f16'"),
        ({"threads": -1}, "threads must be 0 .automatic. or more, got -1"),
    ],
)
def test_bad_options_say_what_is_known(onnx: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(Vsj4rError, match=message):
        open_engine(find_model(str(onnx)), height=HEIGHT, width=WIDTH, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize("threads", [1, 2])
def test_openvino_is_told_the_threads(
    onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """When it compiles a graph, and when it loads one that was kept."""
    told = []

    class Core(ov.Core):  # type: ignore[misc]
        def compile_model(self, model: Any, device: str, config: dict[str, Any]) -> Any:
            told.append(("compiled", config["INFERENCE_NUM_THREADS"]))
            return super().compile_model(model, device, config)

        def import_model(self, stream: bytes, device: str, config: dict[str, Any]) -> Any:
            told.append(("loaded", config["INFERENCE_NUM_THREADS"]))
            return super().import_model(stream, device, config)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(ov, "Core", Core)
    for _ in range(2):
        open_engine(find_model(str(onnx)), height=HEIGHT, width=WIDTH, precision="f32", threads=threads)
    assert told == [("compiled", threads), ("loaded", threads)]


def test_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(Vsj4rError) as caught:
        find_model("j5r")
    assert "unknown model 'j5r'" in str(caught.value)
    assert all(name in str(caught.value) for name in models())


def test_model_file_that_is_missing_changed_or_alone(onnx: Path, tmp_path: Path) -> None:
    with pytest.raises(Vsj4rError, match="no model file"):
        find_model(str(tmp_path / "absent.onnx"))
    original = onnx.read_bytes()
    onnx.write_bytes(original + b"\0")
    with pytest.raises(Vsj4rError, match="is damaged: its sha256 is"):
        open_engine(find_model(str(onnx)), height=HEIGHT, width=WIDTH)
    onnx.write_bytes(original)
    sidecar = onnx.with_suffix(".json")
    fields = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps(fields | {"lookahead": 2}))
    with pytest.raises(Vsj4rError, match="lookahead must be 0 or 1, got 2"):
        find_model(str(onnx))
    sidecar.unlink()
    with pytest.raises(Vsj4rError, match=r"has no tiny\.json beside it"):
        find_model(str(onnx))


@pytest.mark.parametrize(("name", "source"), [("best.pt", " --from best.pt"), ("j4r.safetensors", "")])
def test_trained_weights_are_no_model(name: str, source: str) -> None:
    said = (
        f"model must be an .onnx file, got '{name}': vsj4r export NAME{source} writes one of trained weights"
    )
    with pytest.raises(Vsj4rError, match=f"^{re.escape(said)}$"):
        find_model(name)


def restate(sidecar: Path, **fields: object) -> None:
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | fields))


def test_a_graph_that_breaks_the_contract_is_refused(onnx: Path) -> None:
    restate(onnx.with_suffix(".json"), lookahead=0)
    with pytest.raises(Vsj4rError, match="its inputs must be uv, y, got uv, uv_next, y, y_next"):
        open_engine(find_model(str(onnx)), height=HEIGHT, width=WIDTH, threads=1)


@pytest.mark.parametrize("name", ["state.avg.next", "state.avg"])
def test_what_goes_in_or_out_is_nothing_to_cut_the_graph_at(onnx: Path, name: str) -> None:
    restate(onnx.with_suffix(".json"), whole_frame=[name])
    kind = "output" if name.endswith("next") else "input"
    with pytest.raises(Vsj4rError, match=rf"must name tensors inside, got {kind} '{re.escape(name)}'"):
        open_engine(find_model(str(onnx)), height=HEIGHT, width=WIDTH, threads=1)


@pytest.mark.parametrize("names", [[], ["motion.ahead"], ["motion.back", "y"]])
def test_whole_frame_is_what_motion_finds(onnx: Path, names: list[str]) -> None:
    motion = {"method": "blocks", "version": 1, "scale": 2}
    restate(onnx.with_suffix(".json"), whole_frame=names, motion=motion)
    with pytest.raises(Vsj4rError, match=r"whole_frame must name motion\.back, and what there is"):
        find_model(str(onnx))
    restate(onnx.with_suffix(".json"), whole_frame=["motion.back", "motion.back"], motion=motion)
    with pytest.raises(Vsj4rError, match="whole_frame must be a list of names, each once"):
        find_model(str(onnx))


@pytest.mark.parametrize("content", [b"hello", bytes(200), b"\x08\x09:\xff\xff\xff\xff\x0f"], ids=len)
def test_what_is_no_graph_is_one_line_and_nothing_is_printed(
    onnx: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    onnx.write_bytes(content)
    sidecar = onnx.with_suffix(".json")
    described = json.loads(sidecar.read_text()) | {"sha256": {"onnx": hashlib.sha256(content).hexdigest()}}
    sidecar.write_text(json.dumps(described))
    with pytest.raises(Vsj4rError, match=r"model tiny: OpenVINO rejects .*tiny\.onnx: "):
        open_engine(find_model(str(onnx)), height=HEIGHT, width=WIDTH, threads=1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 5000, "does not describe a model: RecursionError"),
        ('{"multiple": 1000000000}', "does not describe a model: "),
        (
            '{"multiple": 257, "lookahead": 1, "planes": "y"}',
            "multiple must be an integer of 1 to 256, got 257",
        ),
        (
            '{"name": "tiny", "multiple": 8, "lookahead": 1, "planes": "y", "halo_px": 4, '
            '"sha256": {"onnx": "0"}, "whole_frame": ["motion.back"], '
            '"motion": {"method": "blocks", "version": 1, "scale": 2}}',
            "multiple must be one of 16 where motion is stated, got 8",
        ),
        ('{"multiple": ' + "9" * 5000 + "}", "does not describe a model: ValueError"),
        ('{"name": "tiny", "\\ud800": 1}', r"a key must be text, got '\\ud800'"),
    ],
    ids=["deep", "incomplete", "large", "small", "digits", "half"],
)
def test_a_description_that_holds_anything_is_refused(onnx: Path, text: str, said: str) -> None:
    onnx.with_suffix(".json").write_text(text)
    with pytest.raises(Vsj4rError, match=said):
        find_model(str(onnx))


def test_the_engine_that_is_kept_is_one_clips_at_a_time(onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = 0

    class Counted(CpuEngine):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            nonlocal compiled
            compiled += 1
            super().__init__(*arguments, **options)

    def opened() -> Engine:
        return open_engine(find_model(str(onnx)), height=HEIGHT, width=WIDTH, precision="f32", threads=1)

    monkeypatch.setattr(cpu, "CpuEngine", Counted)
    cache = EngineCache()
    with cache.lending():
        first, second = opened(), opened()
    clip = frames(3)
    residual = first.step(clip[0], clip[1], first.new_state()).residual.y
    before = residual.copy()
    second.step(clip[2], clip[1], second.new_state())
    np.testing.assert_array_equal(residual, before)
    assert compiled == 2
    del second
    with cache.lending():
        third = opened()
    assert third.spec == first.spec
    assert compiled == 2, "nobody had it any more"
    del third
    opened()
    assert compiled == 3, "outside, an engine is one's own"
    cache.close()
    with cache.lending():
        opened()
    assert compiled == 4, "a cache that was closed has none"


def test_nothing_phones_home(onnx: Path) -> None:
    """OpenVINO's Python package reports each import from a forked child: ours must not wake it."""
    script = f"""
import sys
calls = []
watched = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.fork")
sys.addaudithook(lambda event, args: calls.append(event) if event in watched else None)
from vsj4r.engine import open_engine
from vsj4r.engine.weights import find_model
open_engine(find_model({str(onnx)!r}), height=32, width=32, threads=1)
import threading
assert threading.active_count() == 1, threading.enumerate()
assert not calls, calls
assert not [name for name in sys.modules if "openvino_telemetry" in name]
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
