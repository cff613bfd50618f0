"""Tests with the filter and the CPU engine's library compiled by gcc under a sanitizer.

    python -m scripts.sanitize address,undefined
    python -m scripts.sanitize thread

Both lie in copies, of the vapoursynth package and of this checkout, so what is installed stays as it is.
Any finding ends the run. Under ``address`` leaks of the filter are findings too; those of Python, of OpenVINO
and of engines that live until Python ends are not looked at.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
import vapoursynth

from vsj4r.engine.native.library import LIBRARY_PATH

ROOT = Path(__file__).resolve().parent.parent
TESTS = (
    "tests/test_bidirectional.py",
    "tests/test_plugin.py",
    "tests/test_plugin_failures.py",
    "tests/test_plugin_outputs.py",
    "tests/test_cpu_frames.py",
    "tests/test_native_planes.py",
    "tests/test_formats.py",
    "tests/test_native_motion.py",
)
FILTER = ("/vsj4r/plugin/", "<unknown module>")
"""How a report names it: by its sources; at exit, when it has been unloaded, no longer."""
ENGINE = "/vsj4r/engine/native/"
COPIED = ("vsj4r", "tests", "scripts", "weights", "pyproject.toml")
RUNTIMES = {"address": "libasan.so", "undefined": "libubsan.so", "thread": "libtsan.so"}
SHALLOW = """#define _GNU_SOURCE
#include <dlfcn.h>
void *dlopen(const char *name, int mode)
{
    void *(*next)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    return next(name, mode & ~RTLD_DEEPBIND);
}
"""
"""Sanitizers end the process at a dlopen with RTLD_DEEPBIND, as OpenVINO's thread library does."""


def compile_shallow(folder: str) -> str:
    source, library = Path(folder, "shallow.c"), Path(folder, "libshallow.so")
    source.write_text(SHALLOW)
    subprocess.run(["gcc", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    return str(library)


def compile_with(sanitizers: str, sources: Path, library: Path, *options: str) -> None:
    command = [
        *("gcc", "-std=c11", "-O1", "-g", "-shared", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off"),
        *("-Wall", "-Wno-format-truncation"),
        *(f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"),
        *options,
        *(str(path) for path in sorted(sources.glob("*.c"))),
        *("-o", str(library), "-lm"),
    ]
    subprocess.run(command, check=True)


def runtime(name: str) -> str:
    found = subprocess.run(["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True)
    return str(Path(found.stdout.strip()).resolve())


def sanitize(
    sanitizers: Annotated[str, typer.Argument(help="address,undefined or thread")] = "address,undefined",
    tests: Annotated[list[str] | None, typer.Argument(help="of pytest; without: of native code")] = None,
) -> None:
    """Compile, run the tests, and tell where the log is if something was found."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "vapoursynth")
        shutil.copytree(Path(vapoursynth.__file__).parent, package)
        versions = ('-DVSJ4R_VERSION="0.1.0"', "-DVSJ4R_MAJOR=0", "-DVSJ4R_MINOR=1")
        filter_library = next(package.glob("plugins/j4r/libj4r.*"))
        plugin = ROOT / "vsj4r" / "plugin"
        compile_with(sanitizers, plugin, filter_library, *versions, "-I", vapoursynth.get_include())
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, Path(folder, name))
        native = Path(folder, "vsj4r", "engine", "native")
        compile_with(sanitizers, native, native / LIBRARY_PATH.name)
        log = Path(folder, "log")
        runtimes = [runtime(RUNTIMES[name]) for name in sanitizers.split(",")]
        options = f"log_path={log}:exitcode=66"
        env = os.environ | {
            "PYTHONPATH": folder,
            "PYTHONSAFEPATH": "1",
            "PYTHONMALLOC": "malloc",
            "LD_PRELOAD": " ".join([compile_shallow(folder), *runtimes, runtime("libstdc++.so")]),
            "ASAN_OPTIONS": f"{options}:alloc_dealloc_mismatch=0:verify_asan_link_order=0",
            "LSAN_OPTIONS": "exitcode=0",  # Python leaks by itself: the log tells whose they are
            "UBSAN_OPTIONS": f"{options}:print_stacktrace=1:halt_on_error=1",
            "TSAN_OPTIONS": f"{options}:ignore_noninstrumented_modules=1:report_signal_unsafe=0",
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(tests or TESTS)]
        done = subprocess.run(command, env=env, cwd=folder, check=False)
        reports = [text for path in sorted(Path(folder).glob("log.*")) if (text := about_ours(path))]
        for text in reports:
            typer.echo(text, err=True)
    typer.echo(f"{sanitizers}: {len(reports)} findings, pytest ended with {done.returncode}")
    raise typer.Exit(1 if reports or done.returncode else 0)


def about_ours(report: Path) -> str:
    """The paragraphs of a log whose innermost call is in our code, and that matter."""
    parts = report.read_text("utf-8", errors="replace").split("\n\n")
    return "\n\n".join(part for part in parts if is_finding(part))


def is_finding(part: str) -> bool:
    called = caller(part)
    if any(name in called for name in FILTER):
        return True
    return ENGINE in called and not part.startswith(("Direct leak", "Indirect leak"))


def caller(part: str) -> str:
    """Who called the allocator, or where the error is."""
    calls = [line for line in part.splitlines() if line.strip().startswith(("#0", "#1"))]
    return "\n".join(calls[:2])


if __name__ == "__main__":
    typer.run(sanitize)
