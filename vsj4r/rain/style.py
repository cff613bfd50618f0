"""The parameters of one clip's rain."""

from __future__ import annotations

from dataclasses import dataclass

from vsj4r.rain.streaks import StreakLayer


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
