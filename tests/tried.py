"""What of the world's files the tests try: each test of a kind says so, and docs/compatibility.md lists them.

`python -m scripts.compatibility` reads the decorators and writes the page.
"""

from __future__ import annotations

from typing import Literal

import pytest

Where = Literal[
    "Images", "MP4 and MOV", "Matroska and WebM", "Transport streams", "AVI, raw streams and others", "Times",
    "Picture and colour", "Streams and tags", "Damage", "Faults of libraries, worked round",
]  # fmt: skip


def tried(where: Where, what: str, comes_out: str, *, after: str = "") -> pytest.MarkDecorator:
    """``what`` has been tried, and ``comes_out`` is what becomes of it. ``after``: the public report or set
    that it stands for, as a link in Markdown."""
    return pytest.mark.tried(where=where, what=what, comes_out=comes_out, after=after)
