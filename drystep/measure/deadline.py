"""A time limit for work in this process."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TimeLimitError(BaseException):
    """Work took longer than its time limit.

    It is not an `Exception`, so that `except Exception` in a model's code does not catch it.
    """


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Raise `TimeLimitError` in the block once it has taken so many seconds.

    The system's timer interrupts the main thread, between two instructions of Python; in another thread, and where
    there is no such timer (Windows), the block is not limited; nor is it by None.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeLimitError(f"stopped at its time limit of {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
