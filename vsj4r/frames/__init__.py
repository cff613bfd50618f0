"""Frames as they come: formats, planes, matrices, and where in a clip the memory begins."""

SEGMENT_FRAMES, WARMUP_FRAMES = 120, 8
"""``segment`` and ``warmup`` of ``Derain`` where nobody says otherwise (docs/benchmarks.md). A segment is a
multiple of ``engine.base.BLOCK_FRAMES``."""
