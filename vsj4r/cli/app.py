"""``vsj4r``: the command line. Each subcommand has its file; here they are only registered."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from vsj4r import __version__
from vsj4r.cli import adapt, batch, compare, demo, doctor, evaluate, export, rain, run, status, train
from vsj4r.cli.outcome import BAD_USAGE, DONE, FAILED, UNREAD, UnreadError, UsageError, code_of, one_line
from vsj4r.cli.stops import Ending
from vsj4r.errors import Vsj4rError
from vsj4r.media.whole import NO_ROOM

_NO_ROOM = NO_ROOM | {errno.EFBIG}

app = typer.Typer(
    name="vsj4r",
    help="Remove rain from videos.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("batch")(batch.batch)
app.command("status")(status.status)
app.command("compare")(compare.compare)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("rain")(rain.rain)
app.command("train")(train.train)
app.command("adapt")(adapt.adapt)
app.command("export")(export.export)
app.command("eval")(evaluate.evaluate)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"vsj4r {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and end."),
    ] = False,
) -> None:
    command = context.invoked_subcommand
    if command != "run" and "-" in sys.argv[1:]:
        raise UsageError(f"run alone takes - for a pipe: for {command}, name a file (one called - is ./-)")


def main() -> NoReturn:
    """Run the command line; one line on stderr for each thing that goes wrong, and an exit code.

    0 good, 1 failed, 2 the command line itself is wrong, 129 hung up, 130 Ctrl-C, 141 nobody reads stdout
    any more, 143 terminated.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may hold what its encoding lacks
    _open_streams()
    if logging.lastResort is not None:  # warnings, where a command has no other place for them
        logging.lastResort.setFormatter(logging.Formatter("vsj4r: %(message)s"))
    if not os.environ.get("COLUMNS", "80").strip("0"):
        del os.environ["COLUMNS"]  # a width of 0 means that nobody knows it; tables would be empty
    ending = Ending()
    ending.listen()
    try:
        code = app(standalone_mode=False, prog_name="vsj4r") or DONE
    except typer.Abort:
        code = code_of(signal.SIGINT)
    except typer.TyperException as error:
        message = _with_usage(error)
        code = _complain(message, BAD_USAGE) if message else BAD_USAGE
    except KeyboardInterrupt:
        code = _complain("interrupted: nothing is half-written", code_of(signal.SIGINT))
    except Vsj4rError as error:
        if ending.code is not None:  # VapourSynth makes an error of what a signal raises
            sys.exit(ending.code)
        code = _complain(str(error), BAD_USAGE if isinstance(error, UsageError) else FAILED)
    except UnreadError:
        code = _complain("whoever reads the events has gone: ended, nothing is half-written", UNREAD)
    except SystemExit as ended:
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        code = UNREAD  # typer takes it for a failure
    except UnicodeEncodeError as error:
        code = _complain(f"{error.object} is no {error.encoding.upper()}: rename it, or its folder", FAILED)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "vsj4r":
            raise
        code = _complain(f"the package {error.name} is missing: vsj4r doctor says what to type", FAILED)
    except OSError as error:
        what = error.strerror or str(error)
        if error.errno in _NO_ROOM and error.filename is None:  # of a file, its writer says which
            what = f"stdout cannot be written: {what}"
        if error.filename is None and not _has_folder():
            what = "the folder that this runs in has been removed: go to another"
        code = _complain(f"{error.filename}: {what}" if error.filename else what, FAILED)
    sys.exit(code)


def _with_usage(error: typer.TyperException) -> str:
    """What it says, and where a word is missing, how the command is typed; "" where help has been printed."""
    message, context = error.format_message(), getattr(error, "ctx", None)
    if context is None or not message.startswith("Missing argument"):
        return message
    return f"{message} {' '.join(context.get_usage().split())}"


def _has_folder() -> bool:
    """Whether the folder that this runs in is there still."""
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _open_streams() -> None:
    """Whoever has closed a standard stream gets one that leads nowhere: the next file would have its
    number."""
    for number, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, mode))


def _complain(text: str, code: int) -> int:
    print(f"vsj4r: {one_line(text)}", file=sys.stderr)
    return code
