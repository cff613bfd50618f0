"""How sizes and strengths are drawn, of which a half is as far from one as the double."""

from __future__ import annotations

import numpy as np


def log_uniform(rng: np.random.Generator, between: tuple[float, float]) -> float:
    """A number of those ``between``, whose logarithm is drawn evenly."""
    return float(np.exp(rng.uniform(*np.log(between))))
