"""What a job asks of its files, and the presets it may start from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from vsj4r.engine import PRECISIONS
from vsj4r.engine.cuda.driver import device_index
from vsj4r.engine.weights import find_model
from vsj4r.errors import Vsj4rError
from vsj4r.frames.segments import SEGMENT_FRAMES
from vsj4r.media.encoders import ENCODERS
from vsj4r.media.pixels import SUBSAMPLING
from vsj4r.media.sources import Reading
from vsj4r.media.times import parse_rate

CHUNK_FRAMES = 4 * SEGMENT_FRAMES
"""Chunks begin at anchors of the filter, where it costs nothing."""

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "mezzanine": {"": {"encoder": "ffv1"}, ".mov": {"encoder": "prores"}},
    "archive": {"": {"encoder": "x265", "crf": 18, "depth": 10, "options": {"preset": "slow"}}},
    "web": {
        "": {"encoder": "x264", "crf": 20, "depth": 8, "chroma": "420"},
        ".webm": {"encoder": "svtav1", "crf": 30, "depth": 10},
    },
}
"""Preset, then the suffix of the output ("" for all others), then settings."""

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")
_OPTION_NAME = re.compile(r"[A-Za-z0-9_-]+")
_OF_THE_ENCODER = ("encoder", "preset")
_ENCODER_KEYS = ("crf", "depth", "chroma", "options", "preset", "encoder")


@dataclass(frozen=True, slots=True)
class Settings:
    """``trim``: first frame and the one after the last, each a frame number, seconds or None.

    ``depth``: bits of the output, ``chroma``: "420", "422" or "444", both as the input where None;
    ``options``: of the encoder, by ffmpeg's names; ``chunk``: frames in a chunk at most.
    ``fps`` and ``assume_progressive``: see ``media.sources.Reading``; a rate is a text such as "30000/1001".
    """

    model: str = "j4r"
    strength: float = 1.0
    device: str = "auto"
    precision: str = "auto"
    encoder: str = "x264"
    crf: int | None = None
    depth: int | None = None
    chroma: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    fps: str | None = None
    assume_progressive: bool = False
    trim: tuple[int | float | None, int | float | None] = (None, None)
    chunk: int = CHUNK_FRAMES
    overwrite: bool = False

    def reading(self) -> Reading:
        """How the input is to be read."""
        return Reading((self.fps and Fraction(self.fps)) or None, self.assume_progressive)

    def named(self) -> dict[str, object]:
        """By name, for people and for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class BadSettingError(Vsj4rError):
    """``key`` is what is wrong."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


def layered(defaults: Mapping[str, Any], job: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    """The keys of ``job`` over those of ``defaults``; ``suffix`` is the output's.

    Naming an encoder or a preset begins afresh: nothing that was meant for another encoder stays.
    """
    merged: dict[str, Any] = {}
    for table in (defaults, job):
        if any(key in table for key in _OF_THE_ENCODER):
            merged = {key: value for key, value in merged.items() if key not in _ENCODER_KEYS}
        preset = PRESETS.get(str(table.get("preset")), {})
        merged |= preset.get(suffix.lower(), preset.get("", {}))
        merged |= {key: value for key, value in table.items() if key != "preset"}
    return merged


def settings_from(given: Mapping[str, Any]) -> Settings:
    """``given`` checked, each value for itself.

    Raises:
        BadSettingError: the first one that is wrong.
    """
    values: dict[str, Any] = {}
    for key, check in _CHECKS.items():
        if key in given:
            try:
                values[key] = check(given[key])
            except Vsj4rError as error:
                raise BadSettingError(key, str(error)) from error
    settings = Settings(**values)
    encoder = ENCODERS[settings.encoder]
    if settings.crf is not None and encoder.crf is None:
        raise BadSettingError("crf", f"encoder {settings.encoder} has no crf")
    if settings.depth is not None and settings.depth not in encoder.depths:
        depths = ", ".join(map(str, encoder.depths))
        raise BadSettingError(
            "depth", f"depth of {settings.encoder} must be one of {depths}, got {settings.depth}"
        )
    if settings.chroma is not None and settings.chroma not in encoder.chroma:
        known = ", ".join(encoder.chroma)
        raise BadSettingError(
            "chroma", f"chroma of {settings.encoder} must be one of {known}, got {settings.chroma}"
        )
    return settings


def checked_preset(value: object) -> str:
    """Raises:
    Vsj4rError: no such preset.
    """
    if not isinstance(value, str) or value not in PRESETS:
        raise Vsj4rError(f"unknown preset {value!r}: known are {', '.join(PRESETS)}")
    return value


def _model(value: object) -> str:
    if not isinstance(value, str):
        raise Vsj4rError(f"model must be a name, got {value!r}")
    find_model(value)
    return value


def _device(value: object) -> str:
    if not isinstance(value, str):
        raise Vsj4rError(f"device must be a name, got {value!r}")
    if value not in ("auto", "cpu"):
        device_index(value)
    return value


def _strength(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise Vsj4rError(f"strength must be between 0 and 1, got {value!r}")
    return float(value)


def _one_of(name: str, known: tuple[str, ...]) -> Any:
    def check(value: object) -> str:
        if value not in known:
            raise Vsj4rError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        return str(value)

    return check


def _between(name: str, lowest: int, highest: int) -> Any:
    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise Vsj4rError(f"{name} must be a whole number from {lowest} to {highest}, got {value!r}")
        return value

    return check


def _chunk(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or value % SEGMENT_FRAMES:
        raise Vsj4rError(f"chunk must be a multiple of {SEGMENT_FRAMES} frames, got {value!r}")
    return value


def _rate(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Vsj4rError(f"fps must be a number, got {value!r}")
    return str(parse_rate(str(value)))


def _flag(name: str) -> Any:
    def check(value: object) -> bool:
        if not isinstance(value, bool):
            raise Vsj4rError(f"{name} must be true or false, got {value!r}")
        return value

    return check


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


def _trim(value: object) -> tuple[int | float | None, int | float | None]:
    if not isinstance(value, list) or len(value) != 2:
        raise Vsj4rError(f'trim must be [first, end], such as [0, 240] or ["0:10", "1:30.5"], got {value!r}')
    first, end = (_moment(each) for each in value)
    if first is not None and end is not None and type(first) is type(end) and first >= end:
        raise Vsj4rError(f"trim must end after it begins, got {value!r}")
    return first, end


def _moment(value: object) -> int | float | None:
    """A frame number, or seconds; "" is the beginning or the end."""
    if value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Vsj4rError(f'trim must hold frame numbers or times such as "1:02:03.5", got {value!r}')
    hours, minutes, seconds = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


_CHECKS: dict[str, Any] = {
    "model": _model,
    "strength": _strength,
    "device": _device,
    "precision": _one_of("precision", PRECISIONS),
    "encoder": _one_of("encoder", tuple(ENCODERS)),
    "crf": _between("crf", 0, 63),
    "depth": _between("depth", 8, 16),
    "chroma": _one_of("chroma", tuple(SUBSAMPLING)),
    "options": _options,
    "fps": _rate,
    "assume_progressive": _flag("assume_progressive"),
    "trim": _trim,
    "chunk": _chunk,
    "overwrite": _flag("overwrite"),
}

KEYS = frozenset({*_CHECKS, "preset"})
