"""Footage that a player turns: a phone stores a portrait video lying down, and the file says how to turn it.

Rain falls down in what a person sees, so the network is shown that, and its result is turned back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import vapoursynth as vs

from vsj4r.media.alpha import with_alpha_of


@dataclass(frozen=True, slots=True)
class Rotation:
    """How a stored frame is turned to be shown: flipped top to bottom or not, then turned clockwise."""

    flipped: bool = False
    clockwise_degrees: int = 0

    @property
    def quarter_turns(self) -> int:
        """Clockwise; a tilt between them is nobody's rain, and stays as it is."""
        return round(self.clockwise_degrees / 90) % 4

    def ffmpeg_options(self) -> dict[str, Any]:
        """Options of an ffmpeg input whose frames are as stored; none where nothing is to be turned."""
        if self == Rotation():
            return {}
        # ffmpeg turns counter-clockwise, and flips afterwards: the other way round, with a flip
        angle = self.clockwise_degrees if self.flipped else -self.clockwise_degrees
        flip = {"display_vflip": None} if self.flipped else {}
        return {"noautorotate": None, "display_rotation": angle % 360, **flip}


def rotation_of(frame: vs.VideoFrame) -> Rotation:
    """What the container said, as BestSource passes it on."""
    props = frame.props
    return Rotation(bool(props.get("FlipVertical", 0)), int(props.get("Rotation", 0)))


def is_turned(clip: vs.VideoNode) -> bool:
    """Whether ``clip``, by its first frame, is shown otherwise than it is stored."""
    with clip.get_frame(0) as first:
        return rotation_of(first) != Rotation()


def turn_upright(clip: vs.VideoNode) -> tuple[vs.VideoNode, Callable[[vs.VideoNode], vs.VideoNode]]:
    """``clip`` as it is shown, and what lays another clip, as it is shown, as ``clip`` lies. Lossless.

    4:2:2 becomes 4:4:0 where it lies on its side.
    """
    with clip.get_frame(0) as first:
        rotation = rotation_of(first)
    return _turn(clip, rotation), lambda shown: _turn_back(shown, rotation)


def turn_output_upright(clip: vs.VideoNode, *, source: vs.VideoNode, has_alpha: bool = False) -> vs.VideoNode:
    """``clip``, which lies as ``source`` does, as it is shown: for outputs that cannot say how to turn it.
    ``has_alpha``: it has an alpha channel, which is turned with it."""
    with source.get_frame(0) as first:
        rotation, props = rotation_of(first), dict(first.props)
    if rotation == Rotation():
        return clip
    shown = _turn(clip, rotation).std.SetFrameProps(Rotation=0, FlipVertical=0)
    if has_alpha:
        shown = with_alpha_of(shown, clip, lambda alpha: _turn(alpha, rotation))
    if rotation.quarter_turns % 2 and "_SARNum" in props and "_SARDen" in props:
        shown = shown.std.SetFrameProps(_SARNum=props["_SARDen"], _SARDen=props["_SARNum"])
    return shown.std.RemoveFrameProps("_ChromaLocation")  # what was left is above or below


def _turn(clip: vs.VideoNode, rotation: Rotation) -> vs.VideoNode:
    return _turn_clockwise(clip.std.FlipVertical() if rotation.flipped else clip, rotation.quarter_turns)


def _turn_back(clip: vs.VideoNode, rotation: Rotation) -> vs.VideoNode:
    stored = _turn_clockwise(clip, -rotation.quarter_turns % 4)
    return stored.std.FlipVertical() if rotation.flipped else stored


def _turn_clockwise(clip: vs.VideoNode, quarters: int) -> vs.VideoNode:
    match quarters:
        case 1:
            return clip.std.Transpose().std.FlipHorizontal()
        case 2:
            return clip.std.Turn180()
        case 3:
            return clip.std.Transpose().std.FlipVertical()
        case _:
            return clip
