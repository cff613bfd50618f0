"""OpenVINO, imported without its telemetry and its converter.

``import openvino`` forks a process that reports the import to Google Analytics, unless its
telemetry package is missing: OpenVINO then takes its own stub. It also imports its converter of
other frameworks' models, where that is installed, which takes a quarter of the time. So both are
hidden for the length of the import. Everything here imports ``ov`` from this file.
"""

from __future__ import annotations

import sys
from typing import cast

_HIDDEN = [name for name in ("openvino_telemetry", "openvino.tools.ovc") if name not in sys.modules]

cast("dict[str, object]", sys.modules).update(dict.fromkeys(_HIDDEN))  # None reads as "not there"
try:
    import openvino as ov
finally:
    for name in _HIDDEN:
        del sys.modules[name]

__all__ = ["ov"]
