"""Colour tags (ITU-T H.273) that contradict the samples, made consistent once, where a clip is opened.

| Samples   | `_Matrix` says                     | What is taken                                       |
|-----------|------------------------------------|-----------------------------------------------------|
| RGB       | anything                           | 0 (RGB): a matrix has nothing to do with them       |
| RGB       | limited range, by `_Range`         | full range: samples are expanded, and a line says so|
| YUV       | 0 (RGB), or a number nobody uses   | unspecified, and so the usual one where it matters  |
| YUV       | one that is not known here (11)    | the same, and a line says so                        |
| GRAY      | the same                           | the same                                            |
| any       | primaries or transfer out of H.273 | unspecified                                         |
| YUV       | one that needs tags which are not  | the usual one, where samples are converted; else    |
|           | there (ICtCp without a transfer)   | the tag goes along                                  |
"""

from __future__ import annotations

import vapoursynth as vs

from vsj4r.frames.matrix import UNSPECIFIED, usual_matrix

_COLOUR_PROPS = ("_Matrix", "_Primaries", "_Transfer")
_MATRICES = frozenset({1, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14})
_UNKNOWN_MATRICES = frozenset({11, 15, 16, 17})  # of H.273, too
PRIMARIES = frozenset({1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22})
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
TRANSFERS = frozenset({1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18})


def with_consistent_colours(clip: vs.VideoNode, first: vs.VideoFrame) -> tuple[vs.VideoNode, list[str]]:
    """``clip``, tagged as its samples can be, and a line for what that changed; ``first`` is its first
    frame."""
    notes = []
    is_rgb = clip.format.color_family == vs.RGB
    known = {
        "_Matrix": frozenset({vs.MATRIX_RGB}) if is_rgb else _MATRICES,
        "_Primaries": PRIMARIES,
        "_Transfer": TRANSFERS,
    }
    wrong = {
        name: UNSPECIFIED
        for name, numbers in known.items()
        if int(first.props.get(name, UNSPECIFIED)) not in numbers | {UNSPECIFIED}
    }
    if is_rgb:
        wrong["_Matrix"] = int(vs.MATRIX_RGB)
    elif (matrix := int(first.props.get("_Matrix", UNSPECIFIED))) in _UNKNOWN_MATRICES:
        notes.append(f"matrix {matrix} (H.273) is not known here: it is left out, and taken as the usual one")
    clip = clip.std.SetFrameProps(**wrong) if wrong else clip
    if is_rgb and first.props.get("_Range") == vs.RANGE_LIMITED:
        notes.append("its RGB has limited range, which is seldom heeded: it becomes full range")
        clip = clip.resize.Bicubic(range_s="full")
    return clip, notes


def with_known_matrix(clip: vs.VideoNode, source: vs.VideoNode | None = None) -> vs.VideoNode:
    """``clip``, to be converted, with its ``usual_matrix`` where none is tagged, or one that says nothing
    without other tags (ICtCp, derived from primaries, constant luminance). RGB needs none. ``source`` is
    tagged as ``clip`` is, where reading a frame of that one costs less."""
    if clip.format.color_family == vs.RGB:
        return clip
    tagged = source or clip
    with tagged.get_frame(0) as first:
        tags = {name: int(first.props.get(name, UNSPECIFIED)) for name in _COLOUR_PROPS}
    if tags["_Matrix"] != UNSPECIFIED and _is_convertible(tags):
        return clip
    return clip.std.SetFrameProps(_Matrix=usual_matrix(tagged.height, tags["_Primaries"]))


def with_matrix(clip: vs.VideoNode, matrix: int, source: vs.VideoNode) -> tuple[vs.VideoNode, bool]:
    """``clip``, YUV, with ``matrix``, converted where its own or the usual one is another, and whether it
    was: the colours, primaries and transfer stay. ``source``: see ``with_known_matrix``."""
    with with_known_matrix(source).get_frame(0) as first:
        if int(first.props["_Matrix"]) == matrix:
            return clip, False
    return with_known_matrix(clip, source).resize.Bicubic(matrix=matrix), True


def _is_convertible(tags: dict[str, int]) -> bool:
    grey = vs.core.std.BlankClip(format=vs.YUV444P8, width=16, height=16, length=1, color=[128, 128, 128])
    try:
        grey.std.SetFrameProps(**tags).resize.Bicubic(format=vs.RGB24).get_frame(0).close()
    except vs.Error:
        return False
    return True
