"""Compiled steps that are kept: the same results, never stale, and no more of them than there is room."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny_model import write_tiny_model
from vsj4r.arrays import Floats
from vsj4r.engine import compiled
from vsj4r.engine.base import Tensors
from vsj4r.engine.compiled import Compiled, Request
from vsj4r.engine.cpu import CpuEngine
from vsj4r.engine.runtime import ov
from vsj4r.engine.weights import Model, find_model
from vsj4r.errors import Vsj4rError

HEIGHT, WIDTH = 32, 48


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vsj4r" / "engines"


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests for which a graph was read and compiled."""
    made: list[Request] = []
    compile_now = compiled._compile_timed

    def counted(core: ov.Core, model: Model, onnx: bytes, request: Request) -> tuple[Compiled, int]:
        made.append(request)
        return compile_now(core, model, onnx, request)

    monkeypatch.setattr(compiled, "_compile_timed", counted)
    return made


@pytest.fixture
def tiny(tmp_path: Path) -> Model:
    return find_model(str(write_tiny_model(tmp_path)))


def outputs(
    model: Model,
    *,
    height: int = HEIGHT,
    width: int = WIDTH,
    precision: str = "f32",
    threads: int = 1,
    tile: tuple[int, int] | None = None,
) -> list[Floats]:
    """All that three steps give."""
    engine = CpuEngine(model, height=height, width=width, precision=precision, threads=threads, tile=tile)
    rng = np.random.default_rng(3)
    clip = [
        Tensors(
            rng.random((height, width), np.float32),
            rng.random((2, height // 2, width // 2), np.float32) - np.float32(0.5),
        )
        for _ in range(4)
    ]
    state = engine.new_state()
    given = []
    for o_t, o_next in pairwise(clip):
        step = engine.step(o_t, o_next, state)
        assert step.residual.uv is not None
        given += [step.residual.y.copy(), step.residual.uv.copy(), step.alpha.copy()]
    return given


def are_same(some: list[Floats], others: list[Floats]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "tile", "native"),
    [("auto", None, True), ("auto", None, False), ("f32", (64, 64), True)],
)
def test_what_is_kept_gives_the_same_bits(
    requests: list[Request], precision: str, tile: tuple[int, int] | None, *, native: bool
) -> None:
    model = find_model("j4r-lite")
    if not native:
        model = replace(model, spec=replace(model.spec, motion=None))
    size = {"height": 96, "width": 160} if tile is None else {"height": 320, "width": 320}
    first = outputs(model, **size, precision=precision, tile=tile)
    assert [request.with_head for request in requests] == [not native]
    assert are_same(first, outputs(model, **size, precision=precision, tile=tile))
    assert len(requests) == 1, "the second engine is the one that was kept"


def test_each_thing_that_it_follows_from_makes_another(
    tiny: Model, requests: list[Request], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def makes_another(model: Model = tiny, **given: Any) -> bool:
        before = len(requests)
        outputs(model, **given)
        return len(requests) == before + 1

    assert makes_another()
    assert makes_another(width=64)
    outputs(tiny, precision="auto")  # which may be f32 here
    assert makes_another(threads=2)
    assert makes_another(tile=(16, 16))
    assert makes_another(replace(tiny, spec=replace(tiny.spec, halo_px=16)), tile=(16, 16))
    with monkeypatch.context() as patched:
        patched.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
        assert makes_another()
    for owner, name, value in (
        (ov, "__version__", "another"),
        (compiled, "_instructions", lambda: "of another CPU"),
        (compiled, "_code", lambda: "after a change"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, value)
            assert makes_another()
    assert len(requests) == len(list(folder.iterdir()))
    assert not makes_another()


def test_a_model_that_is_written_anew_is_compiled_anew(tiny: Model) -> None:
    before = outputs(tiny)
    write_tiny_model(tiny.onnx.parent, gain=0.25)
    with pytest.raises(Vsj4rError, match="is damaged: its sha256"):
        outputs(tiny)  # the JSON that was read says nothing of it
    assert not are_same(before, outputs(find_model(str(tiny.onnx))))


@pytest.mark.parametrize("damage", ["empty", "cut", "changed"])
def test_a_file_that_is_damaged_is_made_again(
    tiny: Model, requests: list[Request], folder: Path, damage: str
) -> None:
    expected = outputs(tiny)
    (kept,) = folder.iterdir()
    content = kept.read_bytes()
    other = {"empty": b"", "cut": content[:-100], "changed": content[:-1] + bytes([content[-1] ^ 1])}
    kept.write_bytes(other[damage])
    assert are_same(expected, outputs(tiny))
    assert len(requests) == 2
    assert kept.read_bytes() != other[damage]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders of POSIX")
def test_nothing_can_be_kept(tiny: Model, requests: list[Request], folder: Path) -> None:
    folder.parent.parent.write_text("a file in the way")
    assert are_same(outputs(tiny), outputs(tiny))
    assert len(requests) == 2


def test_there_is_room_for_so_much(tiny: Model, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs(tiny)
    (first,) = folder.iterdir()
    size = first.stat().st_size
    monkeypatch.setattr(compiled, "_LARGEST_BYTES", int(2.5 * size))
    os.utime(first, (1, 1))
    outputs(tiny)  # from now on it is the one used last
    os.utime(first, (4e9, 4e9))
    for width in (64, 80, 96):
        outputs(tiny, width=width)
    assert first in folder.iterdir()
    assert len(list(folder.iterdir())) == 2
