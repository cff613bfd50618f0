"""Whether the CUDA engine can run here, found out without importing torch or CuPy, and what mends it if
not."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from vsj4r.pip_commands import install_extra
from vsj4r.words import count_of

CUDA_NEEDED = 13
"""Major version of CUDA that the packages of the extra ``cuda`` are built for."""
DRIVER_NEEDED = "580"
"""The first NVIDIA driver for it."""


@dataclass(frozen=True, slots=True)
class Driver:
    """``cuda``: the newest CUDA it serves, (major, minor); ``devices``: how many it shows."""

    cuda: tuple[int, int]
    devices: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no CUDA, and what mends it: ``first`` this ("" for nothing), and, where
    ``lacks_packages``, the extra "cuda". ``expected``: there is an NVIDIA driver, so whoever asks for "auto"
    would wonder."""

    what: str
    first: str
    expected: bool
    lacks_packages: bool = False

    @property
    def remedy(self) -> str:
        """What mends it, in one line; "" where nothing that can be installed does."""
        steps = [self.first] if self.first else []
        if self.lacks_packages:
            steps.append(install_extra("cuda"))
        return ", then ".join(steps)

    @property
    def text(self) -> str:
        """Both in one line."""
        return f"{self.what}: {self.remedy}" if self.remedy else self.what


def find_driver() -> Driver | None:
    """What the NVIDIA driver says; None where there is none."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    version, count = ctypes.c_int(0), ctypes.c_int(0)
    library.cuDriverGetVersion(ctypes.byref(version))
    if library.cuInit(0) != 0 or library.cuDeviceGetCount(ctypes.byref(count)) != 0:
        count.value = 0
    return Driver((version.value // 1000, version.value % 1000 // 10), count.value)


def find_trouble(index: int = 0) -> Trouble | None:
    """The first obstacle to the CUDA engine on device ``index``; None if there is none."""
    driver = find_driver()
    newer = f"install driver {DRIVER_NEEDED} or later"
    if driver is None:
        return Trouble("no NVIDIA driver was found", newer, expected=False, lacks_packages=True)
    if driver.cuda[0] < CUDA_NEEDED:
        major, minor = driver.cuda
        what = f"the NVIDIA driver serves CUDA {major}.{minor}, {CUDA_NEEDED} is needed"
        return Trouble(what, newer, expected=True, lacks_packages=True)
    if driver.devices == 0:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        why = "" if hidden is None else f", CUDA_VISIBLE_DEVICES being {hidden!r}"
        return Trouble(f"the NVIDIA driver shows no device{why}", "", expected=True)
    if index >= driver.devices:
        which = "cuda:0" if driver.devices == 1 else f"cuda:0 to cuda:{driver.devices - 1}"
        what = f"the NVIDIA driver shows {count_of(driver.devices, 'device')}, {which}"
        return Trouble(what, "", expected=True)
    return _missing_package()


def _missing_package() -> Trouble | None:
    if importlib.util.find_spec("torch") is None:
        return Trouble("PyTorch is not installed", "", expected=True, lacks_packages=True)
    if _torch_cuda() == "":
        from importlib import metadata  # it imports the parser of e-mails

        what = f"the installed PyTorch {metadata.version('torch')} is built without CUDA"
        return Trouble(what, "pip uninstall torch", expected=True, lacks_packages=True)
    if importlib.util.find_spec("cupy") is None:
        cupy = f"pip install 'cupy-cuda{CUDA_NEEDED}x[ctk]'"
        return Trouble("CuPy is not installed", cupy, expected=True)
    if importlib.util.find_spec("safetensors") is None:
        return Trouble("safetensors is not installed", "pip install safetensors", expected=True)
    return None


def _torch_cuda() -> str:
    """The CUDA that the installed PyTorch is built for, "" for none, by its file torch/version.py."""
    spec = importlib.util.find_spec("torch")
    folder = next(iter(spec.submodule_search_locations or []), None) if spec else None
    if folder is None:
        return ""
    version = importlib.util.spec_from_file_location("_torch_version", Path(folder, "version.py"))
    if version is None or version.loader is None:
        return ""
    module = importlib.util.module_from_spec(version)
    version.loader.exec_module(module)
    return getattr(module, "cuda", None) or ""
