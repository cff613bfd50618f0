"""What a bug report can carry: the findings and the installed packages, without private paths."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import vsj4r
from vsj4r import __version__
from vsj4r.doctor.examination import works
from vsj4r.doctor.findings import Finding

_PATH = re.compile(
    r"""
    (?<![\w.>~])
    (?:[A-Za-z]:[\\/]+|\\\\+|/)
    (?:[^\s'",;:\\/](?:[^'",;:\\/\n]*[^\s'",;:\\/])?[\\/]+)+
    (?=[^\s'",;:\\/])
    """,
    re.VERBOSE,
)
"""The folders of an absolute path, up to its last name; with spaces within, not at their ends."""


def findings_as_json(findings: list[Finding]) -> str:
    """The findings as one JSON object: ``vsj4r`` (version), ``works``, ``findings``."""
    report = {
        "vsj4r": __version__,
        "works": works(findings),
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(report, indent=1)


def report_files(findings: list[Finding]) -> dict[str, str]:
    """Name and text of each file of a report. No path of this machine is in them, nor its user's name."""
    distributions = [each for each in metadata.distributions() if each.metadata["Name"]]
    packages = sorted({f"{each.metadata['Name']} {each.version}" for each in distributions}, key=str.lower)
    return {
        "doctor.json": hide_paths(findings_as_json(findings)) + "\n",
        "packages.txt": "\n".join(packages) + "\n",
    }


def hide_paths(text: str) -> str:
    """``text`` with the folders of absolute paths replaced: known ones by a name, others by ``...``."""
    for folder, name in _known_folders():
        for written in (folder, json.dumps(folder)[1:-1]):
            text = text.replace(written, name)
    return _PATH.sub(".../", text)


def _known_folders() -> Iterable[tuple[str, str]]:
    """Longest first, so that a folder within another is named by itself."""
    named = {
        str(Path(vsj4r.__file__).resolve().parent.parent): "<vsj4r>",
        sys.prefix: "<python>",
        sys.base_prefix: "<python>",
        str(Path.cwd()): "<here>",
        tempfile.gettempdir(): "<temporary>",
        str(Path.home()): "~",
    }
    usable = ((folder, name) for folder, name in named.items() if len(Path(folder).parts) > 1)
    return sorted(usable, key=lambda each: -len(each[0]))
