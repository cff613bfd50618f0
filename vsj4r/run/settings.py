"""What is asked of one output, on the command line of `run` as in a job file of `batch`: one table for both.

The values are those that TOML has; `cli/spelling.py` makes them of the words of a command line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from vsj4r.engine import PRECISIONS
from vsj4r.engine.devices import check_device
from vsj4r.engine.downscaled import DOWNSCALE_MAX
from vsj4r.engine.weights import model_files
from vsj4r.errors import Vsj4rError
from vsj4r.media.containers import CONTAINERS
from vsj4r.media.encoders import AUTO, ENCODERS, HARDWARE, HARDWARE_ENCODERS, KNOWN_ENCODERS, usual_encoders
from vsj4r.media.image_sink import KINDS
from vsj4r.media.pixels import SUBSAMPLING
from vsj4r.media.sources import Reading
from vsj4r.media.steady import NEAREST
from vsj4r.media.times import parse_rate
from vsj4r.media.trim import WHOLE_CLIP, Trim, check_trim
from vsj4r.plugin.function import OutputName
from vsj4r.plugin.signature import OUTPUT_NAMES
from vsj4r.tables import (
    EXACT,
    Flag,
    Mistake,
    MistakesError,
    Text,
    Whole,
    choice,
    convert_with,
    parse_table,
)

ENCODER_PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "mezzanine": {"": {"encoder": "ffv1"}, ".mov": {"encoder": "prores"}},
    "prores": {"": {"encoder": "prores"}},
    "dnxhr": {"": {"encoder": "dnxhr"}},
    "ffv1": {"": {"encoder": "ffv1"}},
    "archive": {"": {"encoder": "x265", "crf": 18, "depth": 10, "options": {"preset": "slow"}}},
    "web": {
        "": {"encoder": "x264", "crf": 20, "depth": 8, "chroma": "420"},
        ".webm": {"encoder": "svtav1", "crf": 30, "depth": 10},
    },
}
"""Preset, then the suffix of the output ("" for all others), then settings."""

Curve = tuple[tuple[int, float], ...]
"""(frame, strength) from that frame on; the first is 0."""

Form = Literal["video", "images", "y4m"]
"""What an output is: a video file, a folder of images, or y4m into a pipe or a file."""

_USELESS: Mapping[Form, tuple[str, ...]] = {
    "video": ("image",),
    "images": ("preset", "encoder", "crf", "chroma", "options", "cfr"),
    "y4m": ("preset", "encoder", "crf", "options", "image"),
}
"""Keys that do nothing for an output of that form."""

_CALLED: Mapping[Form, str] = {"video": "a video", "images": "a folder of images", "y4m": "y4m"}

_OPTION_NAME = re.compile(r"[A-Za-z0-9_-]+")
_OF_THE_ENCODER = ("encoder", "preset")
_ENCODER_KEYS = ("crf", "depth", "chroma", "options", "preset", "encoder")


def _device(value: object) -> str:
    if not isinstance(value, str):
        raise Vsj4rError(f"device must be a name, got {value!r}")
    return check_device(value)


def check_preset(value: object) -> str:
    """The name of a preset, as it was given.

    Raises:
        Vsj4rError: there is none of that name.
    """
    if not isinstance(value, str) or value not in ENCODER_PRESETS:
        raise Vsj4rError(f"unknown preset {value!r}: known are {', '.join(ENCODER_PRESETS)}")
    return value


def _strength(value: object) -> float | Curve:
    if not isinstance(value, list):
        return _share(value)
    pairs = [each for each in value if isinstance(each, list) and len(each) == 2 and _is_whole(each[0])]
    if not value or len(pairs) < len(value):
        raise Vsj4rError(f"strength must be a number, or pairs like [[0, 0.5], [120, 1.0]], got {value!r}")
    frames = [frame for frame, _ in pairs]
    if frames[0] != 0 or frames != sorted(set(frames)):
        raise Vsj4rError(f"strength must begin at frame 0, and its frames must rise, got {frames}")
    return tuple((frame, _share(share)) for frame, share in pairs)


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise Vsj4rError(f"strength must be between 0 and 1, got {value!r}")
    return float(value)


def _outputs(value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    known = ", ".join(OUTPUT_NAMES)
    if not isinstance(names, list) or not names or not all(name in OUTPUT_NAMES for name in names):
        raise Vsj4rError(f"outputs must be one or more of {known}, got {value!r}")
    return _distinct("outputs", names)


def _planes(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or not all(_is_whole(each) and each < 3 for each in value):
        raise Vsj4rError(f"planes must be among 0, 1 and 2, such as [0] for luma, got {value!r}")
    return _distinct("planes", value)


def _scenes(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(_is_whole(each) for each in value):
        raise Vsj4rError(f"scenes must be the first frames of scenes, such as [0, 120], got {value!r}")
    return _distinct("scenes", value)


def _distinct[T](name: str, values: list[T]) -> tuple[T, ...]:
    for value in values:
        if values.count(value) > 1:
            raise Vsj4rError(f"{name} must name each once, got {value!r} twice")
    return tuple(values)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _rate(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Vsj4rError(f"fps must be a number, got {value!r}")
    return str(parse_rate(str(value)))


def _constant_rate(value: object) -> str:
    if value == NEAREST:
        return NEAREST
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Vsj4rError(f"cfr must be {NEAREST} or a number, got {value!r}")
    return str(parse_rate(str(value), name="cfr"))


def _options(value: object) -> tuple[tuple[str, str], ...]:
    """ffmpeg runs in a folder of its own: without a separator in it, no value is a path out of there."""
    if not isinstance(value, dict):
        raise Vsj4rError(f"options must be a table, got {value!r}")
    options = []
    for name, given in value.items():
        text = str(int(given)) if isinstance(given, bool) else str(given)
        if not _OPTION_NAME.fullmatch(name) or not isinstance(given, str | int | float):
            raise Vsj4rError(f"options must be names with texts or numbers, got {name!r} = {given!r}")
        if any(bad in text for bad in "/\\\n\0"):
            raise Vsj4rError(f"options must hold no path, got {name} = {given!r}")
        options.append((name, text))
    return tuple(options)


def _whole_number(lowest: int, highest: int) -> Any:
    return Field(ge=lowest, le=highest, description=f"a whole number from {lowest} to {highest}")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """``strength`` (a number, or how strong from which frame on), ``downscale``, ``bidirectional``,
    ``outputs``, ``mask`` (a path), ``planes``, ``scenes`` and ``qpfile``: of the filter, None is its own
    default. Frames are counted in the whole input. ``trim``: what of the input is written; the frames are
    those that the whole of it gives.

    ``depth``: bits of the output, ``chroma``: "420", "422" or "444", both as the input where None;
    ``options``: of the encoder, by ffmpeg's names. ``image``: what a folder gets, None is as the input.
    ``cfr``: the constant rate of the output, or "auto". ``fps``, ``track`` and ``assume_progressive``: see
    ``media.sources.Reading``; a rate is a text such as
    "30000/1001".
    """

    __pydantic_config__ = EXACT

    model: Annotated[Text, Field(description="a name")] = "j4r"
    strength: Annotated[float | Curve, convert_with(_strength)] = 1.0
    device: Annotated[str, convert_with(_device)] = "auto"
    precision: Annotated[str, choice(PRECISIONS)] = "auto"
    downscale: Annotated[Whole, _whole_number(0, DOWNSCALE_MAX)] = 0
    bidirectional: Annotated[Flag, Field(description="true or false")] = False
    encoder: Annotated[str, choice((AUTO, *ENCODERS, *HARDWARE, *HARDWARE_ENCODERS))] = AUTO
    crf: Annotated[Whole, _whole_number(0, 63)] | None = None
    depth: Annotated[Whole, _whole_number(8, 16)] | None = None
    chroma: Annotated[str, choice(SUBSAMPLING)] | None = None
    options: Annotated[tuple[tuple[str, str], ...], convert_with(_options)] = ()
    image: Annotated[str, choice(KINDS)] | None = None
    fps: Annotated[str | None, convert_with(_rate)] = None
    cfr: Annotated[str | None, convert_with(_constant_rate)] = None
    track: Annotated[Whole, _whole_number(0, 999)] | None = None
    assume_progressive: Annotated[Flag, Field(description="true or false")] = False
    outputs: Annotated[tuple[OutputName, ...], convert_with(_outputs)] = ("derained",)
    mask: Annotated[Text, Field(min_length=1, description="a name")] | None = None
    planes: Annotated[tuple[int, ...] | None, convert_with(_planes)] = None
    scenes: Annotated[tuple[int, ...] | None, convert_with(_scenes)] = None
    qpfile: Annotated[Text, Field(min_length=1, description="a name")] | None = None
    trim: Annotated[Trim, convert_with(check_trim)] = WHOLE_CLIP
    overwrite: Annotated[Flag, Field(description="true or false")] = False

    def paths(self, output: Path) -> list[Path]:
        """Where ``outputs`` go: the first to ``output``, the others beside it."""
        return [output, *(path_beside(output, name) for name in self.outputs[1:])]

    def guides(self) -> list[Path]:
        """What is read beside the input, frame by frame with it: the mask, and the cuts."""
        return [Path(name) for name in (self.mask, self.qpfile) if name]

    def files(self) -> list[Path]:
        """What is read beside the input."""
        return [*model_files(self.model), *self.guides()]

    def reading(self) -> Reading:
        """How the input is to be read."""
        return Reading((self.fps and Fraction(self.fps)) or None, self.assume_progressive, track=self.track)

    def named(self) -> dict[str, object]:
        """By name, for people and for JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def path_beside(output: Path, name: str) -> Path:
    """Where the filter's output ``name`` goes, ``output`` being the first: ``clean.rain.mkv``."""
    return output.with_name(f"{output.stem}.{name}{output.suffix}")


def find_useless(table: Mapping[str, Any], form: Form) -> Iterator[Mistake]:
    """What ``table`` says although an output of ``form`` has no use for it."""
    for name in _USELESS[form]:
        if name in table:
            yield Mistake((name,), f"{name} has no use here: the output is {_CALLED[form]}")


def merge_settings(
    defaults: Mapping[str, Any], job: Mapping[str, Any], suffix: str, form: Form = "video"
) -> dict[str, Any]:
    """The keys of ``job`` over those of ``defaults``, as far as an output of ``form`` has a use for them;
    ``suffix`` is the output's.

    Naming an encoder or a preset begins afresh: nothing that was meant for another encoder stays.
    """
    merged: dict[str, Any] = {}
    for table in (defaults, job):
        if any(key in table for key in _OF_THE_ENCODER):
            merged = {key: value for key, value in merged.items() if key not in _ENCODER_KEYS}
        preset = {} if "preset" in _USELESS[form] else ENCODER_PRESETS.get(str(table.get("preset")), {})
        merged |= preset.get(suffix.lower(), preset.get("", {}))
        merged |= {key: value for key, value in table.items() if key != "preset"}
    return {key: value for key, value in merged.items() if key not in _USELESS[form]}


def settings_of[T: RunSettings](kind: type[T], table: Mapping[str, Any], form: Form, suffix: str) -> T:
    """The keys of ``table`` that are settings of ``kind``, for an output of ``form`` whose name ends in
    ``suffix``; what it does not say is the default. What AUTO stands for by the input, ``check_encoder`` has
    to see again.

    Raises:
        MistakesError: all that is wrong.
    """
    names = [each.name for each in fields(kind)]
    settings = parse_table(kind, {name: table[name] for name in names if name in table})
    container = CONTAINERS.get(suffix.lower())
    if settings.options and settings.encoder == AUTO and container is not None:
        settings = replace(settings, encoder=container.encoder)  # options are an encoder's own
    encoders: tuple[str, ...] = ()
    if form == "video" and settings.encoder != AUTO:
        encoders = (settings.encoder,)
    elif form == "video" and container is not None:
        encoders = usual_encoders(container)
    if mistakes := [*_unfit_for_all(encoders, settings), *_find_excluding(settings)]:
        raise MistakesError(mistakes)
    return settings


def check_encoder(settings: RunSettings, name: str) -> None:
    """Refuse what the encoder ``name`` has not.

    Raises:
        MistakesError: all that is wrong.
    """
    if mistakes := list(_unfit_for(name, settings)):
        raise MistakesError(mistakes)


def _find_excluding(settings: RunSettings) -> Iterator[Mistake]:
    if settings.scenes is not None and settings.qpfile is not None:
        yield Mistake(("scenes",), "scenes must be given alone, got qpfile too")


def _unfit_for_all(names: Sequence[str], settings: RunSettings) -> list[Mistake]:
    """What none of the encoders ``names`` has, as the first of them says it."""
    mistakes = [list(_unfit_for(name, settings)) for name in names]
    return mistakes[0] if mistakes and all(mistakes) else []


def _unfit_for(name: str, settings: RunSettings) -> Iterator[Mistake]:
    encoder = KNOWN_ENCODERS[f"hevc_{name}" if name in HARDWARE else name]  # which has what one of them has
    if settings.crf is not None and encoder.crf is None:
        yield Mistake(("crf",), f"encoder {name} has no crf")
    elif settings.crf is not None and settings.crf > encoder.crf_most:
        yield Mistake(("crf",), f"crf of {name} must be at most {encoder.crf_most}, got {settings.crf}")
    if settings.depth is not None and settings.depth not in encoder.depths:
        depths = ", ".join(map(str, encoder.depths))
        yield Mistake(("depth",), f"depth of {name} must be one of {depths}, got {settings.depth}")
    if settings.chroma is not None and settings.chroma not in encoder.chroma:
        known = ", ".join(encoder.chroma)
        yield Mistake(("chroma",), f"chroma of {name} must be one of {known}, got {settings.chroma}")
