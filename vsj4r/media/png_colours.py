"""What a PNG's chunks say of its colours (W3C PNG 3rd edition, 11.3.2), as a frame's properties say it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from vsj4r.frames.matrix import BT2020, UNSPECIFIED
from vsj4r.media.colours import HDR_TRANSFERS, PRIMARIES, TRANSFERS
from vsj4r.media.image_facts import Chunk
from vsj4r.media.tags import CHROMATICITY_STEPS, LUMINANCE_STEPS, light_of, mastering_of

_PRIMARIES_AS_SRGB = frozenset({1, UNSPECIFIED, 5, 6, 7})
"""BT.709's, and those of standard definition, which everybody shows as if they were."""
_PRIMARIES_IN_WORDS = {BT2020: "BT.2020", 11: "P3", 12: "P3"}
_MASTERING, _LIGHT = struct.Struct(">8H2I"), struct.Struct(">2I")


def props_of(chunks: Iterable[Chunk]) -> dict[str, Any]:
    """What cICP, mDCV and cLLI among ``chunks`` say; of the first nothing that H.273 does not know."""
    said: dict[str, Any] = {}
    for kind, content in chunks:
        match kind:
            case b"cICP" if len(content) == 4:
                said |= {"_Primaries": content[0]} if content[0] in PRIMARIES else {}
                said |= {"_Transfer": content[1]} if content[1] in TRANSFERS else {}
            case b"mDCV" if len(content) == _MASTERING.size:
                *places, most, least = _MASTERING.unpack(content)
                xs, ys = ([place / CHROMATICITY_STEPS for place in places[k::2]] for k in (0, 1))
                said |= {
                    "MasteringDisplayPrimariesX": xs[:3],
                    "MasteringDisplayPrimariesY": ys[:3],
                    "MasteringDisplayWhitePointX": xs[3],
                    "MasteringDisplayWhitePointY": ys[3],
                    "MasteringDisplayMaxLuminance": most / LUMINANCE_STEPS,
                    "MasteringDisplayMinLuminance": least / LUMINANCE_STEPS,
                }
            case b"cLLI" if len(content) == _LIGHT.size:
                most, mean = (round(level / LUMINANCE_STEPS) for level in _LIGHT.unpack(content))
                said |= {"ContentLightLevelMax": most, "ContentLightLevelAverage": mean}
            case _:
                pass
    return said


def chunks_of(props: Mapping[str, Any]) -> tuple[Chunk, ...]:
    """The chunks for an RGB picture that ``props`` tell of; none where sRGB, which is what a PNG without them
    is taken for, is near enough."""
    found = _beyond_srgb(props)
    if found is None:
        return ()
    chunks = [(b"cICP", bytes([*found, 0, 1]))]
    if (mastering := mastering_of(props)) is not None:
        chunks.append((b"mDCV", _MASTERING.pack(*mastering)))
    if (light := light_of(props)) is not None:
        chunks.append((b"cLLI", _LIGHT.pack(*(level * LUMINANCE_STEPS for level in light))))
    return tuple(chunks)


def words_for(props: Mapping[str, Any]) -> str:
    """What ``chunks_of`` would say, in words; "" where that is nothing."""
    found = _beyond_srgb(props)
    if found is None:
        return ""
    primaries, transfer = found
    names = _PRIMARIES_IN_WORDS.get(primaries), HDR_TRANSFERS.get(transfer)
    return " and ".join(filter(None, names)) or f"primaries {primaries}"


def _beyond_srgb(props: Mapping[str, Any]) -> tuple[int, int] | None:
    """Primaries and transfer, where they are not shown as those of sRGB."""
    primaries, transfer = (int(props.get(name, UNSPECIFIED)) for name in ("_Primaries", "_Transfer"))
    is_as_srgb = transfer not in HDR_TRANSFERS and primaries in _PRIMARIES_AS_SRGB
    return None if is_as_srgb else (primaries, transfer)
