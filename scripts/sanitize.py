"""The plugin's tests with the native filter compiled by gcc under a sanitizer: any finding ends the run.

    python -m scripts.sanitize address,undefined
    python -m scripts.sanitize thread

The sanitized filter lies in a copy of the vapoursynth package, so what is installed stays as it is. Under
``address`` leaks of the filter itself are findings too; Python's and OpenVINO's own are not looked at.
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

ROOT = Path(__file__).resolve().parent.parent
TESTS = (
    "tests/test_bidirectional.py",
    "tests/test_plugin.py",
    "tests/test_plugin_failures.py",
    "tests/test_plugin_outputs.py",
)
NAMES = ("/vsj4r/plugin/", "<unknown module>")
"""How a report names the filter: by its sources; at exit, when it has been unloaded, no longer."""
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


def compile_with(sanitizers: str, library: Path) -> None:
    command = [
        *(
            "gcc",
            "-std=c11",
            "-O1",
            "-g",
            "-shared",
            "-fPIC",
            "-fvisibility=hidden",
            "-Wall",
            "-Wno-format-truncation",
        ),
        *(f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"),
        *('-DVSJ4R_VERSION="0.1.0"', "-DVSJ4R_MAJOR=0", "-DVSJ4R_MINOR=1"),
        *("-I", vapoursynth.get_include()),
        *(str(path) for path in sorted((ROOT / "vsj4r" / "plugin").glob("*.c"))),
        *("-o", str(library)),
    ]
    subprocess.run(command, check=True)


def runtime(name: str) -> str:
    found = subprocess.run(["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True)
    return str(Path(found.stdout.strip()).resolve())


def sanitize(
    sanitizers: Annotated[str, typer.Argument(help="address,undefined or thread")] = "address,undefined",
    tests: Annotated[list[str] | None, typer.Argument(help="of pytest; without: the plugin's")] = None,
) -> None:
    """Compile, run the tests, and tell where the log is if something was found."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "vapoursynth")
        shutil.copytree(Path(vapoursynth.__file__).parent, package)
        compile_with(sanitizers, next(package.glob("plugins/j4r/libj4r.*")))
        log = Path(folder, "log")
        runtimes = [runtime(RUNTIMES[name]) for name in sanitizers.split(",")]
        options = f"log_path={log}:exitcode=66"
        env = os.environ | {
            "PYTHONPATH": os.pathsep.join((folder, str(ROOT))),
            "PYTHONMALLOC": "malloc",
            "LD_PRELOAD": " ".join([compile_shallow(folder), *runtimes, runtime("libstdc++.so")]),
            "ASAN_OPTIONS": f"{options}:alloc_dealloc_mismatch=0:verify_asan_link_order=0",
            "LSAN_OPTIONS": "exitcode=0",  # Python leaks by itself: the log tells whose they are
            "UBSAN_OPTIONS": f"{options}:print_stacktrace=1:halt_on_error=1",
            "TSAN_OPTIONS": f"{options}:ignore_noninstrumented_modules=1:report_signal_unsafe=0",
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(tests or TESTS)]
        done = subprocess.run(command, env=env, cwd=ROOT, check=False)
        reports = [text for path in sorted(Path(folder).glob("log.*")) if (text := about_the_filter(path))]
        for text in reports:
            typer.echo(text, err=True)
    typer.echo(f"{sanitizers}: {len(reports)} findings in the filter, pytest ended with {done.returncode}")
    raise typer.Exit(1 if reports or done.returncode else 0)


def about_the_filter(report: Path) -> str:
    """The paragraphs of a log whose innermost call is in the filter; other leaks are not its own."""
    parts = report.read_text("utf-8", errors="replace").split("\n\n")
    return "\n\n".join(part for part in parts if any(name in caller(part) for name in NAMES))


def caller(part: str) -> str:
    """Who called the allocator, or where the error is."""
    calls = [line for line in part.splitlines() if line.strip().startswith(("#0", "#1"))]
    return "\n".join(calls[:2])


if __name__ == "__main__":
    typer.run(sanitize)
