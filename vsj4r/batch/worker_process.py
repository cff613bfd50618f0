"""Run by Dask in each worker process of this machine when it begins."""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:
    """A terminal sends Ctrl-C to all its processes; what that means is for the one that drives to say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
