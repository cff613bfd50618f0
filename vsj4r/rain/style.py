"""The parameters of one clip's rain."""

from __future__ import annotations

from dataclasses import dataclass

from vsj4r.rain.streaks import StreakLayer


@dataclass(frozen=True, slots=True)
class RainStyle:
    """What the streaks of one clip have in common (Fig. 2: similar shapes and directions).

    ``layers``: depth layers, far to near. ``gain_jitter``: relative change of brightness from frame to
    frame. ``turn_deg``: change of direction per frame. ``gust_deg``: how far wind swings the direction,
    once in ``gust_frames``. ``tint``: colour of the rain, RGB in [0, 1]. ``glow``: share of the rain's light
    that is the light around it, for a drop refracts what surrounds it (Garg and Nayar, "Vision and rain",
    IJCV 2007): rain at night shines near lamps alone. ``linear``: the rain is added to linear light
    (gamma 2.2), as a sensor adds it.
    ``screen``: 0 adds light (Eq. 1), 1 lets a streak hide as much background as it is bright:
    S_t = s_t (tint - screen B_t). ``sparkle``: bright pixels per pixel, ``sparkle_level`` their brightness.
    ``veil``: share of ``veil_level`` mixed into the background before the rain falls; ``haze``: a
    smooth veil of that brightness that differs from frame to frame, part of s_t.
    ``occlusion``: streaks that hide the background (alpha_t), ``reliance`` their level A_t in [0, 1].
    ``photographed``: layers a frame from an image database, of brightness ``photo_gain``. ``seed``: of the
    layers whose streaks stay for several frames.
    """

    kind: str = "none"
    layers: tuple[StreakLayer, ...] = ()
    gain_jitter: float = 0.1
    turn_deg: float = 0.0
    gust_deg: float = 0.0
    gust_frames: float = 20.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    screen: float = 0.0
    glow: float = 0.0
    linear: bool = False
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
    seed: int = 0
