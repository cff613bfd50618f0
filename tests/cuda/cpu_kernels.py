"""kernels.cu as a library for the CPU, and the kernels of the fake device: numpy's memory is device memory.

``KERNEL_FLAGS`` adds compiler flags (sanitizers), ``KERNEL_THREADS`` runs blocks on several threads.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import random
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from vsj4r.engine.cuda.kernels import SOURCE, KernelArgument, Size

HERE = Path(__file__).parent
FLAGS = ["-std=c++17", "-ffp-contract=off", "-fPIC", "-shared", "-pthread", "-Wno-unknown-pragmas"]


def compiler() -> list[str]:
    """$CXX, g++ or clang++; without any, the ziglang wheel's, which has no C++ library."""
    for name in (os.environ.get("CXX"), "g++", "clang++"):
        if name and shutil.which(name):
            return [name]
    return [sys.executable, "-m", "ziglang", "c++", "-nostdlib++", f"-I{HERE / 'nostd'}"]


def cuda_headers() -> list[str]:
    """Flags that lead to cuda_fp16.h and what it includes, from the wheels of the extra ``test``."""
    for name in ("nvidia", "cupy"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: there is no cuda_fp16.h")
    folders = [Path(p) / "cu13/include" for p in _folders("nvidia")]
    folders += [Path(p) / "_core/include/cupy/_cccl/libcudacxx" for p in _folders("cupy")]
    return [f"-I{folder}" for folder in folders]


def _folders(name: str) -> Sequence[str]:
    spec = importlib.util.find_spec(name)
    return list(spec.submodule_search_locations or []) if spec else []


def compile_kernels(folder: Path, source: Path = SOURCE, *flags: str) -> Path:
    """The library of ``source``. ``flags``: of the compiler."""
    library = folder / f"{source.stem}.so"
    extra = shlex.split(os.environ.get("KERNEL_FLAGS", ""))
    command = [*compiler(), *FLAGS, *(flags or ["-O1"]), *extra, f'-DKERNELS="{source}"', *cuda_headers()]
    done = subprocess.run(
        [*command, str(HERE / "entry.cpp"), "-o", str(library)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stderr}")
    return library


class CpuKernels:
    """``Kernels`` of a library. The order of blocks is another at each launch, as on a GPU."""

    def __init__(self, library: Path) -> None:
        self.library = library
        self._launch = ctypes.CDLL(str(library)).launch
        self._threads = int(os.environ.get("KERNEL_THREADS", "1"))
        self._random = random.Random(0)

    def launch(self, name: str, grid: Size, block: Size, arguments: Sequence[KernelArgument]) -> None:
        numbers = list(range(grid[0] * grid[1]))
        self._random.shuffle(numbers)
        order = np.array(numbers, np.uint32)
        values = [np.asarray(argument).reshape(1) for argument in arguments]
        addresses = (ctypes.c_void_p * len(values))(*(value.ctypes.data for value in values))
        sizes = [ctypes.c_uint(side) for side in (*grid, *block)]
        failed = self._launch(
            name.encode(),
            *sizes,
            ctypes.c_uint(self._threads),
            ctypes.c_void_p(order.ctypes.data),
            addresses,
        )
        if failed:
            raise KeyError(name)
