"""The page: one HTML file with everything in it, which a browser shows without any network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean

from jinja2 import Environment, PackageLoader, StrictUndefined

from vsj4r.compare.choice import choose_frames
from vsj4r.compare.measures import Measures
from vsj4r.compare.pictures import data_uri, picture_clip
from vsj4r.compare.plots import Graph, Line, draw_graph, frame_x
from vsj4r.compare.quality import Quality
from vsj4r.compare.sides import Side, choose_timed_side
from vsj4r.media.tags import sample_aspect
from vsj4r.psnr import clip_psnr


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A frame on the page. ``pictures`` are data: URIs in the order of the sides, ``x`` is its place on the
    graphs, ``facts`` what was measured, as text."""

    number: int
    time: str
    reasons: list[str]
    pictures: list[str]
    facts: list[str]
    x: float


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: what was measured, and its mean for each side."""

    name: str
    means: list[str]


def render_page(sides: list[Side], measures: Measures, quality: list[Quality], version: str) -> str:
    """The whole page. ``quality`` is that of the first two sides, or empty without a ground truth.

    Raises:
        Vsj4rError: a frame cannot be read.
    """
    environment = Environment(
        loader=PackageLoader("vsj4r.compare", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = _show_frames(sides, measures, quality)
    first = sides[0].clip
    with first.get_frame(0) as frame:
        aspect = sample_aspect(frame)
    return environment.get_template("page.html").render(
        sides=sides,
        shown=shown,
        graphs=_graphs(measures, quality),
        rows=_rows(measures, quality),
        frames=len(first),
        width=first.width,
        height=first.height,
        shape=f"{float(first.width * aspect):.6g} / {first.height}",
        portrait=first.height > first.width * aspect,
        version=version,
    )


def summary(measures: Measures, quality: list[Quality]) -> str:
    """One line: what has been found, on average."""
    parts = [f"rain removed {fmean(measures.removed):.2f} % (mean luma before less after, white is 100 %)"]
    for row in _rows(measures, quality)[1:]:
        parts.append(f"{row.name} {' -> '.join(row.means)}")
    return ", ".join(parts)


def _show_frames(sides: list[Side], measures: Measures, quality: list[Quality]) -> list[ShownFrame]:
    clips = [picture_clip(side.clip) for side in sides]
    frames = len(clips[0])
    source = choose_timed_side(sides).source
    result = []
    for choice in choose_frames(measures, quality[1].psnr if quality else None):
        n = choice.frame
        facts = [f"{measures.removed[n]:.2f} % removed"]
        for name, before, after in _pairs(quality):
            facts.append(f"{name} {_figure(name, before[n])} → {_figure(name, after[n])}")
        since_start = source.timestamps[n] - source.timestamps[0]
        result.append(
            ShownFrame(
                number=n,
                time=_clock(float(since_start * source.time_base)),
                reasons=choice.reasons or ["in between"],
                pictures=[data_uri(clip, n) for clip in clips],
                facts=facts,
                x=frame_x(n, frames),
            )
        )
    return result


def _graphs(measures: Measures, quality: list[Quality]) -> list[Graph]:
    graphs = [draw_graph("Rain removed", [Line("after", measures.removed)], unit=" %", from_zero=True)]
    for name, before, after in _pairs(quality):
        unit = " dB" if name == "PSNR" else ""
        graphs.append(draw_graph(name, [Line("before", before), Line("after", after)], unit=unit))
    return graphs


def _rows(measures: Measures, quality: list[Quality]) -> list[Row]:
    rows = [Row("Rain removed, mean luma before less after", ["", f"{fmean(measures.removed):.2f} %"])]
    for name, *both in _pairs(quality):
        mean = clip_psnr if name == "PSNR" else fmean
        rows.append(Row(name, [_figure(name, mean(numbers)) for numbers in both]))
    return rows


def _pairs(quality: list[Quality]) -> list[tuple[str, list[float], list[float]]]:
    """(name, before, after) of what was measured against the ground truth."""
    if not quality:
        return []
    before, after = quality
    every = [
        ("PSNR", before.psnr, after.psnr),
        ("SSIM", before.ssim, after.ssim),
        ("VMAF", before.vmaf, after.vmaf),
    ]
    return [pair for pair in every if pair[1]]


def _figure(name: str, number: float) -> str:
    if not math.isfinite(number):
        return "identical"
    return {"PSNR": f"{number:.2f} dB", "SSIM": f"{number:.4f}"}.get(name, f"{number:.1f}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"
