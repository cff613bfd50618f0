"""A wheel as a user meets it: python scripts/smoke.py [WHEEL]

Installs WHEEL (this platform's of dist/ by default) into an empty environment, and nothing else but what it
asks for. Then `vsj4r doctor` must find nothing wrong, and `vsj4r run` must derain a clip.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

DIST = Path(__file__).resolve().parent.parent / "dist"
TAGS = {
    "linux-x86_64": "manylinux_2_17_x86_64",
    "linux-aarch64": "manylinux_2_17_aarch64",
    "win-amd64": "win_amd64",
    "macosx-arm64": "macosx_11_0_arm64",
}
CLIP = ("-f", "lavfi", "-i", "testsrc2=s=160x96:r=24:d=0.5", "-pix_fmt", "yuv420p", "-c:v", "ffv1")
FFMPEG = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"


def smoke(wheel: Path) -> None:
    """Raises:
    subprocess.CalledProcessError: a command has failed; what it printed is on the terminal.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        venv.create(home / "env", with_pip=True)
        programs = home / "env" / ("Scripts" if os.name == "nt" else "bin")
        environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

        def call(*command: object) -> None:
            subprocess.run([*map(str, command)], check=True, cwd=home, env=environment)

        call(programs / "python", "-m", "pip", "install", "--quiet", wheel)
        call(programs / "vsj4r", "doctor")
        ffmpeg = subprocess.run(
            [str(programs / "python"), "-c", FFMPEG], check=True, capture_output=True, text=True
        ).stdout.strip()
        call(ffmpeg, "-loglevel", "error", *CLIP, "rain.mkv")
        call(programs / "vsj4r", "run", "rain.mkv", "clean.mkv", "--model", "j4r-lite")
        call(programs / "vspipe", "--version")


def wheel_here() -> Path:
    """This platform's wheel in ``DIST``."""
    platform = sysconfig.get_platform()
    if platform.startswith("macosx"):
        platform = f"macosx-{platform.rpartition('-')[2]}"
    tag = TAGS.get(platform)
    found = sorted(DIST.glob(f"vsj4r-*-{tag}*.whl")) if tag else []
    if len(found) != 1:
        raise SystemExit(f"smoke: {len(found)} wheels for {platform} in {DIST}, not one: make wheel")
    return found[0]


if __name__ == "__main__":
    smoke(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else wheel_here())
