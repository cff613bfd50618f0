"""OpenVINO, imported without its telemetry.

``import openvino`` forks a process that reports the import to Google Analytics, unless its
telemetry package is missing: OpenVINO then takes its own stub. So that package is hidden
for the length of the import. Everything here imports ``ov`` from this file.
"""

from __future__ import annotations

import sys
from typing import cast

_TELEMETRY = "openvino_telemetry"

_loaded = _TELEMETRY in sys.modules
if not _loaded:
    cast("dict[str, object]", sys.modules)[_TELEMETRY] = None  # what the import system reads as "not there"
try:
    import openvino as ov
finally:
    if not _loaded:
        del sys.modules[_TELEMETRY]

__all__ = ["ov"]
