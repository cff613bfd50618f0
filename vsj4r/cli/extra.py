"""The packages of the extra "train", which a default install does without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vsj4r.errors import Vsj4rError
from vsj4r.pip_commands import install_extra

_PACKAGES = ("torch", "safetensors", "matplotlib", "skimage", "PIL", "onnx")


@contextmanager
def train_extra(what: str) -> Iterator[None]:
    """Around imports that ``what`` needs.

    Raises:
        Vsj4rError: one of the packages is not installed; it says which, and how to have it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        raise Vsj4rError(f"{what} needs {error.name}: {install_extra('train')}") from error
