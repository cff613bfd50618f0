"""What a video says of its picture (colours, aspect, orientation, HDR10), from a frame to ffmpeg's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import batched
from typing import Any

import vapoursynth as vs

from vsj4r.frames.matrix import UNSPECIFIED
from vsj4r.media.image_facts import likely_aspect
from vsj4r.media.rotation import Rotation, rotation_of

_LARGEST_ASPECT_TERM = 65535  # of H.264 and HEVC; ffmpeg would stop at 100
CHROMATICITY_STEPS = 50000  # of SMPTE ST 2086: chromaticities in 0.00002,
LUMINANCE_STEPS = 10000  # luminances in 0.0001 cd/m2


def sample_aspect(frame: vs.VideoFrame) -> Fraction:
    """Width of a sample by its height, 1 where the frame does not say it, or what can be none."""
    width, height = (int(frame.props.get(name, 0)) or 1 for name in ("_SARNum", "_SARDen"))
    return likely_aspect(Fraction(width, height).limit_denominator(_LARGEST_ASPECT_TERM))


@dataclass(frozen=True, slots=True)
class Tags:
    """``colours``: ffmpeg's option to the number, H.273, where it is stated.

    ``aspect`` is that of a sample, ``shape`` that of the whole picture as it is shown.
    ``mastering`` (SMPTE ST 2086) and ``light`` (MaxCLL and MaxFALL) are "" where there is none.
    """

    full_range: bool
    colours: dict[str, int]
    chroma_location: int | None
    aspect: Fraction
    shape: Fraction
    rotation: Rotation
    mastering: str
    light: str

    @classmethod
    def of(cls, frame: vs.VideoFrame) -> Tags:
        """VapourSynth's numbers are those of ITU-T H.273, and so are ffmpeg's."""
        props = frame.props
        colours = {
            name: int(props.get(prop, UNSPECIFIED))
            for name, prop in (
                ("color_primaries", "_Primaries"),
                ("color_trc", "_Transfer"),
                ("colorspace", "_Matrix"),
            )
        }
        is_rgb = frame.format.color_family == vs.RGB
        if is_rgb:
            colours["colorspace"] = int(vs.MATRIX_RGB)
        aspect = sample_aspect(frame)
        return cls(
            full_range=is_rgb or int(props.get("_Range", vs.RANGE_LIMITED)) == vs.RANGE_FULL,
            colours={name: value for name, value in colours.items() if value != UNSPECIFIED},
            chroma_location=int(props["_ChromaLocation"]) + 1 if "_ChromaLocation" in props else None,
            aspect=aspect,
            shape=aspect * frame.width / frame.height,
            rotation=rotation_of(frame),
            mastering=_mastering(props),
            light=_light(props),
        )

    def of_map(self) -> Tags:
        """Of a map of the same picture: luma of full range that means no colour."""
        return replace(self, full_range=True, colours={}, chroma_location=None, mastering="", light="")

    def input_options(self) -> dict[str, Any]:
        """Options of the ffmpeg input that holds the picture."""
        options = self.rotation.ffmpeg_options()
        if self.mastering:
            options["mastering_display:v:0"] = self.mastering
        if self.light:
            options["content_light:v:0"] = self.light
        return options

    def filters(self) -> str:
        """Filters that tag frames on their way to an encoder."""
        tags = [f"range={'pc' if self.full_range else 'tv'}"]
        tags += [f"{name}={value}" for name, value in self.colours.items()]
        if self.chroma_location is not None:
            tags.append(f"chroma_location={self.chroma_location}")
        aspect = f"{self.aspect.numerator}/{self.aspect.denominator}"
        return f"setparams={':'.join(tags)},setsar={aspect}:max={_LARGEST_ASPECT_TERM}"

    def copy_options(self) -> dict[str, str | int]:
        """Options of an output that takes the picture as it is encoded already.

        ffmpeg takes the shape to terms of 255, which is a twentieth of a sample in a row of 1920.
        """
        options: dict[str, str | int] = {"color_range:v:0": "pc" if self.full_range else "tv"}
        options |= {f"{name}:v:0": value for name, value in self.colours.items()}
        if self.chroma_location is not None:
            options["chroma_sample_location:v:0"] = self.chroma_location
        if self.aspect != 1:
            options["aspect:v:0"] = f"{self.shape.numerator}:{self.shape.denominator}"
        return options


def mastering_of(props: Mapping[str, Any]) -> tuple[int, ...] | None:
    """x and y of red, green, blue and white, the largest luminance and the smallest, in the steps of SMPTE ST
    2086. Everything of it or nothing: half a colour volume helps no display, and one that does not fit those
    steps is none."""
    try:
        xs, ys = ([*props[f"MasteringDisplayPrimaries{axis}"]] for axis in "XY")
        white = [props[f"MasteringDisplayWhitePoint{axis}"] for axis in "XY"]
        luminances = [props[f"MasteringDisplay{end}Luminance"] for end in ("Max", "Min")]
        points = [place for point in zip(xs, ys, strict=True) for place in point] + white
        places = [round(place * CHROMATICITY_STEPS) for place in points]
        levels = [round(luminance * LUMINANCE_STEPS) for luminance in luminances]
    except (KeyError, ValueError, OverflowError):  # the last two: NaN and infinity
        return None
    fit = all(0 <= place < 1 << 16 for place in places) and all(0 <= level < 1 << 32 for level in levels)
    return (*places, *levels) if fit else None


def light_of(props: Mapping[str, Any]) -> tuple[int, int] | None:
    """MaxCLL and MaxFALL, cd/m2, where they fit 16 bits (CTA-861.3)."""
    if "ContentLightLevelMax" not in props:
        return None
    levels = int(props["ContentLightLevelMax"]), int(props.get("ContentLightLevelAverage", 0))
    return levels if all(0 <= level < 1 << 16 for level in levels) else None


def _mastering(props: Mapping[str, Any]) -> str:
    """As ffmpeg's option takes it."""
    numbers = mastering_of(props)
    if numbers is None:
        return ""
    red, green, blue, white, range_ = (f"{a},{b}" for a, b in batched(numbers, 2))
    return f"G({green})B({blue})R({red})WP({white})L({range_})"


def _light(props: Mapping[str, Any]) -> str:
    levels = light_of(props)
    return "" if levels is None else f"{levels[0]},{levels[1]}"
