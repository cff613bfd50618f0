"""Hatchling build hook: compile the native filter with the ziglang wheel and put it where VapourSynth looks,
and the library of the CPU engine, which goes beside ``engine/native/library.py``.

``VSJ4R_TARGET`` picks the platform (see ``TARGETS``; this machine by default): one machine builds all wheels.
An editable install gets them too: ``core.j4r`` loads by itself, with no variable set.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import vapoursynth
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Target(NamedTuple):
    triple: str
    """For ``zig cc``: architecture, system, oldest libc or system version."""
    wheel_platform: str
    library: str
    """The filter."""
    engine_library: str
    """What the CPU engine calls."""


TARGETS = {
    "linux-x86_64": Target(
        "x86_64-linux-gnu.2.17",
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "libj4r.so",
        "libj4r_native.so",
    ),
    "linux-aarch64": Target(
        "aarch64-linux-gnu.2.17",
        "manylinux_2_17_aarch64.manylinux2014_aarch64",
        "libj4r.so",
        "libj4r_native.so",
    ),
    "win-x86_64": Target("x86_64-windows-gnu", "win_amd64", "j4r.dll", "j4r_native.dll"),
    "macos-arm64": Target("aarch64-macos.11.0", "macosx_11_0_arm64", "libj4r.dylib", "libj4r_native.dylib"),
}

MACHINES = {
    ("Linux", "x86_64"): "linux-x86_64",
    ("Linux", "aarch64"): "linux-aarch64",
    ("Windows", "AMD64"): "win-x86_64",
    ("Darwin", "arm64"): "macos-arm64",
}

PLUGIN_FOLDER = "vapoursynth/plugins/j4r"
ENGINE_FOLDER = "vsj4r/engine/native"
WEIGHT_SUFFIXES = (".onnx", ".json", ".safetensors")


class NativeFilterHook(BuildHookInterface[Any]):
    """Adds the compiled filter, its manifest and, in a wheel, the weights."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        target = TARGETS[target_name()]
        root = Path(self.root)
        library = compile_filter(root, target, self.metadata.version)
        manifest = library.with_name("manifest.vs")
        manifest.write_text(f"[VapourSynth Manifest V1]\n{library.stem}\n", encoding="utf-8")
        included = {str(path): f"{PLUGIN_FOLDER}/{path.name}" for path in (library, manifest)}
        engine_library = compile_engine(root, target)
        if version == "editable":
            place = root / ENGINE_FOLDER / engine_library.name
            shutil.copy(engine_library, place.with_suffix(".new"))
            place.with_suffix(".new").replace(place)  # a process may be running the one that was there
            build_data["force_include_editable"].update(included)
        else:
            models = (root / "weights").glob("*.onnx")
            weights = (model.with_suffix(kind) for model in models for kind in WEIGHT_SUFFIXES)
            included[str(engine_library)] = f"{ENGINE_FOLDER}/{engine_library.name}"
            build_data["force_include"].update(included)
            build_data["force_include"].update({str(path): f"vsj4r/weights/{path.name}" for path in weights})
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{target.wheel_platform}"


def target_name() -> str:
    """The key of ``TARGETS`` that is asked for, or this machine's."""
    known = ", ".join(TARGETS)
    name = os.environ.get("VSJ4R_TARGET") or MACHINES.get((platform.system(), platform.machine()))
    if name is None:
        raise SystemExit(f"vsj4r: set VSJ4R_TARGET to one of {known}: this machine is none of them")
    if name not in TARGETS:
        raise SystemExit(f"vsj4r: VSJ4R_TARGET must be one of {known}, got {name!r}")
    return name


def compile_filter(root: Path, target: Target, version: str) -> Path:
    """Compile vsj4r/plugin/*.c below ``root``; gives the library, in a folder of its own."""
    source = root / "vsj4r" / "plugin"
    library = source / "native" / target.triple / target.library
    major, minor, *_ = version.split(".")
    version_options = f'-DVSJ4R_VERSION="{version}"', f"-DVSJ4R_MAJOR={major}", f"-DVSJ4R_MINOR={minor}"
    compile_c(target, source, library, "-O2", *version_options, "-I", vapoursynth.get_include())
    return library


def compile_engine(root: Path, target: Target) -> Path:
    """Compile vsj4r/engine/native/*.c below ``root``; gives the library, in a folder of its own."""
    source = root / ENGINE_FOLDER
    library = source / "built" / target.triple / target.engine_library
    compile_c(target, source, library, "-O3", "-ffp-contract=off")  # the same bits on every CPU
    return library


def compile_c(target: Target, source: Path, library: Path, *options: str) -> None:
    """Compile and link the .c files of the folder ``source``."""
    library.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "ziglang", "cc", "-target", target.triple),
        *("-std=c11", "-shared", "-s", "-fvisibility=hidden"),
        *("-Wall", "-Wextra", "-Wpedantic", "-Werror"),
        *([] if "windows" in target.triple else ["-fPIC"]),
        *([f"-Wl,-install_name,@rpath/{library.name}"] if "macos" in target.triple else []),
        *options,
        *(str(path) for path in sorted(source.glob("*.c"))),
        *("-o", str(library)),
    ]
    subprocess.run(command, check=True)
