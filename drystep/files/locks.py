"""A file that one process at a time may change, whatever name it is reached by."""

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows has no flock: two writers of one file are not kept apart there
    fcntl = None  # type: ignore[assignment]

LOCK_TIMEOUT_S = 60
"""A writer holds a file for milliseconds. A longer wait means that the file system does not respond."""
POLL_S = 0.01


@contextmanager
def locked(path: Path) -> Iterator[BinaryIO]:
    """Yield the file, open for reading and writing without a buffer, while no other process holds it.

    The lock is on the file itself, so that its symbolic and hard links share it, and nothing is left beside it. A file
    that is not there is created. Raises `OSError` where the file cannot be opened, or is held for a minute.
    """
    while True:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666), "r+b", 0) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is not a file")
            _wait_for(file)
            # The process that held the lock may have replaced the file by another.
            if _means(path, file):
                yield file
                return


def _wait_for(file: BinaryIO) -> None:
    if fcntl is None:
        return
    give_up = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > give_up:
                raise OSError(error.errno, f"another process has held it for {LOCK_TIMEOUT_S} s") from error
        time.sleep(POLL_S)


def _means(path: Path, file: BinaryIO) -> bool:
    """Whether a name still stands for an open file."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(file.fileno()))
