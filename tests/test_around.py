"""What is around a run: other processes, files that come and go, odd names, streams that are closed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests import media
from tests.cli import assert_refused, batch, command, leftovers, run, vsj4r
from tests.tried import tried
from vsj4r.errors import Vsj4rError
from vsj4r.media.whole import whole_file, whole_folder
from vsj4r.short_text import read_short_text

pytestmark = [
    pytest.mark.usefixtures("index_cache"),
    pytest.mark.skipif(sys.platform == "win32", reason="named pipes, names that are bytes"),
]
FRAME = b"FRAME\n" + bytes(64 * 64 * 3 // 2)
NO_UTF8 = os.fsdecode(b"d\xff")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.plain(tmp_path_factory.mktemp("plain") / "in.mkv")


def begun(*arguments: object, folder: Path) -> subprocess.Popen[str]:
    """A command that has something under way in ``folder``."""
    process = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not leftovers(folder) and process.poll() is None:
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("has_links", [True, False])
@tried(
    "AVI, raw streams and others",
    "an output that appears while it is written",
    "it is kept, and that is told",
)
def test_a_file_that_has_appeared_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(95, "not supported")

    if not has_links:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    output = tmp_path / "film.mkv"
    with whole_file(output, replaces=False) as temporary:
        temporary.write_text("first")
    appeared = pytest.raises(Vsj4rError, match=r"film\.mkv has appeared meanwhile: it is kept")
    with appeared, whole_file(output, replaces=False) as temporary:
        temporary.write_text("second")
    assert output.read_text() == "first"
    with whole_file(output) as temporary:
        temporary.write_text("third")
    assert output.read_text() == "third"
    assert not leftovers(tmp_path)


def test_what_the_body_finds_there_is_not_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError), whole_file(tmp_path / "film.mkv", replaces=False):
        tmp_path.mkdir()


def test_a_folder_that_has_been_filled_meanwhile_is_kept(tmp_path: Path) -> None:
    output = tmp_path / "frames"
    output.mkdir()
    with whole_folder(output, replaces=False) as temporary:
        (temporary / "0.png").write_text("first")
    appeared = pytest.raises(Vsj4rError, match="frames has appeared meanwhile: it is kept")
    with appeared, whole_folder(output, replaces=False) as temporary:
        (temporary / "0.png").write_text("second")
    assert (output / "0.png").read_text() == "first"
    assert not leftovers(tmp_path)


def test_of_two_runs_at_once_one_wins(plain: Path, model: Path, tmp_path: Path) -> None:
    line = command("run", plain, tmp_path / "out.mkv", "--model", model)
    both = [subprocess.Popen(line, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    (lost,) = (text for process, text in zip(both, said, strict=True) if process.returncode)
    assert "has appeared meanwhile" in lost or "exists already" in lost
    assert not leftovers(tmp_path)


@pytest.mark.slow
def test_a_batch_keeps_what_has_appeared_since_it_began(plain: Path, model: Path, tmp_path: Path) -> None:
    for name in ("a.mkv", "b.mkv"):
        shutil.copy(plain, tmp_path / name)
    (tmp_path / "jobs.toml").write_text(
        f'[[job]]\nmodel = "{model}"\ninput = ["a.mkv", "b.mkv"]\noutput = "out/{{stem}}.mkv"\n'
    )
    line = command("batch", "jobs.toml", "--json")
    with subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert '"batch"' in process.stdout.readline()
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / "b.mkv").write_text("precious")
        said = process.stdout.read()
    assert process.returncode == 1
    assert "b.mkv has appeared meanwhile: it is kept" in said
    assert (tmp_path / "out" / "b.mkv").read_text() == "precious"
    assert (tmp_path / "out" / "a.mkv").stat().st_size > 1000
    (tmp_path / "out" / "b.mkv").unlink()
    batch(tmp_path)  # what was encoded is joined
    assert (tmp_path / "out" / "b.mkv").stat().st_size > 1000


@tried(
    "AVI, raw streams and others",
    "the folder of the output is moved away",
    "one line; nothing under the output's name",
)
def test_an_output_whose_folder_has_gone_is_told(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    source = media.plain(tmp_path / "long.mkv", seconds=8)
    process = begun("run", source, folder / "out.mkv", "--model", model, folder=folder)
    folder.rename(tmp_path / "elsewhere")
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    assert f"{folder}/out.mkv has been moved or removed while it was written" in said


@tried("AVI, raw streams and others", "a named pipe as a batch's input", "refused, with its line")
def test_a_batch_waits_for_no_pipe(model: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in.mkv")
    table = f'[[job]]\nmodel = "{model}"\ninput = "in.mkv"\noutput = "out/{{stem}}.mkv"\n'
    (tmp_path / "jobs.toml").write_text(table)
    done = vsj4r("batch", "jobs.toml", cwd=tmp_path)
    assert_refused(done, 2, "jobs.toml:3: ", tmp_path)
    assert "in.mkv is no file, and a batch reads twice: vsj4r run takes a pipe" in done.stderr
    media.plain(tmp_path / "film.mkv")
    (tmp_path / "jobs.toml").write_text(
        table.replace("in.mkv", "film.mkv") + 'mask = "in.mkv"\n[[job]]\n'
        f'model = "{model}"\ninput = "film.mkv"\noutput = "film.mkv/out.mkv"\n'
    )
    done = vsj4r("batch", "jobs.toml", "--dry-run", cwd=tmp_path)
    assert done.returncode == 2
    masked, below = done.stderr.splitlines()
    assert masked.endswith(f"{tmp_path}/in.mkv is no file")
    assert below.endswith(f"lies below {tmp_path}/film.mkv, which is a file")


@tried("Damage", "a qpfile or a curve of strengths that never ends", "refused before it fills the memory")
def test_what_is_too_long_for_a_text_is_refused(plain: Path, model: Path, tmp_path: Path) -> None:
    endless = tmp_path / "endless.txt"
    with endless.open("wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(OSError, match="too large"):
        read_short_text(endless)
    for option in ("--qpfile", "--strength"):
        done = vsj4r("run", plain, tmp_path / "out.mkv", "--model", model, option, endless)
        assert done.returncode != 0
        assert "File too large" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_log_spoils_no_other_file(plain: Path, model: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.mkv", tmp_path / "out.mkv"
    shutil.copy(plain, source)
    for log, text in (
        (source, f"{source} is no log, and would be spoiled"),
        (output, f"the log {output} is an output as well"),
    ):
        done = vsj4r("run", source, output, "--model", model, "--log", log)
        assert_refused(done, 2, text, tmp_path)
    assert source.read_bytes() == plain.read_bytes()
    assert not output.exists()


@tried("AVI, raw streams and others", "folders and models whose names are no UTF-8", "one line")
def test_names_that_are_no_utf8(plain: Path, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / NO_UTF8
    folder.mkdir()
    for output in ("out.mkv", "out/"):
        done = vsj4r("run", plain, folder / output, "--model", model)
        assert_refused(done, 1, "has a name that is no UTF-8: rename it", folder)
    shutil.copy(plain, folder / "in.mkv")
    done = vsj4r("run", folder / "in.mkv", tmp_path / "out.mkv", "--model", model)
    assert_refused(done, 1, "VapourSynth needs names in UTF-8: rename the file, or its folder", tmp_path)
    for suffix in (".onnx", ".json"):
        shutil.copy(model.with_suffix(suffix), folder / f"tiny{suffix}")
    done = vsj4r("run", plain, tmp_path / "out.mkv", "--model", folder / "tiny.onnx")
    assert_refused(done, 1, "is no UTF-8: rename it, or its folder", tmp_path)


def test_a_cache_whose_name_is_no_utf8_fails_nothing(
    plain: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / NO_UTF8))
    run(plain, tmp_path / "out.mkv", "--model", model)


@tried("AVI, raw streams and others", "y4m with more frames than its head says", "all of them, with a line")
def test_a_head_that_says_too_few_frames(model: Path, tmp_path: Path) -> None:
    stream = b"YUV4MPEG2 W64 H64 F25:1 XLENGTH=2\n" + 3 * FRAME
    line = command("run", "-", tmp_path / "out.mkv", "--model", model)
    done = subprocess.run(line, input=stream, capture_output=True, check=True, timeout=120)
    told, ended = done.stderr.decode().splitlines()
    assert told == "vsj4r: stdin has 3 frames, and its head says 2"
    assert ended.startswith(f"{tmp_path}/out.mkv: 3 frames in ")


@pytest.mark.parametrize(
    ("rate", "told"),
    [
        ("99999999999999999999:1", "vsj4r: the y4m head says a rate of 99999999999999999999:1"),
        ("1000000:1", "vsj4r: stdin says a rate of 1e+06, which is none: taken as 25 frames a second"),
    ],
)
def test_rates_that_are_none(model: Path, tmp_path: Path, rate: str, told: str) -> None:
    stream = f"YUV4MPEG2 W64 H64 F{rate}\n".encode() + FRAME
    line = command("run", "-", tmp_path / "out.mkv", "--model", model)
    done = subprocess.run(line, input=stream, capture_output=True, check=False, timeout=120)
    assert done.stderr.decode().startswith(told)
    assert "Traceback" not in done.stderr.decode()


def test_only_what_was_read_is_reported(model: Path, tmp_path: Path) -> None:
    source = media.plain(tmp_path / "long.mkv", seconds=8)
    line = command("run", source, "-", "--model", model)
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        ended = process.stderr.read().decode().splitlines()[-1]
    assert ended.startswith("stdout: ")
    assert int(ended.split()[1]) < 192


@tried("AVI, raw streams and others", "closed standard streams", "as if they led nowhere: y4m stays y4m")
def test_closed_streams_lead_nowhere(plain: Path, model: Path, tmp_path: Path) -> None:
    def bash(text: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["bash", "-c", text, "bash", *command("run")], capture_output=True, check=False, timeout=120
        )

    script = tmp_path / "in.vpy"
    script.write_text(
        "import vapoursynth as vs\nprint('said')\n"
        "vs.core.std.BlankClip(width=64, height=64, format=vs.YUV420P8, length=2).set_output()\n"
    )
    done = bash(f'"$@" - {tmp_path}/out.mkv --model {model} <&-')
    assert done.stderr.decode() == "vsj4r: stdin is empty: look at what should have written it\n"
    for source in (plain, script):
        done = bash(f'"$@" {source} - --model {model} <&- 2>&-')
        assert done.returncode == 0
        assert done.stdout.startswith(b"YUV4MPEG2 ")


def test_an_input_that_changes_meanwhile_is_told(
    plain: Path, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vsj4r.cli.report import BarReport
    from vsj4r.cli.run_report import derain_with_report
    from vsj4r.errors import UnsteadyError
    from vsj4r.run import job
    from vsj4r.run.settings import RunSettings

    source = tmp_path / "in.mkv"
    shutil.copy(plain, source)

    def change(*arguments: object) -> None:
        source.write_bytes(source.read_bytes() + b"more")
        raise UnsteadyError("frame 3")

    monkeypatch.setattr(job, "_derain_source", change)
    asked = job.Job(source, tmp_path / "out.mkv", to_folder=False, settings=RunSettings(model=tiny))
    with pytest.raises(Vsj4rError, match=r"in\.mkv has changed while it was read: run it again"):
        derain_with_report(asked, BarReport())


@pytest.fixture
def masked(plain: Path, model: Path, tmp_path: Path) -> list[object]:
    """The beginning of a run with masks/0.png as its mask, and model.onnx."""
    (tmp_path / "masks").mkdir()
    Image.new("L", (64, 64), 255).save(tmp_path / "masks" / "0.png")
    return ["run", plain, "--model", model, "--mask", tmp_path / "masks" / "0.png"]


@pytest.mark.parametrize("name", ["masks/0.png.mkv", "masks/", "model.onnx.mkv"])
@tried("AVI, raw streams and others", "an output that is a mask or a model of the run", "it is refused")
def test_what_is_read_is_not_written_over(
    masked: list[object], model: Path, tmp_path: Path, name: str
) -> None:
    read = {"masks/0.png.mkv": tmp_path / "masks" / "0.png", "model.onnx.mkv": model}.get(name)
    output = tmp_path / name
    if read is not None:
        output.hardlink_to(read)
    before = {path: path.read_bytes() for path in (tmp_path / "masks").iterdir()}
    done = vsj4r(*masked, f"{output}/" if name.endswith("/") else output, "--overwrite")
    assert done.returncode == 1
    assert "would overwrite" in done.stderr
    assert "which is read" in done.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "masks").iterdir()} == before
