"""The networks as data: one class, J4RNet, and what each is given."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

LARGEST = 512
"""Most channels, blocks and layers: a JSON may hold any number, and memory is allocated for it."""

SMALLEST = {"extractor_blocks": 0, "head_blocks": 0}
"""The smallest of every other count is 1."""


@dataclass(frozen=True, slots=True)
class J4RConfig:
    """What shapes a J4RNet; an impossible value is a ``ValueError``.

    ``scale``: space-to-depth of luma, 1 (without alignment), 2 or 4 (the network's grid is H/scale x
    W/scale).
    ``channels``: width of F_t and H_t. ``detector_channels``: width inside D-Net.
    ``extractor_blocks``, ``head_blocks``: residual blocks (Eq. 11) of the extractor and of R-, C- and
    JRC-Net. ``gru_layers``: layers of Eq. 14; ``gru_bias``: a bias in each gate, which Eq. 14 does not
    print. ``lookback``, ``lookahead``: 1 where frame t - 1 or t + 1
    is shown to the extractor beside frame t. ``align``: "motion" shifts the neighbours and H_{t-1} to
    frame t first. ``planes``: "y", or "yuv420" for native 4:2:0. ``output``: what JRC-Net gives,
    the "background" itself (the paper) or the "residual" to add to O_t.
    """

    scale: Literal[1, 2, 4]
    channels: int
    extractor_blocks: int
    head_blocks: int
    detector_channels: int = 16
    gru_layers: int = 1
    gru_bias: bool = True
    lookback: Literal[0, 1] = 1
    lookahead: Literal[0, 1] = 1
    align: Literal["none", "motion"] = "motion"
    planes: Literal["y", "yuv420"] = "yuv420"
    output: Literal["background", "residual"] = "residual"

    def __post_init__(self) -> None:
        for name, known in get_type_hints(J4RConfig).items():
            value = getattr(self, name)
            if get_origin(known) is Literal:
                if not isinstance(value, int | str) or value not in get_args(known):
                    raise ValueError(
                        f"{name} must be one of {', '.join(map(str, get_args(known)))}, got {value!r}"
                    )
            elif type(value) is not known:
                raise ValueError(f"{name} must be of type {known.__name__}, got {value!r}")
            elif known is int and not SMALLEST.get(name, 1) <= value <= LARGEST:
                raise ValueError(f"{name} must be {SMALLEST.get(name, 1)} to {LARGEST}, got {value}")
        if self.scale == 1 and self.align == "motion":
            raise ValueError("scale must be 2 or 4 where align is 'motion', got 1")
        if self.planes == "yuv420" and self.scale == 1:
            raise ValueError(
                "scale must be 2 or 4 for planes 'yuv420' (chroma has half the resolution), got 1"
            )
        if self.align == "none" and (self.lookback or self.lookahead):
            raise ValueError("align must be 'motion' where lookback or lookahead is 1, got 'none'")

    @property
    def frame_channels(self) -> int:
        """Channels of one frame on the network's grid: 6 for scale 2 in 4:2:0."""
        luma = self.scale**2
        return luma if self.planes == "y" else luma + luma // 2

    @property
    def multiple(self) -> int:
        """Luma sides must be multiples of this: with alignment, of a block of its coarsest level."""
        return self.scale if self.align == "none" else 16

    @property
    def radius(self) -> int:
        """Grid pixels around one that ``J4RNet.reconstruct`` looks at: 3x3 convolutions in sequence."""
        extractor, d_net = 1 + 2 * self.extractor_blocks, 4
        f_net, jrc_net = 2 * self.gru_layers, 2 + 2 * self.head_blocks
        return extractor + d_net + f_net + jrc_net

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


CONFIGS: dict[str, J4RConfig] = {
    "j4r": J4RConfig(scale=2, channels=32, extractor_blocks=4, head_blocks=2),
    "j4r-lite": J4RConfig(scale=4, channels=32, extractor_blocks=2, head_blocks=1),
    "j4r-hq": J4RConfig(scale=2, channels=64, detector_channels=32, extractor_blocks=7, head_blocks=3),
    "j4r-paper": J4RConfig(
        scale=1,
        channels=64,
        detector_channels=64,
        extractor_blocks=4,
        head_blocks=4,
        gru_bias=False,
        lookback=0,
        lookahead=0,
        align="none",
        planes="y",
        output="background",
    ),
}
