"""The speed figures of the page are those that were measured, and a contender that fails stops no other."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from scripts import benchmark, benchmark_page
from scripts.benchmark import Entry, measure


def published() -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(benchmark.RESULTS.read_text("utf-8"))
    return figures


def test_the_page_shows_what_was_measured() -> None:
    results = published()
    page = benchmark_page.PAGE.read_text("utf-8")
    shown = page.split(benchmark_page.BEGIN)[1].split(benchmark_page.END)[0]
    quality = benchmark_page.known_quality(results)
    tables = benchmark_page.tables(results, quality)
    assert shown.strip() == tables.strip(), "python -m scripts.benchmark --write"


def test_a_contender_that_is_missing_is_named_and_the_others_are_there() -> None:
    results = deepcopy(published())
    first, *others = results["filters"]["rows"]
    for key in ("seconds", "least", "most", "cpu", "peak_mb"):
        first.pop(key, None)
    first["skipped"] = "vapoursynth-zsmooth is not installed"
    text = benchmark_page.tables(results, {})
    assert f"Skipped: {first['contender']}: vapoursynth-zsmooth is not installed." in text
    assert all(f"| {row['contender']} |" in text for row in others if "seconds" in row)


@pytest.mark.parametrize("contender", ["j4r-lite", "j4r-lite, OpenVINO float32"])
def test_what_fails_is_skipped_and_the_rest_is_timed(contender: str) -> None:
    skipped, timed = measure([Entry("j4r-none", "64x48", 1), Entry(contender, "64x48", 1, 2)], rounds=2)
    assert "j4r-none" in skipped["skipped"]
    assert "seconds" not in skipped
    assert 0 < timed["least"] <= timed["seconds"] <= timed["most"]
    assert timed["peak_mb"] > 50
