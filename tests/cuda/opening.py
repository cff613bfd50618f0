"""What the filter opens where CUDA is the fake device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tests.cuda.timed_device import TimedDevice
    from vsj4r.engine.cuda.engine import CudaLanes


class Opening(NamedTuple):
    engine: CudaLanes
    device: TimedDevice
    arguments: dict[str, Any]
    """Those that the engine was opened with."""
