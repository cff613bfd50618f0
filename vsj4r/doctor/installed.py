"""What is installed and found: every check gives its findings and changes nothing."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import vsj4r
from vsj4r import __version__, cached
from vsj4r.cores import usable_cores
from vsj4r.doctor.findings import Finding
from vsj4r.errors import Vsj4rError
from vsj4r.pip_commands import install_extra, pip_install, reinstall

BESTSOURCE_NEEDED = 22
"""Gives the timestamps, and leaves rotated footage as it is stored."""

FFMPEG_NEEDED = 6
_PACKAGES = {
    "av": "av",
    "distributed": "distributed",
    "ffmpeg": "ffmpeg-python",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "jinja2": "jinja2",
    "OpenImageIO": "OpenImageIO",
    "psutil": "psutil",
}
_FILTERS = ("libvmaf", "psnr", "ssim")


def check_python() -> Iterator[Finding]:
    cores = usable_cores()
    system = f"{platform.system()} {platform.machine()}"
    what = f"{platform.python_version()} at {sys.executable}, {system}, {cores} cores"
    yield Finding("Python", "good", what, figures={"cores": cores})


def check_packages() -> Iterator[Finding]:
    """What reading, writing and spreading work is built on can be imported."""
    versions = []
    for module, name in _PACKAGES.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            why = " ".join(str(error).split())
            yield Finding(name, "bad", f"cannot be imported: {why}", pip_install(name, again=True))
        else:
            versions.append(f"{name} {metadata.version(name)}")
    if versions:
        yield Finding("packages", "good", ", ".join(versions))


def check_vapoursynth() -> Iterator[Finding]:
    import vapoursynth as vs

    yield Finding("VapourSynth", "good", f"{vs.__version__}, API {vs.__api_version__}")
    if shutil.which("vspipe") is None:
        what = "not on PATH: only scripts of your own need it"
        yield Finding("vspipe", "absent", what, f"add {Path(sys.executable).parent} to PATH", needed=False)
    else:
        yield Finding("vspipe", "good", str(shutil.which("vspipe")), needed=False)


def check_filter() -> Iterator[Finding]:
    """The plugin is there, and of this version."""
    import vapoursynth as vs

    remedy = reinstall()
    if not hasattr(vs.core, "j4r"):
        yield Finding("core.j4r", "bad", "VapourSynth has not loaded the filter", remedy)
        return
    version = vs.core.j4r.Version()
    version = version.decode() if isinstance(version, bytes) else str(version)
    if version != __version__:
        yield Finding("core.j4r", "bad", f"is version {version}, the package {__version__}", remedy)
        return
    yield Finding("core.j4r", "good", f"{version} at {vs.core.j4r.plugin_path}")


def check_deraining() -> Iterator[Finding]:
    """All of it together: a grey clip goes through the filter, and comes back as it was with strength 0."""
    import vapoursynth as vs

    clip = vs.core.std.BlankClip(width=64, height=48, format=vs.YUV420P8, length=3, color=[90, 70, 200])
    derained = vs.core.j4r.Derain(clip, strength=0)
    same = all(bytes(a[0]) == bytes(b[0]) for a, b in zip(clip.frames(), derained.frames(), strict=True))
    if not same:
        remedy = reinstall()
        yield Finding("deraining", "bad", "strength 0 does not give the input back", remedy)
        return
    yield Finding("deraining", "good", "a clip goes through the filter, and unchanged with strength 0")


def check_source_filter() -> Iterator[Finding]:
    import vapoursynth as vs

    remedy = pip_install(f"vapoursynth-bestsource>={BESTSOURCE_NEEDED}")
    if not hasattr(vs.core, "bs"):
        yield Finding("BestSource", "bad", "VapourSynth has not loaded it: no video can be read", remedy)
        return
    found = vs.core.bs.version.major
    if found < BESTSOURCE_NEEDED:
        yield Finding("BestSource", "bad", f"is R{found}, R{BESTSOURCE_NEEDED} is needed", remedy)
        return
    yield Finding("BestSource", "good", f"R{found} at {vs.core.bs.plugin_path}")


def check_ffmpeg() -> Iterator[Finding]:
    """It runs, and has what ``vsj4r run`` and ``vsj4r compare`` ask of it."""
    from vsj4r.media.encoders import ENCODERS, ffmpeg_executable, ffmpeg_says, find_encoder, has_filter

    executable = ffmpeg_executable()
    remedy = ffmpeg_remedy()
    version = re.match(r"ffmpeg version (\S+)", ffmpeg_says("-version"))
    if version is None:
        yield Finding("ffmpeg", "bad", f"{executable} is no ffmpeg: it does not say its version", remedy)
        return
    number = version[1]
    major = re.match(r"n?(\d+)\.", number)  # of a build from its repository nothing is known
    if major is not None and int(major[1]) < FFMPEG_NEEDED:
        what = f"{number} at {executable}, {FFMPEG_NEEDED}.0 is needed"
        yield Finding("ffmpeg", "bad", what, remedy)
        return
    yield Finding("ffmpeg", "good", f"{number} at {executable}")
    missing = []
    for name in ENCODERS:
        try:
            find_encoder(name)
        except Vsj4rError:
            missing.append(name)
    present = [name for name in ENCODERS if name not in missing]
    figures: dict[str, object] = {"present": present, "missing": missing}
    if "x264" in missing:
        yield Finding("encoders", "bad", f"{', '.join(missing)} missing", remedy, figures=figures)
    elif missing:
        what = f"{', '.join(present)}; {', '.join(missing)} missing"
        yield Finding("encoders", "absent", what, remedy, needed=False, figures=figures)
    else:
        yield Finding("encoders", "good", ", ".join(present), figures=figures)
    lacking = [name for name in _FILTERS if not has_filter(name)]
    if lacking:
        what = f"{', '.join(lacking)} missing, which vsj4r compare measures with"
        yield Finding("ffmpeg filters", "absent", what, remedy, needed=False)


def check_weights() -> Iterator[Finding]:
    """Each model that is shipped has the checksums that its JSON states."""
    from vsj4r.engine.weights import find_model, models

    remedy = _weights_remedy()
    names = models()
    if "j4r" not in names:
        found = ", ".join(names) or "none at all"
        yield Finding("weights j4r", "bad", f"not installed, found: {found}", remedy)
    for name in names:
        title, needed = f"weights {name}", name == "j4r"
        try:
            model = find_model(name)
            model.read_onnx()
            if model.weights_sha256:  # CUDA and training read them
                model.read_safetensors()
        except Vsj4rError as error:
            yield Finding(title, "bad", str(error), remedy, needed)
        else:
            size = model.onnx.stat().st_size / 1e6
            yield Finding(title, "good", f"{model.onnx}, {size:.1f} MB, sha256 as stated", needed=needed)


def check_cache() -> Iterator[Finding]:
    """Compiled networks and indexes of videos can be kept, without which each start makes them again."""
    folder = cached.cache_folder()
    if cached.writable_folder(folder) is None:
        what = f"nothing can be kept in {folder}: each start compiles the network and reads the video again"
        yield Finding("cache", "absent", what, "let your user write there", needed=False)
    else:
        yield Finding("cache", "good", str(folder), needed=False)


def check_extras() -> Iterator[Finding]:
    """What only some commands need."""
    for package, name, extra, use in (
        ("skimage", "scikit-image", "demo", "vsj4r demo and eval need it"),
        ("torch", "PyTorch", "train", "vsj4r train, adapt and export need it, and CUDA"),
    ):
        if importlib.util.find_spec(package) is None:
            what = f"not installed: {use}"
            yield Finding(name, "absent", what, install_extra(extra), needed=False)
        else:
            yield Finding(name, "good", "installed", needed=False)


def _weights_remedy() -> str:
    """In a checkout the weights lie beside the package, and installing changes nothing of them."""
    root = Path(vsj4r.__file__).parent.parent
    if (root / ".git").exists():
        return shlex.join(["git", "-C", str(root), "checkout", "--", "weights"])
    return reinstall()


def ffmpeg_remedy() -> str:
    if "IMAGEIO_FFMPEG_EXE" in os.environ:
        return f"unset IMAGEIO_FFMPEG_EXE, which is {os.environ['IMAGEIO_FFMPEG_EXE']!r}"
    return pip_install("imageio-ffmpeg", again=True)
