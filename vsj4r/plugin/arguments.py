"""The clip and the arguments of ``core.j4r.Derain``, checked before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from vsj4r.cores import THREADS_MAX
from vsj4r.engine.downscaled import DOWNSCALE_MAX
from vsj4r.errors import Vsj4rError
from vsj4r.frames.formats import Family, Format, Geometry
from vsj4r.frames.scenes import Cuts, FoundCuts
from vsj4r.plugin.cut_files import read_cuts
from vsj4r.plugin.signature import ARGUMENTS, DEFAULTS, OUTPUT_NAMES

_FAMILIES: dict[int, Family] = {1: "gray", 2: "rgb", 3: "yuv"}  # VSColorFamily
_FLOAT = 1  # VSSampleType
FRAMES_MAX = 1 << 31
NUM_STREAMS_MAX = 8

Info = dict[str, int | str]
"""VSVideoInfo: ``format`` (its name, "" if it varies), ``family sample bits ssw ssh``, ``width height`` (0 if
they vary), ``frames``."""

Given = dict[str, list[int] | list[float] | list[str]]
"""The arguments of a call that were given, each as the list that a VSMap holds."""

_LISTS = frozenset(each.name for each in ARGUMENTS if each.kind.native.endswith("[]"))
_DEFAULTS = {name: (value,) if name in _LISTS else value for name, value in DEFAULTS.items()}


@dataclass(frozen=True, slots=True)
class Clip:
    """What the filter takes: one format and one size throughout."""

    geometry: Geometry
    frames: int

    @classmethod
    def check(cls, given: Info, name: str = "clip") -> Self:
        """The clip that is the argument ``name``.

        Raises:
            Vsj4rError: it varies, or its samples are of a kind that the filter does not take.
        """
        number = {name: value for name, value in given.items() if isinstance(value, int)}
        if not number["family"]:
            raise Vsj4rError(
                f"{name} must be of constant format, got a variable one: resize.Bicubic(format=...) makes one"
            )
        if not number["width"] or not number["height"]:
            raise Vsj4rError(
                f"{name} must be of constant size, got a variable one: "
                "resize.Bicubic(width=..., height=...) makes one"
            )
        sample, bits = number["sample"], number["bits"]
        if number["family"] not in _FAMILIES or bits > (32 if sample == _FLOAT else 16):
            raise Vsj4rError(f"{name} must have integers of 8 to 16 bits or floats, got {given['format']}")
        if max(number["ssw"], number["ssh"]) > 2:
            raise Vsj4rError(
                f"{name} must have chroma that is subsampled by 4 at most, got {given['format']}"
            )
        kind = Format(
            _FAMILIES[number["family"]],
            "float" if sample == _FLOAT else "integer",
            bits,
            number["ssw"],
            number["ssh"],
        )
        return cls(Geometry(number["width"], number["height"], kind), number["frames"])

    def mask(self, given: Info) -> Geometry:
        """The clip that says where to derain this one.

        Raises:
            Vsj4rError: it is not GRAY, or of another size.
        """
        geometry = Clip.check(given, "mask").geometry
        if geometry.format.family != "gray":
            raise Vsj4rError(
                f"mask must be GRAY, got {given['format']}: take std.ShufflePlanes(mask, 0, vs.GRAY)"
            )
        wanted, got = (f"{each.width}x{each.height}" for each in (self.geometry, geometry))
        if wanted != got:
            raise Vsj4rError(f"mask must be {wanted} like the clip, got {got}")
        return geometry


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments beside the clips, whose meaning and defaults are in ``signature``. ``device`` and
    ``precision`` are the engine's to check."""

    model: str
    strength: float
    device: str
    precision: str
    threads: int
    num_streams: int
    downscale: int
    segment: int
    warmup: int
    bidirectional: int
    scene_detect: int
    output: tuple[str, ...]
    tile: tuple[int, ...]
    scenes: tuple[int, ...] | None = None
    qpfile: str | None = None
    planes: tuple[int, ...] | None = None

    @classmethod
    def check(cls, given: Given) -> Self:
        """From the arguments that were given; the signature in C has already fixed their types.

        Raises:
            Vsj4rError: a number outside its range, or two arguments that exclude each other.
        """
        values = {name: tuple(value) if name in _LISTS else value[0] for name, value in given.items()}
        arguments = cls(**_DEFAULTS | values)  # type: ignore[arg-type]
        if not 0 <= arguments.strength <= 1:
            raise Vsj4rError(f"strength must be between 0 and 1, got {arguments.strength!r}")
        if not 0 <= arguments.threads <= THREADS_MAX:
            raise Vsj4rError(f"threads must be 0 (automatic) or 1 to {THREADS_MAX}, got {arguments.threads}")
        if not 1 <= arguments.num_streams <= NUM_STREAMS_MAX:
            raise Vsj4rError(
                f"num_streams must be between 1 and {NUM_STREAMS_MAX}, got {arguments.num_streams}"
            )
        if not 0 <= arguments.downscale <= DOWNSCALE_MAX:
            raise Vsj4rError(
                f"downscale must be 0 (automatic) or 1 to {DOWNSCALE_MAX}, got {arguments.downscale}"
            )
        if not 0 <= arguments.segment < FRAMES_MAX:
            raise Vsj4rError(f"segment must be 0 (none) or 1 to {FRAMES_MAX - 1}, got {arguments.segment}")
        if not 0 <= arguments.warmup < FRAMES_MAX:
            raise Vsj4rError(f"warmup must be between 0 and {FRAMES_MAX - 1}, got {arguments.warmup}")
        for name in ("bidirectional", "scene_detect"):
            if (flag := getattr(arguments, name)) not in (0, 1):
                raise Vsj4rError(f"{name} must be 0 or 1, got {flag}")
        if arguments.scenes is not None and arguments.qpfile is not None:
            raise Vsj4rError("scenes must be given alone, got qpfile too")
        for name in arguments.output:
            if name not in OUTPUT_NAMES:
                raise Vsj4rError(f"output must be one of {', '.join(OUTPUT_NAMES)}, got {name!r}")
        if not 1 <= len(arguments.tile) <= 2:
            raise Vsj4rError(
                f"tile must be one number, or two (width and height), got {len(arguments.tile)} numbers"
            )
        if min(arguments.tile) < 0 or (min(arguments.tile) == 0 and len(arguments.tile) == 2):
            raise Vsj4rError(f"tile must be 0 (automatic) or more pixels, got {list(arguments.tile)}")
        _check_distinct("output", arguments.output)
        _check_distinct("planes", arguments.planes or ())
        return arguments

    @property
    def tile_px(self) -> tuple[int, int] | None:
        """Width and height; None where the engine is to choose."""
        return (self.tile[0], self.tile[-1]) if self.tile[0] else None

    def check_planes(self, kind: Format) -> None:
        """Raises:
        Vsj4rError: the format has no such plane.
        """
        rule = f"between 0 and {kind.planes - 1}" if kind.planes > 1 else "0 for GRAY"
        for plane in self.planes or ():
            if not 0 <= plane < kind.planes:
                raise Vsj4rError(f"planes must be {rule}, got {plane}")

    def cuts(self, frames: int) -> Cuts:
        """The cuts of a clip of ``frames`` frames.

        Raises:
            Vsj4rError: a cut is no frame of the clip, or the file of cuts cannot be read.
        """
        name, given = "scenes", self.scenes
        if self.qpfile is not None:
            name, given = "qpfile", tuple(read_cuts(self.qpfile))
        if given is None:
            return FoundCuts(frames) if self.scene_detect else Cuts()
        for n in given:
            if not 0 <= n < frames:
                raise Vsj4rError(f"{name} must be frames of the clip, 0 to {frames - 1}, got {n}")
        return Cuts(given)


def _check_distinct(name: str, values: tuple[int, ...] | tuple[str, ...]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise Vsj4rError(f"{name} must name each once, got {value!r} twice")
