"""The published figures: they belong to the shipped weights, and one model's can be measured anew."""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from typing import Any

import pytest

from scripts import evaluate
from vsj4r.engine.weights import models


def published() -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(evaluate.METRICS.read_text("utf-8"))
    return figures


def test_figures_are_of_the_shipped_weights() -> None:
    measured = published()["weights"]
    assert sorted(measured) == models()
    both = published()[evaluate.BIDIRECTIONAL]["weights"]
    for name, of in (*measured.items(), *both.items()):
        file = evaluate.WEIGHTS / f"{name}.safetensors"
        assert of["safetensors"] == hashlib.sha256(file.read_bytes()).hexdigest(), f"measure {name} again"


def test_the_card_shows_them() -> None:
    card = evaluate.CARD.read_text("utf-8")
    shown = card.split(evaluate.BEGIN)[1].split(evaluate.END)[0]
    assert shown.strip() == evaluate.tables(published()).strip()


def clips(**psnr: float) -> dict[str, Any]:
    """Figures of a benchmark of two clips, each method with one PSNR."""

    def scores(value: float) -> dict[str, float]:
        return {"psnr": value, "ssim": 0.5, "chroma_psnr": 40.0, "flicker": 1.0}

    rows = [{"clip": clip, "method": m, **scores(v)} for clip in ("a", "b") for m, v in psnr.items()]
    return {"mean": {m: scores(v) for m, v in psnr.items()}, "clips": rows}


def real(**score: float) -> dict[str, Any]:
    """Figures of two real clips, of which one has no rain, each method with one score."""

    def scores(value: float | None) -> dict[str, float | None]:
        figures = {"rain_left": 1, "u_left": 1, "v_left": None, "sharpness": 1, "damage": 0, "flicker": 2}
        of_rain = {"harm": 0, "score": value, "rain_left_low": 0.9, "rain_left_high": 1.1}
        return figures | (of_rain if value is not None else dict.fromkeys(["rain_left", *of_rain]))

    rows = [{"clip": "a", "method": m, **scores(v)} for m, v in score.items()]
    rows += [{"clip": "b", "method": m, **scores(None)} for m in score]
    return {"median": {m: scores(v) for m, v in score.items()}, "clips": rows}


BEFORE: dict[str, Any] = {
    "weights": {
        m: {"safetensors": "old", "date": "then", "commit": "1", "precision": "float32"}
        for m in ("j4r", "j4r-lite")
    },
    "light": clips(**{"input": 20, "j4r": 30, "j4r-lite": 25}),
    "complex": clips(**{"input": 14, "j4r": 28, "j4r-lite": 24}),
    "real": real(**{"input": 0, "j4r": 0.4, "j4r-lite": 0.3}),
}
AGAIN: dict[str, Any] = {
    "weights": {"j4r": {"safetensors": "new", "date": "now", "commit": "2", "precision": "float32"}},
    "light": clips(**{"input": 20, "j4r": 31}),
}


def test_all_measured_again_is_all_that_stays() -> None:
    assert evaluate.merged(BEFORE, deepcopy(BEFORE)) == BEFORE


def test_one_model_measured_again_leaves_the_others() -> None:
    after = evaluate.merged(BEFORE, AGAIN)
    assert after["light"] == clips(**{"input": 20, "j4r": 31, "j4r-lite": 25})
    assert after["weights"] == BEFORE["weights"] | AGAIN["weights"]


@pytest.mark.parametrize("changed", ["nothing", "safetensors", "precision"])
def test_figures_of_the_same_weights_stay(changed: str) -> None:
    found = deepcopy(AGAIN)
    found["weights"]["j4r"] |= {"safetensors": "old"} | {changed: "another"}
    after = evaluate.merged(BEFORE, found)
    assert after["light"]["mean"]["j4r"]["psnr"] == 31
    earlier = {"complex": "then, commit 1", "real": "then, commit 1"}
    assert after["weights"]["j4r"].get("earlier") == (earlier if changed == "nothing" else None)
    assert (
        "float32; complex then, commit 1; real then, commit 1; not measured" in evaluate.tables(after)
    ) == (changed == "nothing")
    assert ("j4r" in after["complex"]["mean"]) == ("j4r" in after["real"]["median"]) == (changed == "nothing")


def test_figures_of_weights_that_are_gone_go_with_them() -> None:
    after = evaluate.merged(BEFORE, AGAIN)
    assert after["complex"] == clips(**{"input": 14, "j4r-lite": 24})
    assert after["real"] == real(**{"input": 0, "j4r-lite": 0.3})
    text = evaluate.tables(after)
    assert (
        "- j4r: now, commit 2, float32; not measured with these weights: complex, clean, long, real." in text
    )
    assert "| j4r | 31.00 | 0.5000 | 40.00 | 1.00 |" in text
    assert "28.00" not in text
    assert "0.40" not in text
    assert "| a | 1.00 (0.90 to 1.10) |" in text
    assert "| b | - |" in text
    assert "| j4r-lite | 1.00 | 1.00 | - | 1.00 | 0.00 | 2.00 | 0.00 | 0.30 |" in text
