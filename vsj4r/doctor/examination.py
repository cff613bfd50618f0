"""All checks, in the order in which one thing needs another."""

from __future__ import annotations

from collections.abc import Iterator

from vsj4r.doctor import installed
from vsj4r.doctor.findings import Finding, install_extra, pip_install, reinstall, surely


def examine() -> Iterator[Finding]:
    """Every finding, as it is made. Nothing is raised: what fails is a finding."""
    again = reinstall()
    yield from surely("Python", installed.check_python, "")
    vapoursynth = list(surely("VapourSynth", installed.check_vapoursynth, pip_install("vapoursynth>=80")))
    yield from vapoursynth
    filters: list[Finding] = []
    if works(vapoursynth):
        filters += surely("BestSource", installed.check_source_filter, pip_install("vapoursynth-bestsource"))
        filters += surely("core.j4r", installed.check_filter, again)
    yield from filters
    yield from surely("packages", installed.check_packages, again)
    yield from surely("ffmpeg", installed.check_ffmpeg, installed.ffmpeg_remedy())
    weights = list(surely("weights", installed.check_weights, again))
    yield from weights
    openvino = list(surely("OpenVINO", _openvino, pip_install("openvino")))
    yield from openvino
    if works(openvino):
        engines = list(surely("the CPU engine", _cpu, pip_install("openvino")))
        yield from engines
        if works([*vapoursynth, *filters, *weights, *engines]):
            yield from surely("deraining", installed.check_deraining, again)
    yield from surely("CUDA", _cuda, install_extra("cuda"), needed=False)
    yield from surely("extras", installed.check_extras, again, needed=False)


def works(findings: list[Finding]) -> bool:
    """Whether nothing is wrong of what a plain ``vsj4r run`` on the CPU needs."""
    return all(finding.status == "good" for finding in findings if finding.needed)


def _openvino() -> Iterator[Finding]:
    from vsj4r.doctor.engines import check_openvino

    yield from check_openvino()


def _cpu() -> Iterator[Finding]:
    from vsj4r.doctor.engines import check_device

    yield from check_device("cpu")


def _cuda() -> Iterator[Finding]:
    from vsj4r.doctor.cuda import check_cuda

    yield from check_cuda()
