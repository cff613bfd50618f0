"""What is written of an evaluated frame: which outputs, on which planes, how strongly and where."""

from __future__ import annotations

from collections.abc import Sequence

from vsj4r.engine.base import Plane, Step
from vsj4r.frames.formats import Format, Geometry
from vsj4r.frames.layers import Levels, mask_weights, measure_levels, write_occlusion, write_rain
from vsj4r.frames.planes import Converter
from vsj4r.plugin.arguments import Arguments
from vsj4r.plugin.frame import RANGE_LIMITED, Frame
from vsj4r.plugin.signature import output_of


class OutputWriter:
    """Writes the outputs of one filter, in the order in which they were asked for."""

    def __init__(self, converter: Converter, arguments: Arguments, mask: Geometry | None) -> None:
        self._converter = converter
        self._geometry = converter.geometry
        self._names = arguments.output
        self._strength = arguments.strength
        self._planes = arguments.planes
        self._mask = mask

    def write(self, step: Step, source: Frame, mask: Frame | None, outs: Sequence[Frame]) -> Levels:
        """Write ``outs``, a frame for each output; there must be no ``refusal``."""
        planes = source.views(self._geometry)
        written = {}
        for name, out in zip(self._names, outs, strict=True):
            if output_of(name).is_map:
                kind = Format("gray", self._geometry.format.sample, self._geometry.format.bits)
                grey = Geometry(self._geometry.width, self._geometry.height, kind)
                write_occlusion(step, kind, out.views(grey)[0])
            else:
                written[name] = out.views(self._geometry)
        if written:
            derained = written.get("derained") or written["rain"]  # rain alone: its own planes serve
            self._derain(step, source, planes, mask, derained)
        if "rain" in written:
            full = source.is_full(self._geometry.format)
            write_rain(planes, derained, self._geometry.format, full=full, into=written["rain"])
        return measure_levels(step, self._geometry)

    def _derain(
        self, step: Step, source: Frame, planes: list[Plane], mask: Frame | None, into: list[Plane]
    ) -> None:
        shares = None
        if mask is not None and self._mask is not None:
            full = mask.range != RANGE_LIMITED  # one that does not say it was made as a mask
            shares = mask_weights(mask.views(self._mask)[0], self._mask.format, full=full)
        self._converter.add(
            planes,
            step.residual,
            strength=self.strength_of(source),
            only=self._planes,
            full=source.is_full(self._geometry.format),
            matrix=source.matrix,
            weights=shares,
            into=into,
        )

    def strength_of(self, source: Frame) -> float:
        """Its own strength, or that of the filter; 0 where there is a ``refusal``."""
        if source.strength is None:
            return self._strength
        return 0.0 if self.refusal(source) else float(source.strength)

    def refusal(self, source: Frame) -> str | None:
        """Why this frame, though it can be stepped, is not written: a strength that it cannot have."""
        strength = source.strength
        if strength is None or (not isinstance(strength, str) and 0 <= strength <= 1):
            return None
        got = repr(strength) if isinstance(strength, str) else f"{strength:g}"
        return f"strength must be between 0 and 1, got J4RStrength {got}"
