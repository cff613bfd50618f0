"""The presets: how one clip's rain is drawn.

``light`` and ``complex`` are calibrated (``evaluation.benchmark`` states the levels, a test holds them), so
their constants are frozen: a change here changes every published figure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from vsj4r.rain.draws import log_uniform
from vsj4r.rain.streaks import StreakLayer
from vsj4r.rain.style import RainStyle

Preset = Literal["light", "complex", "paper", "soft", "photo", "mixed"]
REFERENCE_PX = 288  # shorter side of a frame at which the lengths and widths below hold
NARROWEST_PX, WIDEST_PX = 1.0, 12.0
PAPER_MIXTURE = {"none": 0.2, "light": 0.6, "complex": 0.2}  # in L2 one complex clip weighs as several light
MIXTURE = {"none": 0.06, "light": 0.16, "complex": 0.34, "soft": 0.36, "photo": 0.08}


@dataclass(frozen=True, slots=True)
class Ranges:
    """What a layer is drawn from, log-uniformly: pixels at the reference size, ``cover`` the share of the
    frame under streaks, ``brightness`` their peak."""

    length: tuple[float, float]
    width: tuple[float, float]
    cover: tuple[float, float]
    brightness: tuple[float, float]
    hardness: float = 0.0
    widest_px: float = WIDEST_PX

    def draw(
        self, rng: np.random.Generator, scale: float, angle_deg: float, *, dim: float = 1.0
    ) -> StreakLayer:
        """One layer about a direction; ``scale`` is the frame's shorter side over ``REFERENCE_PX``."""
        length_px = max(log_uniform(rng, self.length) * scale, 4.0)
        width_px = min(max(log_uniform(rng, self.width) * scale, NARROWEST_PX), self.widest_px)
        return StreakLayer(
            length_px=length_px,
            width_px=width_px,
            angle_deg=angle_deg + float(rng.normal(0, 1.5)),
            density=log_uniform(rng, self.cover) / (length_px * width_px),
            brightness=log_uniform(rng, self.brightness) * dim,
            hardness=self.hardness,
            spread_deg=float(rng.uniform(0.5, 3.5)),
        )


LIGHT = (
    Ranges(length=(10, 18), width=(1.0, 1.3), cover=(0.015, 0.025), brightness=(0.2, 0.3)),
    Ranges(length=(22, 40), width=(1.6, 2.4), cover=(0.045, 0.06), brightness=(0.54, 0.66)),
)
COMPLEX = (
    Ranges(length=(12, 20), width=(1.2, 1.6), cover=(0.1, 0.14), brightness=(0.2, 0.3)),
    Ranges(length=(30, 60), width=(3.0, 4.5), cover=(0.29, 0.39), brightness=(0.4, 0.5)),
    Ranges(length=(25, 45), width=(1.2, 2.0), cover=(0.03, 0.05), brightness=(0.5, 0.65), hardness=1),
)
COMPLEX_OCCLUSION = Ranges((25, 40), (2.5, 4.0), (0.06, 0.09), (1, 1), hardness=1)
COMPLEX_SPARKLE, COMPLEX_SPARKLE_LEVEL = 0.002, 0.6

SOFT = (  # far, middle, near
    Ranges(length=(6, 14), width=(0.9, 1.3), cover=(0.05, 0.2), brightness=(0.05, 0.15)),
    Ranges(length=(14, 40), width=(1.1, 2.2), cover=(0.02, 0.08), brightness=(0.1, 0.3)),
    Ranges(length=(40, 100), width=(2.5, 7.0), cover=(0.005, 0.04), brightness=(0.06, 0.2)),
)
# short exposures and drips, as real footage shows them: bright dashes, few of them; splashes are dots
SOFT_DASHES = Ranges(length=(7, 20), width=(1.2, 2.6), cover=(0.002, 0.015), brightness=(0.25, 0.6))
SOFT_SPLASHES, SOFT_SPLASH_LEVEL = (0.0003, 0.003), 0.35
# what real footage has besides these, in training only: drops near the lens, far out of focus; rain so far
# away that its streaks merge; splashes that are seen for some frames
WIDE = Ranges((50, 170), (6, 18), (0.01, 0.12), (0.03, 0.2), widest_px=26.0)
MIST = Ranges((5, 12), (0.9, 1.4), (0.2, 0.7), (0.02, 0.08))
SPLASHES = Ranges((2, 4), (1.5, 4), (0.0005, 0.006), (0.15, 0.6))
STAYING_SHARE = 0.15  # of the layers of soft rain

ANY_LIGHT = (
    Ranges(length=(6, 60), width=(0.9, 2.4), cover=(0.015, 0.1), brightness=(0.12, 0.55)),
    Ranges(length=(6, 60), width=(0.9, 2.2), cover=(0.01, 0.06), brightness=(0.15, 0.6), hardness=1),
)
ANY_HEAVY = Ranges(length=(8, 70), width=(1.0, 4.5), cover=(0.1, 0.45), brightness=(0.15, 0.55))
ANY_LINES = Ranges(length=(12, 60), width=(1.0, 2.4), cover=(0.02, 0.12), brightness=(0.3, 0.8), hardness=1)
ANY_OCCLUSION = Ranges((10, 45), (1.2, 4.0), (0.01, 0.14), (1, 1), hardness=1)


def draw_style(
    rng: np.random.Generator, preset: Preset, shorter_px: int, *, database: bool = False
) -> RainStyle:
    """One clip's rain. Pixel sizes grow with ``shorter_px``, the picture's shorter side; ``database`` says
    that image layers exist.

    "light" and "complex" are the calibrated benchmarks, "paper" one of the two or, for a clip in five, no
    rain, "soft" looks like real rain, "photo" takes its streaks from an image database, "mixed" is for
    training: every kind over a wide range, about 5 % of the clips without rain.

    Raises:
        ValueError: an unknown preset.
    """
    scale = shorter_px / REFERENCE_PX
    if preset == "light":
        return _light(rng, scale)
    if preset == "complex":
        return _complex(rng, scale)
    if preset == "paper":
        kind = _kind(rng, PAPER_MIXTURE)
        return RainStyle() if kind == "none" else (_light if kind == "light" else _complex)(rng, scale)
    if preset == "soft":
        return _soft(rng, scale, float(np.clip(rng.normal(0, 12), -40, 40)))
    if preset == "photo":
        return _photo(rng)
    if preset == "mixed":
        return _mixed(rng, scale, database)
    raise ValueError(f"preset must be one of {', '.join(get_args(Preset))}, got {preset!r}")


def _kind(rng: np.random.Generator, mixture: dict[str, float]) -> str:
    return list(mixture)[int(rng.choice(len(mixture), p=list(mixture.values())))]


def _light(rng: np.random.Generator, scale: float) -> RainStyle:
    angle = float(rng.uniform(-25, 25))
    return RainStyle(kind="light", layers=tuple(x.draw(rng, scale, angle) for x in LIGHT))


def _complex(rng: np.random.Generator, scale: float) -> RainStyle:
    angle = float(rng.uniform(-25, 25))
    return RainStyle(
        kind="complex",
        layers=tuple(x.draw(rng, scale, angle) for x in COMPLEX),
        sparkle=COMPLEX_SPARKLE,
        sparkle_level=COMPLEX_SPARKLE_LEVEL,
        occlusion=COMPLEX_OCCLUSION.draw(rng, scale, angle),
        reliance=float(rng.uniform(0.75, 0.9)),
    )


def _soft(rng: np.random.Generator, scale: float, angle: float) -> RainStyle:
    strength = log_uniform(rng, (0.6, 2.4))
    grey, cold = float(rng.uniform(0.75, 1.0)), float(rng.uniform(0, 0.06))
    layers = [x.draw(rng, scale, angle, dim=strength) for x in SOFT]
    if rng.random() < 0.5:
        layers.append(SOFT_DASHES.draw(rng, scale, angle))
    return RainStyle(
        kind="soft",
        layers=tuple(layers),
        gain_jitter=0.15,
        tint=(grey - cold, grey - cold / 2, grey),
        screen=float(rng.uniform(0.3, 1.0)),
        sparkle=log_uniform(rng, SOFT_SPLASHES) if rng.random() < 0.3 else 0.0,
        sparkle_level=SOFT_SPLASH_LEVEL,
        veil=float(rng.uniform(0, 0.25)),
        veil_level=float(rng.uniform(0.6, 0.9)),
        haze=float(rng.uniform(0, 0.03)),
    )


def _photo(rng: np.random.Generator) -> RainStyle:
    return RainStyle(
        kind="photo",
        photographed=int(rng.integers(1, 6)),
        photo_gain=float(rng.uniform(0.25, 0.9)),
        photo_folder=float(rng.random()),
        photo_mirror=bool(rng.random() < 0.5),
    )


def _mixed(rng: np.random.Generator, scale: float, database: bool) -> RainStyle:
    kind = _kind(rng, MIXTURE)
    if kind == "photo" and not database:
        kind = "soft"
    angle = _any_angle(rng)
    scale *= log_uniform(rng, (0.7, 1.5))
    if kind == "none":
        style = RainStyle()
    elif kind == "photo":
        style = _photo(rng)
    elif kind == "light":
        layers = (ANY_LIGHT[int(rng.random() < 0.3)] for _ in range(int(rng.integers(1, 4))))
        style = RainStyle(kind="light", layers=tuple(x.draw(rng, scale, angle) for x in layers))
    elif kind == "complex":
        style = _any_complex(rng, scale, angle)
    else:
        style = _as_filmed(rng, scale * log_uniform(rng, (0.8, 3.0)), angle)
    return _vary(rng, style)


def _as_filmed(rng: np.random.Generator, scale: float, angle: float) -> RainStyle:
    """Soft rain with what real footage shows beside it."""
    style = _soft(rng, scale, angle)
    layers = [style.layers[k] for k in np.flatnonzero(rng.random(len(style.layers)) < 0.85)]
    for ranges, share in ((WIDE, 0.4), (MIST, 0.3), (SPLASHES, 0.3)):
        if rng.random() < share:
            layers.append(ranges.draw(rng, scale, angle))
    return replace(style, layers=tuple(_draw_staying(rng, layer) for layer in layers))


def _draw_staying(rng: np.random.Generator, layer: StreakLayer) -> StreakLayer:
    """Some layers are seen in two frames or three: standing splashes, or drops under a long shutter."""
    if rng.random() > STAYING_SHARE:
        return layer
    fall_px = 0.0 if rng.random() < 0.4 else float(rng.uniform(0.3, 1.2)) * layer.length_px
    return replace(layer, stay_frames=2 + int(rng.random() < 0.2), fall_px=fall_px)


def _any_angle(rng: np.random.Generator) -> float:
    """Mostly falling, sometimes driven by wind, rarely anything (a film may lie on its side)."""
    if rng.random() < 0.04:
        return float(rng.uniform(-90, 90))
    spread = (8.0, 22.0, 40.0)[int(rng.choice(3, p=[0.4, 0.4, 0.2]))]
    return float(np.clip(rng.normal(0, spread), -75, 75))


def _any_complex(rng: np.random.Generator, scale: float, angle: float) -> RainStyle:
    layers = [ANY_HEAVY.draw(rng, scale, angle) for _ in range(int(rng.integers(1, 4)))]
    if rng.random() < 0.7:
        layers.append(ANY_LINES.draw(rng, scale, angle))
    return RainStyle(
        kind="complex",
        layers=tuple(layers),
        sparkle=log_uniform(rng, (0.0005, 0.01)) if rng.random() < 0.7 else 0.0,
        sparkle_level=float(rng.uniform(0.3, 0.8)),
        occlusion=ANY_OCCLUSION.draw(rng, scale, angle) if rng.random() < 0.7 else None,
        reliance=float(rng.uniform(0.55, 1.0)),
    )


def _vary(rng: np.random.Generator, style: RainStyle) -> RainStyle:
    """What is added for training: gusts, tinted rain, rain in the colours around it, veil, haze,
    blending of every degree."""
    soft, rain = style.kind == "soft", style.kind != "none"
    veil = style.veil if soft else (float(rng.uniform(0, 0.2)) if rng.random() < 0.2 else 0.0)
    style = replace(style, veil=veil, veil_level=float(rng.uniform(0.5, 0.95)))
    if not rain:
        return style
    grey, cold = float(rng.uniform(0.85, 1.0)), float(rng.normal(0, 0.03))
    tint = (min(grey - cold, 1.0), grey, min(grey + cold, 1.0)) if rng.random() < 0.7 else (1.0, 1.0, 1.0)
    return replace(
        style,
        seed=int(rng.integers(2**31)),
        gain_jitter=float(rng.uniform(0.02, 0.25)),
        turn_deg=float(rng.normal(0, 1.5)) if rng.random() < 0.2 else 0.0,
        gust_deg=float(rng.uniform(0, 30)) if rng.random() < 0.2 else 0.0,
        gust_frames=log_uniform(rng, (8, 60)),
        tint=tint,
        glow=float(rng.uniform(0.3, 1)) if rng.random() < 0.4 else 0.0,
        linear=bool(rng.random() < 0.25),
        screen=style.screen if soft else (float(rng.uniform(0, 0.8)) if rng.random() < 0.3 else 0.0),
        haze=style.haze if soft else (float(rng.uniform(0, 0.05)) if rng.random() < 0.25 else 0.0),
    )
