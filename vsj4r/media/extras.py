"""What goes along with a picture into a file: the forms of a plan (made by ``muxing``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Cover:
    """A cover picture that is attached to Matroska as a file."""

    filename: str
    mimetype: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Along:
    """A stream of the source that goes along: its number there, its kind ("audio" ...), the codec that ffmpeg
    writes it with ("copy", or an encoder) and the options of that. ``packets``: ffmpeg's bitstream filters of
    what is read of it."""

    index: int
    kind: str
    codec: str
    options: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    packets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Extras:
    """What goes along with the picture.

    ``streams``: in the source's order. ``covers``: pictures to attach. ``tags``: of the file; ``more_tags``:
    whether they need the container's other way of writing. ``video_tags``, ``video_flags``: of the picture.
    ``start_seconds``: what is taken off all timestamps (transport streams start anywhere);
    ``length_seconds``: if not None, what is before and after that is cut off; before it not where
    ``keeps_priming``, for packets that a decoder needs first.
    ``notes``: a line for each thing that the output lacks, or has otherwise.
    """

    streams: tuple[Along, ...] = ()
    covers: tuple[Cover, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    more_tags: bool = False
    video_tags: Mapping[str, str] = field(default_factory=dict)
    video_flags: tuple[str, ...] = ()
    start_seconds: float = 0.0
    length_seconds: float | None = None
    keeps_priming: bool = False
    notes: tuple[str, ...] = ()

    def of_picture(self) -> Extras:
        """What goes along with another picture of the same source: its times and tags, no other stream."""
        return replace(self, streams=(), covers=(), notes=())
