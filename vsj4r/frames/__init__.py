"""Frames as they come: formats, planes, matrices, and where in a clip the memory begins."""

SEGMENT_FRAMES, WARMUP_FRAMES = 120, 8
"""``segment`` and ``warmup`` of ``Derain`` where nobody says otherwise (docs/benchmarks.md)."""

BLOCK_FRAMES = 24
"""Frames that are gone through backwards at a time, where that is asked for. ``SEGMENT_FRAMES`` is a multiple
of it."""
