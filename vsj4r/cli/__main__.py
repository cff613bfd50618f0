"""Where ``vsj4r`` begins, and ``python -m vsj4r.cli``."""

import signal


def start() -> None:
    """Run the command line. Until it listens to signals, Ctrl-C ends the process at once: nothing has begun,
    and whatever is being imported would tell of it at length, or swallow it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from vsj4r.cli import app

    app.main()


if __name__ == "__main__":  # the workers of a batch import this file again
    start()
