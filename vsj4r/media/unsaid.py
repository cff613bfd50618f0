"""What a file that was written does not say of its picture, though the input does."""

from __future__ import annotations

import av
import av.video.reformatter

from vsj4r.frames.matrix import BT2020, UNSPECIFIED, usual_matrix
from vsj4r.media.colours import HDR_TRANSFERS
from vsj4r.media.encoders import Encoder
from vsj4r.media.tags import Tags

_RGB = 0  # H.273
_OF_BT601 = (5, 6)  # two numbers of the same matrix
_MATRICES = {1: "BT.709", 5: "BT.601", 6: "BT.601", 7: "SMPTE 240M", 8: "YCgCo", 9: "BT.2020"}


def find_unsaid(told: Tags, frame: av.VideoFrame, encoder: Encoder, suffix: str) -> list[str]:
    """A line where ``frame``, read from what ``encoder`` has written into a file that ends in ``suffix``,
    does not say what ``told`` says; none for what players take for granted."""
    has = {kind.name for kind in frame.side_data}
    transfer = told.colours.get("color_trc", UNSPECIFIED)
    missing = _unsaid_of_samples(told, frame, encoder)
    if told.colours.get("color_primaries") == BT2020 != frame.color_primaries:
        missing.append("BT.2020 primaries")
    if transfer in HDR_TRANSFERS and frame.color_trc != transfer:
        missing.append(f"{HDR_TRANSFERS[transfer]} (HDR)")
    if told.mastering and "MASTERING_DISPLAY_METADATA" not in has:
        missing.append("its mastering display")
    if told.light and "CONTENT_LIGHT_LEVEL" not in has:
        missing.append("MaxCLL and MaxFALL")
    if not missing:
        return []
    return [f"{suffix} with {encoder.codec} does not say {', '.join(missing)}: players will not know"]


def _unsaid_of_samples(told: Tags, frame: av.VideoFrame, encoder: Encoder) -> list[str]:
    """What the codes of YUV mean."""
    matrix = told.colours.get("colorspace", UNSPECIFIED)
    if matrix == _RGB:
        return []
    missing = []
    is_full = frame.color_range == av.video.reformatter.ColorRange.JPEG
    if told.full_range and encoder.full_range and not is_full:
        missing.append("full range")
    found = frame.colorspace if frame.colorspace != UNSPECIFIED else usual_matrix(frame.height)
    if matrix != UNSPECIFIED and matrix != found and not {matrix, found} <= set(_OF_BT601):
        missing.append(f"the matrix of {_MATRICES.get(matrix, f'number {matrix} (H.273)')}")
    return missing
