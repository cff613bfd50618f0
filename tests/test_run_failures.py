"""``vsj4r run`` refused, failing or stopped: one line, an exit code, nothing left behind."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import media
from tests.batch_jobs import body, jobs
from tests.cli import alive, assert_refused, children_of, command, leftovers, run, vsj4r
from vsj4r.engine.weights import models
from vsj4r.errors import DiskFullError, Vsj4rError
from vsj4r.media.process import FFmpeg


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.plain(tmp_path_factory.mktemp("plain") / "plain.mkv")


def test_overwriting_is_asked_for_and_whole(plain: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "clean.mkv"
    output.write_text("earlier")
    assert_refused(vsj4r("run", plain, output, "--model", model), 1, "exists already: --overwrite", tmp_path)
    failed = vsj4r("run", plain, output, "--model", model, "--overwrite", "--ffmpeg", "-vf fps=5")
    assert_refused(failed, 1, "0 of 1 frames arrived", tmp_path)
    assert output.read_text() == "earlier"
    run(plain, output, "--model", model, "--overwrite")
    assert len(media.seconds_of_frames(output)) == 24


@pytest.mark.slow
def test_overwriting_a_folder_mixes_no_images(plain: Path, model: Path, tmp_path: Path) -> None:
    """An image of an earlier, longer clip would be a frame more; a file that is none is left alone."""
    short, folder = media.plain(tmp_path / "short.mkv", seconds=0.25), tmp_path / "frames"
    options = ("--model", model, "--overwrite")
    run(plain, folder, *options)
    (folder / "notes.txt").write_text("no image")
    written = {entry: entry.read_bytes() for entry in folder.iterdir()}
    line = "holds 000006.png and 17 more, which would stay among the new images"
    assert_refused(vsj4r("run", short, folder, *options), 1, line, tmp_path)
    assert {entry: entry.read_bytes() for entry in folder.iterdir()} == written
    for n in range(6, 24):
        (folder / f"{n:06d}.png").unlink()
    run(short, folder, *options)
    assert len(list(folder.iterdir())) == 7


@pytest.mark.slow
def test_bad_inputs_get_one_line(plain: Path, model: Path, tmp_path: Path) -> None:
    def refused(code: int, text: str, source: object, output: object, *options: object) -> None:
        assert_refused(vsj4r("run", source, output, "--model", model, *options), code, text, tmp_path)

    out = tmp_path / "out.mkv"
    (tmp_path / "text.mkv").write_text("this is no video")
    (tmp_path / "empty").mkdir()
    (tmp_path / "corrupt.mkv").write_bytes(plain.read_bytes()[:700] + bytes(5000))
    media.ffmpeg("-f", "lavfi", "-i", "sine=d=1", str(tmp_path / "sound.mka"))
    media.plain(
        tmp_path / "interlaced.mkv", "-vf", "setfield=tff", "-c:v", "libx264", "-flags", "+ildct+ilme"
    )
    refused(1, "no such file or folder", tmp_path / "absent.mkv", out)
    refused(
        1,
        "https://example.invalid/rain.mp4 is an address: fetch it first",
        "https://example.invalid/rain.mp4",
        out,
    )
    refused(1, "cannot be read as a video", tmp_path / "text.mkv", out)
    refused(1, "corrupt.mkv", tmp_path / "corrupt.mkv", out)
    refused(
        1,
        "): videos are named one by one, or in a job file as",
        tmp_path / "empty",
        out,
    )
    refused(1, "has no video stream", tmp_path / "sound.mka", out)
    sounding = ("-f", "lavfi", "-i", "sine=d=1", "-c:v", "libx264", "-c:a", "flac")
    media.plain(tmp_path / "sounding.mkv", *sounding, "-map", "0", "-map", "1")
    cut = ("-i", f"{tmp_path}/sounding.mkv", "-c", "copy", "-ss", "0.5")
    media.ffmpeg(*cut, f"{tmp_path}/no-key-frame.mkv")
    refused(1, "has a video stream without a frame: cut it again", tmp_path / "no-key-frame.mkv", out)
    refused(1, "is interlaced: deinterlace it first", tmp_path / "interlaced.mkv", out)
    refused(1, "no folder", plain, tmp_path / "absent" / "out.mkv")
    refused(1, "which is read", plain, plain)
    refused(1, "File name too long", plain, tmp_path / f"{'long' * 80}.mkv")
    refused(2, "--encoder must be one of auto, x264, x265", plain, out, "--encoder", "x266")
    refused(2, "unknown type of output 'out.xyz': known are .mkv", plain, tmp_path / "out.xyz")
    refused(2, "encoder ffv1 has no crf", plain, out, "--encoder", "ffv1", "--crf", 3)
    refused(2, "--crf: encoder dnxhr has no crf", plain, tmp_path / "out.mxf", "--crf", 3)
    refused(2, "--chroma of svtav1 must be one of 420", plain, tmp_path / "out.webm", "--chroma", "444")
    refused(2, "--depth of x264 must be one of 8, 10, got 14", plain, out, "--depth", 14)
    refused(1, "depth of x264 must be one of 8, 10, got 12", plain, out, "--depth", 12)
    refused(2, "--scenes must be whole numbers", plain, out, "--scenes", "9" * 5000)
    refused(2, "--trim must hold frame numbers or times", plain, out, "--trim", f"0.0:{'9' * 400}.0")
    two = ("--output", "derained", "--output", "rain", "--preview")
    refused(2, "a picture of before and after takes one output", plain, tmp_path / "look.png", *two)
    (tmp_path / "broken.vpy").write_text(
        "import vapoursynth as vs\nclip = vs.core.std.BlankClip(format=vs.YUV420P8, length=3)\n"
        "vs.core.std.FrameEval(clip, lambda n: 1 / 0).set_output()\n"
    )
    refused(1, "division by zero", tmp_path / "broken.vpy", out)
    refused(2, "--strength", plain, out, "--strength", 2)
    refused(2, "No such option: --fast", plain, out, "--fast")
    unsaid = vsj4r("run", plain, "--output", out)
    assert_refused(unsaid, 2, "Missing argument 'OUTPUT'. Usage: vsj4r run", tmp_path)
    refused(2, "No closing quotation", plain, out, "--ffmpeg", "'-x")
    refused(
        1, "is not taken: Unrecognized option 'no_such_option'", plain, out, "--ffmpeg", "-no_such_option 1"
    )
    for nameless in ("", ".mkv", tmp_path / ".MP4"):
        refused(2, "OUTPUT has no name", plain, nameless)
    refused(2, "INPUT has no name", "", out)
    for words, stray in (
        (f"-tune grain {plain}", plain),
        ("more.mkv", "more.mkv"),
        ("-shortest x.mkv", "x.mkv"),
    ):
        refused(2, f"{str(stray)!r} belongs to no option", plain, out, "--ffmpeg", words)
    mistaken = (
        ("-x264-params nope=1", "Error parsing option 'nope = 1'."),
        ("-preset nope", "invalid preset 'nope'"),
    )
    for words, said in mistaken:
        refused(1, f"--ffmpeg {words!r} is not taken: ", plain, out, "--ffmpeg", words)
        refused(1, said, plain, out, "--ffmpeg", words)
    refused(2, "-f has no use: the kind of file goes by", plain, out, "--ffmpeg", "-f null")
    refused(2, "-an would leave out streams", plain, out, "--ffmpeg", "-an")
    refused(2, "-map would write streams a second time", plain, out, "--ffmpeg", "-map 0:v")
    refused(2, "device must be one of auto, cpu, cuda or cuda:N", plain, out, "--device", "tpu")
    unknown = vsj4r("run", plain, out, "--model", "j5r")
    assert_refused(unknown, 2, "unknown model 'j5r'", tmp_path)
    assert all(name in unknown.stderr for name in models())
    assert not out.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written(plain: Path, model: Path, tmp_path: Path) -> None:
    sealed = tmp_path / "sealed"
    sealed.mkdir(mode=0o500)
    done = vsj4r("run", plain, sealed / "out.mkv", "--model", model)
    assert_refused(done, 1, "cannot be written", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("name", ["out.mkv", "out"])
def test_stopping_leaves_nothing(
    model: Path, tmp_path: Path, sent: signal.Signals, code: int, name: str
) -> None:
    source = media.plain(tmp_path / "long.mkv", *media.QUICK, seconds=60, size="320x192")
    process = subprocess.Popen(
        command("run", source, tmp_path / name, "--model", model, "--json", "--ffmpeg", "-preset veryslow"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    while json.loads(process.stdout.readline())["event"] != "progress":
        pass
    children = children_of(process.pid)
    assert bool(children) == (name == "out.mkv"), "ffmpeg runs for a video"
    process.send_signal(sent)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == code, complaint
    assert "Traceback" not in complaint
    assert [entry.name for entry in tmp_path.iterdir()] == ["long.mkv"]
    assert not [child for child in children if alive(child)]


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [("SIGINT", -signal.SIGINT), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_in_the_midst_of_a_callback_is_not_lost(sent: str, code: int) -> None:
    """Python drops exceptions of a weak reference's callback: about one SIGTERM in 25 fell into one."""
    script = f"""
import signal, time, weakref
from vsj4r.cli.stops import Ending
class Thing: pass
thing = Thing()
dying = weakref.ref(thing, lambda _: signal.raise_signal(signal.{sent}))
Ending().listen()
del thing
time.sleep(60)
print("survived")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == code
    assert done.stdout == ""
    assert "Exception ignored" not in done.stderr


def unread(*arguments: object) -> tuple[int, str]:
    """The exit code and stderr of a command, the reader of whose stdout leaves after a line."""
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()
    return process.returncode, said


def test_events_that_nobody_reads_end_it(plain: Path, model: Path, tmp_path: Path) -> None:
    code, said = unread("run", plain, tmp_path / "out.mkv", "--model", model, "--json")
    assert said == "vsj4r: whoever reads the events has gone: ended, nothing is half-written\n"
    assert (code, list(tmp_path.iterdir())) == (141, [])
    jobs(tmp_path, model, body(plain, "b.mkv"))
    code, again = unread("batch", tmp_path / "jobs.toml", "--json")
    assert (code, again) == (141, said)
    assert not (tmp_path / "b.mkv").exists()


def test_text_that_nobody_reads_says_nothing() -> None:
    assert unread("run", "--help") in [(0, ""), (141, "")]  # where all of it was in the pipe by then
    assert unread("doctor") == (141, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another thing there")
def test_ctrl_c_while_it_is_being_loaded_says_nothing() -> None:
    code = """
import os, signal, sys
from vsj4r.cli import __main__

class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == "vsj4r.cli.app":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
signal.signal(signal.SIGINT, signal.default_int_handler)  # these tests may run where it is ignored
__main__.start()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


def test_what_ffmpeg_says_first_is_told_however_much_follows() -> None:
    said = "import sys; sys.exit('the first reason' + 99 * '\\na consequence')"
    with (
        pytest.raises(Vsj4rError, match=r"^ffmpeg: the first reason$"),
        FFmpeg([sys.executable, "-c", said]) as it,
    ):
        it.finish()


def test_a_full_disk_is_told_though_it_is_not_what_ffmpeg_says_first() -> None:
    lines = f"['a reason', 'av_interleaved_write_frame(): {os.strerror(errno.ENOSPC)}', *['more'] * 99]"
    said = f"import sys; print(*{lines}, sep='\\n', file=sys.stderr); sys.exit(1)"
    with (
        pytest.raises(DiskFullError, match=r"^ffmpeg: No space left"),
        FFmpeg([sys.executable, "-c", said]) as it,
    ):
        it.finish()


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that is in use stays there")
def test_a_folder_that_has_been_removed_is_named(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    line = shlex.join([*command("run", "in.mkv", "out.mkv")])
    done = subprocess.run(
        ["sh", "-c", f"rmdir ../gone; {line}"],
        cwd=tmp_path / "gone",
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    said = "vsj4r: the folder that this runs in has been removed: go to another"
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (1, [said])


def test_ffmpeg_that_dies_is_reported(model: Path, tmp_path: Path) -> None:
    source = media.plain(tmp_path / "long.mkv", *media.QUICK, seconds=60, size="320x192")
    process = subprocess.Popen(
        command("run", source, tmp_path / "out.mkv", "--model", model, "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while json.loads(process.stdout.readline())["event"] != "progress":
        pass
    (child,) = children_of(process.pid)
    os.kill(child, signal.SIGKILL)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 1
    assert complaint.splitlines() == ["vsj4r: ffmpeg: signal 9 ended it"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["long.mkv"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.mkv", "out"])
def test_what_a_killed_run_has_left_the_next_one_removes(model: Path, tmp_path: Path, name: str) -> None:
    """But what another machine may be writing."""
    source, output = media.plain(tmp_path / "in.mkv", seconds=20), tmp_path / name
    words = (source, output, "--model", model, *(("--encoder", "ffv1") if "." in name else ()))
    process = subprocess.Popen(command("run", *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not leftovers(tmp_path) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    (left,) = leftovers(tmp_path)
    elsewhere = re.sub("-[0-9a-f]{4}([0-9a-f]+)-", r"-zzzz\1-", left)
    (tmp_path / elsewhere).write_text("another machine's")
    run(*words, "--trim", ":5")
    assert leftovers(tmp_path) == [elsewhere]
