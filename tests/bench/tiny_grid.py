"""A grid of tiny cases that is started in a process of its own, to be interrupted."""

import signal

GONE_S = 2
"""How long its processes may outlive a signal."""
TINY = ("run", "--task", "voc", "--backbone", "swin_tiny", "--batch-size", "1", "--engine", "simulate")


def heed_interrupts() -> None:
    """Undo that background jobs of a shell ignore SIGINT, and those of nohup SIGHUP."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
