"""Ends a command on Ctrl-C, SIGTERM and SIGHUP, within two seconds."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

GRACE_S = 0.8
"""How long a command may clean up after a signal before the process is ended."""
FAREWELL_S = 0.2
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
FIRST_STATUS = 128
"""A shell reports a program that a signal ended by this and the signal's number."""


class Interrupted(BaseException):
    """A signal asked the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_status = FIRST_STATUS + number
        """130 for Ctrl-C."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise `Interrupted` in the block when a signal asks to end; end the process if tidying up then takes long.

    A signal that is ignored already (SIGHUP under nohup) stays so. Outside the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    last_resort: list[threading.Timer] = []

    def stop(number: int, frame: FrameType | None) -> None:
        interrupted = Interrupted(number)
        if last_resort:
            _end(interrupted.exit_status)  # on the second signal
        last_resort.append(threading.Timer(GRACE_S, _end, [interrupted.exit_status]))
        last_resort[0].daemon = True
        last_resort[0].start()
        raise interrupted

    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for timer in last_resort:
            timer.cancel()


def leave(status: int) -> NoReturn:
    """End this program with an exit status; at once after a signal, whatever its threads still wait for."""
    if status > FIRST_STATUS:
        _end(status)
    sys.exit(status)


def _end(status: int) -> NoReturn:
    # Writing to a terminal that is stopped (Ctrl-S) blocks, so another thread does it.
    farewell = threading.Thread(target=_leave_the_terminal, daemon=True)
    farewell.start()
    farewell.join(FAREWELL_S)
    os._exit(status)


def _leave_the_terminal() -> None:
    """Write what is still to be written, and show the cursor that a progress bar has hidden."""
    terminal = sys.modules.get("drystep.commands.terminal")  # what did not import it has hidden no cursor
    if terminal is not None:
        terminal.stderr.show_cursor()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the reader of a pipe may be gone
            stream.flush()
