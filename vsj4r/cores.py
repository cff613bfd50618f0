"""How many cores of the CPU there are, and how much may be asked of them."""

from __future__ import annotations

import os

THREADS_MAX = 1024
WORKERS_MAX = 256
"""Processes on one machine."""


def usable_cores() -> int:
    """CPU cores that this process may run on, where the system tells; at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
