"""Video deraining with a gated recurrent network (J4R-Net): ``core.j4r.Derain`` and ``vsj4r run``."""

__version__ = "0.1.0"
