"""The arrays that pictures are kept in outside of VapourSynth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""RGB of 8 bits, full range: (H, W, 3) for one picture, (T, H, W, 3) for a clip."""

Floats = NDArray[np.float32]
