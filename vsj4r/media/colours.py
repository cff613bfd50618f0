"""Colour tags (ITU-T H.273) that contradict the samples, made consistent once, where a clip is opened.

| Samples   | `_Matrix` says                     | What is taken                                       |
|-----------|------------------------------------|-----------------------------------------------------|
| RGB       | anything                           | 0 (RGB): a matrix has nothing to do with them       |
| YUV       | 0 (RGB), or a number nobody uses   | unspecified, and so the usual one where it matters  |
| GRAY      | the same                           | the same                                            |
| any       | primaries or transfer out of H.273 | unspecified                                         |
"""

from __future__ import annotations

import vapoursynth as vs

from vsj4r.frames.matrix import usual_matrix

_UNSPECIFIED = 2
_MATRICES = frozenset({1, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14})
_PRIMARIES = frozenset({1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22})
_TRANSFERS = frozenset({1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18})


def with_consistent_colours(clip: vs.VideoNode, first: vs.VideoFrame) -> vs.VideoNode:
    """``clip``, tagged as its samples can be; ``first`` is its first frame."""
    is_rgb = clip.format.color_family == vs.RGB
    known = {
        "_Matrix": frozenset({vs.MATRIX_RGB}) if is_rgb else _MATRICES,
        "_Primaries": _PRIMARIES,
        "_Transfer": _TRANSFERS,
    }
    wrong = {
        name: _UNSPECIFIED
        for name, numbers in known.items()
        if int(first.props.get(name, _UNSPECIFIED)) not in numbers | {_UNSPECIFIED}
    }
    if is_rgb:
        wrong["_Matrix"] = int(vs.MATRIX_RGB)
    return clip.std.SetFrameProps(**wrong) if wrong else clip


def with_known_matrix(clip: vs.VideoNode) -> vs.VideoNode:
    """``clip`` with its ``usual_matrix`` where none is tagged. RGB needs none."""
    if clip.format.color_family == vs.RGB:
        return clip
    with clip.get_frame(0) as first:
        tagged = first.props.get("_Matrix", vs.MATRIX_UNSPECIFIED)
    if tagged != vs.MATRIX_UNSPECIFIED:
        return clip
    return clip.std.SetFrameProps(_Matrix=usual_matrix(clip.height))
