"""``vsj4r doctor``: each failure made real, found, and its remedy named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.cli import Done
from tests.tiny_model import write_tiny_model
from vsj4r.doctor import cuda, engines, installed
from vsj4r.doctor.bug_report import hide_paths
from vsj4r.doctor.findings import Finding, run_check
from vsj4r.engine import open_engine, weights
from vsj4r.engine.cuda.driver import Driver, find_driver
from vsj4r.engine.native import library as native
from vsj4r.engine.weights import Model
from vsj4r.media.encoders import ENCODERS
from vsj4r.pip_commands import install_extra, pip_install, reinstall

BEFORE_MAIN = """
import sys
from pathlib import Path
from vsj4r.engine import weights
weights._PACKAGE = Path({package!r})
{code}
sys.argv = ["vsj4r", "doctor", *{options!r}]
from vsj4r.cli.app import main
main()
"""

WITHOUT_PLUGINS = """
import atexit
import vapoursynth as vs
class Bare(vs.EnvironmentPolicy):
    def on_policy_registered(self, api):
        self.bare = api.create_environment(vs.CoreCreationFlags.DISABLE_AUTO_LOADING)
        atexit.register(lambda: api.destroy_environment(self.bare))
    def get_current_environment(self):
        return self.bare
    def set_environment(self, environment):
        return self.bare
vs.register_policy(Bare())
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with tiny weights under the name of the default model."""
    folder = tmp_path / "package" / "weights"
    folder.mkdir(parents=True)
    write_tiny_model(folder, name="j4r")
    return folder.parent


def doctor(package: Path, *options: str, code: str = "", **environment: str) -> Done:
    """A process of its own, over ``package``'s weights, that runs ``code`` first."""
    before = BEFORE_MAIN.format(package=str(package), code=code, options=options)
    done = subprocess.run(
        [sys.executable, "-c", before],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
        timeout=120,
    )
    assert done.stderr == ""
    return done


def examined(package: Path, code: str = "", **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code and findings."""
    done = doctor(package, "--json", code=code, **environment)
    report = json.loads(done.stdout)
    assert report["works"] == (done.returncode == 0)
    return done.returncode, {finding["name"]: finding for finding in report["findings"]}


def bad(findings: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name, finding in findings.items() if finding["status"] == "bad"]


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def test_a_sound_installation(package: Path) -> None:
    code, findings = examined(package)
    assert code == 0
    assert not bad(findings)
    assert {"VapourSynth", "core.j4r", "BestSource", "ffmpeg", "OpenVINO", "deraining", "CUDA"} <= set(
        findings
    )
    assert findings["encoders"]["figures"]["missing"] == []
    trial = findings["j4r on cpu"]
    assert trial["figures"]["fps"] > 0
    assert trial["figures"]["db_from_f32"] is None or trial["figures"]["db_from_f32"] > 40


def test_as_people_read_it(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = doctor(package)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert lines[-1].endswith("works on the CPU")
    assert any(line.startswith("ok     j4r on cpu") for line in lines)
    (package / "weights" / "j4r.onnx").write_bytes(b"torn")
    done = doctor(package)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[-1].endswith("does not work on the CPU")
    monkeypatch.setattr(weights, "_PACKAGE", package)
    finding = only(list(installed.check_weights()))
    place = next(n for n, line in enumerate(lines) if line.startswith("BAD    weights j4r"))
    assert lines[place + 1].strip() == f"-> {finding.remedy}"


def test_a_report_holds_no_private_path(package: Path, tmp_path: Path) -> None:
    """Wherever the package, Python, ffmpeg and the home folder lie, and whoever is logged in."""
    home = tmp_path / "home" / "a user" / "of"
    home.mkdir(parents=True)
    folder = home / "report"
    environment = {"HOME": str(home), "IMAGEIO_FFMPEG_EXE": str(home / "no such" / "ffmpeg")}
    done = doctor(package, "--report", str(folder), **environment)
    assert str(folder) in done.stdout
    found = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert sorted(found) == ["doctor.json", "packages.txt"]
    for private in (str(tmp_path), "a user", sys.prefix, str(Path(installed.__file__).parents[2])):
        assert not [name for name, text in found.items() if private in text], private
    names = {finding["name"] for finding in json.loads(found["doctor.json"])["findings"]}
    assert {"Python", "ffmpeg", "j4r on cpu"} <= names
    assert "numpy " in found["packages.txt"]
    before = "from vsj4r.cli.app import main; import sys; sys.argv = sys.argv[1:]; main()"
    command = [sys.executable, "-c", before, "vsj4r", "doctor", "--report", str(folder)]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"vsj4r: {folder} exists already: name another folder for the report\n"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("at /srv/films/secret/tool, fine", "at .../tool, fine"),
        ("at C:\\Films\\secret\\tool.exe", "at .../tool.exe"),
        (f"{Path.home()}/x/y", "~/x/y"),
        ("1/2 of a 4/3 and/or 'b/c'", "1/2 of a 4/3 and/or 'b/c'"),
        ("no /mnt/John Doe/videos/x.onnx and /b/c d", "no .../x.onnx and .../c d"),
        (r"D:\John Doe\videos\x.onnx, then", ".../x.onnx, then"),
        (json.dumps(r"\\host\the share\x.onnx"), '".../x.onnx"'),
    ],
)
def test_folders_of_absolute_paths_are_hidden(text: str, hidden: str) -> None:
    assert hide_paths(text) == hidden


def test_the_shipped_weights_are_sound() -> None:
    assert {finding.status for finding in installed.check_weights()} == {"good"}


def test_damaged_weights(package: Path) -> None:
    onnx = package / "weights" / "j4r.onnx"
    content = bytearray(onnx.read_bytes())
    content[len(content) // 2] ^= 1
    onnx.write_bytes(content)
    code, findings = examined(package)
    assert code == 1
    assert bad(findings) == ["weights j4r"]
    assert "j4r.onnx is damaged: its sha256 is" in findings["weights j4r"]["what"]
    assert "deraining" not in findings


def test_weights_of_another_model_are_not_needed(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_model(package / "weights", name="other")
    (package / "weights" / "other.onnx").write_bytes(b"torn")
    monkeypatch.setattr(weights, "_PACKAGE", package)
    first, second = installed.check_weights()
    assert (first.name, first.status) == ("weights j4r", "good")
    assert (second.name, second.status, second.needed) == ("weights other", "bad", False)


def test_safetensors_are_verified_too(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sidecar = package / "weights" / "j4r.json"
    described = json.loads(sidecar.read_text())
    described["sha256"]["safetensors"] = "0" * 64
    sidecar.write_text(json.dumps(described))
    monkeypatch.setattr(weights, "_PACKAGE", package)
    assert "j4r.safetensors is missing" in only(list(installed.check_weights())).what
    (package / "weights" / "j4r.safetensors").write_bytes(b"torn")
    assert "j4r.safetensors is damaged" in only(list(installed.check_weights())).what


def test_no_weights_at_all(package: Path) -> None:
    shutil.rmtree(package / "weights")
    code, findings = examined(package)
    assert code == 1
    assert findings["weights j4r"]["what"] == "not installed, found: none at all"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name", "command"),
    [
        ("vapoursynth", "VapourSynth", "pip install --upgrade 'vapoursynth>=80'"),
        ("openvino", "OpenVINO", "pip install --upgrade openvino"),
        ("av", "av", "pip install --force-reinstall --no-deps av"),
        ("imageio_ffmpeg", "imageio-ffmpeg", "pip install --force-reinstall --no-deps imageio-ffmpeg"),
    ],
)
def test_a_module_that_is_gone(package: Path, module: str, name: str, command: str) -> None:
    code, findings = examined(package, f"sys.modules[{module!r}] = None")
    assert code == 1
    assert bad(findings)[0] == name
    assert findings[name]["remedy"].endswith(command)
    assert findings[name]["remedy"].startswith(sys.executable)


def test_plugins_that_do_not_load(package: Path) -> None:
    code, findings = examined(package, WITHOUT_PLUGINS)
    assert code == 1
    assert bad(findings) == ["BestSource", "core.j4r"]
    assert findings["BestSource"]["remedy"].endswith("'vapoursynth-bestsource>=22'")


def test_plugins_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "__version__", "9.9")
    monkeypatch.setattr(installed, "BESTSOURCE_NEEDED", 99)
    for check, text in ((installed.check_filter, "the package 9.9"), (installed.check_source_filter, "R99")):
        finding = only(list(check()))
        assert finding.status == "bad"
        assert text in finding.what


def test_ffmpeg_that_is_not_there(package: Path, tmp_path: Path) -> None:
    absent = str(tmp_path / "no 'ffmpeg'")
    code, findings = examined(package, IMAGEIO_FFMPEG_EXE=absent)
    assert code == 1
    assert bad(findings) == ["ffmpeg"]
    assert "does not run" in findings["ffmpeg"]["what"]
    assert findings["ffmpeg"]["remedy"] == f"unset IMAGEIO_FFMPEG_EXE, which is {absent!r}"


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
@pytest.mark.parametrize(("codecs", "status", "code"), [("libx264 ffv1", "absent", 0), ("ffv1", "bad", 1)])
def test_ffmpeg_that_lacks_something(
    package: Path, tmp_path: Path, codecs: str, status: str, code: int
) -> None:
    script = tmp_path / "ffmpeg"
    listed = "".join(f" V....D {name} it\\n" for name in codecs.split())
    filters = " .. psnr VV->V x\\n"
    script.write_text(
        "#!/bin/sh\ncase $* in\n"
        f"*-encoders*) printf '{listed}';;\n*-filters*) printf '{filters}';;\n"
        "*) echo ffmpeg version 6.1-small Copyright;;\nesac\n"
    )
    script.chmod(0o755)
    exit_code, findings = examined(package, IMAGEIO_FFMPEG_EXE=str(script))
    assert exit_code == code
    assert findings["ffmpeg"]["what"].startswith("6.1-small at ")
    assert findings["encoders"]["status"] == status
    present = [name for name, encoder in ENCODERS.items() if encoder.codec in codecs.split()]
    assert findings["encoders"]["figures"]["present"] == present
    assert findings["ffmpeg filters"]["what"].startswith("libvmaf, ssim missing")


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
@pytest.mark.parametrize(
    ("version", "status"), [("4.2.2-static", "bad"), ("n5.1.4", "bad"), ("7.0.2", "good"), ("N-1-g1", "good")]
)
def test_an_ffmpeg_that_is_too_old(tmp_path: Path, version: str, status: str) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(f"#!/bin/sh\necho ffmpeg version {version} Copyright\n")
    script.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGEIO_FFMPEG_EXE", str(script))
        assert next(installed.check_ffmpeg()).status == status


@pytest.mark.skipif(sys.platform != "linux", reason="the cache folder is named otherwise")
def test_a_cache_that_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert only(list(installed.check_cache())).what == str(tmp_path / "vsj4r")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    finding = only(list(installed.check_cache()))
    assert (finding.status, finding.needed) == ("absent", False)
    assert finding.what.startswith(f"nothing can be kept in {tmp_path / 'file' / 'vsj4r'}: ")


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
@pytest.mark.parametrize("says", ["true", "printf '\\377\\376'", "echo hello"])
def test_what_is_no_ffmpeg(tmp_path: Path, says: str) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(f"#!/bin/sh\n{says}\n")
    script.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGEIO_FFMPEG_EXE", str(script))
        (finding,) = installed.check_ffmpeg()
    assert (finding.status, finding.what) == (
        "bad",
        f"{script} is no ffmpeg: it does not say its version",
    )
    assert finding.remedy == f"unset IMAGEIO_FFMPEG_EXE, which is {str(script)!r}"


class Wrong:
    """An engine whose residuals are off by ``fault``."""

    def __init__(self, engine: Any, fault: float) -> None:
        self._engine, self._fault = engine, fault
        self.new_state = engine.new_state

    def step(self, *arguments: Any) -> Any:
        step = self._engine.step(*arguments)
        return step._replace(residual=step.residual._replace(y=step.residual.y + np.float32(self._fault)))


@pytest.mark.parametrize("content", [None, b"no library"])
def test_a_compiled_library_that_is_not_there(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert next(engines.check_native()).status == "good"
    path = tmp_path / "libj4r_native.so"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(native, "LIBRARY_PATH", path)
    monkeypatch.setattr(engines, "library", native.library.__wrapped__)
    found = next(engines.check_native())
    assert found.status == "absent"
    assert not found.needed
    assert found.remedy == reinstall()


@pytest.mark.parametrize("fault", [0.02, float("nan")])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_an_engine_that_computes_something_else(
    package: Path, monkeypatch: pytest.MonkeyPatch, fault: float, device: str
) -> None:
    def opened(model: Model, *, device: str, precision: str, **size: Any) -> Any:
        engine = open_engine(model, device="cpu", precision="f32", **size)
        return engine if precision == "f32" else Wrong(engine, fault)

    monkeypatch.setattr(weights, "_PACKAGE", package)
    monkeypatch.setattr(engines, "open_engine", opened)
    finding = only(list(engines.examine_device(device, 3)))
    assert finding.status == "bad"
    assert finding.what.startswith("only nan dB" if np.isnan(fault) else "only 34 dB")
    assert finding.needed == (device == "cpu")


@pytest.mark.skipif(find_driver() is not None, reason="there is an NVIDIA driver")
def test_no_cuda_is_no_fault_and_has_a_remedy() -> None:
    finding = only(list(cuda.check_cuda()))
    assert (finding.status, finding.needed) == ("absent", False)
    assert finding.what == "no CUDA device: no NVIDIA driver was found"
    assert finding.remedy.endswith(install_extra("cuda"))


def test_every_card_takes_the_self_test(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def on_the_cpu(model: Model, *, device: str, **others: Any) -> Any:
        return open_engine(model, device="cpu", **others)

    class Check(NamedTuple):
        name: str
        passed: bool
        detail: str

    def check_card(index: int) -> list[Check]:
        return [Check("pack and unpack", True, "to the bit"), Check("CUDA graphs", index == 0, "off by 3")]

    monkeypatch.setattr(weights, "_PACKAGE", package)
    monkeypatch.setattr(engines, "open_engine", on_the_cpu)
    monkeypatch.setattr(cuda, "find_trouble", lambda: None)
    monkeypatch.setattr(cuda, "find_driver", lambda: Driver((13, 1), 2))
    monkeypatch.setitem(sys.modules, "vsj4r.engine.cuda.setup", SimpleNamespace(check_card=check_card))
    findings = list(cuda.check_cuda())
    assert [(finding.name, finding.status) for finding in findings] == [
        ("CUDA", "good"),
        ("j4r on cuda:0", "good"),
        ("cuda:0 pack and unpack", "good"),
        ("cuda:0 CUDA graphs", "good"),
        ("j4r on cuda:1", "good"),
        ("cuda:1 pack and unpack", "good"),
        ("cuda:1 CUDA graphs", "bad"),
    ]
    assert not any(finding.needed for finding in findings)
    assert findings[-1].remedy


@pytest.mark.gpu
def test_the_cards_of_this_machine_pass() -> None:
    findings = list(cuda.check_cuda())
    assert [finding for finding in findings if finding.status != "good"] == []
    assert any(finding.name.startswith("cuda:0 ") for finding in findings)


def test_nothing_that_nobody_foresaw_ends_the_examination() -> None:
    def broken() -> Any:
        yield Finding("first", "good", "")
        raise ZeroDivisionError("two\nlines")

    first, second = run_check("it", broken, "")
    assert first.name == "first"
    assert (second.status, second.what) == ("bad", "ZeroDivisionError: two lines")


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, "--force-reinstall --no-deps vsj4r"),
        ({"url": "file:///a%20b/x.whl", "archive_info": {}}, "--force-reinstall --no-deps '/a b/x.whl'"),
        (
            {"url": "file:///src", "dir_info": {"editable": True}},
            "--force-reinstall --no-deps --editable /src",
        ),
        ({"url": "https://example.invalid/x.whl"}, "--force-reinstall --no-deps vsj4r"),
    ],
)
def test_it_is_installed_again_from_where_it_came(
    monkeypatch: pytest.MonkeyPatch, origin: object, command: str
) -> None:
    told = origin and json.dumps(origin)
    monkeypatch.setattr(metadata, "distribution", lambda name: SimpleNamespace(read_text=lambda file: told))
    assert reinstall().endswith(f"-m pip install {command}")
    assert install_extra("demo").endswith(("vsj4r[demo]'", "x.whl[demo]'", "--editable '/src[demo]'"))


def test_weights_of_a_checkout_come_back_by_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vsj4r").mkdir()
    monkeypatch.setattr(weights, "_PACKAGE", tmp_path / "vsj4r")
    monkeypatch.setattr("vsj4r.__file__", str(tmp_path / "vsj4r" / "__init__.py"))
    assert only(list(installed.check_weights())).remedy == reinstall()
    (tmp_path / ".git").mkdir()
    assert only(list(installed.check_weights())).remedy == f"git -C {tmp_path} checkout -- weights"


def test_commands_survive_the_shell() -> None:
    echoed = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {pip_install('a[b]>=3')}"], capture_output=True, text=True, check=True
    )
    expected = [sys.executable, "-m", "pip", "install", "--upgrade", "a[b]>=3"]
    assert echoed.stdout.splitlines() == expected
