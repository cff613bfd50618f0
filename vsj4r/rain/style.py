"""The parameters of one clip's rain, and the presets that draw them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from vsj4r.rain.streaks import StreakLayer

Preset = Literal["light", "complex", "soft", "mixed"]
REFERENCE_HEIGHT = 288  # frame height at which a preset's pixel lengths hold


@dataclass(frozen=True, slots=True)
class RainStyle:
    """What the streaks of one clip have in common (Fig. 2: similar shapes and directions).

    ``layers``: depth layers, far to near. ``gain_jitter``: relative change of brightness from frame to
    frame. ``turn_deg``: change of direction per frame. ``tint``: colour of the rain, RGB in [0, 1].
    ``screen``: 0 adds light (Eq. 1), 1 lets a streak hide as much background as it is bright:
    S_t = s_t (tint - screen B_t). ``sparkle``: bright pixels per pixel, ``sparkle_level`` their brightness.
    ``veil``: share of ``veil_level`` mixed into the background before the rain falls; ``haze``: a
    smooth veil of that brightness that differs from frame to frame, part of s_t.
    ``occlusion``: streaks that hide the background (alpha_t), ``reliance`` their level A_t in [0, 1].
    ``photographed``: layers a frame from an image database, of brightness ``photo_gain``.
    """

    kind: str = "none"
    layers: tuple[StreakLayer, ...] = ()
    gain_jitter: float = 0.1
    turn_deg: float = 0.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    screen: float = 0.0
    sparkle: float = 0.0
    sparkle_level: float = 0.0
    veil: float = 0.0
    veil_level: float = 0.8
    haze: float = 0.0
    occlusion: StreakLayer | None = None
    reliance: float = 0.8
    photographed: int = 0
    photo_gain: float = 0.0
    photo_folder: float = 0.0
    photo_mirror: bool = False


def draw_style(
    rng: np.random.Generator, preset: Preset, frame_height: int, *, database: bool = False
) -> RainStyle:
    """One clip's rain. Pixel sizes grow with ``frame_height``; ``database`` says that image layers exist.

    "light" and "complex" are the calibrated benchmarks (see ``benchmark``), "soft" looks like real
    rain, "mixed" is for training: every kind over a wide range, about 5 % of clips without rain.

    Raises:
        ValueError: an unknown preset.
    """
    scale = frame_height / REFERENCE_HEIGHT
    if preset == "light":
        return _light(rng, scale)
    if preset == "complex":
        return _complex(rng, scale)
    if preset == "soft":
        return _soft(rng, scale)
    if preset == "mixed":
        return _mixed(rng, scale, database)
    raise ValueError(f"preset must be one of {', '.join(get_args(Preset))}, got {preset!r}")


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _layer(
    rng: np.random.Generator,
    scale: float,
    angle_deg: float,
    *,
    length: tuple[float, float],
    width: tuple[float, float],
    cover: tuple[float, float],
    brightness: tuple[float, float],
    hardness: float = 0.0,
) -> StreakLayer:
    """Ranges at the reference height; ``cover`` is the share of the frame under streaks."""
    length_px = max(_log_uniform(rng, *length) * scale, 4.0)
    width_px = min(max(_log_uniform(rng, *width) * scale, 1.0), 12.0)
    return StreakLayer(
        length_px=length_px,
        width_px=width_px,
        angle_deg=angle_deg + float(rng.normal(0, 1.5)),
        density=_log_uniform(rng, *cover) / (length_px * width_px),
        brightness=_log_uniform(rng, *brightness),
        hardness=hardness,
        spread_deg=float(rng.uniform(0.5, 3.5)),
    )


def _light(rng: np.random.Generator, scale: float) -> RainStyle:
    angle = float(rng.uniform(-25, 25))
    return RainStyle(
        kind="light",
        layers=(
            _layer(
                rng,
                scale,
                angle,
                length=(10, 18),
                width=(1.0, 1.3),
                cover=(0.05, 0.07),
                brightness=(0.22, 0.3),
            ),
            _layer(
                rng,
                scale,
                angle,
                length=(22, 40),
                width=(1.2, 1.8),
                cover=(0.04, 0.06),
                brightness=(0.3, 0.4),
            ),
        ),
    )


def _complex(rng: np.random.Generator, scale: float) -> RainStyle:
    angle = float(rng.uniform(-25, 25))
    return RainStyle(
        kind="complex",
        layers=(
            _layer(
                rng,
                scale,
                angle,
                length=(12, 20),
                width=(1.2, 1.6),
                cover=(0.2, 0.3),
                brightness=(0.25, 0.35),
            ),
            _layer(
                rng, scale, angle, length=(30, 60), width=(1.8, 3.0), cover=(0.2, 0.3), brightness=(0.3, 0.4)
            ),
            _layer(
                rng,
                scale,
                angle,
                length=(25, 45),
                width=(1.0, 1.6),
                cover=(0.05, 0.08),
                brightness=(0.5, 0.6),
                hardness=1.0,
            ),
        ),
        sparkle=0.004,
        sparkle_level=0.6,
        occlusion=_layer(
            rng,
            scale,
            angle,
            length=(20, 35),
            width=(1.5, 2.5),
            cover=(0.04, 0.07),
            brightness=(1.0, 1.0),
            hardness=1.0,
        ),
        reliance=float(rng.uniform(0.75, 0.9)),
    )


def _soft(rng: np.random.Generator, scale: float) -> RainStyle:
    angle = float(rng.normal(0, 12))
    strength = _log_uniform(rng, 0.6, 1.6)
    far = _layer(
        rng,
        scale,
        angle,
        length=(6, 14),
        width=(0.9, 1.3),
        cover=(0.05, 0.2),
        brightness=(0.05 * strength, 0.15 * strength),
    )
    middle = _layer(
        rng,
        scale,
        angle,
        length=(14, 40),
        width=(1.1, 2.2),
        cover=(0.02, 0.08),
        brightness=(0.1 * strength, 0.3 * strength),
    )
    near = _layer(
        rng,
        scale,
        angle,
        length=(40, 100),
        width=(2.5, 7),
        cover=(0.005, 0.04),
        brightness=(0.06 * strength, 0.2 * strength),
    )
    grey = float(rng.uniform(0.75, 1.0))
    cold = float(rng.uniform(0, 0.06))
    return RainStyle(
        kind="soft",
        layers=(far, middle, near),
        gain_jitter=0.15,
        tint=(grey - cold, grey - cold / 2, grey),
        screen=float(rng.uniform(0.3, 1.0)),
        veil=float(rng.uniform(0, 0.25)),
        veil_level=float(rng.uniform(0.6, 0.9)),
        haze=float(rng.uniform(0, 0.03)),
    )


def _mixed(rng: np.random.Generator, scale: float, database: bool) -> RainStyle:
    kinds = ["none", "light", "complex", "soft", "photo"]
    kind = kinds[int(rng.choice(5, p=[0.05, 0.22, 0.28, 0.33, 0.12]))]
    if kind == "photo" and not database:
        kind = "soft"
    angle = _angle(rng)
    scale *= _log_uniform(rng, 0.7, 1.5)
    if kind == "none":
        return RainStyle(veil=float(rng.uniform(0, 0.3)) if rng.random() < 0.3 else 0.0)
    if kind == "photo":
        style = RainStyle(
            kind="photo",
            photographed=int(rng.integers(1, 6)),
            photo_gain=float(rng.uniform(0.25, 0.9)),
            photo_folder=float(rng.random()),
            photo_mirror=bool(rng.random() < 0.5),
        )
    elif kind == "light":
        count = int(rng.integers(1, 4))
        style = RainStyle(
            kind="light",
            layers=tuple(
                _layer(
                    rng,
                    scale,
                    angle,
                    length=(6, 60),
                    width=(0.9, 2.2),
                    cover=(0.015, 0.1),
                    brightness=(0.12, 0.5),
                    hardness=_hardness(rng),
                )
                for _ in range(count)
            ),
        )
    elif kind == "complex":
        style = _heavy(rng, scale, angle)
    else:
        style = _soft(rng, scale * _log_uniform(rng, 0.8, 3.0))
        turn = angle - style.layers[0].angle_deg
        style = replace(style, layers=tuple(replace(x, angle_deg=x.angle_deg + turn) for x in style.layers))
    return _vary(rng, style)


def _angle(rng: np.random.Generator) -> float:
    """Mostly falling, sometimes driven by wind, rarely anything (a film may lie on its side)."""
    spread = rng.choice([8.0, 22.0, 40.0], p=[0.4, 0.4, 0.2])
    if rng.random() < 0.04:
        return float(rng.uniform(-90, 90))
    return float(np.clip(rng.normal(0, spread), -75, 75))


def _hardness(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.3 else 0.0


def _heavy(rng: np.random.Generator, scale: float, angle: float) -> RainStyle:
    layers = [
        _layer(
            rng,
            scale,
            angle,
            length=(8, 70),
            width=(1.0, 3.2),
            cover=(0.08, 0.35),
            brightness=(0.15, 0.5),
        )
        for _ in range(int(rng.integers(1, 4)))
    ]
    if rng.random() < 0.7:
        layers.append(
            _layer(
                rng,
                scale,
                angle,
                length=(12, 60),
                width=(1.0, 2.2),
                cover=(0.02, 0.12),
                brightness=(0.3, 0.8),
                hardness=1.0,
            )
        )
    occlusion = None
    if rng.random() < 0.7:
        occlusion = _layer(
            rng,
            scale,
            angle,
            length=(10, 45),
            width=(1.2, 3.5),
            cover=(0.01, 0.14),
            brightness=(1.0, 1.0),
            hardness=1.0,
        )
    return RainStyle(
        kind="complex",
        layers=tuple(layers),
        sparkle=_log_uniform(rng, 0.0005, 0.01) if rng.random() < 0.7 else 0.0,
        sparkle_level=float(rng.uniform(0.3, 0.8)),
        occlusion=occlusion,
        reliance=float(rng.uniform(0.55, 1.0)),
    )


def _vary(rng: np.random.Generator, style: RainStyle) -> RainStyle:
    """What a training set wants on top: turning wind, tinted rain, veil, haze, blending of every degree."""
    cold = float(rng.normal(0, 0.03))
    grey = float(rng.uniform(0.85, 1.0))
    return replace(
        style,
        gain_jitter=float(rng.uniform(0.02, 0.25)),
        turn_deg=float(rng.normal(0, 1.5)) if rng.random() < 0.2 else 0.0,
        tint=(min(grey - cold, 1.0), min(grey, 1.0), min(grey + cold, 1.0))
        if rng.random() < 0.7
        else (1.0, 1.0, 1.0),
        screen=style.screen or (float(rng.uniform(0, 0.8)) if rng.random() < 0.3 else 0.0),
        veil=style.veil
        if style.kind == "soft"
        else (float(rng.uniform(0, 0.2)) if rng.random() < 0.2 else 0.0),
        veil_level=float(rng.uniform(0.5, 0.95)),
        haze=style.haze or (float(rng.uniform(0, 0.05)) if rng.random() < 0.25 else 0.0),
    )
