"""Video deraining with a gated recurrent network (J4R-Net): ``core.j4r.Derain`` and ``vsj4r run``."""

from vsj4r.errors import Vsj4rError
from vsj4r.plugin.function import derain

__all__ = ["Vsj4rError", "derain"]

__version__ = "0.1.0"
