"""All checks, in the order in which one thing needs another."""

from __future__ import annotations

from collections.abc import Iterator

from vsj4r.doctor import installed
from vsj4r.doctor.findings import Finding, run_check
from vsj4r.pip_commands import install_extra, pip_install, reinstall


def examine() -> Iterator[Finding]:
    """Every finding, as it is made. Nothing is raised: what fails is a finding."""
    again = reinstall()
    yield from run_check("Python", installed.check_python, "")
    vapoursynth = list(run_check("VapourSynth", installed.check_vapoursynth, pip_install("vapoursynth>=80")))
    yield from vapoursynth
    filters: list[Finding] = []
    if works(vapoursynth):
        filters += run_check(
            "BestSource", installed.check_source_filter, pip_install("vapoursynth-bestsource")
        )
        filters += run_check("core.j4r", installed.check_filter, again)
    yield from filters
    yield from run_check("packages", installed.check_packages, again)
    yield from run_check("ffmpeg", installed.check_ffmpeg, installed.ffmpeg_remedy())
    weights = list(run_check("weights", installed.check_weights, again))
    yield from weights
    openvino = list(run_check("OpenVINO", _openvino, pip_install("openvino")))
    yield from openvino
    yield from run_check("compiled library", _native, again, needed=False)
    if works(openvino):
        engines = list(run_check("the CPU engine", _cpu, pip_install("openvino")))
        yield from engines
        if works([*vapoursynth, *filters, *weights, *engines]):
            yield from run_check("deraining", installed.check_deraining, again)
    yield from run_check("CUDA", _cuda, install_extra("cuda"), needed=False)
    yield from run_check("cache", installed.check_cache, again, needed=False)
    yield from run_check("extras", installed.check_extras, again, needed=False)


def works(findings: list[Finding]) -> bool:
    """Whether all that a plain ``vsj4r run`` on the CPU needs works."""
    return all(finding.status == "good" for finding in findings if finding.needed)


def _openvino() -> Iterator[Finding]:
    from vsj4r.doctor.engines import check_openvino

    yield from check_openvino()


def _native() -> Iterator[Finding]:
    from vsj4r.doctor.engines import check_native

    yield from check_native()


def _cpu() -> Iterator[Finding]:
    from vsj4r.doctor.engines import examine_device

    yield from examine_device("cpu")


def _cuda() -> Iterator[Finding]:
    from vsj4r.doctor.cuda import check_cuda

    yield from check_cuda()
