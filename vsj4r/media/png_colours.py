"""What a PNG's chunks say of its colours (W3C PNG 3rd edition, 11.3.2), as a frame's properties say it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from vsj4r.frames.matrix import UNSPECIFIED
from vsj4r.media.colours import PRIMARIES, TRANSFERS
from vsj4r.media.image_facts import Chunk

_CHROMATICITY_STEPS, _LUMINANCE_STEPS = 50000, 10000  # of both chunks: 0.00002, and 0.0001 cd/m2
_PRIMARIES_AS_SRGB = frozenset({1, UNSPECIFIED, 5, 6, 7})
"""BT.709's, and those of standard definition, which everybody shows as if they were."""
_HDR = frozenset({16, 18})
_MASTERING, _LIGHT = struct.Struct(">8H2I"), struct.Struct(">2I")
_POINTS = "MasteringDisplayPrimariesX", "MasteringDisplayPrimariesY"
_WHITE = "MasteringDisplayWhitePointX", "MasteringDisplayWhitePointY"
_LUMINANCES = "MasteringDisplayMaxLuminance", "MasteringDisplayMinLuminance"
_LIGHT_LEVELS = "ContentLightLevelMax", "ContentLightLevelAverage"


def props_of(chunks: Iterable[Chunk]) -> dict[str, Any]:
    """What cICP, mDCV and cLLI among ``chunks`` say; of the first nothing that H.273 does not know."""
    said: dict[str, Any] = {}
    for kind, content in chunks:
        match kind:
            case b"cICP" if len(content) == 4:
                said |= {"_Primaries": content[0]} if content[0] in PRIMARIES else {}
                said |= {"_Transfer": content[1]} if content[1] in TRANSFERS else {}
            case b"mDCV" if len(content) == _MASTERING.size:
                *points, most, least = _MASTERING.unpack(content)
                xs, ys = ([point / _CHROMATICITY_STEPS for point in points[k::2]] for k in (0, 1))
                said |= dict(zip(_POINTS, (xs[:3], ys[:3]), strict=True))
                said |= dict(zip(_WHITE, (xs[3], ys[3]), strict=True))
                levels = most / _LUMINANCE_STEPS, least / _LUMINANCE_STEPS
                said |= dict(zip(_LUMINANCES, levels, strict=True))
            case b"cLLI" if len(content) == _LIGHT.size:
                lights = [round(level / _LUMINANCE_STEPS) for level in _LIGHT.unpack(content)]
                said |= dict(zip(_LIGHT_LEVELS, lights, strict=True))
            case _:
                pass
    return said


def chunks_of(props: Mapping[str, Any]) -> tuple[Chunk, ...]:
    """The chunks for an RGB picture that ``props`` tell of; none where sRGB, which is what a PNG without them
    is taken for, is near enough."""
    primaries, transfer = (int(props.get(name, UNSPECIFIED)) for name in ("_Primaries", "_Transfer"))
    if transfer not in _HDR and primaries in _PRIMARIES_AS_SRGB:
        return ()
    chunks = [(b"cICP", bytes([primaries, transfer, 0, 1]))]
    if all(name in props for name in (*_POINTS, *_WHITE, *_LUMINANCES)):
        xs, ys = ([*props[point], props[white]] for point, white in zip(_POINTS, _WHITE, strict=True))
        points = [round(place * _CHROMATICITY_STEPS) for xy in zip(xs, ys, strict=True) for place in xy]
        levels = [round(props[name] * _LUMINANCE_STEPS) for name in _LUMINANCES]
        chunks.append((b"mDCV", _MASTERING.pack(*points, *levels)))
    if _LIGHT_LEVELS[0] in props:
        levels = [int(props.get(name, 0)) * _LUMINANCE_STEPS for name in _LIGHT_LEVELS]
        chunks.append((b"cLLI", _LIGHT.pack(*levels)))
    return tuple(chunks)


def words_for(props: Mapping[str, Any]) -> str:
    """What ``chunks_of`` would say, in words; "" where that is nothing."""
    chunks = dict(chunks_of(props))
    if not chunks:
        return ""
    primaries, transfer, *_ = chunks[b"cICP"]
    names = [{9: "BT.2020", 11: "P3", 12: "P3"}.get(primaries, ""), {16: "PQ", 18: "HLG"}.get(transfer, "")]
    return " and ".join(filter(None, names)) or f"primaries {primaries}"
