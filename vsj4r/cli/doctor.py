"""``vsj4r doctor``: what is installed, whether it works, and what to do about what does not."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsj4r.cli.outcome import DONE, FAILED
from vsj4r.errors import Vsj4rError

if TYPE_CHECKING:
    from vsj4r.doctor.findings import Finding

_MARKS = {"good": ("ok", "green"), "absent": ("absent", "yellow"), "bad": ("BAD", "bold red")}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Report as one JSON object.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write a folder for a bug report, without paths of this machine.", metavar="FOLDER"
        ),
    ] = None,
) -> None:
    """Check the installation and every engine, and say how to mend what is missing.

    The exit code is 0 where a plain run on the CPU works, otherwise 1.
    """
    from vsj4r import __version__
    from vsj4r.doctor.bug_report import findings_as_json, report_files
    from vsj4r.doctor.examination import examine, works
    from vsj4r.media.whole import whole_folder

    if report is not None and report.exists():
        raise Vsj4rError(f"{report} exists already: name another folder for the report")
    findings: list[Finding] = []
    with ExitStack() as stack:
        folder = stack.enter_context(whole_folder(report)) if report is not None else None
        for finding in examine():
            findings.append(finding)
            if not as_json:
                _show(finding)
        if folder is not None:
            for name, text in report_files(findings).items():
                (folder / name).write_text(text, "utf-8")
    working = works(findings)
    if as_json:
        typer.echo(findings_as_json(findings))
    else:
        typer.echo(f"vsj4r {__version__} {'works' if working else 'does not work'} on the CPU")
        if report is not None:
            typer.echo(f"for a bug report: {report}")
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
