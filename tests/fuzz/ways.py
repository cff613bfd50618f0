"""How an input is given to the program, and what must come of it."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.fuzz import models, pictures, videos
from tests.fuzz.processes import CPU_SECONDS, PEAK_BYTES, SECONDS, Ran

FrameCount = Callable[[Path], int]
"""How many frames a video has that can be decoded; -1 where it cannot be."""


@dataclass(frozen=True, slots=True)
class Given:
    """An input that has been laid out: what to run, and which outputs it must give, where it gives any.

    ``outputs``: files, or folders of images, that are there and whole if the exit code is 0, and
    absent otherwise. ``spared``: outputs of the good inputs beside it, with their numbers of
    frames; they must be there in any case.
    """

    work: Callable[[], object]
    outputs: Sequence[str] = ()
    spared: dict[str, int] = field(default_factory=dict)
    is_batch: bool = False


Way = Callable[[Path, bytes, str, random.Random], Given]
"""(empty folder, the input, the name of the seed that it comes from, generator)."""


def command(*arguments: str) -> Callable[[], object]:
    """``vsj4r`` with ``arguments``."""

    def work() -> None:
        from vsj4r.cli.app import main

        sys.argv = ["vsj4r", *arguments]
        main()

    return work


# what lies beside an input


@cache
def _good_video() -> bytes:
    return videos.MKV["ffv1"]()


@cache
def _good_picture() -> bytes:
    return pictures.PNG["rgb"]()


def _lay_model(folder: Path) -> None:
    onnx, described = models.tiny()
    (folder / "tiny.onnx").write_bytes(onnx)
    (folder / "tiny.json").write_bytes(described)


_MODEL = ("--model", "tiny.onnx")


# pictures and videos


def pictures_to_folder(suffix: str) -> Way:
    def way(folder: Path, content: bytes, seed: str, rng: random.Random) -> Given:
        _lay_pictures(folder, content, suffix, rng)
        return Given(command("run", "shots", "out", "--json", *_MODEL), ["out"])

    return way


def pictures_to_video(suffix: str) -> Way:
    def way(folder: Path, content: bytes, seed: str, rng: random.Random) -> Given:
        _lay_pictures(folder, content, suffix, rng)
        return Given(command("run", "shots", "out.mkv", "--json", *_MODEL), ["out.mkv"])

    return way


def _lay_pictures(folder: Path, content: bytes, suffix: str, rng: random.Random) -> None:
    """The picture, mostly alone, else before or after one that is whole."""
    _lay_model(folder)
    shots = folder / "shots"
    shots.mkdir()
    (shots / f"5.{suffix}").write_bytes(content)
    if rng.random() < 0.3:
        (shots / rng.choice(("1.png", "9.png"))).write_bytes(_good_picture())


def batch_of(suffix: str, *, images: bool = False) -> Way:
    """In the middle of two good ones."""

    def way(folder: Path, content: bytes, seed: str, rng: random.Random) -> Given:
        _lay_model(folder)
        for name in ("a", "z"):
            (folder / f"{name}.mkv").write_bytes(_good_video())
        name = "m" if images else f"m.{suffix}"
        if images:
            (folder / "m").mkdir()
            (folder / "m" / f"5.{suffix}").write_bytes(content)
        else:
            (folder / name).write_bytes(content)
        (folder / "jobs.toml").write_text(
            f'[[job]]\ninput = ["a.mkv", "{name}", "z.mkv"]\noutput = "out/{{stem}}.mkv"\n'
            'model = "tiny.onnx"\nencoder = "ffv1"\n'
        )
        spared = {"out/a.mkv": videos.FRAMES, "out/z.mkv": videos.FRAMES}
        return Given(command("batch", "jobs.toml", "--json"), ["out/m.mkv"], spared, is_batch=True)

    return way


def video_to(output: str, suffix: str, *options: str) -> Way:
    def way(folder: Path, content: bytes, seed: str, rng: random.Random) -> Given:
        _lay_model(folder)
        (folder / f"in.{suffix}").write_bytes(content)
        return Given(command("run", f"in.{suffix}", output, "--json", *_MODEL, *options), [output])

    return way


def rain_on(suffix: str) -> Way:
    def way(folder: Path, content: bytes, seed: str, rng: random.Random) -> Given:
        (folder / f"in.{suffix}").write_bytes(content)
        return Given(command("rain", f"in.{suffix}", "rainy"), ["rainy/rainy"])

    return way


# texts


def job_file(folder: Path, content: bytes, seed: str, rng: random.Random) -> Given:
    _lay_model(folder)
    for name in ("a", "b"):
        (folder / f"{name}.mkv").write_bytes(_good_video())
    (folder / "shots").mkdir()
    (folder / "shots" / "1.png").write_bytes(_good_picture())
    (folder / "jobs.toml").write_bytes(content)
    more = ["--dry-run"] if rng.random() < 0.4 else []
    return Given(command("batch", "jobs.toml", "--json", *more), is_batch=True)


def recipe_file(folder: Path, content: bytes, seed: str, rng: random.Random) -> Given:
    """The footage is not there: a recipe that is taken comes so far, and trains nothing."""
    (folder / "recipe.toml").write_bytes(content)
    return Given(command("train", "recipe.toml", "--data", "none", "--run", "run", "--workers", "0"))


TAKEN = "footage folder none/"
"""In what `vsj4r train` says once it has taken a recipe."""


def filtered(model: str, **arguments: object) -> Callable[[], object]:
    """``core.j4r.Derain`` over twelve frames, its error as a command tells it."""

    def work() -> None:
        import vapoursynth as vs

        clip = vs.core.std.BlankClip(width=48, height=32, format=vs.YUV420P8, length=12)
        try:
            for frame in vs.core.j4r.Derain(clip, model=model, threads=1, **arguments).frames(close=True):
                assert (frame.width, frame.height) == (48, 32)
        except vs.Error as error:
            text = str(error)
            if not text.startswith("Derain: "):
                raise
            print(f"vsj4r: {text}", file=sys.stderr)
            sys.exit(1)

    return work


def cut_list(folder: Path, content: bytes, seed: str, rng: random.Random) -> Given:
    _lay_model(folder)
    (folder / "cuts").write_bytes(content)
    return Given(filtered("tiny.onnx", qpfile="cuts"))


def model_description(folder: Path, content: bytes, seed: str, rng: random.Random) -> Given:
    """The JSON beside an ONNX, beside a safetensors file, or as a list of cuts."""
    if seed.startswith("trained"):
        (folder / "m.safetensors").write_bytes(models.whole_weights())
        (folder / "m.json").write_bytes(content)
        return Given(command("export", "m", "--overwrite"))
    if rng.random() < 0.1:
        return cut_list(folder, content, seed, rng)
    _lay_model(folder)
    (folder / "tiny.json").write_bytes(content)
    if rng.random() < 0.8:
        return Given(filtered("tiny.onnx"))
    (folder / "in.mkv").write_bytes(_good_video())
    return Given(command("run", "in.mkv", "out.mkv", "--json", *_MODEL), ["out.mkv"])


def onnx_model(folder: Path, content: bytes, seed: str, rng: random.Random) -> Given:
    """Mostly with a JSON that knows it."""
    _lay_model(folder)
    (folder / "tiny.onnx").write_bytes(content)
    if rng.random() < 0.95:
        described = json.loads(models.tiny()[1])
        described["sha256"]["onnx"] = models.sha256(content)
        (folder / "tiny.json").write_text(json.dumps(described))
    if rng.random() < 0.8:
        return Given(filtered("tiny.onnx"))
    (folder / "in.mkv").write_bytes(_good_video())
    return Given(command("run", "in.mkv", "out.mkv", "--json", *_MODEL), ["out.mkv"])


def weights(folder: Path, content: bytes, seed: str, rng: random.Random) -> Given:
    (folder / "m.safetensors").write_bytes(content)
    (folder / "m.json").write_bytes(models.described(models.config_for(seed)))
    return Given(command("export", "m", "--overwrite"))


def checkpoint(folder: Path, content: bytes, seed: str, rng: random.Random) -> Given:
    (folder / "best.pt").write_bytes(content)
    return Given(command("export", "m", "--from", "best.pt"), ["m.onnx", "m.json", "m.safetensors"])


KEY = "0123456789abcdefghijklmn"
"""Stands in a manifest for the key of the work, which depends on the folder."""


def manifest(folder: Path, content: bytes, seed: str, rng: random.Random) -> Given:
    """Of a batch that was stopped."""
    from vsj4r.batch.jobfile import read_jobs
    from vsj4r.batch.work import work_for

    _lay_model(folder)
    (folder / "a.mkv").write_bytes(_good_video())
    (folder / "jobs.toml").write_text(
        '[[job]]\ninput = "a.mkv"\noutput = "out/a.mkv"\nmodel = "tiny.onnx"\nencoder = "ffv1"\n'
    )
    jobs = read_jobs(folder / "jobs.toml")
    key = work_for(jobs.files[0], jobs.state).key
    jobs.state.mkdir()
    (jobs.state / "manifest.sqlite").write_bytes(content.replace(KEY.encode(), key.encode()))
    if rng.random() < 0.4:
        return Given(command("status", "jobs.toml", "--json"), is_batch=True)
    return Given(command("batch", "jobs.toml", "--json"), ["out/a.mkv"], is_batch=True)


# what came of it


_UNFORESEEN = re.compile(r"\b[A-Za-z_.]*(Error|Exception)\b: |\bassert\b|object at 0x|Traceback")
_FORESEEN = re.compile(r"(does not describe a model|cannot be exported anew|frame \d+): \w+Error: ")
"""One line of ours that names what a library raised."""

_REPEATED = re.compile(r"chunk \d+ again")


def fault(ran: Ran, given: Given, folder: Path, count: FrameCount) -> str:
    """What broke the rule; "" where it was kept."""
    if ran.stuck:
        return f"took more than {CPU_SECONDS} s of a core or {SECONDS} s"
    if ran.signal:
        where = [line.strip() for line in ran.trace.splitlines() if "File" in line][:1]
        return f"ended by signal {ran.signal} {' '.join(where)}".strip()
    if "Traceback" in ran.stderr:
        return f"traceback: {ran.stderr.strip().splitlines()[-1][:200]}"
    if ran.left:
        return f"{ran.left} processes left"
    if ran.peak_bytes > PEAK_BYTES:
        return f"{ran.peak_bytes >> 20} MiB of memory"
    left = [
        str(each.relative_to(folder)) for each in (*folder.rglob(".vsj4r-*"), *(folder / "tmp").iterdir())
    ]
    if left := [name for name in left if "torchinductor" not in name]:  # torch's own cache
        return f"left behind: {', '.join(left)}"
    return _said_wrongly(ran, given) or _wrong_outputs(ran, given, folder, count)


def _said_wrongly(ran: Ran, given: Given) -> str:
    lines = ran.stderr.splitlines()
    events = []
    if "--json" in sys.argv or ran.stdout.startswith("{"):
        try:
            events = [json.loads(line) for line in ran.stdout.splitlines()]
        except ValueError:
            return f"no JSON: {ran.stdout[-200:]!r}"
    failures = [
        str(each.get("message", each.get("text")))
        for each in events
        if each.get("event") in ("failed", "problem")
    ]
    for text in (*lines, *failures):
        if _UNFORESEEN.search(_FORESEEN.sub("", text)):
            return f"unforeseen: {text[:300]}"
    again = [
        each["text"] for each in events if each.get("event") == "note" and _REPEATED.match(str(each["text"]))
    ]
    if again:
        return f"tried again: {again[0]}"
    if ran.code == 0:
        return f"noise on stderr: {lines[0][:200]}" if lines and events else ""
    if ran.code not in (1, 2):
        return f"exit code {ran.code}"
    if given.is_batch and not lines:
        return "" if failures or events else "no word of what is wrong"
    if len(lines) != 1:
        return f"{len(lines)} lines on stderr: {ran.stderr[:300]!r}"
    if not lines[0].startswith("vsj4r: ") or len(lines[0]) > 2000:
        return f"not a line of ours: {lines[0][:200]!r}"
    return ""


def _wrong_outputs(ran: Ran, given: Given, folder: Path, count: FrameCount) -> str:
    refused = given.is_batch and '"event": "problem"' in ran.stdout  # before anything was begun
    for name, frames in given.spared.items() if not refused else ():
        if not (folder / name).exists():
            return f"{name} is missing: {ran.stderr.strip()[:200]}{ran.stdout[-300:]}"
        if (found := count(folder / name)) != frames:
            return f"{name} has {found} frames"
    if ran.code:
        there = [name for name in given.outputs if (folder / name).exists()]
        return f"{there[0]} is there after all" if there else ""
    wanted = 0
    for line in ran.stdout.splitlines():
        event = json.loads(line) if line.startswith("{") else {}
        name = str(event.get("output", ""))
        if event.get("event") == "plan" and (not given.is_batch or name.endswith(tuple(given.outputs))):
            wanted = event["frames"]
    for name in given.outputs:
        if not (folder / name).exists():
            return f"{name} is missing"
        if not name.endswith((".json", ".onnx", ".safetensors")):
            found = count(folder / name)
            if found < 1 or (wanted and found != wanted):
                return f"{name} has {found} frames, not {wanted}"
    return ""


def manifest_seeds() -> dict[str, videos.Make]:
    """Of batches stopped here and there."""

    def made(state: str, plan: str, chunks: Sequence[int], *more: str) -> videos.Make:
        def make() -> bytes:
            from vsj4r.batch.manifest import Manifest

            with videos.scratch() as folder, Manifest.writing(folder) as written:
                database = written._database
                with database:
                    database.execute(
                        "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, 1.5, 3, 4)",
                        (KEY, '"a.mkv"', '"out/a.mkv"', state, plan, "it broke" if state == "failed" else ""),
                    )
                    for number in chunks:
                        database.execute("INSERT INTO chunks VALUES (?, ?, 1234)", (KEY, number))
                    for statement in more:
                        database.execute(statement)
                path = folder / "manifest.sqlite"
                copy = folder / "copy.sqlite"
                with sqlite3.connect(copy) as target:
                    database.backup(target)
                target.close()
                assert path.exists()
                return copy.read_bytes()

        return make

    plan = json.dumps(
        {
            "frames": 6,
            "starts": [0],
            "width": 48,
            "height": 32,
            "format": "YUV420P8",
            "fps": 25.0,
            "notes": ["a"],
        }
    )

    def changed(**changes: object) -> str:
        return json.dumps({**json.loads(plan), **changes})

    return {
        "waiting": made("waiting", "", []),
        "planned": made("waiting", plan, []),
        "begun": made("waiting", plan, [0]),
        "failed": made("failed", plan, []),
        "failed_early": made("failed", "", []),
        "done": made("done", plan, [0]),
        "odd_state": made("x", plan, []),
        "chunks_beyond": made("waiting", plan, [0, 7, -1]),
        "no_frames": made("waiting", changed(frames=0), []),
        "negative": made("waiting", changed(frames=-5), [0]),
        "no_starts": made("waiting", changed(starts=[]), []),
        "many_starts": made("waiting", changed(starts=list(range(6))), [0, 3]),
        "starts_text": made("waiting", changed(starts="x"), []),
        "text_frames": made("waiting", changed(frames="6"), []),
        "more_fields": made("waiting", changed(more=1), []),
        "plan_list": made("waiting", "[1]", []),
        "plan_damaged": made("waiting", '{"frames": 6', []),
        "no_table": made("waiting", plan, [], "DROP TABLE chunks"),
        "other_column": made("waiting", plan, [], "ALTER TABLE files RENAME COLUMN plan TO plans"),
        "output_number": made("waiting", plan, [], "UPDATE files SET output = '3'"),
    }
