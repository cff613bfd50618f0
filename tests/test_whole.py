"""Outputs that appear whole: links that lead to them, and file systems that lack something."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.cli import leftovers
from tests.tried import tried
from vsj4r.errors import DiskFullError, Vsj4rError
from vsj4r.media.whole import Read, check_output, is_occupied, remove_leftovers, whole_file, whole_folder


def write(output: Path, text: str) -> None:
    with whole_file(output) as temporary:
        temporary.write_text(text)


@pytest.mark.parametrize("there", [True, False])
@tried(
    "AVI, raw streams and others",
    "an output that is a symbolic link",
    "its target is written, the link stays",
)
def test_a_link_stays_and_its_target_is_written(tmp_path: Path, there: bool) -> None:
    shelf, desk = tmp_path / "shelf", tmp_path / "desk"
    shelf.mkdir()
    desk.mkdir()
    target, link = shelf / "film.mkv", desk / "link.mkv"
    link.symlink_to(Path("..") / "shelf" / "film.mkv")
    if there:
        target.write_text("earlier")
    check_output(link, read=Read([]), folder=False, overwrite=True)
    write(link, "now")
    assert link.is_symlink()
    assert target.read_text() == "now"
    assert not leftovers(shelf) + leftovers(desk)
    (shelf / temporary_name(link)).write_text("of a run that was killed")
    remove_leftovers(link)
    assert not leftovers(shelf)


@tried("AVI, raw streams and others", "a batch begins while a run writes the same output", "the run goes on")
def test_what_another_process_is_writing_stays(tmp_path: Path) -> None:
    output = tmp_path / "film.mkv"
    code = (
        "import sys; from pathlib import Path; from vsj4r.media.whole import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half of it'); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, output], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        remove_leftovers(output)
        assert leftovers(tmp_path)
        writer.kill()
    remove_leftovers(output)
    assert not leftovers(tmp_path)


def temporary_name(output: Path) -> str:
    with whole_file(output) as temporary:
        temporary.write_text("now")
        return temporary.name


def test_a_folder_behind_a_link_is_written(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "frames")
    with whole_folder(link) as temporary:
        (temporary / "0.png").write_text("a picture")
    assert link.is_symlink()
    assert (tmp_path / "frames" / "0.png").read_text() == "a picture"


def test_a_folder_that_is_there_is_written_in(tmp_path: Path) -> None:
    """It may be a disk of its own. What a process has left that was killed is nothing."""
    output = tmp_path / "frames"
    output.mkdir()
    with whole_folder(output, replaces=False) as temporary:
        assert temporary.parent == output
        (temporary / "0.png").write_text("a picture")
        assert not is_occupied(output)
    assert [entry.name for entry in output.iterdir()] == ["0.png"]
    assert is_occupied(output)
    left = output / temporary.name
    left.mkdir()
    (output / "0.png").unlink()
    assert not is_occupied(output)
    remove_leftovers(output)
    assert not left.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads when a process began")
def test_what_was_left_under_a_number_that_another_process_has_now_is_removed(tmp_path: Path) -> None:
    output = tmp_path / "film.mkv"
    left = tmp_path / temporary_name(output).replace(f"{os.getpid():x}-", f"{os.getppid():x}-")
    left.write_text("half of it")
    remove_leftovers(output)
    assert left.exists()  # the parent may be at it
    os.utime(left, (1, 1))
    remove_leftovers(output)
    assert not left.exists()


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_all_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: Callable[[Path], AbstractContextManager[Path]],
) -> None:
    done: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace

    def sync(file: int) -> None:
        done.append("synced")
        real_sync(file)

    def replace(one: Path, other: Path) -> Path:
        done.append("named")
        return real_replace(one, other)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    with whole(tmp_path / "film") as temporary:
        (temporary / "0.png" if temporary.is_dir() else temporary).write_text("now")
    assert done == ["synced", "named"]


def test_a_folder_where_an_image_is_to_be_is_refused_before_anything_moves(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_text("earlier")
    (tmp_path / "1.png").mkdir()

    def fill() -> None:
        with whole_folder(tmp_path) as temporary:
            for name in ("0.png", "1.png"):
                (temporary / name).write_text("now")

    with pytest.raises(Vsj4rError, match=r"1\.png is a folder, where an image is to be"):
        fill()
    assert (tmp_path / "0.png").read_text() == "earlier"
    assert not leftovers(tmp_path)


def test_links_in_a_circle_are_one_line(tmp_path: Path) -> None:
    link = tmp_path / "link.mkv"
    link.symlink_to(link)
    with pytest.raises(Vsj4rError, match=r"link\.mkv cannot be written: its links lead in a circle"):
        check_output(link, read=Read([]), folder=False, overwrite=True)


def test_a_target_without_a_folder_is_named(tmp_path: Path) -> None:
    link = tmp_path / "link.mkv"
    link.symlink_to(tmp_path / "nowhere" / "film.mkv")
    with pytest.raises(Vsj4rError, match=r"no folder .*nowhere to write film\.mkv into"):
        check_output(link, read=Read([]), folder=False, overwrite=True)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EPERM])
@tried("AVI, raw streams and others", "file systems without fsync", "work")
def test_a_file_system_without_fsync_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(os, "fsync", raising(code))
    write(tmp_path / "film.mkv", "now")
    assert (tmp_path / "film.mkv").read_text() == "now"


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (errno.EPERM, "its file system or its rights do not allow that: name another folder"),
        (errno.EROFS, "that disk can only be read: name another folder"),
        (errno.EIO, os.strerror(errno.EIO)),
        (errno.ENOSPC, os.strerror(errno.ENOSPC)),
    ],
)
def test_a_name_that_cannot_be_given_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, line: str
) -> None:
    output = tmp_path / "film.mkv"
    output.write_text("earlier")
    monkeypatch.setattr(Path, "replace", raising(code))
    with pytest.raises(Vsj4rError) as caught:
        write(output, "now")
    assert str(caught.value) == f"{output} cannot be written: {line}"
    assert isinstance(caught.value, DiskFullError) == (code == errno.ENOSPC)
    assert output.read_text() == "earlier"
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_what_the_body_cannot_read_is_not_the_outputs_fault(
    tmp_path: Path, whole: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    with pytest.raises(FileNotFoundError) as caught, whole(tmp_path / "film"):
        (tmp_path / "missing").read_bytes()
    assert caught.value.filename == str(tmp_path / "missing")
    assert not list(tmp_path.iterdir())


def raising(code: int) -> object:
    def refuse(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.mark.skipif(sys.platform != "linux", reason="makes a named pipe")
def test_nothing_replaces_a_device_or_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(os.devnull)
    for output in (tmp_path / "pipe", tmp_path / "link", Path(os.devnull)):
        with pytest.raises(Vsj4rError, match="is a device or a pipe, which nothing replaces"):
            check_output(output, read=Read([]), folder=False, overwrite=True)
