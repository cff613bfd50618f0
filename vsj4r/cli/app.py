"""``vsj4r``: the command line. Each subcommand has its file; here they are only registered."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Annotated, NoReturn

import typer

from vsj4r import __version__
from vsj4r.cli import batch, compare, demo, doctor, evaluate, export, rain, run, status, train
from vsj4r.cli.exits import BAD_USAGE, DONE, FAILED, INTERRUPTED
from vsj4r.cli.run import UsageError
from vsj4r.cli.stops import terminating
from vsj4r.cli.text import shown
from vsj4r.errors import Vsj4rError

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
app.command("export")(export.export)
app.command("eval")(evaluate.evaluate)


_heard: list[int] = []  # signals that end the command


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"vsj4r {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and end."),
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run the command line; one line on stderr for each thing that goes wrong, and an exit code.

    0 good, 1 failed, 2 the command line itself is wrong, 130 Ctrl-C, 143 terminated, 129 hung up.
    """
    listen()
    try:
        code = app(standalone_mode=False) or DONE
    except typer.Abort:
        code = INTERRUPTED
    except typer.TyperException as error:
        message = error.format_message()  # none where the help has been printed
        code = _complain(message, BAD_USAGE) if message else BAD_USAGE
    except KeyboardInterrupt:
        code = _complain("interrupted: nothing is half-written", INTERRUPTED)
    except Vsj4rError as error:
        if _heard:  # what was raised for it went through VapourSynth, which makes an error of everything
            sys.exit(128 + _heard[0])
        code = _complain(str(error), BAD_USAGE if isinstance(error, UsageError) else FAILED)
    except BrokenPipeError:
        code = FAILED
    except OSError as error:
        what = error.strerror or str(error)
        code = _complain(f"{error.filename}: {what}" if error.filename else what, FAILED)
    sys.exit(code)


def _complain(text: str, code: int) -> int:
    print(f"vsj4r: {shown(text)}", file=sys.stderr)
    return code


def listen() -> None:
    """SIGINT and SIGTERM end the command wherever it is, cleaning up; and so does a terminal that closes."""
    signal.signal(signal.SIGINT, _interrupt)
    for number in terminating():
        signal.signal(number, _terminate)
    sys.unraisablehook = _not_raised


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # cleaning up is not interrupted
    _heard.append(number)
    raise KeyboardInterrupt


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    _heard.append(number)
    raise SystemExit(128 + number)


def _not_raised(dropped: sys.UnraisableHookArgs) -> None:
    """Python drops what is raised in a weak reference's callback; a signal that fell into one comes again."""
    for kind, number, handler in (
        (KeyboardInterrupt, signal.SIGINT, _interrupt),
        (SystemExit, signal.SIGTERM, _terminate),
    ):
        if dropped.exc_type is kind:
            signal.signal(number, handler)
            later = threading.Timer(0.01, _send, (number,))
            later.daemon = True
            later.start()
            return
    sys.__unraisablehook__(dropped)


def _send(number: signal.Signals) -> None:
    if sys.platform == "win32":
        signal.raise_signal(number)
    else:  # to the thread that has to wake up
        signal.pthread_kill(threading.main_thread().ident or 0, number)
