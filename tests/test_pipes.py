"""`vsj4r run` in a pipe: y4m from stdin and to stdout, named pipes, and VapourSynth scripts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import psutil
import pytest
import vapoursynth as vs

from tests import media
from tests.cli import Done, assert_refused, command, leftovers, run, vsj4r
from tests.tried import tried
from vsj4r.media.encoders import ffmpeg_executable
from vsj4r.media.pipes import Pipe
from vsj4r.media.video import frames_in_order
from vsj4r.media.y4m import parse_head

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="named pipes")


def y4m(*options: str, seconds: float = 0.5, size: str = "96x64", rate: int = 24) -> bytes:
    """A y4m stream of the test picture, as ffmpeg writes it."""
    made = [ffmpeg_executable(), "-loglevel", "error", *media.picture(seconds=seconds, size=size, rate=rate)]
    made += [*options, "-strict", "-1", "-f", "yuv4mpegpipe", "-"]
    return subprocess.run(made, check=True, capture_output=True).stdout


def piped(
    content: bytes, *options: object, output: object = "-", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command("run", "-", output, *options),
        input=content,
        capture_output=True,
        check=False,
        timeout=120,
        cwd=cwd,
    )


def frames_of(stream: bytes) -> list[bytes]:
    return stream[stream.index(b"\n") + 1 :].split(b"FRAME\n")[1:]


PIXELS = [
    "yuv420p", "yuv422p", "yuv444p", "yuv411p", "gray", "gray10le", "gray16le", "yuv420p9le", "yuv420p10le",
    "yuv422p12le", "yuv444p14le", "yuv420p16le", "yuv444p16le",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("pixels", PIXELS)
@tried("AVI, raw streams and others", "y4m of every format, from and to a pipe", "exact")
def test_all_that_y4m_names_goes_through_to_the_bit(model: Path, pixels: str) -> None:
    sent = y4m("-pix_fmt", pixels, seconds=0.1)
    done = piped(sent, "--model", model, "--strength", 0)
    assert done.returncode == 0, done.stderr
    assert done.stdout == sent


@pytest.mark.slow
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p10le", "yuv444p"])
def test_odd_sizes_go_through_to_the_bit(model: Path, pixels: str) -> None:
    sent = y4m("-vf", "scale=97:65", "-pix_fmt", pixels, seconds=0.1)
    assert piped(sent, "--model", model, "--strength", 0).stdout == sent
    assert piped(sent, "--model", model).stdout != sent


BOTH_WAYS = "--bidirectional"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("length", "ways"),
    [
        ("", []),
        (" XLENGTH=150", []),
        ("", [BOTH_WAYS]),
        (" XLENGTH=150", [BOTH_WAYS, "--scenes", "50,130"]),
    ],
)
def test_a_pipe_is_a_file(model: Path, tmp_path: Path, length: str, ways: list[str]) -> None:
    """Over the beginning of a segment, where the memory begins anew, and at the end, which nobody knows."""
    sent = y4m(seconds=6.25)
    (tmp_path / "in.y4m").write_bytes(sent)
    run(tmp_path / "in.y4m", tmp_path / "file.mkv", "--model", model, "--encoder", "ffv1", *ways)
    run(tmp_path / "in.y4m", tmp_path / "out.y4m", "--model", model, *ways)
    head, _, rest = sent.partition(b"\n")
    done = piped(head + length.encode() + b"\n" + rest, "--model", model, *ways)
    assert done.returncode == 0, done.stderr
    assert len(frames_of(done.stdout)) == 150
    assert frames_of(done.stdout) == frames_of((tmp_path / "out.y4m").read_bytes())
    assert b"stdout: 150 frames" in done.stderr
    into = tmp_path / "pipe.mkv"
    assert piped(sent, "--model", model, "--encoder", "ffv1", *ways, output=into).returncode == 0
    media.assert_same_frames(tmp_path / "file.mkv", tmp_path / "pipe.mkv")
    assert [float(s) for s in media.seconds_of_frames(tmp_path / "pipe.mkv")] == pytest.approx(
        [n / 24 for n in range(150)], abs=0.001
    )


@pytest.mark.slow
@pytest.mark.parametrize("ways", [[], [BOTH_WAYS]])
@pytest.mark.parametrize(("trim", "first", "end"), [("131:140", 131, 140), (":7", 0, 7), ("0.5:", 12, 150)])
def test_a_part_of_a_pipe(model: Path, trim: str, first: int, end: int, ways: list[str]) -> None:
    sent = y4m(seconds=6.25)
    whole = frames_of(piped(sent, "--model", model, *ways).stdout)
    part = piped(sent, "--model", model, "--trim", trim, *ways)
    assert part.returncode == 0, part.stderr
    assert frames_of(part.stdout) == whole[first:end]


@pytest.mark.slow
def test_a_part_of_an_odd_pipe_has_its_size(model: Path, tmp_path: Path) -> None:
    sent = y4m("-vf", "scale=97:65", "-pix_fmt", "yuv420p")
    part = piped(sent, "--model", model, "--strength", 0, "--trim", "0:4")
    assert b" W97 H65 " in part.stdout.partition(b"\n")[0]
    assert frames_of(part.stdout) == frames_of(sent)[:4]
    told = piped(sent, "--model", model, output=tmp_path / "even.mkv").stderr
    assert b"97x65 becomes 98x66: chroma has half the size" in told


@pytest.mark.slow
@pytest.mark.parametrize("name", ["-", "fifo.y4m"])
@tried("Damage", "a file that is not always decoded alike, into a pipe", "a line: run it again")
def test_what_went_into_a_pipe_is_not_begun_again(model: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "in.vpy").write_text(
        "import vapoursynth as vs\nfrom vsj4r.errors import Vsj4rError\n"
        "clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=96, height=64, length=30, keep=True)\n"
        "def broken(n, f):\n"
        "    if n == 20: raise Vsj4rError('VideoSource: No frame returned for frame number 20')\n"
        "    return f\n"
        "vs.core.std.ModifyFrame(clip, clip, broken).set_output()\n"
    )
    received: list[bytes] = []
    output = tmp_path / name if name != "-" else "-"
    if name != "-":
        os.mkfifo(tmp_path / name)
        reader = threading.Thread(target=lambda: received.append((tmp_path / name).read_bytes()))
        reader.start()
    done = subprocess.run(
        command("run", tmp_path / "in.vpy", output, "--model", model),
        capture_output=True,
        check=False,
        timeout=60,
    )
    if name != "-":
        reader.join()
    else:
        received.append(done.stdout)
    assert done.returncode == 1
    said = done.stderr.decode().splitlines()[-1]
    assert said.endswith("run it again, and one thread reads it, which is slower")
    assert len(frames_of(received[0])) < 20


def test_named_pipes(model: Path, tmp_path: Path) -> None:
    sent = y4m()
    reads, writes = tmp_path / "reads", tmp_path / "writes.y4m"
    for name in (reads, writes):
        os.mkfifo(name)
    process = subprocess.Popen(
        command("run", reads, writes, "--model", model), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    feeder = threading.Thread(target=reads.write_bytes, args=(sent,))
    feeder.start()
    found = writes.read_bytes()
    feeder.join()
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    assert found == piped(sent, "--model", model).stdout
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["reads", "writes.y4m"]


def test_a_video_to_stdout_says_what_it_is(model: Path, tmp_path: Path) -> None:
    tags = "setparams=range=pc:chroma_location=topleft,setsar=4/3"
    source = media.plain(
        tmp_path / "in.mkv", "-vf", tags, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-qp", "0"
    )
    done = subprocess.run(
        command("run", source, "-", "--model", model), capture_output=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    head = parse_head(done.stdout[: done.stdout.index(b"\n") + 1])
    assert (head.width, head.height, head.frames) == (96, 64, 24)
    assert head.rate == Fraction(24)
    assert head.props == {"_FieldBased": 0, "_ChromaLocation": 2, "_Range": 1, "_SARNum": 4, "_SARDen": 3}
    assert [entry.name for entry in tmp_path.iterdir()] == ["in.mkv"]


def test_rgb_becomes_444(model: Path, tmp_path: Path) -> None:
    source = media.plain(tmp_path / "in.mkv", "-pix_fmt", "gbrp10le", seconds=0.2)
    done = subprocess.run(command("run", source, "-", "--model", model), capture_output=True, check=False)
    assert b" C444p10 " in done.stdout[:200]
    assert b"RGB30 is converted to YUV444P10" in done.stderr


def test_a_reader_that_has_had_enough_is_a_clean_end(model: Path) -> None:
    process = subprocess.Popen(
        command("run", "-", "-", "--model", model),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    sent = y4m(seconds=20)
    feeder = threading.Thread(target=_feed, args=(process.stdin, sent))
    feeder.start()
    process.stdout.read(20000)
    process.stdout.close()
    said = process.stderr.read().decode().splitlines()
    assert process.wait(timeout=60) == 0, said
    feeder.join()
    assert said[0] == "vsj4r: the reader of stdout has closed it: ended"
    assert not [line for line in said if "Traceback" in line]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sender_that_has_stopped_keeps_nobody(model: Path, tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, while a frame is awaited that does not come."""
    process = subprocess.Popen(
        command("run", "-", tmp_path / "out.mkv", "--model", model, "--encoder", "ffv1", "--json"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(y4m()[:-100])
    process.stdin.flush()
    for line in process.stdout:
        if b'"progress"' in line:
            break
    until_idle(process.pid)  # it waits
    process.send_signal(number)
    assert process.wait(timeout=30) == 128 + number
    process.stdin.close()
    assert not leftovers(tmp_path)
    assert not (tmp_path / "out.mkv").exists()


def until_idle(pid: int) -> None:
    """Until the process has done nothing for a while, however slow the machine is."""
    process, before = psutil.Process(pid), -1.0
    while (now := sum(process.cpu_times()[:2])) > before + 0.01:
        before = now
        time.sleep(1)


def _feed(stream: object, content: bytes) -> None:
    try:
        stream.write(content)  # type: ignore[attr-defined]
        stream.close()  # type: ignore[attr-defined]
    except BrokenPipeError:
        pass


def refused(done: subprocess.CompletedProcess[bytes], code: int, text: str, folder: Path) -> None:
    said = Done(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert_refused(said, code, text, folder)


@pytest.mark.slow
def test_what_is_wrong_with_a_pipe_is_one_line(model: Path, tmp_path: Path) -> None:
    sent, out = y4m(), tmp_path / "out.mkv"
    head, _, rest = sent.partition(b"\n")
    for content, text in (
        (b"", "stdin is empty: look at what should have written it"),
        (os.urandom(9000), "stdin is no y4m"),
        (head + b"\n", "stdin ends before its first frame"),
        (sent[:-100], "stdin ends in the middle of frame 11"),
        (head + b" XLENGTH=20\n" + rest, "stdin ends after 12 of 20 frames"),
        (sent[:-9222] + b"x" * 9300, "stdin is no y4m any more at frame 11"),
        (head.replace(b" Ip", b" It") + b"\n" + rest, "stdin is interlaced: deinterlace it first"),
        (head.replace(b"C420jpeg", b"C444alpha") + b"\n" + rest, "the y4m head names samples C444alpha"),
        (b"YUV4MPEG2 W96 F24:1\n" + rest, "the y4m head says no size"),
    ):
        refused(piped(content, "--model", model, output=out), 1, text, tmp_path)
        assert not out.exists()
    refused(piped(sent, "--preview", "--model", model, output=out), 2, "a preview is of a file", tmp_path)
    refused(
        piped(sent, "--fps", "30", "--model", model, output=out), 1, "stdin has a rate of its own", tmp_path
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("words", [["run", "a.mkv", "-"], ["doctor", "--json"], ["--version"]])
def test_a_full_stdout_is_named(tmp_path: Path, words: list[str]) -> None:
    media.plain(tmp_path / "a.mkv", seconds=0.2)
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            command(*words), stdout=full, stderr=subprocess.PIPE, check=False, cwd=tmp_path
        )
    said = b"vsj4r: stdout cannot be written: No space left on device"
    assert (ended.returncode, ended.stderr.splitlines()) == (1, [said])


def test_a_dash_is_no_folder(model: Path, tmp_path: Path) -> None:
    assert piped(y4m(), "--model", model, cwd=tmp_path).returncode == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [["rain", "a.mkv", "-"], ["compare", "-", "a.mkv", "-o", "page.html"], ["demo", "-"]]
)
def test_no_command_but_run_takes_a_pipe(tmp_path: Path, words: list[str]) -> None:
    refused = vsj4r(*words, cwd=tmp_path)
    assert_refused(refused, 2, f"run alone takes - for a pipe: for {words[0]}, name a file", tmp_path)
    assert not list(tmp_path.iterdir())


def test_json_keeps_out_of_the_frames(model: Path) -> None:
    sent = y4m()
    done = piped(sent, "--model", model, "--json")
    assert done.stdout == piped(sent, "--model", model).stdout
    assert b'"event": "plan"' in done.stderr
    assert b'"frames": null' in done.stderr
    assert b'"event": "done"' in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_memory_is_flat(model: Path) -> None:
    """Ten times as many frames, 80 MiB of them, take no more."""

    def peak_kib(seconds: float) -> int:
        sent = y4m(seconds=seconds, size="320x192", rate=50)
        process = subprocess.Popen(
            command("run", "-", "-", "--model", model),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdin is not None
        _feed(process.stdin, sent)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0
        return usage.ru_maxrss

    assert peak_kib(20) - peak_kib(2) < 20 << 10


SCRIPT = """
import vapoursynth as vs
print("a word on stdout")
clip = vs.core.std.BlankClip(width=96, height=64, format=vs.YUV420P8, length=9, fpsnum=30)
clip.set_output()
"""


@pytest.mark.slow
def test_a_script_is_an_input(model: Path, tmp_path: Path) -> None:
    script = tmp_path / "a.vpy"
    script.write_text(SCRIPT)
    done = subprocess.run(command("run", script, "-", "--model", model), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"YUV4MPEG2 W96 H64 F30:1 Ip A0:0 C420 ")
    assert len(frames_of(done.stdout)) == 9
    assert b"a word on stdout" in done.stderr
    assert b"sound" not in done.stderr  # y4m has none anyway
    assert (
        "sound, subtitles and chapters are not copied"
        in run(script, tmp_path / "out.mkv", "--model", model).stderr
    )
    assert len(media.seconds_of_frames(tmp_path / "out.mkv")) == 9
    script.write_text(SCRIPT.replace("clip.set_output", "clip.std.SetFrameProps(J4RRain=0.5).set_output"))
    again = run(script, tmp_path / "again.mkv", "--model", model).stderr
    assert "the script derains already (core.j4r.Derain): what it gives is derained once more" in again
    for text, said in (
        ("raise ValueError('one\\ntwo')", "ends with an error in line 1: ValueError: one"),
        ("def half():\n    return 1 / 0\n\nhalf()", "ends with an error in line 2: ZeroDivisionError"),
        ("pass", "sets no video as output 0"),
        ("a b", "ends with an error: SyntaxError: invalid syntax (a.vpy, line 1)"),
    ):
        script.write_text(text)
        assert_refused(vsj4r("run", script, tmp_path / "no.mkv", "--model", model), 1, said, tmp_path)


def test_a_batch_runs_no_script(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.vpy").write_text("open('ran', 'w')")
    (tmp_path / "jobs.toml").write_text(f"[[job]]\ninput = 'a.vpy'\noutput = 'a.mkv'\nmodel = '{model}'\n")
    done = vsj4r("batch", "jobs.toml", cwd=tmp_path)
    assert (done.returncode, "a.vpy is a script, and a batch runs none" in done.stderr) == (2, True)
    assert not (tmp_path / "ran").exists()
    assert not leftovers(tmp_path)


def test_nothing_behind_the_end_is_worked_out(tmp_path: Path) -> None:
    """What looks a frame ahead, as the filter does, is asked for the frames of the pipe and no others."""
    stream = tmp_path / "in.y4m"
    stream.write_bytes(y4m(seconds=0.5))
    pipe, asked = Pipe(stream), []

    def look(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:
        asked.append(n)
        return f[0]

    both = [pipe.clip, pipe.clip[1:] + pipe.clip[-1:]]
    looking = vs.core.std.ModifyFrame(pipe.clip, both, look)
    found = sum(1 for _ in frames_in_order(looking, pipe.has))
    assert (found, sorted(asked)) == (12, list(range(12)))


def test_a_pipe_is_read_ahead(tmp_path: Path) -> None:
    """Before its frames are asked for, and no further than memory allows."""
    stream = tmp_path / "in.y4m"
    os.mkfifo(stream)
    content = y4m(seconds=0.5, size="640x360")
    feeder = threading.Thread(target=lambda: _feed(stream.open("wb"), content))
    feeder.start()
    pipe = Pipe(stream)
    deadline = time.monotonic() + 30
    while pipe.has(3) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [pipe.has(n) for n in range(12)] == [True] * 4 + [None] * 8
    assert feeder.is_alive()
    assert sum(1 for _ in frames_in_order(pipe.clip, pipe.has)) == 12
    feeder.join()
    assert [pipe.has(n) for n in (11, 12)] == [True, False]


def test_what_shows_a_run_imports_no_batch() -> None:
    script = (
        "import sys, vsj4r.cli.run_report, vsj4r.cli.spelling\n"
        "print([name for name in sys.modules if name.startswith('vsj4r.batch.')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['vsj4r.batch.plan']\n"


@pytest.mark.slow
def test_a_script_runs_in_its_own_folder_and_the_output_lies_where_it_was_asked_for(
    model: Path, tmp_path: Path
) -> None:
    inside, elsewhere = tmp_path / "inside", tmp_path / "elsewhere"
    inside.mkdir()
    elsewhere.mkdir()
    media.plain(inside / "rain.mkv", seconds=0.2)
    text = 'import os, vapoursynth as vs\nvs.core.bs.VideoSource("rain.mkv", cachemode=0).set_output()\n'
    (inside / "a.vpy").write_text(f"{text}os.chdir({str(elsewhere)!r})\n")
    run("inside/a.vpy", "out.mkv", "--model", model, cwd=tmp_path)
    assert (tmp_path / "out.mkv").is_file()
    assert not list(elsewhere.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("is_script", [True, False])
def test_a_rate_that_is_none_is_no_rate(model: Path, tmp_path: Path, is_script: bool) -> None:
    output = tmp_path / "out.mkv"
    if is_script:
        (tmp_path / "a.vpy").write_text(SCRIPT.replace("fpsnum=30", "fpsnum=1200000"))
        said = run(tmp_path / "a.vpy", output, "--model", model).stderr
    else:
        said = piped(y4m().replace(b"F24:1", b"F1200000:1"), "--model", model, output=output).stderr.decode()
    assert "says a rate of 1.2e+06, which is none: taken as 25 frames a second" in said
    times = media.seconds_of_frames(output)
    assert times[1] - times[0] == pytest.approx(0.04)


@pytest.mark.parametrize("name", ["-", "out.y4m", "out/", "out.mkv"])
def test_a_pipe_that_ends_before_the_part_begins(model: Path, tmp_path: Path, name: str) -> None:
    options = ("--model", model, "--trim", "100:")
    if name == "-":
        done = piped(y4m(), *options)
    else:
        (tmp_path / "sub").mkdir()
        done = piped(y4m(), *options, output=f"{tmp_path}/sub/{name}")
    assert done.returncode == 1
    assert b"there is no frame to write: the input ends before the part begins" in done.stderr
    assert not list((tmp_path / "sub").glob("*"))
    assert not (name == "-" and done.stdout)
