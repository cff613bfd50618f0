"""jobs.toml: every mistake is found before anything is begun, and named with its line."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests import media
from tests.cli import vsj4r
from tests.tiny_model import write_tiny_model
from vsj4r.batch import checks
from vsj4r.batch.bench import Bench
from vsj4r.batch.checks import check_batch
from vsj4r.batch.chunks import chunk_starts, cut_finder
from vsj4r.batch.job_settings import Settings
from vsj4r.batch.jobfile import FileJob, JobFile, read_jobs
from vsj4r.batch.plan import Plan
from vsj4r.batch.tasks import Task, Worker, perform
from vsj4r.batch.work import work_for
from vsj4r.engine.cuda.driver import Trouble
from vsj4r.engine.weights import find_model
from vsj4r.errors import Vsj4rError
from vsj4r.media.files import open_source
from vsj4r.media.images import write_png
from vsj4r.tables import Lines


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    write_tiny_model(folder)
    media.plain(folder / "a.mkv", seconds=0.2)
    media.plain(folder / "b.mkv", seconds=0.2)
    return folder


def read(shelf: Path, text: str) -> JobFile:
    path = shelf / "jobs.toml"
    path.write_text(text)
    jobs = read_jobs(path)
    check_batch(jobs, owned=set())
    return jobs


def refused(shelf: Path, text: str) -> list[tuple[int, str]]:
    return [(problem.line, problem.text) for problem in read(shelf, text).problems]


def job(body: str = 'input = "a.mkv"\noutput = "out/{stem}.mkv"', model: str = "tiny.onnx") -> str:
    return f'[[job]]\nmodel = "{model}"\n{body}\n'


def test_lines_of_every_key() -> None:
    lines = Lines(
        'folders = [ # "x]"\n "a",\n]\ntext = """\n[job]\nb = 1\n"""\n[defaults]\n"odd key" = 1\n'
        "[[job]]\nmodel = 'm'\n[[job]]\n  [job.options]\n  preset = 3\n"
    )
    found = [
        lines.of(key)
        for key in (
            ("folders",),
            ("text",),
            ("defaults", "odd key"),
            ("job", 0, "model"),
            ("job", 1),
            ("job", 1, "options", "preset"),
            ("job", 0, "absent"),
            ("absent",),
        )
    ]
    assert found == [1, 4, 9, 11, 12, 14, 10, 1]


@pytest.mark.parametrize(
    ("body", "line", "text"),
    [
        ('input = "a.mkv"\noutput = "o.mkv"\nmodle = "j4r"', 5, "unknown key 'modle' in [job]"),
        ('input = "absent*.mkv"\noutput = "o.mkv"', 3, "no such file or folder: absent*.mkv"),
        ('input = "a.mkv"', 1, "job 1 needs an output"),
        ('output = "o.mkv"', 1, "job 1 needs an input"),
        ('input = "a.mkv"\noutput = "{stm}.mkv"', 4, "unknown field {stm}"),
        (
            'input = "a.mkv"\noutput = "{stem!r}.mkv"',
            4,
            "unknown field { in output '{stem!r}.mkv': known are",
        ),
        ('input = "a.mkv"\noutput = "{stem.mkv"', 4, "unknown field { in output"),
        ('input = "a.mkv"\noutput = "o.xyz"', 4, "unknown type of output 'o.xyz'"),
        ('input = "a.mkv"\noutput = "../o.mkv"', 4, "outside the folders of this batch"),
        ('input = "a.mkv"\noutput = "/etc/o.mkv"', 4, "outside the folders of this batch"),
        ('input = "a.mkv"\noutput = "a.mkv"', 1, "which is read"),
        ('input = "a.mkv"\nmask = "b.mkv"\noutput = "b.mkv"\noverwrite = true', 1, "which is read"),
        (
            'input = "a.mkv"\noutput = "jobs.toml.vsj4r/parts/o.mkv"',
            1,
            "jobs.toml.vsj4r, the batch's own folder",
        ),
        ('input = "a.mkv"\noutput = "z\\u0000.mkv"', 4, "output must be a text without zero bytes"),
        ('input = ["a.mkv", ""]\noutput = "o/{stem}.mkv"', 3, "input must be a name, a pattern, or a list"),
        (
            'input = "a.mkv"\noutput = "o/x.mkv"\n[[job]]\ninput = "a.mkv"\noutput = "o/"',
            1,
            "o, which is an output itself",
        ),
        ('input = "a.mkv"\noutput = "b.mkv"', 1, "exists already: overwrite = true"),
        ('input = ["a.mkv", "b.mkv"]\noutput = "o.mkv"', 1, "would both become"),
        ('input = "a.mkv"\noutput = "o.mkv"\nencoder = "x266"', 5, "encoder must be one of auto, x264, x265"),
        ('input = "a.mkv"\noutput = "o.mkv"\npreset = "tv"', 5, "unknown preset 'tv': known are mezzanine"),
        ('input = "a.mkv"\noutput = "o.mkv"\npreset = ["web"]', 5, "unknown preset ['web']: known are"),
        (
            'input = "a.mkv"\noutput = "o.mkv"\nimage = "exr"',
            5,
            "image has no use here: the output is a video",
        ),
        ('input = "a.mkv"\noutput = "o.mkv"\nstrength = 2', 5, "strength must be between 0 and 1, got 2"),
        ('input = "a.mkv"\noutput = "o.mkv"\nchunk = 100', 5, "chunk must be a multiple of 120"),
        ('input = "a.mkv"\noutput = "o.mkv"\ntrim = ["1:00", "0:10"]', 5, "trim must end after it begins"),
        ('input = "a.mkv"\noutput = "o.mkv"\noptions = {preset = "x"}', 1, "encoder x264 preset=x cannot"),
        (
            'input = "a.mkv"\noutput = "o.mkv"\noptions = {x264-params = "nope=1"}',
            1,
            "Error parsing option 'nope = 1'",
        ),
        (
            'input = "a.mkv"\noutput = "o.mkv"\noptions = {progress = "tcp:host"}',
            1,
            "x264 has no option 'progress'",
        ),
        (
            'input = "a.mkv"\noutput = "o.webm"\noptions = {b-pyramid = "none"}',
            1,
            "svtav1 has no option 'b-pyramid'",
        ),
        ('input = "a.mkv"\noutput = "o.mkv"\noptions = {stats = "/tmp/x"}', 5, "options must hold no path"),
        ('input = "a.mkv"\noutput = "-"', 4, "output must be a file or a folder, got '-'"),
        ('input = "a.mkv"\noutput = "o.mkv"\ncrf = 52', 5, "crf of x264 must be at most 51, got 52"),
        ('input = "a.mkv"\noutput = "o.webm"\nencoder = "x264"', 1, "encoder x264 cannot write webm"),
        ('input = "a.mkv"\noutput = "o.mkv"\nencoder = "ffv1"\ncrf = 3', 6, "encoder ffv1 has no crf"),
        ('input = "a.mkv"\noutput = "o.mkv"\ndepth = 14', 5, "depth of x264 must be one of 8, 10, got 14"),
        ('input = "a.mkv"\noutput = "o.mkv"\ndepth = 12', 1, "depth of x264 must be one of 8, 10, got 12"),
        ('input = "a.mkv"\noutput = "o.mxf"\nchroma = "420"', 5, "chroma of dnxhr must be one of 422, 444"),
        ('input = "a.mkv"\noutput = "o.mxf"\ncrf = 20', 5, "encoder dnxhr has no crf"),
        ('input = "a.mkv"\noutput = "o.webm"\nchroma = "444"', 5, "chroma of svtav1 must be one of 420"),
        (
            'input = "a.mkv"\noutput = "o.mkv"\nchroma = "440"',
            5,
            "chroma must be one of 420, 422, 444, got '440'",
        ),
        (
            'input = "a.mkv"\noutput = "o.mkv"\nencoder = "svtav1"\nchroma = "422"',
            6,
            "chroma of svtav1 must be one of 420, got 422",
        ),
    ],
)
def test_each_mistake_is_named_with_its_line(shelf: Path, body: str, line: int, text: str) -> None:
    ((found, said),) = refused(shelf, job(body))
    assert (found, text in said) == (line, True), said


def test_an_unknown_model_and_broken_toml(shelf: Path) -> None:
    ((line, text),) = refused(shelf, job(model="j5r"))
    assert (line, "unknown model 'j5r'" in text) == (2, True)
    with pytest.raises(Vsj4rError, match=r"jobs\.toml:5: Cannot overwrite a value"):
        read(shelf, job() + 'model = "j4r"\n')


def test_notepad_may_write_a_job_file(shelf: Path) -> None:
    assert not refused(shelf, "\ufeff" + job())


def test_all_mistakes_are_told_at_once_and_nothing_is_begun(shelf: Path) -> None:
    (shelf / "jobs.toml").write_text("nonsense = 1\n[defaults]\nstrngth = 1\n" + job('input = "x.mkv"'))
    done = vsj4r("batch", "jobs.toml", cwd=shelf)
    assert done.returncode == 2
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        "jobs.toml:1",
        "jobs.toml:3",
        "jobs.toml:4",
        "jobs.toml:6",
    ]
    assert not (shelf / "jobs.toml.vsj4r").exists()
    broken = vsj4r("batch", "absent.toml", cwd=shelf)
    assert (broken.returncode, "absent.toml cannot be read" in broken.stderr) == (2, True)


def test_a_mistake_in_defaults_is_said_once_and_hides_none(shelf: Path) -> None:
    body = 'input = "{name}"\noutput = "{{stem}}.mkv"'
    wrong = "[defaults]\ncrf = 70\n" + "".join(job(body.format(name=name)) for name in ("no.mkv", "none.mkv"))
    said = [text for _, text in refused(shelf, wrong)]
    assert len(said) == 3
    assert said[0].startswith("crf must be a whole number")
    assert said[1:] == [f"no such file or folder: {name}" for name in ("no.mkv", "none.mkv")]


def test_a_link_does_not_lead_out_of_the_folders(shelf: Path, tmp_path: Path) -> None:
    (shelf / "elsewhere").symlink_to(tmp_path)
    ((line, text),) = refused(shelf, job('input = "a.mkv"\noutput = "elsewhere/o.mkv"'))
    assert (line, "outside the folders" in text) == (4, True)
    assert not refused(
        shelf, f'folders = ["{tmp_path}"]\n' + job('input = "a.mkv"\noutput = "elsewhere/o.mkv"')
    )


@pytest.mark.parametrize("pattern", ["deep/**/*.mkv", "deep/**", "{shelf}/deep/**/b.mkv", "deep/**/**b*.mkv"])
def test_a_pattern_goes_round_no_links(shelf: Path, pattern: str) -> None:
    (shelf / "deep" / "er").mkdir(parents=True)
    for name in ("b.mkv", ".b.mkv"):
        shutil.copy(shelf / "a.mkv", shelf / "deep" / "er" / name)
    (shelf / "deep" / "er" / "loop").symlink_to("..")
    pattern = pattern.format(shelf=shelf)
    jobs = read(
        shelf, job(f'input = ["{pattern}", "deep/er/b.mkv", "deep/*/*.mkv"]\noutput = "o/{{stem}}.mkv"')
    )
    assert [file.input for file in jobs.files] == [shelf / "deep" / "er" / "b.mkv"]
    assert not jobs.problems
    shutil.rmtree(shelf / "deep")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (".shots/*.mkv", ".shots/b.mkv"),
        (".s*/*.mkv", ".shots/b.mkv"),
        ("{shelf}/.shots/*.mkv", ".shots/b.mkv"),
        (".shots/.b*", ".shots/.b.mkv"),
        (".shots/*/", ".shots/er"),
    ],
)
def test_a_pattern_means_what_it_does_in_a_shell(shelf: Path, pattern: str, found: str) -> None:
    (shelf / ".shots" / "er").mkdir(parents=True)
    write_png(np.zeros((32, 48, 3), np.uint8), shelf / ".shots" / "er" / "0.png")
    for name in ("b.mkv", ".b.mkv"):
        shutil.copy(shelf / "a.mkv", shelf / ".shots" / name)
    jobs = read(shelf, job(f'input = "{pattern.format(shelf=shelf)}"\noutput = "o/{{stem}}.mkv"'))
    shutil.rmtree(shelf / ".shots")
    assert [file.input for file in jobs.files] == [shelf / found]


def test_too_little_room_is_said_before(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    ((_, text),) = refused(shelf, job())
    assert "has 0 MiB free, the outputs may take" in text


def test_what_is_done_of_a_file_needs_no_more_room(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parts are counted once, so that a batch that had room goes on."""
    monkeypatch.setattr("vsj4r.batch.checks._expected_bytes", lambda *given: (6, 1000))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1500))
    assert refused(shelf, job('input = "a.mkv"\noutput = "out/o.mkv"'))
    part = shelf / "jobs.toml.vsj4r" / "parts" / "key" / "00000.nut"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(500))
    found = refused(shelf, job('input = "a.mkv"\noutput = "out/o.mkv"'))
    shutil.rmtree(shelf / "jobs.toml.vsj4r")
    assert not found


def test_a_name_of_another_encoding_is_refused(shelf: Path) -> None:
    odd = shelf / os.fsdecode(b"latin \xe9.mkv")
    odd.write_bytes((shelf / "a.mkv").read_bytes())
    ((_, text),) = refused(shelf, job('input = "latin*.mkv"\noutput = "out/{stem}.mkv"'))
    odd.unlink()
    assert "no Unicode: rename it" in text


def test_settings_are_layered(shelf: Path) -> None:
    jobs = read(
        shelf,
        '[defaults]\nmodel = "tiny.onnx"\npreset = "archive"\nstrength = 0.5\n'
        'output = "out/{job}/{stem}.mkv"\n'
        '[[job]]\nname = "kept"\ninput = "a.mkv"\ncrf = 20\nchroma = 422\n'
        '[[job]]\nname = "web"\ninput = "*.mkv"\npreset = "web"\ntrim = ["0:00.1", ""]\n',
    )
    assert not jobs.problems
    assert [str(file.output.relative_to(shelf)) for file in jobs.files] == [
        "out/kept/a.mkv",
        "out/web/a.mkv",
        "out/web/b.mkv",
    ]
    model = str(shelf / "tiny.onnx")
    options = (("preset", "slow"),)
    kept = Settings(model, 0.5, encoder="x265", crf=20, depth=10, chroma="422", options=options)
    assert jobs.files[0].settings == kept
    assert jobs.files[1].settings == Settings(
        model, 0.5, encoder="x264", crf=20, depth=8, chroma="420", trim=(0.1, None)
    )


def test_a_pattern_matches_no_output_and_a_name_is_itself(shelf: Path) -> None:
    odd = shelf / "[a]*.mkv"
    odd.write_bytes((shelf / "a.mkv").read_bytes())
    jobs = read(shelf, job('input = "[a]*.mkv"\noutput = "out/{stem}.mkv"'))
    assert [file.input.name for file in jobs.files] == ["[a]*.mkv"]
    odd.unlink()
    again = read_jobs(jobs.path, written={shelf / "a.mkv"})
    assert [problem.text for problem in again.problems] == ["no such file or folder: [a]*.mkv"]


def test_chunks_begin_at_anchors() -> None:
    def never(first: int, last: int) -> None:
        return None

    assert chunk_starts(1, 120, never) == [0]
    assert chunk_starts(120, 120, never) == [0]
    assert chunk_starts(121, 120, never) == [0, 120]
    assert chunk_starts(1000, 480, never) == [0, 480, 960]
    cuts = [450, 931]
    found = chunk_starts(
        1500, 480, lambda first, last: max((c for c in cuts if first <= c <= last), default=None)
    )
    assert found == [0, 450, 840, 1320]


def test_a_chunk_ends_at_a_scene_cut(tmp_path: Path) -> None:
    path = tmp_path / "scenes.mkv"
    scenes = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=24:d=4.5"]
    scenes += ["-f", "lavfi", "-i", "smptebars=s=96x64:r=24:d=4"]
    media.ffmpeg(*scenes, "-filter_complex", "[0][1]concat", "-c:v", "ffv1", f"file:{path}")
    clip = open_source(path).clip
    assert chunk_starts(len(clip), 120, cut_finder(clip)) == [0, 108, 120]


def test_cuts_are_looked_for_in_the_picture_as_it_is_shown(tmp_path: Path) -> None:
    """As the filter does. The cut is in 11 rows that no block of the thumbnail reaches as they are stored."""
    flat, turned = tmp_path / "flat.mkv", tmp_path / "turned.mkv"
    strip = "drawbox=y=ih-11:h=11:color=white:t=fill:enable='gte(n,108)'"
    black = ["-f", "lavfi", "-i", "color=black:s=192x191:r=24:d=5.4,format=gbrp"]
    media.ffmpeg(*black, "-vf", strip, "-c:v", "ffv1", f"file:{flat}")
    media.ffmpeg("-display_rotation", "180", "-i", f"file:{flat}", "-c", "copy", f"file:{turned}")
    assert [planned(tmp_path, path) for path in (flat, turned)] == [(0, 120), (0, 108, 120)]


def planned(folder: Path, source: Path) -> tuple[int, ...]:
    """First frames of the chunks of ``source``."""
    model = find_model(str(write_tiny_model(folder)))
    settings = Settings(str(model.onnx), encoder="ffv1", chunk=120)
    job = FileJob("job", 1, source, folder / f"{source.stem}-out.mkv", settings, model)
    with closing(Bench()) as bench:
        worker = Worker(threads=1, bench=bench, tell=lambda event: None, stopped=lambda: False)
        plan = perform(Task("plan", work_for(job, folder / "state")), worker)
    assert isinstance(plan, Plan)
    return plan.starts


def test_all_that_is_wrong_within_a_job_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting, the model, an input, an output and a device: each mistake would hide the next."""
    write_tiny_model(tmp_path)
    media.plain(tmp_path / "a.mkv", seconds=0.2)
    (tmp_path / "text.mkv").write_text("no video")
    (tmp_path / "there.mkv").write_text("somebody's")
    monkeypatch.setattr(checks, "find_trouble", lambda index: Trouble("no card", "", expected=False))
    good = '[[job]]\ninput = "a.mkv"\noutput = "x.mkv"\nmodel = "tiny.onnx"\ndevice = "cuda"\n'
    said = refused(
        tmp_path, f'[[job]]\ninput = "text.mkv"\noutput = "there.mkv"\nstrength = 2\nmodel = "j5r"\n{good}'
    )
    for line, text in (
        (4, "strength must be between 0 and 1"),
        (5, "unknown model 'j5r'"),
        (1, "there.mkv exists already"),
        (1, "text.mkv cannot be read as a video"),
        (6, "device must be cpu or auto here, got 'cuda': no card"),
    ):
        assert any(line == at and text in each for at, each in said), (line, text, said)
    (tmp_path / "jobs.toml").write_text(good)
    jobs = read_jobs(tmp_path / "jobs.toml")
    check_batch(jobs, owned=(), devices=False)
    assert not jobs.problems, "on a cluster the workers' cards count"


def test_the_check_counts_all_frames(shelf: Path) -> None:
    (shelf / "jobs.toml").write_text(job('input = "*.mkv"\noutput = "out/{stem}.mkv"\ntrim = [1, 4]'))
    frames = check_batch(read_jobs(shelf / "jobs.toml"), owned=())
    assert list(frames.values()) == [3] * len(frames)
    assert frames


def test_a_job_file_is_not_written_over(shelf: Path) -> None:
    named = shelf / "jobs.mkv"
    named.write_text(job('input = "a.mkv"\noutput = "jobs.mkv"\noverwrite = true'))
    batch = read_jobs(named)
    check_batch(batch, owned=set())
    named.unlink()
    assert "jobs.mkv, which is read" in batch.problems[0].text


def test_a_preset_goes_by_each_output(shelf: Path) -> None:
    """Two inputs of one job whose outputs have their names."""
    media.plain(shelf / "named.mov", seconds=0.2)
    jobs = read(shelf, job('input = ["a.mkv", "named.mov"]\noutput = "out/{name}"\npreset = "mezzanine"'))
    assert not jobs.problems
    assert [file.settings.encoder for file in jobs.files] == ["ffv1", "prores"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize(
    "body",
    [
        'input = "a.mkv"\noutput = "one.mkv"',
        'input = "a.mkv"\noutput = "one.mkv/z.mkv"',
        'input = "a.mkv"\noutput = "o.mkv"\nmask = "one.mkv"',
        'input = "one.mkv"\noutput = "o.mkv"',
    ],
)
def test_links_in_a_circle_are_told(shelf: Path, tmp_path: Path, body: str) -> None:
    for path in (shelf / "a.mkv", *shelf.glob("tiny.*")):
        shutil.copy(path, tmp_path)
    (tmp_path / "one.mkv").symlink_to(tmp_path / "two.mkv")
    (tmp_path / "two.mkv").symlink_to(tmp_path / "one.mkv")
    (tmp_path / "jobs.toml").write_text(job(body))
    done = vsj4r("batch", "jobs.toml", cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "one.mkv" in done.stderr
