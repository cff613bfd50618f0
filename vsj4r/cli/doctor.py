"""``vsj4r doctor``: what is installed, whether it works, and what to do about what does not."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from vsj4r.cli.outcome import DONE, FAILED

if TYPE_CHECKING:
    from vsj4r.doctor.findings import Finding

_MARKS = {"good": ("ok", "green"), "absent": ("absent", "yellow"), "bad": ("BAD", "bold red")}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Report as one JSON object.")] = False,
) -> None:
    """Check the installation and every engine, and say how to mend what is missing.

    The exit code is 0 where a plain run on the CPU works, otherwise 1.
    """
    from vsj4r import __version__
    from vsj4r.doctor.examination import examine, works

    findings: list[Finding] = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            _show(finding)
    working = works(findings)
    if as_json:
        report = {
            "vsj4r": __version__,
            "works": working,
            "findings": [asdict(finding) for finding in findings],
        }
        typer.echo(json.dumps(report, indent=1))
    else:
        typer.echo(f"vsj4r {__version__} {'works' if working else 'does not work'} on the CPU")
    raise typer.Exit(DONE if working else FAILED)


def _show(finding: Finding) -> None:
    from rich.console import Console
    from rich.text import Text

    mark, style = _MARKS[finding.status]
    console = Console()
    console.print(
        Text.assemble((f"{mark:7}", style), (f"{finding.name:16} ", "bold"), finding.what), soft_wrap=True
    )
    if finding.remedy:
        console.print(Text(f"{'':7}{'':17}-> {finding.remedy}"), soft_wrap=True)
