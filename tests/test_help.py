"""What `--help` says, as a terminal of 80 columns shows it."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from vsj4r.cli.app import app

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_is_shown_whole(name: str) -> None:
    """Rich takes words in brackets for markup and shows none; a line that is too long is broken twice."""
    command: Any = COMMANDS[name]
    for parameter in command.params:
        assert "[" not in (getattr(parameter, "help", None) or "")
    _, *more = (command.help or "").split("\n\n")
    assert [line for paragraph in more for line in paragraph.split("\n") if len(line) > 78] == []
