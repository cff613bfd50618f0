"""What a video says of its picture (colours, aspect, orientation, HDR10), from a frame to ffmpeg's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from vsj4r.media.image_facts import likely_aspect
from vsj4r.media.rotation import Rotation, rotation_of

_UNSPECIFIED = 2  # H.273
_LARGEST_ASPECT_TERM = 65535  # of H.264 and HEVC; ffmpeg would stop at 100
_CHROMATICITY_STEPS = 50000  # of SMPTE ST 2086: chromaticities in 0.00002,
_LUMINANCE_STEPS = 10000  # luminances in 0.0001 cd/m2


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
            name: int(props.get(prop, _UNSPECIFIED))
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
            colours={name: value for name, value in colours.items() if value != _UNSPECIFIED},
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


def _mastering(props: Mapping[str, Any]) -> str:
    """Everything of it or nothing: half a colour volume helps no display."""
    try:
        xs, ys = props["MasteringDisplayPrimariesX"], props["MasteringDisplayPrimariesY"]
        white = props["MasteringDisplayWhitePointX"], props["MasteringDisplayWhitePointY"]
        luminances = props["MasteringDisplayMaxLuminance"], props["MasteringDisplayMinLuminance"]
    except KeyError:
        return ""
    red, green, blue = (_in_steps(pair, _CHROMATICITY_STEPS) for pair in zip(xs, ys, strict=True))
    white_point, range_ = _in_steps(white, _CHROMATICITY_STEPS), _in_steps(luminances, _LUMINANCE_STEPS)
    return f"G({green})B({blue})R({red})WP({white_point})L({range_})"


def _in_steps(pair: tuple[float, float], steps: int) -> str:
    return f"{round(pair[0] * steps)},{round(pair[1] * steps)}"


def _light(props: Mapping[str, Any]) -> str:
    if "ContentLightLevelMax" not in props:
        return ""
    return f"{int(props['ContentLightLevelMax'])},{int(props.get('ContentLightLevelAverage', 0))}"
