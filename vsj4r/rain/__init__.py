"""The hybrid rain model (Sec. 3 of Liu et al., CVPR 2018): streaks and occlusions, rendered in RGB."""

from vsj4r.rain.bank import StreakBank
from vsj4r.rain.presets import Preset, draw_style
from vsj4r.rain.style import RainStyle
from vsj4r.rain.synthesis import RainClip, rain_by, render_rain

__all__ = ["Preset", "RainClip", "RainStyle", "StreakBank", "draw_style", "rain_by", "render_rain"]
